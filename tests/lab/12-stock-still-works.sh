#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# With our build installed and the shim first in PATH, all that is not --fast is stock: xl migrate, and
# xl save and xl restore, plain and even where the environment asks for our helper and for speed.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
begin

# shellcheck disable=SC2016  # expanded on the host
on A 'test "$(readlink -f "$(command -v xl)")" = /usr/lib/xl-fast/xl' || fail "the shim is not the first xl in PATH"
make_guest A plain memory=128

before=$(guest_tick A plain)
port_before=$(link_bytes eth1)
migrate A plain || fail "stock xl migrate"
expect_goes_on B plain "$before"
expect_eq "guests on A" "" "$(domains A)"
expect_eq "lines of xl-fast" 0 "$(printf '%s\n' "$MIGRATE_OUTPUT" | grep -c xl-fast || true)"
expect_le "bytes over the port's link" 100000 $(($(link_bytes eth1) - port_before))

# Each of: our helper named and --fast's environment, our helper named, nothing set.
environments=("$HELPER XL_FAST=1")
quick || environments+=("$HELPER" '')
for environment in "${environments[@]}"; do
    before=$(guest_tick B plain)
    output=$(on B "$environment xl save plain /lab/plain.save && $environment xl restore /lab/plain.save; rm -f /lab/plain.save" 2>&1) ||
        fail "save and restore with '$environment': $output"
    note "save and restore with '$environment'"
    expect_goes_on B plain "$before"
    expect_eq "lines of xl-fast" 0 "$(printf '%s\n' "$output" | grep -c xl-fast || true)"
done
wait_pass B plain
