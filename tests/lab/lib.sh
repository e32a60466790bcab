# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What scenarios of the Xen lab have in common. A scenario begins with
#   . "$(dirname "$0")/lib.sh"
#   begin
# and ends by itself: 0 is a pass, `skip REASON` a skip, `fail TEXT` or any failing command a failure.
# Guests run guest/guestcheck.c; its first lines say what it prints.
set -euo pipefail
trap 'echo "FAIL: ${BASH_SOURCE[0]##*/}:$LINENO: status $?: $BASH_COMMAND" >&2' ERR

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=scripts/lab.d/common.sh
. "$REPO/scripts/lab.d/common.sh"

CONSOLE_LOGS=/var/log/xen/console

# With the seconds since the scenario's begin.
note() { printf '   %4d %s\n' "$SECONDS" "$*"; }
skip() { printf 'SKIP: %s\n' "$*"; exit 77; }
# A part of a scenario that is left out: `scripts/lab run` counts these, and says them at the end.
left_out() {
    note "LEFT OUT: $*"
    mkdir -p "$LAB_DIR/results"
    printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >>"$LAB_DIR/results/left-out"
}
fail() { printf 'FAIL: %s\n' "$*" >&2; exit 1; }

# Not all of it, but what covers each kind once.
quick() { [ -n "${LAB_QUICK:-}" ]; }

# --- assertions: each says what was expected and what was seen --------------------------------------

expect_eq() { # WHAT EXPECTED SEEN
    [ "$2" = "$3" ] || fail "$1: expected '$2', saw '$3'"
    note "$1: $3"
}

expect_ge() { # WHAT LEAST SEEN
    [ "$3" -ge "$2" ] || fail "$1: expected at least $2, saw $3"
    note "$1: $3 (at least $2)"
}

expect_le() { # WHAT MOST SEEN
    [ "$3" -le "$2" ] || fail "$1: expected at most $2, saw $3"
    note "$1: $3 (at most $2)"
}

expect_match() { # WHAT REGEX TEXT
    grep -Eq -- "$2" <<<"$3" || fail "$1: expected something like '$2', saw: $3"
    note "$1: $(printf '%s\n' "$3" | grep -E -m 1 -- "$2")"
}

# --- hosts --------------------------------------------------------------------------------------------

other_host() { [ "$1" = A ] && echo B || echo A; }
host_address() { echo "10.91.0.${HOST_NUMBER[$1]}"; }

# Leaves the hosts without guests and without the consoles of earlier ones. The hosts are this
# scenario's alone until it ends.
begin() {
    local host
    [ -n "${LAB_IS_LOCKED:-}" ] || lock_lab
    for host in "${HOSTS[@]}"; do
        host_pid "$host" >/dev/null || fail "host $host is not running (scripts/lab up)"
        destroy_all "$host"
        FREE_AT_FIRST[$host]=$(host_free_mib "$host")
    done
}

# Destroys what is left and checks that all memory that was free at the beginning is so again. Xen hands
# pages back in the background.
declare -A FREE_AT_FIRST
end_clean() {
    local host free i
    for host in "${HOSTS[@]}"; do
        destroy_all "$host"
        for ((i = 0; i < 20; i++)); do
            free=$(host_free_mib "$host")
            [ "$free" -lt "${FREE_AT_FIRST[$host]}" ] || break
            sleep 1
        done
        expect_ge "free memory of $host, MiB" "${FREE_AT_FIRST[$host]}" "$free"
    done
}

destroy_all() {
    # shellcheck disable=SC2016  # expanded on the host
    on "$1" 'for d in $(xl list | awk "NR > 1 && \$2 != 0 { print \$2 }"); do xl destroy "$d"; done
        rm -f '$CONSOLE_LOGS'/guest-*.log /var/log/xen/xl-*.log'
}

host_free_mib() { on "$1" xl info | awk '$1 == "free_memory" { print $3 }'; }

# Bytes that crossed a link (eth1: the DPDK port's, eth2: ssh's) since the hosts were booted, both ways,
# as the first host's kernel counts them that has the interface; empty where none has it.
link_bytes() {
    local host
    for host in "${HOSTS[@]}"; do
        [ "$1" != eth1 ] || [ "$(host_port "$host")" = eth1 ] || continue
        # shellcheck disable=SC2029  # the name is meant to be put in here
        on "$host" "cd /sys/class/net/$1/statistics && echo \$((\$(cat tx_bytes) + \$(cat rx_bytes)))"
        return
    done
}

# switch_count LINK HOST COUNTER: of the switch between three hosts: link1 is eth1's; the counter is frames_in (from the host),
# frames_out (to it), bytes_in, bytes_out or dropped. As of now: the switch is asked to write them.
switch_count() {
    python3 - "$LAB_DIR/switch.json" "$(switch_pid)" "$@" <<'END'
import json, os, signal, sys, time
file, pid, link, host, counter = sys.argv[1:]
def read():
    with open(file, encoding="utf-8") as f:
        return json.load(f)
before = read()["written"]
os.kill(int(pid), signal.SIGUSR1)
until = time.monotonic() + 20
while (now := read())["written"] == before:
    if time.monotonic() > until:
        sys.exit("the switch does not answer")
    time.sleep(0.02)
print(now["links"][link]["ports"][host][counter])
END
}

# --- guests -------------------------------------------------------------------------------------------

# make_guest HOST NAME [key=value...]: starts a guest and waits until it ticks.
#   type=pvh|pv|hvm  memory=MiB  maxmem=MiB  vcpus=N  fill=MiB  write=pages/s  seed=N  busy=percent
#   disk=MiB of the shared disk that it writes and checks (one guest at a time)
#   net=1: a card on br0, with the address guest_address NAME
#   kernel=RELEASE: that of another release than its host's (give_kernel)
#   args=words for its kernel command line   conf=a line for its configuration
make_guest() {
    local host=$1 name=$2 began=$SECONDS limit=600
    shift 2
    GUEST_WORDS[$name]=" $* "
    guest_config "$name" "$@" | on "$host" "cat >/lab/$name.cfg"
    on "$host" xl create -q "/lab/$name.cfg" || fail "guest $name does not start on $host"
    wait_tick "$host" "$name" 2 "$limit"
    note "guest $name runs on $host ($((SECONDS - began)) s): $(guest_tick "$host" "$name")"
}

# What each guest was made with, and the address of one that has a network card: by its seed.
declare -A GUEST_WORDS
guest_has() { [[ ${GUEST_WORDS[$1]:-} == *" $2="[!\ ]* ]]; } # NAME KEY
guest_address() {
    local with=${GUEST_WORDS[$1]} seed=1
    [[ $with != *" seed="* ]] || seed=${with#* seed=}
    echo "10.92.0.$((100 + ${seed%% *}))"
}

guest_config() {
    local name=$1 word console=hvc0
    shift
    local type=pvh memory=192 maxmem='' vcpus=1 fill='' write=50 seed=1 busy='' args='' conf='' disk='' net='' kernel=''
    for word in "$@"; do
        case $word in
        disk=* | net=* | kernel=* | type=* | memory=* | maxmem=* | vcpus=* | fill=* | write=* | seed=* | busy=* | args=* | conf=*)
            printf -v "${word%%=*}" %s "${word#*=}"
            ;;
        *) fail "make_guest: unknown: $word" ;;
        esac
    done
    # An HVM guest speaks from the start by its serial port, which its device model logs.
    if [ "$type" = hvm ]; then
        console=ttyS0
        args+=' edd=off'
        conf+=$'\nvga = "none"\nvnc = 0\nsdl = 0\nserial = "file:'"$CONSOLE_LOGS/guest-$name.log\""
    fi
    if [ -n "$disk" ]; then
        args+=" xf.disk=$disk"
        conf+=$'\ndisk = ["phy:/dev/vdb,xvda,w"]'
    fi
    if [ -n "$net" ]; then
        args+=" xf.net=10.92.0.$((100 + seed))"
        # Without the card that is emulated for an HVM guest besides.
        conf+=$'\nvif = ["mac=00:16:3e:00:00:'"$(printf %02x "$seed"),bridge=br0,type=vif\"]"
    fi
    cat <<CFG
name = "$name"
type = "$type"
memory = $memory
maxmem = ${maxmem:-$memory}
vcpus = $vcpus
kernel = "/lab/$([ "$type" = hvm ] && echo vmlinuz || echo vmlinux)${kernel:+-$kernel}"
ramdisk = "/lab/guest${kernel:+-$kernel}.cpio.gz"
extra = "console=$console quiet mitigations=off cryptomgr.notests=1 xf.seed=$seed xf.write=$write${fill:+ xf.fill=$fill}${busy:+ xf.busy=$busy} $args"
on_crash = "destroy"
$conf
CFG
}

# The newest tick line of a guest on a host, empty if there is none. The console's log has the name that
# the guest had when it was created, which after a migration is NAME--incoming.
guest_tick() {
    # shellcheck disable=SC2029  # the name is meant to be put in here
    on "$1" "$(tick_command "$2")"
}

tick_command() {
    cat <<CMD
tail -qn 30 \$(ls -t $CONSOLE_LOGS/guest-$1.log $CONSOLE_LOGS/guest-$1--incoming.log 2>/dev/null | head -n 1) 2>/dev/null </dev/null |
    tr -d '\r' | grep -a '^xf-guest tick=.* gap_ms=[0-9]*\$' | tail -n 1
CMD
}

# field LINE KEY: the value of KEY= in a tick line.
field() { printf '%s\n' "$1" | tr ' ' '\n' | sed -n "s/^$2=//p"; }

# wait_tick HOST NAME MIN TIMEOUT: waits, on the host, until the guest's tick is at least MIN.
wait_tick() {
    # shellcheck disable=SC2029
    ON_TIMEOUT=$(($4 + 20)) on "$1" "
        end=\$((\$(date +%s) + $4))
        while [ \$(date +%s) -lt \$end ]; do
            tick=\$($(tick_command "$2") | sed 's/.*tick=\\([0-9]*\\).*/\\1/')
            [ \"\${tick:-0}\" -lt $3 ] || exit 0
            sleep 1
        done
        exit 1" && return 0
    fail "guest $2 on $1: expected tick $3 within $4 s, saw: $(guest_tick "$1" "$2")$(console_tail "$1" "$2")"
}

console_tail() {
    on "$1" "tail -n 20 \$(ls -t $CONSOLE_LOGS/guest-$2*.log 2>/dev/null | head -n 1) 2>/dev/null </dev/null" | sed 's/^/\n      /' || true
}

# asked HOST CMD...: what the command says there; where it fails, words that no check takes for an answer. What a
# check expects to be empty or 0 must be asked so: a command substitution's failure ends nothing.
asked() {
    local said
    if said=$(on "$@"); then
        printf '%s\n' "$said"
    else
        echo "(on $1: '${*:2}' has failed)"
    fi
}

# domains HOST: the names of its guests, in one line.
domains() { asked "$1" xl list | awk '/^\(on/ { print } NR > 1 && $2 != 0 { printf "%s%s", sep, $1; sep = " " }'; }

# The guest ran on from the tick line BEFORE: the same boot, a greater tick, nothing wrong ever.
# expect_goes_on HOST NAME BEFORE [MORE-TICKS]
expect_goes_on() {
    local host=$1 name=$2 before=$3 more=${4:-5} now
    wait_tick "$host" "$name" $(($(field "$before" tick) + more)) 180
    now=$(guest_tick "$host" "$name")
    note "before: $before"
    note "now:    $now"
    expect_eq "the guest's boot id" "$(field "$before" boot)" "$(field "$now" boot)"
    expect_eq "the guest's wrong pages" 0 "$(field "$now" bad)"
    expect_eq "the guest's own verdict" 1 "$(field "$now" ok)"
}

# Waits until every page was checked at least once after this call.
wait_pass() { # HOST NAME
    local host=$1 name=$2 line goal passes began=$SECONDS
    line=$(guest_tick "$host" "$name")
    goal=$(($(field "$line" passes) + 2))
    while [ $((SECONDS - began)) -lt 300 ]; do
        line=$(guest_tick "$host" "$name")
        passes=$(field "$line" passes)
        if [ "${passes:-0}" -ge "$goal" ]; then
            expect_eq "wrong pages after a whole pass" 0 "$(field "$line" bad)"
            return 0
        fi
        sleep 2
    done
    fail "guest $name on $host: no whole pass in time: $line"
}

# migrate FROM NAME [xl options...]: xl migrate to the other host; prints its time. MIGRATE_OUTPUT is
# what it printed (of --fast, all that both ends said), MIGRATE_SECONDS how long it took; the exit status is
# xl's. MIGRATE_EVENTS: where the host keeps what happens.
migrate() {
    local from=$1 name=$2 to status=0 began
    to=$(other_host "$from")
    shift 2
    began=$(date +%s%N)
    MIGRATE_OUTPUT=$(ON_TIMEOUT=${MIGRATE_TIMEOUT:-400} on "$from" XL_FAST_VERBOSE=1 ${MIGRATE_EVENTS:+XL_FAST_EVENTS=$MIGRATE_EVENTS} xl migrate "$@" "$name" "$to" 2>&1 | tr '\r' '\n') || status=$?
    MIGRATE_SECONDS=$((($(date +%s%N) - began) / 1000000000))
    note "xl migrate $* $name $to: status $status, $MIGRATE_SECONDS s"
    [ "$status" = 0 ] || printf '%s\n' "$MIGRATE_OUTPUT" | tail -n 30 >&2
    return "$status"
}
