#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (12 migrates by stock too)
# Stock `xl migrate` moves a running 192 MiB PVH guest from A to B, and it goes on: the control for
# everything else. Its memory goes through ssh (eth2), none over the DPDK port (eth1).
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
begin

make_guest A moved memory=192
before=$(guest_tick A moved)
ssh_before=$(link_bytes eth2)
port_before=$(link_bytes eth1)

migrate A moved

expect_goes_on B moved "$before"
wait_pass B moved
expect_eq "guests on A" "" "$(domains A)"
expect_eq "guests on B" moved "$(domains B)"
held_bytes=$(($(field "$before" pages) * 4096))
expect_ge "bytes over ssh's link" "$held_bytes" $(($(link_bytes eth2) - ssh_before))
expect_le "bytes over the port's link" 1000000 $(($(link_bytes eth1) - port_before))
note "migrated in $MIGRATE_SECONDS s"
