#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Ports whose set-up cannot work, or would cut the host off: refused before anything is touched, by the ends themselves
# and by what `xl-fast doctor` and `xl migrate --fast --dry-run` ask (the preflight), with the command that fixes it;
# and it does. (All of these were found out by 30 s of silence, by an error of DPDK's, or by a host that was gone.)
# shellcheck source=tests/e2e/netns.bash
. "$(dirname "$0")/netns.bash"

preflight=${XF_BUILD:-build}/xl-fast-preflight
[ -x "$preflight" ] || echo "the build has no Xen part: only the ends are asked"
if ! command -v ethtool >/dev/null; then
    mkdir "$work/bin"
    cp tests/e2e/ethtool "$work/bin/ethtool"
    PATH=$work/bin:$PATH
fi
export XL_FAST_CONF=$work/conf XL_FAST_RUNDIR=$work

# refused PORT WHY [FIX]: at host A. The command is run there if there is one.
refused() {
    local why="port ${1#*:}: $2" fix=${3:-}
    demo --memory 16M --source-port "$A/$1" --target-port "$B/mig" --json
    [ "$status" = 1 ] || fail "$1: exit status $status"
    grep -qF -- "port $1: $2" "$work/err" || fail "$1: its end does not say '$2'"
    [ -z "$fix" ] || grep -qF -- "; fix: $fix" "$work/err" || fail "$1: its end does not say '$fix'"
    if [ -x "$preflight" ]; then
        printf 'port = "%s"\naddress = "10.0.0.1/24"\n' "$1" >"$XL_FAST_CONF"
        ip netns exec "$A" "$preflight" examine >"$work/out" 2>"$work/err"
        grep -qF -- "check=fail port $why" "$work/out" || fail "$1: the preflight does not say '$why'"
        [ -z "$fix" ] || grep -qxF -- "fix=$fix" "$work/out" || fail "$1: the preflight does not say '$fix'"
    fi
    echo "refused: $1 $2"
    # shellcheck disable=SC2086  # words
    [ -z "$fix" ] || ip netns exec "$A" $fix || fail "$fix fails"
}
moves() {
    demo --memory 16M --source-port "$A/$1" --target-port "$B/mig" --json
    verified
}

net_up 9000 9000
refused af_xdp:mig "has an MTU of 9000, and AF_XDP takes interfaces up to 3498" "ip link set mig mtu 3000"
# A veth's other end counts as well.
ip -n "$S" link set dev swa mtu 3000
ip -n "$B" link set dev mig mtu 3000
moves af_xdp:mig

# The switch spreads what it sends over four queues of A's, as a NIC does by RSS.
net_up 1500 1500 numrxqueues 4 numtxqueues 4
refused af_xdp:mig "spreads what it receives over 4 queues, but AF_XDP reads 1" "ethtool -L mig rx 1"
ip netns exec "$S" ethtool -L swa tx 1
moves af_xdp:mig

ip -n "$A" addr add 198.51.100.1/24 dev mig
export SSH_CONNECTION="198.51.100.9 50000 198.51.100.1 22"
refused af_xdp:mig "carries the ssh session that asks, and AF_XDP takes all that an interface receives"
unset SSH_CONNECTION
moves af_xdp:mig
# It may be disabled here.
if ip netns exec "$A" sysctl -qw net.ipv6.conf.mig.disable_ipv6=0 && ip -n "$A" -6 route add default dev mig; then
    refused af_xdp:mig "carries this host's default route, and AF_XDP takes all that an interface receives"
    ip -n "$A" -6 route del default dev mig
fi
ip -n "$A" route add default via 198.51.100.2
refused af_xdp:mig "carries this host's default route, and AF_XDP takes all that an interface receives"
moves mig
