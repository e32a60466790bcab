#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (tests/e2e/xl-shim.sh walks through it)
# Two guests are to move at once: the second waits for its turn, says so, and both arrive. And where
# something else than the shim starts the second, the plug-in refuses it before the guest is touched.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
begin

make_guest A first memory=128
make_guest A second memory=128 seed=2
before_first=$(guest_tick A first)
before_second=$(guest_tick A second)
# At this rate its memory is under way for most of a minute.
fast_begin A first XL_FAST_VERBOSE=1
fast_says A first 'source: connected' 90

if MIGRATE_OUTPUT=$(on A "env $HELPER XL_FAST=1 /usr/sbin/xl migrate second 'B env $HELPER XL_FAST=1'" 2>&1 | tr '\r' '\n'); then
    fail "the plug-in takes a port that another migration has"
fi
expect_match "without the shim" '^xl-fast: source: port eth1: another migration has it' "$MIGRATE_OUTPUT"
expect_goes_on A second "$before_second" 1

migrate A second --fast || fail "the second does not move"
expect_match "the second waits" '^xl-fast: second waits for its turn: another migration has eth1$' "$MIGRATE_OUTPUT"
expect_match "the first has moved" '^status 0$' "$(on A tail -n 1 /lab/first.out)"
expect_goes_on B first "$before_first"
expect_goes_on B second "$before_second"
end_clean
