#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# xl-fast doctor: wrong set-ups of two hosts, each found with the command that fixes it, and what --fix does of
# that. Each host is a folder: a sysfs, an xl-fast.conf, a /run of its own. What looks at them is the real
# xl-fast-preflight, but for Xen, which is not here; ssh, ip and sysctl are stand-ins.
# shellcheck disable=SC2016  # scripts of the stand-ins
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

preflight=${XF_BUILD:-build}/xl-fast-preflight
if [ ! -x "$preflight" ]; then
    echo "the build has no Xen part: nothing looks at a host"
    exit 77
fi

lib=$work/lib
mkdir "$lib" "$work/bin"
cp "$preflight" "$lib/real-preflight"
# What Xen would say. PROTOCOL: another version of xl-fast.
cat >"$lib/xl-fast-preflight" <<'END'
#!/bin/sh
case $1 in
examine | fix) ;;
guests) # one that stays, and one that the other host is to be asked about
    [ ! -e "$W/guests" ] || printf '%s\n' domain=3 name=pci "stays=it has a PCI device; fix: xl pci-detach 3 0000:01:00.0" \
        domain=4 name=web1 ask=guest=00000000-0000-4000-8000-000000000001 ask=name=web1 hand_over=early \
        domain=5 name=db1 'hand_over=late it is a pv guest: only those of PVH can'
    exit ;;
*) exit 3 ;;
esac
if grep -qx guest=00000000-0000-4000-8000-000000000001; then
    echo 'cannot=00000000-0000-4000-8000-000000000001 there is a domain already; fix: xl rename 5 other-5'
fi
"${0%/*}/real-preflight" "$1" | sed "s/^check=fail xen .*/check=ok xen Xen 4.17/; s/^protocol=.*/protocol=${PROTOCOL:-1}/; s/^version=.*/version=${VERSION-0.9.0}/"
echo "xen=${XEN:-4.17}"
END
printf '#!/bin/sh\n[ "$1" = --which ]\n' >"$lib/xl-fast-helper"
touch "$lib/libxlfast.so" "$lib/xl-fast-receive" "$lib"/xl-fast-{pump,disks,clone,arrival} "$lib/xl"
ln -s "$lib/xl" "$work/bin/xl"
cat >"$work/bin/ssh" <<'END'
#!/bin/sh
echo "ssh $*" >>"$W/log"
[ ! -e "$W/ssh.status" ] || exit "$(cat "$W/ssh.status")"
while [ $# -gt 1 ]; do shift; done
. "$W/as-there"
[ ! -e "$W/noise" ] || cat "$W/noise"
exec ${LOGIN_SHELL:-sh} -c "$1"
END
# Which host they run at, the variables that say where it is tell.
cat >"$work/bin/ip" <<'END'
#!/bin/sh
echo "ip $*" >>"$W/log"
[ "$1 $2 $4" = "link set up" ] && echo 0x1003 >"$XL_FAST_SYSFS/class/net/$3/flags"
END
cat >"$work/bin/sysctl" <<'END'
#!/bin/sh
echo "sysctl $*" >>"$W/log"
[ ! -e "$W/sysctl.fails" ] || exit 1
pages=$XL_FAST_SYSFS/kernel/mm/hugepages/hugepages-2048kB
echo "${2#*=}" | tee $pages/nr_hugepages >$pages/free_hugepages
END
# Whatever goes wrong here, no real device loses its driver.
printf '#!/bin/sh\necho "modprobe $*" >>"$W/log"\nexit 1\n' >"$work/bin/modprobe"
chmod +x "$lib"/* "$work/bin"/*
export W=$work XL_FAST_LIBDIR=$lib PATH=$work/bin:$PATH
unset XL_FAST_STOCK_HELPER XL_FAST_BANDWIDTH

host() { # NAME ADDRESS: a good one, as a PVH dom0
    local sys=$work/$1/sys pci
    rm -rf "${work:?}/$1"
    mkdir -p "$sys/class/net/eth1" "$sys/hypervisor" "$sys/kernel/btf" "$sys/kernel/mm/hugepages/hugepages-2048kB" "$work/$1/run/xl-fast"
    echo xen >"$sys/hypervisor/type"
    touch "$sys/kernel/btf/vmlinux"
    echo PVH >"$sys/hypervisor/guest_type"
    echo 0x1003 >"$sys/class/net/eth1/flags"
    echo 1 | tee "$sys/class/net/eth1/carrier" >"$sys/class/net/eth1/type"
    echo 9000 >"$sys/class/net/eth1/mtu"
    echo 128 | tee "$sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages" \
        >"$sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"
    pci=$sys/bus/pci/devices/0000:00:05.0
    mkdir -p "$pci" "$sys/drivers/uio_pci_generic" "$sys/drivers/ixgbe"
    ln -s "$sys/drivers/uio_pci_generic" "$pci/driver"
    printf 'port = "eth1"\naddress = "%s"\n' "$2" >"$work/$1/conf"
}

good() {
    host here 192.0.2.1/24
    host there 192.0.2.2/24
    printf '%s\n' "export XL_FAST_SYSFS=$work/there/sys XL_FAST_CONF=$work/there/conf" \
        "export XL_FAST_RUNDIR=$work/there/run" >"$work/as-there"
    export XL_FAST_SYSFS=$work/here/sys XL_FAST_CONF=$work/here/conf XL_FAST_RUNDIR=$work/here/run
    rm -f "$work/ssh.status" "$work/sysctl.fails"
    : >"$work/log"
}

doctor() {
    echo "+ xl-fast doctor $*"
    "$XL_FAST" doctor "$@" >"$work/out" 2>"$work/err"
    status=$?
}

ends() { # STATUS
    [ "$status" = "$1" ] || fail "exit status $status, not $1"
}

has() { # WORDS...: each in a line of stdout, one after the other
    local words from=1 at
    for words; do
        at=$(tail -n "+$from" "$work/out" | grep -nF -- "$words" | head -n 1)
        [ -n "$at" ] || fail "no '$words' (after the words before)"
        from=$((from + ${at%%:*}))
    done
}

hasnt() { # WORDS
    ! grep -qF -- "$1" "$work/out" || fail "there is '$1'"
}

pci_port() { # HOST
    sed -i 's/"eth1"/"0000:00:05.0"/' "$work/$1/conf"
}

# All is well, at one end and at both.
good
doctor
ends 0
has 'this host' '  ok    xen ' '  ok    installed ' '  ok    path ' '  ok    config ' \
    '  ok    port       eth1: driver none, up, link, MTU 9000' '  ok    lanes      1: a kernel interface' '  ok    lock ' \
    '  ok    run ' '  ok    disks      local disks can move' 'all 9 checks passed'
hasnt FAIL
[ ! -s "$work/log" ] || fail "it asks another host, or runs a command"
doctor hostb
ends 0
has 'this host' hostb '  ok    ssh ' 'this host and hostb' '  ok    version    hostb has the same xl-fast, 0.9.0' '  ok    protocol   hostb speaks the same protocol' \
    '  ok    network ' '  ok    mtu ' '  ok    clock ' 'checks passed'
hasnt fix:
grep -q -- '-o BatchMode=yes .*hostb' "$work/log" || fail "ssh may ask for a password"
doctor -s 'ssh -p 2' hostb
ends 0
grep -q '^ssh -p 2 hostb ' "$work/log" || fail "-s is not what is run"

# Guests of this host that cannot move, or not there: notes, with what fixes it at which end.
good
touch "$work/guests"
doctor hostb
ends 0
has '  ok    hand-over  the devices of 1 of 2 guests can be attached early at a target; late: db1 (it is a pv guest'
has '  note  guest      pci cannot move: it has a PCI device' '        fix: xl pci-detach 3 0000:01:00.0' \
    '  note  guest      web1 cannot move there: there is a domain already' "        fix: ssh hostb 'xl rename 5 other-5'"
rm "$work/guests"

# Wrong set-ups.
good
pci_port here
echo 10 >"$work/here/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"
doctor hostb
ends 1
has '  FAIL  port       port 0000:00:05.0: needs 64 free hugepages of 2 MiB, 10 are free' \
    '        fix: sysctl -w vm.nr_hugepages=182' hostb '1 of '

good
echo 1500 >"$work/there/sys/class/net/eth1/mtu"
doctor hostb
ends 1
has '  FAIL  mtu        hostb has an MTU of 1500, the source of 9000' "fix: ssh hostb 'ip link set eth1 mtu 9000'"
good
echo 1500 >"$work/here/sys/class/net/eth1/mtu"
doctor hostb
ends 1
has '  FAIL  mtu ' '        fix: ip link set eth1 mtu 9000'

good
pci_port there
ln -sfn "$work/there/sys/drivers/ixgbe" "$work/there/sys/bus/pci/devices/0000:00:05.0/driver"
doctor hostb
ends 1
has hostb "  FAIL  port       port 0000:00:05.0: the kernel's driver ixgbe has it" \
    "fix: ssh hostb 'modprobe uio_pci_generic && " '  ok    network '
grep -q "fix: .*/driver/unbind && echo 0000:00:05.0 >/sys/bus/pci/drivers_probe'\$" "$work/out" || fail "it is not unbound first"

# Lanes: more than there are CPUs, queues or CPUs named, which slows a migration down, and CPUs that are not there.
good
for host in here there; do
    mkdir -p "$work/$host/sys/devices/system/cpu"
    echo 0-3 >"$work/$host/sys/devices/system/cpu/online"
done
printf 'lanes = 2\ncpus = "2-3"\n' | tee -a "$work/here/conf" >>"$work/there/conf"
doctor hostb
ends 0
has '  ok    lanes      2: set, on CPUs 2-3' hostb '  ok    lanes      2: set, on CPUs 2-3'
sed -i '/cpus/d; s/lanes = .*/lanes = 5/' "$work/there/conf"
doctor hostb
ends 0
has hostb '  note  lanes      lanes is 5, and this host has 4 CPUs: set lanes = 3 or less' "fix: ssh hostb 'editor " \
    'passed, with a note'
sed -i 's/lanes = .*/lanes = 4/; s/cpus = .*/cpus = "3,1"/' "$work/here/conf"
doctor
ends 0
has '  note  lanes      lanes is 4, and cpus names 2: set lanes = 2, or name more' "        fix: editor $work/here/conf"
sed -i '/cpus/d' "$work/here/conf"
mkdir -p "$work/here/sys/class/net/eth1/queues/"rx-{0,1}
doctor
ends 0
has '  note  lanes      lanes is 4, and eth1 has 2 receive queues: set lanes = 2'
echo 'cpus = "3-5"' >>"$work/here/conf"
doctor
ends 1
has '  FAIL  lanes      cpus names CPU 4, and this host has CPUs 0-3' "        fix: editor $work/here/conf"

# AF_XDP, which reads one queue, and carries no long frames; tests/e2e/wrong-ports.sh has real interfaces.
good
sed -i 's/"eth1"/"af_xdp:eth1"/' "$work/there/conf"
mkdir -p "$work/there/sys/class/net/eth1/queues/"rx-{0..3}
doctor hostb
ends 1
has hostb '  FAIL  port       port eth1: has an MTU of 9000, and AF_XDP takes interfaces up to 3498' \
    "fix: ssh hostb 'ip link set eth1 mtu 3000'"
echo 3000 | tee "$work/there/sys/class/net/eth1/mtu" >"$work/here/sys/class/net/eth1/mtu"
doctor hostb
ends 1
has hostb '  FAIL  port       port eth1: spreads what it receives over 4 queues, but AF_XDP reads 1: the rest would' \
    "fix: ssh hostb 'ethtool -L eth1 combined 1'"
rmdir "$work/there/sys/class/net/eth1/queues/"rx-[123]
doctor hostb
ends 0

good
echo 'set -- "$(echo "$1" | sed s,/lib/,/nowhere/,)"' >>"$work/as-there"
doctor hostb
ends 1
has hostb '  ok    ssh ' '  FAIL  installed ' "fix: ssh hostb 'apt install ./xl-fast_*.deb'"

good
echo 'export VERSION=0.8.9' >>"$work/as-there"
doctor hostb
ends 1
has '  FAIL  version    hostb has xl-fast 0.8.9, the source 0.9.0: before 1.0.0 different versions do not work together' \
    "        fix: ssh hostb 'apt install ./xl-fast_*.deb'"
good
echo 'export VERSION=' >>"$work/as-there"
doctor hostb
ends 1
has '  FAIL  version    hostb has xl-fast older than 0.9.0, the source 0.9.0' "fix: ssh hostb"
good
echo 'export VERSION=0.10.0' >>"$work/as-there"
doctor hostb
ends 1
has '  FAIL  version ' '        fix: apt install ./xl-fast_*.deb'
good
echo 'export VERSION=1.1.3' >>"$work/as-there"
VERSION=1.2.0 doctor hostb
ends 0
has '  ok    version    hostb has xl-fast 1.1.3, the source 1.2.0: these work together'

good
echo 'export PROTOCOL=2' >>"$work/as-there"
doctor hostb
ends 1
has '  FAIL  protocol   hostb speaks protocol 2 of xl-fast, the source 1' '        fix: apt install ./xl-fast_*.deb'
good
PROTOCOL=2 doctor hostb
ends 0 # both
echo 'export PROTOCOL=1' >>"$work/as-there"
PROTOCOL=2 doctor hostb
ends 1
has '  FAIL  protocol ' "fix: ssh hostb 'apt install ./xl-fast_*.deb'"
good
echo 'echo "usage: xl-fast-preflight host" >&2; exit 2' >>"$work/as-there"
doctor hostb
ends 1
has 'this version of xl-fast has no doctor' "fix: ssh hostb 'apt install ./xl-fast_*.deb'"

good
exec 9>"$work/there/run/xl-fast/port-eth1.lock"
flock 9
echo $$ >&9
doctor hostb
ends 0
has hostb "  note  lock       another migration has eth1 (process $$" "fix: ssh hostb 'tail --pid=$$ -f /dev/null'" \
    'passed, with a note'
exec 9>&-
doctor hostb
hasnt note

# Others.
good
XEN=4.20 doctor hostb
ends 0
echo 'export XEN=4.17' >>"$work/as-there"
XEN=4.20 doctor hostb
ends 1
has "  FAIL  xen        hostb runs Xen 4.17, older than the source's 4.20"

good
echo 255 >"$work/ssh.status"
doctor hostb
ends 1
has hostb '  FAIL  ssh        cannot be reached without a prompt: ssh ended with status 255' 'fix: ssh-copy-id hostb'
hasnt 'ok    ssh'
doctor -s 'ssh -p 2' hostb
has 'fix: ssh -p 2 hostb true'

good
sed -i 's/192.0.2.2/192.0.2.1/' "$work/there/conf"
doctor hostb
ends 1
has '  FAIL  network    hostb has the same address 192.0.2.1' "fix: ssh hostb 'editor "

good
echo 'max_downtme = 5' >>"$work/here/conf"
doctor
ends 1
has "  FAIL  config     $work/here/conf: line 3: unknown key 'max_downtme'" "fix: editor $work/here/conf"
hasnt ' port  '

good
rm "$work/bin/xl"
printf '#!/bin/sh\n' >"$work/bin/xl"
chmod +x "$work/bin/xl"
doctor hostb
ends 1
has "  FAIL  path       xl in PATH is $work/bin/xl, which does not know --fast" "fix: ln -s $lib/xl /usr/local/sbin/xl" \
    hostb '  note  path '
# The switch by which the package leaves Xen's xl in its place; there must be one all the same.
touch "$work/here/xl-fast.no-divert"
doctor hostb
ends 0
has "  ok    path       $work/bin/xl is Xen's own, by $work/here/xl-fast.no-divert: use xl-fast migrate" hostb '  note  path '
rm "$work/bin/xl"
PATH=$work/bin:${PATH//sbin/none} doctor
ends 1
has '  FAIL  path       there is no xl in PATH'
ln -sf "$lib/xl" "$work/bin/xl"

# What a host answers, a terminal does not act on; half an answer is none.
good
printf 'port = "eth1"\n\033[2J = 1\n' >"$work/there/conf"
doctor hostb
ends 1
hasnt "$(printf '\033')"
good
echo 'sh -c "$1" | head -n 5; exit' >>"$work/as-there"
doctor hostb
ends 1
has '  FAIL  ssh        gives no answer'

# Other login shells are as good; one that prints a line is not, though its answer is heard.
needs_shells
for shell in bash dash fish tcsh; do
    good
    LOGIN_SHELL=$shell doctor hostb
    ends 0
    has hostb '  ok    ssh ' '  ok    network '
    echo 'set -- "$(echo "$1" | sed s,/lib/,/nowhere/,)"' >>"$work/as-there"
    LOGIN_SHELL=$shell doctor hostb
    ends 1
    has hostb '  FAIL  installed '
done
good
printf '\n\033[1mWelcome\nto hostb\n' >"$work/noise"
doctor -s 'ssh -p 2' hostb
ends 1
has hostb '  ok    ssh ' "  FAIL  shell      its login shell prints '?[1mWelcome' before the answer" "fix: ssh -p 2 hostb 'chsh -s /bin/sh'" \
    '  ok    network ' '1 of '
# The command does it: a shell that reads nothing.
rm "$work/noise"
doctor hostb
ends 0
hasnt ' shell '
echo 'This account is closed' >"$work/noise"
LOGIN_SHELL=true doctor hostb
ends 1
has hostb "  FAIL  ssh        answers 'This account is closed', and not as xl-fast does"
echo 255 >"$work/ssh.status"
doctor hostb
ends 1
hasnt ' shell '
doctor -s /no-such-folder/ssh hostb
ends 1
has hostb '  FAIL  ssh        gives no answer: No such file'
rm "$work/noise"

# --fix: what is safe is run, where it belongs, and looked at again.
good
echo 0x1002 >"$work/there/sys/class/net/eth1/flags"
doctor hostb
ends 1
has hostb '  FAIL  port       port eth1: down' "fix: ssh hostb 'ip link set eth1 up'"
grep -qE '^ip' "$work/log" && fail "a command was run without --fix"
doctor --fix hostb
ends 0
has hostb "  ran:  ssh hostb 'ip link set eth1 up'" '  ok    port       eth1' 'checks passed'
[ "$(grep -c '^ip' "$work/log")" = 1 ] || fail "it was not run once"

good
pci_port here
echo 10 | tee "$work/here/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages" \
    >"$work/here/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"
doctor --fix --json
ends 0
one_object
is ok true
is command '"sysctl -w vm.nr_hugepages=64"'
is status 0
echo 10 >"$work/here/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"
touch "$work/sysctl.fails"
doctor --fix
ends 1
has '  ran:  sysctl -w vm.nr_hugepages=118' 'which failed, with status 1' '  FAIL  port ' 'fix: sysctl'

good
pci_port here
ln -sfn "$work/here/sys/drivers/ixgbe" "$work/here/sys/bus/pci/devices/0000:00:05.0/driver"
echo 1500 >"$work/there/sys/class/net/eth1/mtu"
doctor --fix hostb
ends 1
hasnt ran:
grep -qE '^(modprobe|ip)' "$work/log" && fail "--fix runs what is not safe: $(cat "$work/log")"

# JSON.
good
echo 1500 >"$work/here/sys/class/net/eth1/mtu"
doctor --json hostb
ends 1
one_object
is ok false
is target '"hostb"'
is failed 1
python3 - "$work/out" <<'END' || fail "the JSON is not as xl-fast-doctor(1) says"
import json, sys

o = json.load(open(sys.argv[1]))
mtu = [c for c in o["checks"] if c["check"] == "mtu"]
assert len(mtu) == 1 and mtu[0] == {
    "end": "both", "check": "mtu", "state": "fail", "text": mtu[0]["text"],
    "fix": "ip link set eth1 mtu 9000", "fix_at": "source", "ran": []}, mtu
assert {c["end"] for c in o["checks"]} == {"source", "target", "both"}
assert all(c["state"] == "ok" and c["fix"] is None for c in o["checks"] if c["check"] != "mtu")
END

# Without the Xen part, and wrong words.
XL_FAST_LIBDIR=$work/nowhere doctor
ends 1
has 'without its Xen part'
for words in '--what' 'a b' '-s' '-x' 'a;b'; do
    # shellcheck disable=SC2086
    doctor $words
    ends 2
    [ ! -s "$work/out" ] || fail "something on stdout"
done
