#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (10 verifies PV guests, 18 turns a bit of a PVH guest)
# `xl migrate --fast --verify` of a PV guest, whose pages Xen's own restore compares: what 18-verify.sh
# shows, there and back.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
# shellcheck source=tests/lab/verify.sh
. "$(dirname "$0")/verify.sh"
begin

make_guest A moved type=pv memory=192
flipped moved
verified_move A moved 192
verified_move B moved 192
fast_move A moved
expect_verified 192
