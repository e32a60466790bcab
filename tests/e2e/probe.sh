#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# xl-fast probe, with a sysfs and a preflight of the test's own: its JSON, its words, its exit status.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

probe() {
    echo "+ xl-fast probe $*"
    "$XL_FAST" probe --sysfs "$work/sys" "$@" >"$work/out" 2>"$work/err"
    status=$?
}

has() { # WORDS: on stdout
    grep -qF -- "$1" "$work/out" || fail "no '$1'"
}

net=$work/sys/class/net
mkdir -p "$net/eth1/queues/rx-0" "$net/eth1/queues/rx-1" "$net/eth2/queues/rx-0" "$work/sys/hypervisor" "$work/lib"
echo 0x1003 | tee "$net/eth1/flags" >"$net/eth2/flags"
echo 1 | tee "$net/eth1/carrier" "$net/eth1/type" >"$net/eth2/type"
echo 0 >"$net/eth2/carrier"
echo 9000 | tee "$net/eth1/mtu" >"$net/eth2/mtu"
echo xen >"$work/sys/hypervisor/type"
echo PV >"$work/sys/hypervisor/guest_type"

# A NIC of 100 Gbit/s that DPDK and the kernel share, and CPUs for it.
pci=$work/sys/bus/pci/devices/0000:01:00.0
shared_nic() {
    mkdir -p "$work/sys/devices/system/cpu" "$work/sys/drivers/mlx5_core" "$pci/net/eth3" "$net/eth3/queues/"rx-{0..7}
    ln -s "$work/sys/drivers/mlx5_core" "$pci/driver"
    echo PVH >"$work/sys/hypervisor/guest_type"
    echo 0x020000 >"$pci/class"
    echo 100000 >"$net/eth3/speed"
    echo 0-15 >"$work/sys/devices/system/cpu/online"
}

# Without the Xen part: what counts is whether a port is usable.
export XL_FAST_LIBDIR=$work/lib
probe --json
[ "$status" = 0 ] || fail "exit status $status"
is ready false
is kind '"pv"'
is xen null
grep -q 'built or installed without its Xen part' "$work/out" || fail "it does not say that the Xen part is missing"
mv "$net/eth1" "$work/eth1"
probe
[ "$status" = 1 ] || fail "exit status $status without a usable port"
has 'no: no link: is its cable in?'
mv "$work/eth1" "$net/eth1"

# With it: what it says counts.
cat >"$work/lib/xl-fast-preflight" <<'END'
#!/bin/sh
[ "$*" = host ] || exit 2
printf '%s\n' protocol=1 xen=4.17 free_kib=204800 configured=eth1 port=eth1 address=192.0.2.1/24 mtu=9000 lanes=3 "${FAKE_LAST:-fast=ok}"
END
chmod +x "$work/lib/xl-fast-preflight"
probe
[ "$status" = 0 ] || fail "exit status $status"
has 'PV dom0, Xen 4.17'
shared_nic
probe
has 'PVH or HVM dom0, Xen 4.17'
has '200 MiB free in Xen for guests'
has 'ready     port eth1, address 192.0.2.1/24, MTU 9000'
has 'port eth1, address 192.0.2.1/24, MTU 9000, lanes 3'
has 'port = "eth1" # 1 lane: a kernel interface'
has 'port = "0000:01:00.0" # 4 lanes: one for each 25 Gbit/s'
probe --json
is ready true
is xen '"4.17"'
is xen_free_bytes 209715200
is port '"eth1"'
is address '"192.0.2.1/24"'
python3 - "$work/out" <<'END' || fail "other lanes of a port"
import json, sys

host = json.load(open(sys.argv[1]))
ports = {p["name"]: (p["lanes"], p["lanes_why"]) for p in host["ports"]}
assert host["lanes"] == 3, host
assert ports["eth1"] == (1, "a kernel interface"), ports
assert ports["0000:01:00.0"] == (4, "one for each 25 Gbit/s"), ports
END
echo 0-1 >"$work/sys/devices/system/cpu/online"
probe
has 'port = "0000:01:00.0" # 1 lane: fewer than 4 CPUs'
FAKE_LAST='why=A: port eth7: there is no such network interface' probe --json
[ "$status" = 1 ] || fail "exit status $status with a port that is not there"
grep -q "\"why\": \"A: port eth7: there is no such network interface\"" "$work/out" || fail "it does not say why"
is ready false
FAKE_LAST=$(printf 'fix=ip link set eth1 up\nwhy=A: port eth1: down') probe
has 'no: A: port eth1: down; fix: ip link set eth1 up'

probe --what
[ "$status" = 2 ] || fail "exit status $status"
[ ! -s "$work/out" ] || fail "something on stdout"
