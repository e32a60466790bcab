#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A guest moves from host A to host B: two bridges in network namespaces, joined by a third, the switch, which has a
# neighbour, too. Without an announcement what the neighbour sends is lost until the guest itself speaks; with it, it
# arrives while the guest is still silent. A guest that does not run here is never announced. The guest's first frame is
# told, dom0's own are not taken for it. Nothing is left behind, even by a process that is killed.
# shellcheck source=tests/e2e/netns.bash
. "$(dirname "$0")/netns.bash"

arrival=${XF_BUILD:-build}/arrival-guest
[ -x "$arrival" ] || fail "$arrival is not built: make tests"
P=xf$$p G=xf$$g H=xf$$h # the neighbour, the guest at A, the guest at B
mac=00:16:3e:00:00:07

down() {
    exec 9>&-
    net_down
    for n in $P $G $H; do ip netns del "$n" 2>/dev/null; done
}
trap 'down; rm -rf "$work"' EXIT

net_up 1500 1500
# What announces takes these of the kernel.
if ! ip -n "$A" link add x0 type veth peer name x1 || ! ip -n "$A" tuntap add x2 mode tap ||
    ! ip netns exec "$A" tc qdisc add dev x0 ingress ||
    ! ip netns exec "$A" tc filter add dev x0 parent ffff: protocol all u32 match u32 0 0 action mirred ingress redirect dev x1; then
    echo "this kernel has no tap, ingress qdisc, u32 or mirred"
    exit 77
fi
for n in $P $G $H; do
    if ! ip netns add "$n" || ! ip netns exec "$n" sysctl -qw net.ipv6.conf.default.disable_ipv6=1; then
        fail "no namespace $n"
    fi
done
for n in $A $B; do
    if ! ip -n "$n" link add br0 type bridge mcast_snooping 0 || ! ip -n "$n" link set br0 up || ! ip -n "$n" link set mig master br0; then
        fail "no bridge in $n"
    fi
done
# port NAMESPACE NAME OWNER [OPTION...]: a port NAME of the bridge, whose other end is OWNER's eth0.
port() {
    if ! ip -n "$1" link add "$2" type veth peer name eth0 netns "$3" || ! ip -n "$1" link set "$2" master br0 up ||
        ! ip -n "$3" link set eth0 ${4:+address "$4"} up; then
        fail "no port $2"
    fi
}
port "$S" swp "$P"
port "$A" vif3.0 "$G" "$mac"
port "$B" vif7.0-emu "$H" "$mac"

received() { ip netns exec "$1" cat /sys/class/net/eth0/statistics/rx_packets; }

# send NAMESPACE TO N [INTERFACE]: N frames of an experimental type (IEEE 802, 0x88b5) from its eth0.
send() {
    ip netns exec "$1" python3 - "$2" "$3" "${4:-eth0}" <<'END' || fail "$1 cannot send"
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[3], 0))
own = s.getsockname()[4]
for _ in range(int(sys.argv[2])):
    s.send(bytes.fromhex(sys.argv[1].replace(":", "")) + own + b"\x88\xb5" + bytes(46))
END
}

# reaches NAMESPACE: how many of 20 frames from the neighbour to the guest's MAC get there.
reaches() {
    local before
    before=$(received "$1")
    send "$P" "$mac" 20
    echo $(($(received "$1") - before))
}

expect() { [ "$2" = "$3" ] || fail "$1: $2, not $3"; }

wait_for() { # what, command...: until it succeeds
    local what=$1 i
    shift
    for ((i = 0; i < 600; i++)); do
        "$@" && return
        sleep 0.05
    done
    fail "$what does not come"
}

said() { grep -q "$1" "$work/out"; }
heard() { [ "$(received "$P")" -ge $((heard_before + $1)) ]; }

# The guest runs at A, and all have learnt it.
at_source() {
    send "$G" ff:ff:ff:ff:ff:ff 1
    expect "frames that reach the guest at A" "$(reaches "$G")" 20
    heard_before=$(received "$P")
    rm -f "$work/runs" "$work/guest"
}

# begin ANNOUNCE IP: the receiver at B begins, the guest comes, and is watched.
begin() {
    mkfifo "$work/receiver"
    ip netns exec "$B" "$arrival" 7 "$mac" "$2" "$work" "$1" <"$work/receiver" >"$work/out" 2>"$work/err" &
    watcher=$!
    exec 9>"$work/receiver"
    rm "$work/receiver"
    touch "$work/guest"
    wait_for "that it is watched" said "arrival {\"vif\":0,\"mac\":\"$mac\"}"
}

is_over() {
    wait "$watcher" || fail "exit status $?"
    expect "the last line" "$(tail -n 1 "$work/out")" 'xl-fast: arrival {"over":true}'
    expect "interfaces that are left" "$(ip -n "$B" -o link show | grep -c xlfast)" 0
}

echo "+ without an announcement, nothing arrives until the guest speaks"
at_source
begin 0 ""
touch "$work/runs"
exec 9>&-
expect "frames that reach the guest at B, silent" "$(reaches "$H")" 0
expect "what the neighbour has heard" "$(($(received "$P") - heard_before))" 0
said age_us && fail "a frame that nobody has sent"
send "$H" ff:ff:ff:ff:ff:ff 1
is_over
said '{"vif":0,"age_us":[0-9]*}' || fail "the guest's first frame was not told"
expect "frames that reach the guest at B, which has spoken" "$(reaches "$H")" 20

echo "+ with it, all arrives while the guest is silent"
at_source
begin 1 ""
in_guest=$(received "$H")
touch "$work/runs"
wait_for "an announcement" heard 1
expect "frames that reach the guest at B, silent" "$(reaches "$H")" 20
wait_for "the last announcement" heard 5
said age_us && fail "an announcement was taken for the guest's frame"
expect "frames in the guest" "$(received "$H")" $((in_guest + 20))
send "$H" ff:ff:ff:ff:ff:ff 1
is_over
said age_us || fail "the guest's first frame was not told"
expect "what the neighbour has heard: five announcements, and the guest" "$(($(received "$P") - heard_before))" 6

echo "+ addresses of the configuration are announced beside the MAC; dom0's frames are not the guest's"
at_source
begin 1 "192.0.2.7/24 2001:db8::7 224.0.0.1"
touch "$work/runs"
wait_for "five announcements of three frames" heard 15
said age_us && fail "an announcement was taken for the guest's frame"
send "$H" ff:ff:ff:ff:ff:ff 1
is_over

echo "+ a card that has spoken is not announced, another one is"
at_source
ip -n "$B" link add vif7.1-emu type veth peer name eth1 netns "$H"
ip -n "$B" link set vif7.1-emu master br0 up
ip -n "$H" link set eth1 address "${mac%7}8" up
touch "$work/two"
begin 1 ""
wait_for "the second card" said "{\"vif\":1,\"mac\":\"${mac%7}8\"}"
send "$H" ff:ff:ff:ff:ff:ff 1
wait_for "the first one's frame" said '{"vif":0,"age_us":[0-9]*}'
heard_before=$(received "$P")
touch "$work/runs"
wait_for "five announcements" heard 5
send "$H" ff:ff:ff:ff:ff:ff 1 eth1
is_over
expect "what the neighbour has heard: five announcements, and the second card" "$(($(received "$P") - heard_before))" 6
rm "$work/two"
ip -n "$B" link del vif7.1-emu

echo "+ a card of Xen's own is heard, and announces itself"
ip -n "$B" link set vif7.0-emu down
ip -n "$B" link set vif7.0-emu name vif7.0
ip -n "$B" link set vif7.0 up
at_source
begin 1 ""
touch "$work/runs"
exec 9>&-
send "$H" ff:ff:ff:ff:ff:ff 1
is_over
said age_us || fail "the guest's first frame was not told"
expect "what the neighbour has heard: the guest" "$(($(received "$P") - heard_before))" 1
ip -n "$B" link set vif7.0 down
ip -n "$B" link set vif7.0 name vif7.0-emu
ip -n "$B" link set vif7.0-emu up

echo "+ a guest that was never started here is not announced"
at_source
begin 1 ""
exec 9>&- # the receiver ends
is_over
expect "what the neighbour has heard" "$(($(received "$P") - heard_before))" 0
expect "frames that reach the guest at A" "$(reaches "$G")" 20

echo "+ killed while it announces, it leaves nothing"
begin 1 ""
touch "$work/runs"
wait_for "an announcement" heard 1
kill -9 "$watcher"
wait "$watcher" 2>/dev/null
exec 9>&-
gone() { ! grep -q xlfast < <(ip -n "$B" -o link show); }
wait_for "the end of its interface" gone
