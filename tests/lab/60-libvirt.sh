#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (10 moves by the same helper, test_config reads the key that libvirt has more)
# virsh migrate of a guest of libvirt's libxl driver, by xl-fast: from libvirtd's environment
# (LIBXL_SAVE_HELPER) and xl-fast.conf alone. Tunnelled, it goes; over libvirt's plain TCP it is refused
# before the guest is touched, unless the configuration allows that.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"

stop_libvirt() {
    local host
    for host in "${HOSTS[@]}"; do
        # shellcheck disable=SC2016  # expanded on the host
        on "$host" 'for d in $(virsh -c xen:///system list --name 2>/dev/null); do virsh -c xen:///system destroy "$d"; done
            kill $(cat /run/libvirtd.pid) 2>/dev/null; true' >/dev/null
        host_conf "$host" | on "$host" 'cat >/etc/xen/xl-fast.conf'
    done
}

# allow WHICH: xl-fast.conf's word for libvirt, on both hosts.
allow() {
    local host
    for host in "${HOSTS[@]}"; do
        { host_conf "$host"; echo "libvirt = \"$1\""; } | on "$host" 'cat >/etc/xen/xl-fast.conf'
    done
}

# virsh_migrate FROM OPTIONS...: what both ends' libvirtd logged of xl-fast is MIGRATE_OUTPUT after it.
virsh_migrate() {
    local from=$1 to status=0 host
    to=$(other_host "$1")
    shift
    for host in "${HOSTS[@]}"; do on "$host" 'true >/lab/libvirtd.log'; done
    MIGRATE_OUTPUT=$(ON_TIMEOUT=300 on "$from" virsh -c xen:///system migrate "$@" lv "xen+ssh://$to/system" 2>&1) || status=$?
    note "virsh migrate $* to $to: status $status $(printf '%s\n' "$MIGRATE_OUTPUT" | head -n 2 | tr '\n' ' ')"
    MIGRATE_OUTPUT=$(for host in "${HOSTS[@]}"; do on "$host" 'grep -a ^xl-fast: /lab/libvirtd.log || true'; done)
    return "$status"
}

moved() { # FROM OPTIONS...
    local before
    before=$(guest_tick "$1" lv)
    virsh_migrate "$@" || fail "virsh migrate: $MIGRATE_OUTPUT"
    expect_goes_on "$(other_host "$1")" lv "$before"
    expect_eq "guests on $1" "" "$(domains "$1")"
    expect_ge "bytes that the source's port sent" $(($(field "$before" pages) * 4096)) "$(result source port_tx_bytes)"
}

# Two things of the lab's hosts stop libvirtd: this emulator's CPU lacks VME, which each model in libvirt's
# list has; and its drivers for other hypervisors and devices want users and programs that are not there.
start_libvirt() {
    on "$1" "sed -i '/vme/d' /usr/share/libvirt/cpu_map/x86_486.xml
        cd /usr/lib/x86_64-linux-gnu/libvirt/connection-driver
        for f in *.so; do [ \$f = libvirt_driver_libxl.so ] || rm \$f; done
        (LIBVIRT_LOG_OUTPUTS=3:stderr $HELPER setsid nohup libvirtd -p /run/libvirtd.pid >>/lab/libvirtd.log 2>&1 </dev/null &)
        i=0; until virsh -c xen:///system list >/dev/null 2>&1; do i=\$((i + 1)); [ \$i -lt 30 ] || exit 1; sleep 1; done" ||
        fail "libvirtd does not start on $1: $(on "$1" cat /lab/libvirtd.log)"
}

begin
trap stop_libvirt EXIT
for host in "${HOSTS[@]}"; do start_libvirt "$host"; done
on A 'cat >/lab/lv.xml' <<'XML'
<domain type='xen'>
  <name>lv</name>
  <memory unit='MiB'>128</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='xenpvh'>xenpvh</type>
    <kernel>/lab/vmlinux</kernel>
    <initrd>/lab/guest.cpio.gz</initrd>
    <cmdline>console=hvc0 quiet mitigations=off xf.write=50</cmdline>
  </os>
  <on_crash>destroy</on_crash>
  <devices><console type='pty'><target type='xen'/></console></devices>
</domain>
XML
on A virsh -c xen:///system create /lab/lv.xml || fail "libvirt cannot start the guest"
expect_match "what recover sees" '"libvirt":true' "$(on A /usr/lib/xl-fast/xl-fast-domain look lv)"
wait_tick A lv 2 300

allow tunnelled
moved A --live --p2p --tunnelled

before=$(guest_tick B lv)
virsh_migrate B --live --p2p && fail "a migration over plain TCP was not refused"
expect_match "plain TCP" '^xl-fast: .*plain TCP' "$MIGRATE_OUTPUT"
expect_goes_on B lv "$before"
expect_eq "guests on A" "" "$(domains A)"

allow any
moved B --live --p2p
stop_libvirt
end_clean
