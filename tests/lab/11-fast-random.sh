#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (the guests of 10 hold random data too)
# `xl migrate --fast` of a PVH guest whose memory is full of random data, rewritten while it moves:
# nothing can be elided, and every page is right afterwards.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
begin

make_guest A full memory=192 fill=130 write=200 seed=11
fast_move A full
pages=$(result source pages_total)
zero=$(result source pages_zero)
expect_le "zero pages, in percent" 20 $((zero * 100 / pages))
