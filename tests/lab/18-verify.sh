#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (10 verifies, the unit tests turn bits)
# `xl migrate --fast --verify` of a PVH guest: both ends compare every page while it is paused. One bit of
# its memory turned at the target (flip.c) ends the migration, the page is named, and the guest goes on at
# the source; then it goes A <-> B five times without a false alarm; and so it does if a frame comes for it while it stands.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
# shellcheck source=tests/lab/verify.sh
. "$(dirname "$0")/verify.sh"
trap 'on A rm -f /etc/xen/xl-fast-faults || true' EXIT
begin

# The first frame that comes for the guest while it stands sets a bit in its event array, which is in no dirty log: before
# the hashes are taken, and after the last pages were sent. A fault point holds the source there.
a_frame_comes() {
    local ip before status=0
    if ! on A 'xl-fast faults >/dev/null 2>&1'; then
        left_out "a frame for the guest that stands: the hosts' build has no fault points (FAULTS=1 scripts/lab install)"
        return 0
    fi
    make_guest A web memory=128 net=1
    sleep 3
    ip=$(guest_address web)
    knock() { on A "timeout 2 bash -c ': </dev/tcp/$ip/9' 2>/dev/null || true"; }
    knock
    before=$(guest_tick A web)
    echo source_keep_still=stall:6000 | on A 'cat >/etc/xen/xl-fast-faults'
    on A "(xl migrate --fast --verify web B >/lab/web.out 2>&1; echo \"status \$?\" >>/lab/web.out) </dev/null >/dev/null 2>&1 &"
    # shellcheck disable=SC2016  # expanded on the host
    ON_TIMEOUT=200 on A 'i=0; until [ "$(xl list | awk "\$2 != 0 && NR > 1 { print substr(\$5, 4, 1) }")" = s ]; do i=$((i + 1)); [ $i -lt 600 ] || exit 1; sleep 0.2; done' ||
        fail "the guest does not stand: $(on A tail -n 20 /lab/web.out)"
    sleep 2
    knock
    # shellcheck disable=SC2016
    ON_TIMEOUT=200 on A 'i=0; until grep -q ^status /lab/web.out; do i=$((i + 1)); [ $i -lt 150 ] || exit 1; sleep 1; done' || fail "the move does not end"
    on A rm -f /etc/xen/xl-fast-faults
    expect_match "the move's status" '^status 0$' "$(on A cat /lab/web.out)"
    note "$(on A cat /lab/web.out | tr '\r' '\n' | grep -a 'not compared' | head -n 1)"
    expect_goes_on B web "$before"
    destroy_all B
}

make_guest A moved memory=192
flipped moved
for from in A B A B; do
    verified_move "$from" moved 192
done
fast_move A moved
expect_verified 192
destroy_all B
a_frame_comes
