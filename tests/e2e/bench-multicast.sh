#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Whether multicast passes between two hosts: over a switch that sends a group's packets only to ports that it knows a
# member of, xl-fast bench link --multicast passes when there is a querier, and without one fails in seconds, with a line
# that says so, though the target answers. xl-fast doctor --multicast says the same, and sends nothing where another check
# failed or a migration has the port.
# shellcheck disable=SC2016  # scripts of the stand-ins
# shellcheck source=tests/e2e/netns.bash
. "$(dirname "$0")/netns.bash"

deaf='answers, but multicast does not reach it: check IGMP snooping (is there a querier?), VLAN, storm control and filters'
net_up 9000 9000

switch() { # querier: 0 or 1
    if ! ip -n "$S" link set dev br0 type bridge mcast_snooping 1 mcast_querier "$1" mcast_query_response_interval 100 ||
        ! ip -n "$S" link set dev swb type bridge_slave mcast_flood off; then
        echo "this kernel's bridge does not snoop"
        exit 77
    fi
}

# multicast ARGUMENTS...: a run between the two namespaces.
multicast() {
    bench link --multicast --source-port "$A/mig" --target-port "$B/mig" --memory 16M "$@"
}

# not_reached NAME: the newest run has failed so, in a few seconds from $SECONDS = 0 on.
not_reached() {
    [ "$status" = 1 ] || fail "exit status $status"
    [ "$(cat "$work/err")" = "xl-fast bench link: $1 $deaf" ] || fail "not this line: $1 $deaf"
    [ $SECONDS -lt "$(size 15 60)" ] || fail "only after $SECONDS s"
    nothing_left
}

# ---- nobody asks for members: the group's packets go nowhere

switch 0
SECONDS=0
multicast --seconds 1 --json
not_reached 'the target'
python3 - "$work/out" <<'END' || fail "the JSON does not say so"
import json, sys

(line,) = open(sys.argv[1])
r = json.loads(line)
assert r["ok"] is False and r["multicast"] is True and "multicast does not reach it" in r["error"] and r["verified"] is None, r
END

# ---- somebody does; the switch first waits for others that ask, which is no failure

switch 1
multicast --seconds 1 --queues 1,2 --interval 0.5 --json
[ "$status" = 0 ] || fail "exit status $status"
[ ! -s "$work/err" ] || fail "something on stderr"
python3 - "$work/out" <<'END' || fail "the figures do not fit each other"
import json, sys

runs = [json.loads(line) for line in open(sys.argv[1])]
assert [r["queues"] for r in runs] == [1, 2]
for r in runs:
    assert r["ok"] and r["multicast"] is True and r["verified"] and r["host"] is None and r["mtu"] == 9000, r
    assert r["wire_bps"] > r["payload_bps"] > 0 and r["packets_sent"] > 1000 and r["intervals"], r
    assert sum(r["rejects"].values()) == 0, r
END
multicast --passes 1 --sink null
[ "$status" = 0 ] || fail "exit status $status"
grep -q '^16 MiB to a process of this machine by multicast, into nothing$' "$work/out" || fail "the table does not say how"
bench link --source-port "$A/mig" --target-port "$B/mig" --memory 16M --passes 1 --json
grep -q '"multicast": false' "$work/out" || fail "another run went by multicast, too"

# ---- to HOST, and by xl-fast doctor: A is this host, B is hostb, which a stand-in for ssh takes us to

preflight=${XF_BUILD:-build}/xl-fast-preflight
if [ ! -x "$preflight" ]; then
    echo "left out: xl-fast doctor --multicast: the build has no Xen part"
    exit 0
fi
lib=$work/lib
mkdir "$lib" "$work/bin"
cp "$preflight" "$lib/real-preflight"
cat >"$lib/xl-fast-preflight" <<'END'
#!/bin/sh
[ "$1" != guests ] || exit 0
"${0%/*}/real-preflight" "$@" | sed 's/^check=fail xen .*/check=ok xen Xen 4.17/'
END
printf '#!/bin/sh\n[ "$1" = --which ]\n' >"$lib/xl-fast-helper"
touch "$lib/libxlfast.so" "$lib/xl-fast-receive" "$lib"/xl-fast-{pump,disks,clone,arrival} "$lib/xl"
ln -s "$lib/xl" "$work/bin/xl"
ln -s "$(realpath "$XL_FAST")" "$work/bin/xl-fast"
cat >"$work/bin/ssh" <<'END'
#!/bin/sh
echo "ssh $*" >>"$W/log"
while [ $# -gt 1 ]; do shift; done
export XL_FAST_SYSFS=$W/there/sys XL_FAST_CONF=$W/there/conf XL_FAST_RUNDIR=$W/there/run
exec ip netns exec "$B" sh -c "$1"
END
chmod +x "$lib"/* "$work/bin"/*
export W=$work B XL_FAST_LIBDIR=$lib PATH=$work/bin:$PATH
unset XL_FAST_STOCK_HELPER XL_FAST_BANDWIDTH
for host in here there; do
    sys=$work/$host/sys
    mkdir -p "$sys/class/net/mig" "$sys/hypervisor" "$sys/kernel/btf" "$sys/kernel/mm/hugepages/hugepages-2048kB" \
        "$work/$host/run/xl-fast"
    echo xen >"$sys/hypervisor/type"
    echo PVH >"$sys/hypervisor/guest_type"
    touch "$sys/kernel/btf/vmlinux"
    echo 0x1003 >"$sys/class/net/mig/flags"
    echo 1 | tee "$sys/class/net/mig/carrier" >"$sys/class/net/mig/type"
    echo 9000 >"$sys/class/net/mig/mtu"
done
printf 'port = "mig"\naddress = "192.0.2.11/24"\n' >"$work/here/conf"
printf 'port = "mig"\naddress = "192.0.2.12/24"\n' >"$work/there/conf"
here=(ip netns exec "$A" env XL_FAST_SYSFS="$work/here/sys" XL_FAST_CONF="$work/here/conf" XL_FAST_RUNDIR="$work/here/run")

doctor() {
    echo "+ xl-fast doctor $*"
    : >"$work/log"
    "${here[@]}" "$XL_FAST" doctor "$@" >"$work/out" 2>"$work/err"
    status=$?
}
says() { # exit status, words of a line
    grep -qF -- "$2" "$work/out" || fail "it does not say: $2"
    [ "$status" = "$1" ] || fail "exit status $status"
    [ ! -s "$work/err" ] || fail "something on stderr"
}
nothing_sent() {
    grep -q -- --serve "$work/log" && fail "it has sent packets"
}

doctor --multicast hostb
says 0 '  ok    multicast  hostb is reached by multicast: '
grep -q 'multicast: [0-9.]* Gbit/s, [0-9]* of [1-9][0-9]* packets lost$' "$work/out" || fail "no figures"
doctor hostb
says 0 '  ok    network '
nothing_sent
doctor --multicast
[ "$status" = 2 ] || fail "without HOST: exit status $status"

# A bridge of this host may be what lacks a querier.
mkdir -p "$work/here/sys/class/net/xenbr1/bridge"
ln -s ../xenbr1 "$work/here/sys/class/net/mig/master"
echo 1 >"$work/here/sys/class/net/xenbr1/bridge/multicast_snooping"
echo 0 >"$work/here/sys/class/net/xenbr1/bridge/multicast_querier"
doctor --multicast -s 'ssh -p 2' hostb
says 0 '  note  multicast  xenbr1, which mig is on, snoops IGMP and is no querier'
says 0 '        fix: ip link set xenbr1 type bridge mcast_querier 1'
says 0 '  ok    multicast  hostb is reached'
grep -q '^ssh -p 2 hostb xl-fast bench link --serve$' "$work/log" || fail "-s is not what is run"
echo 1 >"$work/here/sys/class/net/xenbr1/bridge/multicast_querier"

# What comes first.
exec 9>"$work/there/run/xl-fast/port-mig.lock"
flock 9
echo $$ >&9
doctor --multicast hostb
says 0 '  note  multicast  hostb was not tested by multicast: a migration has the port'
nothing_sent
exec 9>&-
echo 1500 >"$work/there/sys/class/net/mig/mtu"
doctor --multicast hostb
says 1 '  note  multicast  hostb was not tested by multicast: see mtu'
nothing_sent
echo 9000 >"$work/there/sys/class/net/mig/mtu"

switch 0
doctor --multicast --json hostb
[ "$status" = 1 ] || fail "exit status $status"
python3 - "$work/out" "$deaf" <<'END' || fail "the JSON is not as xl-fast-doctor(1) says"
import json, sys

checks = [c for c in json.load(open(sys.argv[1]))["checks"] if c["check"] == "multicast"]
assert [(c["end"], c["state"], c["text"]) for c in checks] == [("both", "fail", sys.argv[2])], checks
END
SECONDS=0
echo "+ xl-fast bench link --multicast hostb"
"${here[@]}" "$XL_FAST" bench link --multicast --memory 16M hostb >"$work/out" 2>"$work/err"
status=$?
not_reached hostb

# A target that cannot be asked is another matter.
printf '#!/bin/sh\ncase $* in *--serve) exit 255; esac\nexec "%s/bin/ssh" "$@"\n' "$work" >"$work/bin/ssh-bad"
chmod +x "$work/bin/ssh-bad"
doctor --multicast -s ssh-bad hostb
says 1 '  FAIL  multicast  hostb ended before it had answered: ssh ended with status 255'
