#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Both hosts route for others, as they do with libvirt's network, vif-nat or docker, and check no sources: their kernels,
# which see all that an af_packet port receives, forward none of it to their gateways. (They forwarded all of it.)
# shellcheck source=tests/e2e/netns.bash
. "$(dirname "$0")/netns.bash"

net_up 9000 9000
for host in $A $B; do
    ip -n "$host" link add name gw type veth peer name "gw-$host" netns "$S"
    ip -n "$S" link set dev "gw-$host" up
    ip -n "$host" link set dev lo up
    ip -n "$host" link set dev gw up
    ip -n "$host" addr add 198.51.100.1/24 dev gw
    ip -n "$host" neigh add 198.51.100.254 lladdr 02:00:00:00:00:fe dev gw
    ip -n "$host" route add default via 198.51.100.254 || fail "there is no route"
    for key in ip_forward=1 conf.all.rp_filter=0 conf.mig.rp_filter=0 conf.all.forwarding=1; do
        ip netns exec "$host" sysctl -qw "net.ipv4.$key"
    done
done
# Of the IPv4 counters in /proc/net/snmp, those of a name.
ipv4() { # HOST NAME
    # shellcheck disable=SC2016  # awk's
    ip netns exec "$1" awk -v name="$2" '
        $1 == "Ip:" && at { print $at }
        $1 == "Ip:" { for (i = 2; i <= NF; i++) if ($i == name) at = i }' /proc/net/snmp
}
sent() { # by HOST to its gateway
    ip netns exec "$1" cat /sys/class/net/gw/statistics/tx_packets
}
moves() {
    demo --memory 16M --fill random --source-port "$A/mig" --target-port "$B/mig" --json
    verified
    for host in $A $B; do
        # A kernel says for some of the packets why it drops them, one a second (net.ipv4.icmp_ratelimit).
        echo "forwarded by $host: $(ipv4 "$host" ForwDatagrams) of $(ipv4 "$host" InReceives), $(sent "$host") sent"
        [ "$(ipv4 "$host" InReceives)" -ge 10 ] || fail "this kernel does not see what comes: nothing is shown"
        [ "$(ipv4 "$host" ForwDatagrams)" = 0 ] || fail "$host forwards"
        [ "$(sent "$host")" -lt 50 ] || fail "$host sends much to its gateway"
    done
}
moves
