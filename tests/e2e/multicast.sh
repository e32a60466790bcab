#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A port sends to a group, two are its members, and a fourth host is none: behind a switch that snoops IGMP and asks for
# members. B's port is an interface, so its kernel is a member, too. C's is DPDK's own driver, of which no kernel knows:
# the switch hears only our reports. Members get all packets, the bystander none; A, whose peer is the group, receives
# from both. A member that reports once is forgotten, so C's reports have to come again. After a leave nothing arrives.
# shellcheck source=tests/e2e/netns.bash
. "$(dirname "$0")/netns.bash"

group_port=${XF_BUILD:-build}/group-port
[ -x "$group_port" ] || fail "$group_port is not built: make tests"
command -v bridge >/dev/null || { echo "there is no bridge (iproute2)"; exit 77; }
C=xf$$c D=xf$$d
session=0x123456 group=239.18.52.86 group_in_proc=563412EF # /proc/net/igmp has it by its bytes
member_s=12                                                  # the switch forgets who has not reported for so long

down() {
    net_down
    for n in $C $D; do ip netns del "$n" 2>/dev/null; done
}
trap 'down; rm -rf "$work"' EXIT

net_up 1500 1500
for end in c d; do
    n=$C
    [ $end = c ] || n=$D
    if ! ip netns add "$n" || ! ip netns exec "$n" sysctl -qw net.ipv6.conf.default.disable_ipv6=1 ||
        ! ip -n "$n" link add name mig mtu 1500 type veth peer name sw$end netns "$S" ||
        ! ip -n "$S" link set dev sw$end mtu 1500 master br0 up || ! ip -n "$n" link set dev mig up; then
        fail "cannot make host $end"
    fi
done
if ! ip -n "$S" link set dev br0 type bridge mcast_snooping 1 mcast_querier 1 mcast_query_response_interval 100 \
    mcast_membership_interval $((member_s * 100)); then
    echo "this kernel's bridge does not snoop"
    exit 77
fi

# ---- the ports, each a process that is told what to do

declare -A to from
start() { # NAME NETNS ARGUMENTS
    local fd
    mkfifo "$work/$1.to" "$work/$1.from"
    (
        # Who holds another's input hides that it has ended.
        for fd in "${to[@]}"; do exec {fd}>&-; done
        exec ip netns exec "$2" "$group_port" "${@:3}" <"$work/$1.to" >"$work/$1.from" 2>>"$work/err"
    ) &
    exec {fd}>"$work/$1.to"
    to[$1]=$fd
    exec {fd}<"$work/$1.from"
    from[$1]=$fd
    heard "$1"
    [ "$reply" = ready ] || fail "$1 says '$reply'"
}

heard() { # NAME: its line is in $reply
    read -r -t 60 -u "${from[$1]}" reply || fail "$1 says nothing"
}

tell() { # NAME COMMAND
    echo "$2" >&"${to[$1]}"
    heard "$1"
    echo "$1: $2: $reply"
}

send() { # NAME N
    tell "$1" "send $2"
    [ "$reply" = "sent $2" ] || fail "$1 does not send"
}

# gets NAME PACKETS DIFFERENT: so many have come, or come within some seconds.
gets() {
    local packets=0 different=0 more
    for _ in $(seq 100); do
        tell "$1" count >/dev/null
        read -r _ n more <<<"$reply"
        packets=$((packets + n)) different=$((different + more))
        [ "$packets" -lt "$2" ] || break
        sleep 0.1
    done
    echo "$1 gets $packets packets, $different different"
    [ "$packets $different" = "$2 $3" ] || fail "$1 gets $packets packets, $different different, not $2, $3"
}

mac_of() { ip netns exec "$1" cat /sys/class/net/mig/address; }
# Bytes that the switch has sent to a host. A packet of ours is a frame of 1514, a question of the switch 60.
to_host() { ip netns exec "$S" cat "/sys/class/net/sw$1/statistics/tx_bytes"; }
quiet_since() { # HOST BYTES
    [ $(($(to_host "$1") - $2)) -lt 1514 ]
}
is_member() { grep -q "port sw$1 grp $group\>" < <(bridge -n "$S" mdb show dev br0); }
# within WHAT COMMAND...: it is so, or becomes so.
within() {
    for _ in $(seq 200); do
        "${@:2}" && return
        sleep 0.1
    done
    bridge -n "$S" -d -s mdb show dev br0
    fail "$1"
}
not() { ! "$@"; }

start A "$A" mig 10.9.0.10 $session
start B "$B" mig 10.9.0.11 $session "$(mac_of "$A")" 10.9.0.10
start C "$C" net_af_packet0,iface=mig 10.9.0.12 $session "$(mac_of "$A")" 10.9.0.10

# The switch waits for other switches that ask, before it trusts what it has heard itself.
snoops() {
    local before
    before=$(to_host d)
    send A 10 >/dev/null
    quiet_since d "$before"
}
within "the bridge floods what nobody wants" snoops

# ---- members

before_b=$(to_host b) before_d=$(to_host d)
send A 100
quiet_since b "$before_b" || fail "B gets the group's frames, but is no member yet"
tell B count
tell C count

tell B join
[ "$reply" = "member of group $group; the port's filter: the kernel's membership" ] || fail "B: $reply"
ip netns exec "$B" grep -q "$group_in_proc" /proc/net/igmp || fail "B's kernel is no member"
tell C join
[[ $reply == "member of group $group; the port's filter: open to all "* ]] || fail "C: $reply"
ip netns exec "$C" grep -q "$group_in_proc" /proc/net/igmp && fail "C's kernel is a member"
within "the switch does not know B" is_member b
within "the switch does not know C" is_member c

send A 1000
gets B 1000 1000
gets C 1000 1000
send B 200
send C 200
gets A 400 200

# ---- who says so once only is forgotten

sleep $((member_s + 4))
is_member c || fail "C is forgotten"
send A 500
gets B 500 500
gets C 500 500
quiet_since d "$before_d" || fail "the bystander gets the group's frames"

# ---- they leave, which the switch would not notice by itself in minutes

ip -n "$S" link set dev br0 type bridge mcast_membership_interval 26000 || fail "the bridge keeps its interval"
for name in B C; do
    tell $name leave
    tell $name join
done
send A 100
gets B 100 100
gets C 100 100
tell B leave
within "the switch does not hear B leave" not is_member b
ip netns exec "$B" grep -q "$group_in_proc" /proc/net/igmp && fail "B's kernel is still a member"
before_b=$(to_host b)
send A 100
gets C 100 100
quiet_since b "$before_b" || fail "B still gets the group's frames"
tell B join
send A 100
gets B 100 100
gets C 100 100
fd=${to[C]}
exec {fd}>&- # a port that closes has left
within "the switch does not hear C leave" not is_member c
quiet_since d "$before_d" || fail "the bystander gets the group's frames"
[ ! -s "$work/err" ] || fail "something on stderr"
