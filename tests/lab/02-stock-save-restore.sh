#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (12 saves and restores too)
# `xl save` and `xl restore` of a PVH guest work and are stock's business, whether our build is
# installed or not.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
begin

make_guest A saved memory=128
before=$(guest_tick A saved)

began=$SECONDS
on A xl save saved /lab/saved.img
note "xl save: $((SECONDS - began)) s, $(on A stat -c %s /lab/saved.img) bytes"
expect_eq "guests on A while saved" "" "$(domains A)"

began=$SECONDS
on A xl restore /lab/saved.img
note "xl restore: $((SECONDS - began)) s"
on A rm /lab/saved.img

expect_goes_on A saved "$before"
wait_pass A saved
expect_eq "guests on A" saved "$(domains A)"
