#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# `xl migrate --fast --verify`: both ends compare every page while the guest is paused. A PVH guest
# goes A <-> B five times without a false alarm, a PV guest there and back. Then one bit of the guest's
# memory at the target is turned (flip.c): the migration ends with a line that names the page, and the
# guest goes on at the source.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"

make_flip() {
    cc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -fno-builtin -O1 -fPIC -shared \
        -o "$LAB_DIR/flip.so" "$REPO/tests/lab/flip.c" -ldl
    on B 'cat >/lab/flip.so' <"$LAB_DIR/flip.so"
}

# Of the guest's own memory, all but what others write to, which is a few pages.
expect_verified() { # MiB
    local pages=$(($1 * 256))
    expect_ge "verified pages" $((pages - 64)) "$(result source verified_pages)"
    expect_le "verified pages" $((pages + 4096)) "$(result source verified_pages)"
}

# flipped NAME TYPE: a bit turned at the target ends it.
flipped() {
    local name=$1 before status=0 page
    before=$(guest_tick A "$name")
    # As xl migrate --fast --verify does it, and with the library that turns the bit at the target.
    MIGRATE_OUTPUT=$(ON_TIMEOUT=400 on A "env $HELPER XL_FAST=1 XL_FAST_VERIFY=1 /usr/sbin/xl migrate $name \
        'B env LD_PRELOAD=/lab/flip.so XF_FLIP=1000 $HELPER XL_FAST=1'" 2>&1 | tr '\r' '\n') || status=$?
    printf '%s\n' "$MIGRATE_OUTPUT" | grep -aE '^(xl-fast: (source|target)|flip:)' | while read -r line; do
        note "$line"
    done
    expect_eq "$2: the exit status is not 0" yes "$([ "$status" != 0 ] && echo yes)"
    expect_match "$2: the bit was turned" '^flip: ' "$MIGRATE_OUTPUT"
    expect_match "$2: the target's line" '^xl-fast: target: verify: 1 pages differ: 0x[0-9a-f]+$' "$MIGRATE_OUTPUT"
    expect_match "$2: the source's line" '^xl-fast: source: the target refuses: verify: 1 pages differ: 0x[0-9a-f]+$' "$MIGRATE_OUTPUT"
    page=$(printf '%s\n' "$MIGRATE_OUTPUT" | sed -n 's/^flip: page //p')
    [ -z "$page" ] || expect_match "$2: the page is named" "differ: $page\$" "$MIGRATE_OUTPUT"
    expect_goes_on A "$name" "$before"
    expect_eq "guests on A" "$name" "$(domains A)"
    expect_eq "guests on B" "" "$(domains B)"
}

begin
make_flip

make_guest A moved memory=192
flipped moved PVH
for from in A B A B A; do
    fast_move "$from" moved --verify
    expect_verified 192
done
on B xl destroy moved

make_guest A moved type=pv memory=192
flipped moved PV
for from in A B; do
    fast_move "$from" moved --verify
    expect_verified 192
done
