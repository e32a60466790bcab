# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the scenarios of `xl migrate --fast` have in common. Sourced after lib.sh.

# What to put before a command so that libxl starts our helper.
# shellcheck disable=SC2034
HELPER=LIBXL_SAVE_HELPER=/usr/lib/xl-fast/xl-fast-helper

# result END KEY: a number or word of the "xl-fast: result {...}" line that END (source, target) printed.
result() {
    printf '%s\n' "$MIGRATE_OUTPUT" | grep -a "^xl-fast: result {\"end\":\"$1\"" | tail -n 1 |
        sed -n "s/.*\"$2\":\"\\{0,1\\}\\([^,\"}]*\\).*/\\1/p"
}

# "downtime N ms: freeze N, ...", as the tool says it with XL_FAST_VERBOSE.
said_downtime() { # NAME
    printf '%s\n' "$MIGRATE_OUTPUT" | grep -a "^xl-fast: $1: downtime " | sed "s/^xl-fast: $1: //"
}

# The downtime of the last move from this host as its history has it, in ms: what was predicted and what was seen; "-" for
# what is not known.
history_downtimes() { # HOST
    on "$1" xl-fast history --json | python3 -c 'import json, sys
newest = max(json.load(sys.stdin)["moves"], key=lambda m: m["time_us"])
print(*(newest[k] // 1000 if k in newest else "-" for k in ("predicted_downtime_us", "downtime_us")))'
}

# How much a host's clock is ahead of this machine's, in microseconds: by the quickest of some questions, asked
# over one connection.
clock_ahead() { # HOST
    local i t0 t1 there best=
    coproc CLOCK { on "$1" "bash -c 'while read -r; do echo \$EPOCHREALTIME; done'"; }
    for i in {1..30}; do
        t0=${EPOCHREALTIME/./}
        echo >&"${CLOCK[1]}"
        read -r -t 60 there <&"${CLOCK[0]}" || fail "host $1 does not say its time"
        t1=${EPOCHREALTIME/./}
        [ -n "$best" ] && [ $((t1 - t0)) -ge "$best" ] && continue
        best=$((t1 - t0))
        AHEAD_US=$((${there/./} - (t0 + t1) / 2))
    done
    eval "exec ${CLOCK[1]}>&-"
    wait "$CLOCK_PID"
    CLOCK_ERROR_US=$((best / 2))
}

# How much the clock of the other host is ahead of this one's, in ms.
clocks_apart() { # HOST
    local ahead
    clock_ahead "$1"
    ahead=$AHEAD_US
    clock_ahead "$(other_host "$1")"
    echo $(((AHEAD_US - ahead) / 1000))
}

# How long the guest has been suspended since BEFORE, by its own clock, which goes by the hosts' times of day; in ms.
slept_ms() { # HOST NAME BEFORE
    echo $(($(field "$(guest_tick "$1" "$2")" slept_ms) - $(field "$3" slept_ms)))
}

# The names of the guest's nodes in xenstore. What they hold differs from one start to the next.
xenstore_names() { # HOST NAME
    # shellcheck disable=SC2029
    on "$1" "d=\$(xl domid '$2'); xenstore-ls -f /local/domain/\$d | sed \"s|/local/domain/\$d|.|g; s| = .*||\"" | sort
}

# Those without what only a new start of the guest makes: rings and event channels, platform/ (libxl, for a
# new HVM guest), request-abs-pointer (its keyboard's driver).
xenstore_shape() { # HOST NAME
    xenstore_names "$1" "$2" |
        grep -Ev '^\./(console/(port|ring-ref|tty)|store/|memory/|platform(/|$))|/vm$|/request-abs-pointer$'
}

# A move in the background, slow enough to last for a while: its output goes to /lab/NAME.out of the host, the
# last line its status.
fast_begin() { # HOST NAME [VARIABLE=VALUE...]
    local host=$1 name=$2 to
    to=$(other_host "$1")
    shift 2
    on "$host" "(env $* xl migrate --fast --bandwidth 20M $name $to >/lab/$name.out 2>&1; echo \"status \$?\" >>/lab/$name.out) </dev/null >/dev/null 2>&1 &"
}

# What that move says, waited for.
fast_says() { # HOST NAME REGEX SECONDS
    # shellcheck disable=SC2029
    ON_TIMEOUT=$(($4 + 20)) on "$1" "i=0; until tr '\\r' '\\n' </lab/$2.out | grep -Eaq '$3'; do i=\$((i + 1)); [ \$i -lt $4 ] || exit 1; sleep 1; done" ||
        fail "$2: no '$3': $(on "$1" tail -n 30 "/lab/$2.out")"
    note "$2: $(on "$1" "tr '\\r' '\\n' </lab/$2.out | grep -Ea -m 1 '$3'")"
}

# shellcheck source=tests/lab/devices.sh
. "$REPO/tests/lab/devices.sh"

# What every fast_move is done with besides; XF_LAB_MOVE= (empty) leaves it out, for figures that compare.
# shellcheck disable=SC2206  # words
MOVE_OPTIONS=(${XF_LAB_MOVE---verify})

# fast_move FROM NAME [options]: moves the guest and checks everything that must hold.
fast_move() {
    local from=$1 name=$2 to before shape ssh_before port_before ssh_bytes port_bytes held sent line
    shift 2
    to=$(other_host "$from")
    before=$(guest_tick "$from" "$name")
    shape=$(xenstore_shape "$from" "$name")
    ssh_before=$(link_bytes eth2)
    port_before=$(link_bytes eth1)

    devices_begin "$name"
    migrate "$from" "$name" --fast "${MOVE_OPTIONS[@]}" "$@" || fail "xl migrate --fast $name $to"
    devices_end "$to" "$name" "$before"
    ssh_bytes=$(($(link_bytes eth2) - ssh_before))
    port_bytes=none
    [ -z "$port_before" ] || port_bytes=$(($(link_bytes eth1) - port_before))

    printf '%s\n' "$MIGRATE_OUTPUT" | grep -a '^xl-fast: \(source\|target\)' | while read -r line; do
        note "$line"
    done
    expect_goes_on "$to" "$name" "$before"
    wait_pass "$to" "$name"
    expect_eq "guests on $from" "" "$(domains "$from")"
    expect_eq "guests on $to" "$name" "$(domains "$to")"
    [ "$shape" = "$(xenstore_shape "$to" "$name")" ] ||
        fail "xenstore differs: $(diff <(printf '%s\n' "$shape") <(xenstore_shape "$to" "$name"))"
    # What the guest holds is random, so all of it must cross.
    held=$(($(field "$before" pages) * 4096))
    expect_ge "bytes that the source's port sent" "$held" "$(result source port_tx_bytes)"
    expect_ge "bytes that the target's port received" "$held" "$(result target port_rx_bytes)"
    expect_ge "of what the source's port sent, the target's received, in percent" 98 \
        $(($(result target port_rx_bytes) * 100 / $(result source port_tx_bytes)))
    # Where both ports bypass the kernel it sees nothing of the link.
    [ "$port_bytes" = none ] || expect_ge "bytes over the port's link, by a kernel's count" "$held" "$port_bytes"
    # Of a PV guest, the number and type of each page that is sent go there, 8 bytes, and once more with --verify.
    sent=$(($(result source pages_sent) * 4096))
    expect_le "bytes over ssh's link, with half a percent of what was sent allowed" "$((sent / 200))" "$ssh_bytes"
    expect_ge "rounds" 1 "$(result source rounds)"
    expect_eq "rounds, counted at both ends" "$(result source rounds)" "$(result target rounds)"
    case " ${MOVE_OPTIONS[*]} " in
    *" --verify "*)
        expect_ge "verified pages" "$(field "$before" pages)" "$(result source verified_pages)"
        expect_eq "verified pages, counted at both ends" "$(result source verified_pages)" "$(result target verified_pages)"
        ;;
    esac
    if guest_has "$name" net; then
        note "GAP fast $name $from->$to: $PEERS_SAW; the tool says: $(said_downtime "$name")"
    fi
    note "FIGURES $from->$to: rounds $(result source rounds), pages $(result source pages_sent)" \
        "(zero $(result source pages_zero), repaired $(result source pages_repaired))," \
        "payload $(($(result source payload_bps) / 1000000)) Mbit/s, suspended for the memory $(($(result source suspended_memory_us) / 1000)) ms," \
        "guest suspended $(($(result source suspended_us) / 1000)) ms until libxl continues, $(said_downtime "$name")," \
        "CPU of source $(($(result source cpu_user_us) / 1000))+$(($(result source cpu_system_us) / 1000)) ms" \
        "and target $(($(result target cpu_user_us) / 1000))+$(($(result target cpu_system_us) / 1000)) ms (user+system)," \
        "helper's total $(($(result source total_us) / 1000)) ms, xl's $MIGRATE_SECONDS s," \
        "ssh $ssh_bytes bytes, port $port_bytes bytes"
}
