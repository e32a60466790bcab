# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the scenarios of `xl migrate --fast --verify` have in common. Sourced after fast.sh.

# shellcheck disable=SC2034
MOVE_OPTIONS=(--verify)

# Of the guest's memory all but what others write to, which is a few pages.
expect_verified() { # MiB
    local pages=$(($1 * 256))
    expect_ge "verified pages" $((pages - 256)) "$(result source verified_pages)"
    expect_le "verified pages" $((pages + 4096)) "$(result source verified_pages)"
    expect_eq "verified pages, counted at both ends" "$(result source verified_pages)" "$(result target verified_pages)"
}

# flipped NAME: a bit of the guest's memory that is turned at the target, B, ends the migration at both
# ends, with a line that names the page, and the guest goes on at A.
flipped() {
    local name=$1 before status=0 page line
    cc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -fno-builtin -O1 -fPIC -shared \
        -o "$LAB_DIR/flip.so" "$REPO/tests/lab/flip.c" -ldl
    on B 'cat >/lab/flip.so' <"$LAB_DIR/flip.so"
    before=$(guest_tick A "$name")
    # What xl migrate --fast --verify does, and at the target with the library that turns the bit.
    MIGRATE_OUTPUT=$(ON_TIMEOUT=400 on A "env $HELPER XL_FAST=1 XL_FAST_VERIFY=1 /usr/sbin/xl migrate $name \
        'B env LD_PRELOAD=/lab/flip.so XF_FLIP=1000 $HELPER XL_FAST=1'" 2>&1 | tr '\r' '\n') || status=$?
    printf '%s\n' "$MIGRATE_OUTPUT" | grep -aE '^(xl-fast: (source|target)|flip:)' | while read -r line; do
        note "$line"
    done
    [ "$status" != 0 ] || fail "the migration succeeded"
    expect_match "the bit was turned" '^flip: ' "$MIGRATE_OUTPUT"
    expect_match "the target's line" '^xl-fast: target: verify: 1 pages differ: 0x[0-9a-f]+$' "$MIGRATE_OUTPUT"
    expect_match "the source's line" '^xl-fast: source: the target refuses: verify: 1 pages differ: 0x[0-9a-f]+$' "$MIGRATE_OUTPUT"
    page=$(printf '%s\n' "$MIGRATE_OUTPUT" | sed -n 's/^flip: page //p')
    [ -z "$page" ] || expect_match "the page is named" "differ: $page\$" "$MIGRATE_OUTPUT"
    expect_goes_on A "$name" "$before"
    expect_eq "guests on A" "$name" "$(domains A)"
    expect_eq "guests on B" "" "$(domains B)"
}

# verified_move FROM NAME MiB: goes, all pages compared, and goes on there.
verified_move() {
    local before
    before=$(guest_tick "$1" "$2")
    migrate "$1" "$2" --fast --verify || fail "a false alarm?"
    expect_verified "$3"
    expect_goes_on "$(other_host "$1")" "$2" "$before"
}
