#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (10 verifies, the unit tests turn bits)
# `xl migrate --fast --verify` of a PVH guest: both ends compare every page while it is paused. One bit of
# its memory turned at the target (flip.c) ends the migration, the page is named, and the guest goes on at
# the source; then it goes A <-> B five times without a false alarm.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
# shellcheck source=tests/lab/verify.sh
. "$(dirname "$0")/verify.sh"
begin

make_guest A moved memory=192
flipped moved
for from in A B A B; do
    verified_move "$from" moved 192
done
fast_move A moved
expect_verified 192
