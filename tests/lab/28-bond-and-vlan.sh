#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (a port is a kernel interface like others; 10 moves over eth1)
# Ports that are no NIC but stand on one, in PV dom0s by af_packet with jumbo frames: a VLAN, and a bond of two NICs
# (active-backup) whose active NIC goes down in the middle of a move. A PVH guest moves there and back over each.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"

port() { on "$1" "sed -i 's/^port = .*/port = \"$2\"/' /etc/xen/xl-fast.conf"; }

# shellcheck disable=SC2317  # called by the trap
restore() {
    local host
    for host in "${HOSTS[@]}"; do
        port "$host" eth1 || true
        # shellcheck disable=SC2016  # expanded on the host
        on "$host" 'for dev in eth1.7 bond0; do [ ! -e /sys/class/net/$dev ] || ip link del $dev; done
            ip link set eth1 mtu 9000 up; ip link set eth3 mtu 1500 master br0 up' || true
    done
}
restore
trap restore EXIT
begin

make_guest A over memory=128

note '--- a VLAN'
for host in "${HOSTS[@]}"; do
    on "$host" 'ip link add link eth1 name eth1.7 type vlan id 7 && ip link set eth1.7 mtu 9000 up'
    port "$host" eth1.7
done
tagged=$(on A cat /sys/class/net/eth1.7/statistics/tx_bytes)
fast_move A over
expect_match "the ports" 'its memory from eth1\.7 .* to eth1\.7 ' "$MIGRATE_OUTPUT"
expect_ge "bytes that the VLAN has sent" "$(result source port_tx_bytes)" $(($(on A cat /sys/class/net/eth1.7/statistics/tx_bytes) - tagged))
fast_move B over
for host in "${HOSTS[@]}"; do on "$host" ip link del eth1.7; done

note '--- a bond'
for host in "${HOSTS[@]}"; do
    on "$host" 'ip link add bond0 type bond mode active-backup miimon 100 && ip link set eth3 nomaster
        ip link set eth1 down && ip link set eth3 down && ip link set eth1 master bond0 && ip link set eth3 master bond0
        ip link set bond0 mtu 9000 up && echo eth1 >/sys/class/net/bond0/bonding/active_slave'
    port "$host" bond0
done
active() { on "$1" cat /sys/class/net/bond0/bonding/active_slave; }
for host in "${HOSTS[@]}"; do expect_eq "the active NIC of $host" eth1 "$(active "$host")"; done
fast_move A over
expect_match "the ports" 'its memory from bond0 .* to bond0 ' "$MIGRATE_OUTPUT"

# At this rate its memory is under way for most of a minute.
before=$(guest_tick B over)
on B '(XL_FAST_VERBOSE=1 xl migrate --fast --verify --bandwidth 30M over A >/lab/over.out 2>&1; echo "status $?" >>/lab/over.out) </dev/null >/dev/null 2>&1 &'
# shellcheck disable=SC2016  # expanded on the host
ON_TIMEOUT=320 on B 'i=0; until grep -aq "source: connected" /lab/over.out; do i=$((i + 1)); [ $i -lt 300 ] || exit 1; sleep 1; done' ||
    fail "it does not begin: $(on B cat /lab/over.out)"
sleep 3
expect_eq "moves that are over too soon" 0 "$(asked B "grep -ac '^status' /lab/over.out || true")"
sent=$(on B cat /sys/class/net/eth3/statistics/tx_bytes)
for host in "${HOSTS[@]}"; do on "$host" ip link set eth1 down & done
wait
for host in "${HOSTS[@]}"; do expect_eq "the active NIC of $host" eth3 "$(active "$host")"; done
# shellcheck disable=SC2016
ON_TIMEOUT=320 on B 'i=0; until grep -q "^status" /lab/over.out; do i=$((i + 1)); [ $i -lt 300 ] || exit 1; sleep 1; done' ||
    fail "it does not end: $(on B tail -n 20 /lab/over.out)"
MIGRATE_OUTPUT=$(on B cat /lab/over.out | tr '\r' '\n')
expect_match "over the other NIC" '^status 0$' "$MIGRATE_OUTPUT"
expect_ge "bytes that the other NIC has sent" 20000000 $(($(on B cat /sys/class/net/eth3/statistics/tx_bytes) - sent))
expect_ge "verified pages" "$(field "$before" pages)" "$(result source verified_pages)"
expect_goes_on A over "$before"
wait_pass A over
expect_eq "guests on B" "" "$(domains B)"
end_clean
