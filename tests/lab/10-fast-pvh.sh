#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# `xl migrate --fast` moves a running 192 MiB PVH guest from A to B and then back to A. Each time: it
# ticks on from where it was with every page right, the source is gone, names and xenstore are as
# after stock xl migrate, and its memory travelled over the DPDK port at both ends and not through ssh.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
begin

make_guest A moved memory=192
fast_move A moved
fast_move B moved
expect_eq "guests on B" "" "$(domains B)"
