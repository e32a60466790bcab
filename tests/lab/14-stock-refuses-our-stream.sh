#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (13 refuses a target without the plug-in; this one goes round the preflight)
# Ends that do not belong together. A stock receiver given our stream by hand refuses it, because our
# first record is mandatory and unknown to it; a receiver of ours refuses a stock stream. Both times the
# guest goes on at the source, and nothing is left at the target.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
begin

make_guest A stays memory=128
before=$(guest_tick A stays)

output=$(on A "$HELPER XL_FAST=1 XL_FAST_CONNECT_TIMEOUT=60 xl migrate stays B" 2>&1) && fail "a stock receiver took our stream"
expect_match "the stock receiver" 'Mandatory record 0x58460001 .*not handled' "$output"
expect_match "our source" '^xl-fast: source: domain [0-9]+ was not moved' "$output"
expect_goes_on A stays "$before"
expect_eq "guests on A" stays "$(domains A)"
expect_eq "guests on B" "" "$(domains B)"

before=$(guest_tick A stays)
output=$(on A "xl migrate stays 'B env $HELPER XL_FAST=1'" 2>&1) && fail "a receiver of ours took a stock stream"
expect_match "our receiver" '^xl-fast: target: the sender is not xl-fast' "$output"
expect_goes_on A stays "$before"
expect_eq "guests on A" stays "$(domains A)"
expect_eq "guests on B" "" "$(domains B)"
wait_pass A stays
