#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# `xl migrate --fast` moves a running 192 MiB PV guest from A to B and then back to A: Xen's own save
# and restore run at both ends, and the pages of their stream go over the DPDK port. Everything that
# 10-fast-pvh.sh asks for holds for it too.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
begin

make_guest A moved type=pv memory=192
fast_move A moved
fast_move B moved
expect_eq "guests on B" "" "$(domains B)"
