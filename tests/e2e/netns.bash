# SPDX-License-Identifier: LGPL-2.1-or-later
# For the scripts of this folder that need ports of this machine: hosts A and B in network namespaces, each
# with an interface `mig`, and a switch between them (a third namespace) with its ports `swa` and `swb` on br0.
# shellcheck shell=bash
# shellcheck source=tests/e2e/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

[ "$(id -u)" = 0 ] || { echo "network namespaces take root"; exit 77; }
command -v ip >/dev/null || { echo "there is no ip (iproute2)"; exit 77; }

# Debian 12's libxdp forgets 80 bytes of its own.
echo 'leak:xsk_umem__create' >"$work/lsan"
export LSAN_OPTIONS=${LSAN_OPTIONS:+$LSAN_OPTIONS:}suppressions=$work/lsan:print_suppressions=0

A=xf$$a B=xf$$b S=xf$$s

net_down() {
    local n
    # What runs in them keeps them, so that it comes first.
    jobs -p | xargs -r kill 2>/dev/null
    for n in $A $B $S; do ip netns del "$n" 2>/dev/null; done
}
trap 'net_down; rm -rf "$work"' EXIT

# net_up MTU SWITCH_MTU [OPTION...]: OPTIONs of ip link for the interfaces, such as numrxqueues 4.
# Without snooping: a bridge that snoops says so itself (an IGMP report), which would be counted.
net_up() {
    local n end mtu=$1 switch_mtu=$2
    shift 2
    net_down
    for n in $A $B $S; do
        if ! ip netns add "$n" || ! ip netns exec "$n" sysctl -qw net.ipv6.conf.default.disable_ipv6=1; then
            echo "network namespaces cannot be made here"
            exit 77
        fi
    done
    if ! ip -n "$S" link add name br0 type bridge mcast_snooping 0 || ! ip -n "$S" link set dev br0 mtu "$switch_mtu" up; then
        echo "this kernel has no bridge"
        exit 77
    fi
    for end in a b; do
        n=$A
        [ $end = a ] || n=$B
        if ! ip -n "$n" link add name mig mtu "$mtu" "$@" type veth peer name sw$end "$@" netns "$S" ||
            ! ip -n "$S" link set dev sw$end mtu "$switch_mtu" master br0 up || ! ip -n "$n" link set dev mig up; then
            fail "cannot make host $end"
        fi
    done
}
