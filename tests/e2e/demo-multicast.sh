#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# One guest becomes 1, 2, 4 and 8 at once by multicast, behind a switch that snoops IGMP: what the source's interface
# sends is that of one, whatever their number; a port that is no member gets nothing of it; one target that loses packets
# costs little, and each has every page.
# shellcheck source=tests/e2e/netns.bash
. "$(dirname "$0")/netns.bash"

most=$(size 8 2)
hosts=()
for i in $(seq "$most"); do hosts+=("xf$$t$i"); done
bystander=xf$$by

down() {
    net_down
    for n in "${hosts[@]}" "$bystander"; do ip netns del "$n" 2>/dev/null; done
}
trap 'down; rm -rf "$work"' EXIT

net_up 9000 9000
for n in "${hosts[@]}" "$bystander"; do
    port=sw${n#"xf$$"}
    if ! ip netns add "$n" || ! ip netns exec "$n" sysctl -qw net.ipv6.conf.default.disable_ipv6=1 ||
        ! ip -n "$n" link add name mig mtu 9000 type veth peer name "$port" netns "$S" ||
        ! ip -n "$S" link set dev "$port" mtu 9000 master br0 up || ! ip -n "$n" link set dev mig up; then
        fail "cannot make host $n"
    fi
done
if ! ip -n "$S" link set dev br0 type bridge mcast_snooping 1 mcast_querier 1 mcast_query_response_interval 100; then
    echo "this kernel's bridge does not snoop"
    exit 77
fi

tx_bytes() { ip netns exec "$A" cat /sys/class/net/mig/statistics/tx_bytes; }
rx_bytes() { ip netns exec "$bystander" cat /sys/class/net/mig/statistics/rx_bytes; }

# spread N ARGUMENTS...: copies the guest to N targets. What the source's interface has sent is in $sent.
spread() {
    local n=$1 before ports=()
    shift
    for ((i = 0; i < n; i++)); do ports+=(--target-port "${hosts[i]}/mig"); done
    before=$(tx_bytes)
    demo --clones "$n" --source-port "$A/mig" "${ports[@]}" --seed 1 --fill random --writers 0 --compress none --json "$@"
    sent=$(($(tx_bytes) - before))
    [ "$status" = 0 ] || fail "exit status $status"
    [ "$(grep -c '"ok": true' "$work/out")" = $((n + 1)) ] || fail "not all of $n clones"
    echo "$n: $sent bytes in $(get total_us) us, the source's cycles a page: sealing $(get seal | head -n 1), port $(get transmit | head -n 1)"
}

# The switch waits for other switches that ask, before it trusts what it has heard itself.
for _ in $(seq 20); do
    heard=$(rx_bytes)
    spread 1 --memory 4M
    [ $(($(rx_bytes) - heard)) -gt 65536 ] || break
done

memory=$(size 64M 16M)
heard=$(rx_bytes)
for ((n = 1; n <= most; n *= 2)); do
    spread $n --memory "$memory" --bandwidth 400M
    [ "$n" != 1 ] || one=$sent
    [ "$sent" -le $((one + one / 20)) ] || fail "$n targets: $sent bytes, and one: $one"
done
# Queries of the switch are all that it hears.
heard=$(($(rx_bytes) - heard))
[ "$heard" -le 65536 ] || fail "a port that is no member got $heard bytes"

# by WAY: how many of the clones were reached so.
by() { grep -c "\"by\": \"$1\"" "$work/out"; }
[ "$(by multicast)" = "$most" ] || fail "not all by multicast"

# To each by itself: so much more, and sealed once all the same.
wire=$(get bytes_wire)
spread 2 --memory "$memory" --bandwidth 400M --by-copies
[ "$(by copies)" = 2 ] || fail "not by copies"
[ "$sent" -ge $((2 * one - one / 20)) ] || fail "2 targets by copies: $sent bytes, and one: $one"
[ "$(get bytes_wire)" -le $((wire + wire / 20)) ] || fail "sealed $(get bytes_wire) bytes for two, and $wire for all by multicast"

# What four moves in turn take, beside the four at once.
before=$(tx_bytes)
total=0
for ((i = 0; i < most && i < 4; i++)); do
    demo --source-port "$A/mig" --target-port "${hosts[i]}/mig" --seed 1 --fill random --writers 0 --compress none --json \
        --memory "$memory" --bandwidth 400M
    [ "$status" = 0 ] || fail "exit status $status"
    total=$((total + $(get total_us)))
done
turns=$(($(tx_bytes) - before))
echo "$i in turn: $turns bytes in $total us"
[ "$turns" -ge $((i * one - i * one / 20)) ] || fail "$i moves in turn: $turns bytes, and one: $one"

# drops RULE: on the way to the first target; without nftables in this kernel the rest is left out.
drops() {
    ip netns exec "$S" nft flush ruleset 2>/dev/null
    ip netns exec "$S" nft "table bridge f { chain c { type filter hook forward priority 0; oifname \"swt1\" $1 drop; }; }" \
        2>"$work/nft" && return
    echo "left out: what a switch drops: $(head -n 1 "$work/nft")"
    return 1
}

# Of 50 frames to one of two, one is lost on its last stretch.
if drops "numgen random mod 50 == 0"; then
    spread 2 --memory "$memory" --bandwidth 400M
    at_least packets_lost 10
    [ "$sent" -le $((one + one / 4)) ] || fail "with loss at one target: $sent bytes, and without: $one"
    # A switch that lets no multicast through to it: it gets copies, the other one does not.
    drops "ether daddr & 01:00:5e:00:00:00 == 01:00:5e:00:00:00"
    spread 2 --memory "$memory" --bandwidth 400M
    [ "$(by copies)" = 1 ] || fail "it was not sent copies"
    [ "$(by multicast)" = 1 ] || fail "the other one was"
fi
nothing_left
