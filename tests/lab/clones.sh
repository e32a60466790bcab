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
