#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (13 has such refusals, tests/e2e/doctor.sh what doctor says of them)
# Hosts with xl-fast's Debian package that are set up wrongly: no xl-fast at the target, another version of its
# protocol, two MTUs, a port in use. xl-fast doctor and xl migrate --fast each find it and name the command that fixes
# it; the command does, and then the guest moves. 43 has those of hosts with PVH dom0s.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/package.sh
. "$(dirname "$0")/package.sh"
# shellcheck source=tests/lab/fixed.sh
. "$(dirname "$0")/fixed.sh"

restore_hosts() {
    for host in "${HOSTS[@]}"; do on "$host" 'ip link set eth1 mtu 9000; rm -f ~/xl-fast_*.deb'; done
    give_back
}
trap restore_hosts EXIT
begin
build_package
for host in "${HOSTS[@]}"; do
    take_away "$host"
    install_package "$host" "$WORK/xl-fast.deb"
    edit_one_line "$host"
    # Where apt finds it, who types that command.
    on "$host" "rm -f ~/xl-fast_*.deb; cp $PACKAGE_DIR/xl-fast_*.deb ~"
done
doctor 0
make_guest A one memory=128

note '--- no xl-fast at the target'
on B apt remove -y xl-fast >/dev/null 2>&1
doctor 1
doctor_names FAIL 'installed .*/xl-fast-preflight is not there'
refused one 'B: xl-fast is not installed there'
fix
doctor 0

note '--- another version of the protocol at the target'
# A stand-in for a later xl-fast: it says 2 where this one says 1.
# shellcheck disable=SC2016  # expanded on the host
another_package 2.0 'mv usr/lib/xl-fast/xl-fast-preflight usr/lib/xl-fast/preflight-1
    cat >usr/lib/xl-fast/xl-fast-preflight <<"END"
#!/bin/sh
verb=$1
shift
[ "$verb" != target ] || [ "$1" != 2 ] || { shift; set -- 1 "$@"; }
"${0%/*}/preflight-1" "$verb" "$@" | sed "s/^protocol=1/protocol=2/"
END
    chmod +x usr/lib/xl-fast/xl-fast-preflight; sed -i /xl-fast-preflight/d DEBIAN/md5sums'
install_package A "$WORK/2.0.deb"
on B 'rm ~/xl-fast_*.deb; cat >~/xl-fast_2.0_amd64.deb' <"$WORK/2.0.deb"
doctor 1
doctor_names FAIL 'protocol +B speaks protocol 1 of xl-fast, the source 2'
refused one 'B: speaks protocol 1 of xl-fast, the source 2: install the same version at both ends'
fix
doctor 0

note '--- two MTUs'
on B ip link set eth1 mtu 1500
doctor 1
doctor_names FAIL 'mtu +B has an MTU of 1500, the source of 9000'
before=$(guest_tick A one)
migrate A one --fast || fail "xl migrate --fast with a smaller MTU"
expect_match migrate "^xl-fast: B's eth1 has an MTU of 1500, eth1 of 9000; fix: $FIX" "$MIGRATE_OUTPUT"
expect_goes_on B one "$before"
fix
doctor 0

note '--- a port in use'
make_guest A slow memory=128
make_guest A two memory=128
on A '(xl migrate --fast --bandwidth 8M slow B >/lab/out 2>&1) </dev/null >/dev/null 2>&1 &'
# shellcheck disable=SC2016  # expanded on the host
on A 'i=0; until xl-fast doctor | grep -q "note  lock"; do i=$((i + 1)); [ $i -lt 60 ] || exit 1; done' ||
    fail "it does not begin: $(on A 'cat /lab/out; xl-fast status')"
doctor 0
doctor_names note 'lock +another migration has eth1'
before=$(guest_tick A two)
migrate A two --fast || fail "xl migrate --fast after another"
expect_match migrate 'two waits for its turn: another migration has eth1' "$MIGRATE_OUTPUT"
fix
expect_goes_on B two "$before"
wait_pass B two
expect_eq "guests on A" "" "$(domains A)"
doctor 0
for host in "${HOSTS[@]}"; do destroy_all "$host"; done
end_clean
