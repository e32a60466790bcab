# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copies of a guest (xl-fast clone): how they are made and what must hold of them. Sourced after fast.sh.

clone_says() { printf '%s\n' "$CLONE_OUTPUT"; }

# clone NAME HOSTS [options]: of the guest on A; CLONE_OUTPUT is what all ends said. The copies' numbers follow the hosts.
clone() {
    local name=$1 hosts=$2 host n=0 status=0 began=$SECONDS
    shift 2
    CLONE_OUTPUT=$(ON_TIMEOUT=600 on A xl-fast clone --verbose "$@" "$name" "$hosts" 2>&1 | tr '\r' '\n') || status=$?
    note "xl-fast clone $* $name $hosts: status $status, $((SECONDS - began)) s"
    # An HVM guest's copy speaks into the file that its configuration names.
    for host in ${hosts//,/ }; do
        n=$((n + 1))
        on "$host" "[ ! -e $CONSOLE_LOGS/guest-$name.log ] || ln -sf guest-$name.log $CONSOLE_LOGS/guest-$name-$n.log"
    done
    [ "$status" = 0 ] || clone_says | tail -n 30 >&2
    return "$status"
}

# shellcheck disable=SC2029  # the name is meant to be put in here
xenstore_of() { asked "$1" "xenstore-read /local/domain/\$(xl domid $2)/$3"; } # HOST NAME NODE
# The copy's card: its bridge, and how many frames of the guest dom0 has taken.
card_of() { asked "$1" "v=/sys/class/net/vif\$(xl domid $2).0; b=\$(readlink \$v/master); echo \${b##*/} \$(cat \$v/statistics/rx_packets)"; } # HOST COPY
mac_of() { asked "$1" xl network-list "$2" | awk 'NR == 2 { print $3 }'; }
uuid_of() { asked "$1" xl list -v | awk -v n="$2" '$1 == n { print $7 }'; }
# Its TCP server does.
answers() { on A "timeout 20 bash -c '</dev/tcp/$1/7'"; } # ADDRESS

# expect_copy HOST NAME COPY BEFORE: it runs there as one of NAME's.
expect_copy() {
    expect_goes_on "$1" "$3" "$4"
    wait_pass "$1" "$3"
    expect_match "its name in xenstore" "^$3\$" "$(xenstore_of "$1" "$3" name)"
    [ "$(uuid_of A "$2")" != "$(uuid_of "$1" "$3")" ] || fail "$3 has the UUID of $2"
}

# ---- faults: of FAULTS, "WHAT|HOST|COMMAND" each ---------------------------------------------------------

# At a host: nothing, or a copy that runs and is whole. OUTCOME says which.
expect_whole_or_nothing() { # WHAT HOST COPY
    local i
    for ((i = 0; i < 40; i++)); do
        case $(domains "$2") in
        '' | "$3") break ;;
        esac
        sleep 3
    done
    case $(domains "$2") in
    '') OUTCOME="nothing at $2" ;;
    "$3")
        wait_pass "$2" "$3"
        OUTCOME="a whole copy at $2"
        on "$2" xl destroy "$3"
        ;;
    *) fail "$1: $2 is left with $(domains "$2")" ;;
    esac
}

# clone_fault NUMBER TABLE HOST...: that fault while web is cloned to the hosts. The guest goes on at A.
clone_fault() {
    local what at command before outcomes='' n=0 after=$((RANDOM % 16 + 4)) host
    IFS='|' read -r what at command <<<"${FAULTS[$1 % ${#FAULTS[@]}]}"
    before=$(guest_tick A web)
    on A "(xl-fast clone --verbose --bandwidth 60M web ${*:3} >/lab/clone.out 2>&1; echo \"status \$?\" >>/lab/clone.out) </dev/null >/dev/null 2>&1 &"
    sleep "$after"
    on "$at" "$command; true"
    # shellcheck disable=SC2016  # expanded on the host
    ON_TIMEOUT=300 on A 'i=0; while pgrep -x xl-fast-clone >/dev/null || pgrep -f "[x]l-fast clone" >/dev/null; do i=$((i + 1)); [ $i -lt 240 ] || exit 1; sleep 1; done' ||
        fail "$what: xl-fast clone does not end: $(on A tail -n 20 /lab/clone.out)"
    if [ "$(on A xl list web | awk 'NR == 2 { print substr($5, 4, 1) }')" = s ]; then
        note "$what: left suspended: recover"
        on A xl-fast recover web B 2>&1 | sed 's/^/   | /'
    fi
    expect_goes_on A web "$before"
    for host in "${@:3}"; do
        n=$((n + 1))
        expect_whole_or_nothing "$what" "$host" "web-$n"
        outcomes+=", $OUTCOME"
    done
    # Why, of those that are not there.
    on A 'tr "\r" "\n" </lab/clone.out' | grep -a '^xl-fast: \(web-[12]\|source\): .*[a-z]$' | grep -av 'goes on\|is made on\|round\|connected' | tail -n 4 | sed 's/^/   | /'
    printf '%-46s after %2d s: the guest goes on at A%s\n' "$what" "$after" "$outcomes" | tee -a "$2"
}

# clone_faults TABLE HOST...: XF_LAB_TIMES of them (20), each kind in turn, or of kind XF_LAB_KIND.
clone_faults() {
    local i table=$LAB_DIR/results/$1
    rm -f "$table"
    make_guest A web memory=128 net=1
    for ((i = 0; i < ${XF_LAB_TIMES:-20}; i++)); do clone_fault "${XF_LAB_KIND:-$i}" "$table" "${@:2}"; done
    [ ! -e "$table" ] || cat "$table"
}
