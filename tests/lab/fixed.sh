# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Wrong set-ups: what doctor and `xl migrate --fast` say of one, and that the command they name fixes it.
# Sourced after lib.sh.

# doctor STATUS: as it is run at A about B; what it says in SAID.
doctor() {
    local status=0
    SAID=$(on A xl-fast doctor B 2>&1) || status=$?
    [ "$status" = "$1" ] || fail "doctor: status $status, not $1: $SAID"
}

# doctor_names STATE REGEX: the line about it has a command; it is left in FIX.
doctor_names() {
    expect_match "doctor" "^  $1 +$2" "$SAID"
    FIX=$(printf '%s\n' "$SAID" | grep -E -A 1 -m 1 "^  $1 +$2" | sed -n 's/^ *fix: //p')
    [ -n "$FIX" ] || fail "doctor names no command: $SAID"
}

# As an admin at A would type it.
fix() {
    note "fix: $FIX"
    on A "cd ~; $FIX" >"$WORK/log" 2>&1 </dev/null || fail "$FIX: $(cat "$WORK/log")"
}

# refused NAME REGEX: --fast is refused, with the same command, and the guest goes on.
refused() {
    local before
    before=$(guest_tick A "$1")
    if migrate A "$1" --fast 2>/dev/null; then fail "it went"; fi
    expect_match "migrate" "^xl-fast: $2" "$MIGRATE_OUTPUT"
    # What is to be done at the target, it names without the way there.
    [[ $MIGRATE_OUTPUT == *"; fix: "* && $FIX == *"${MIGRATE_OUTPUT##*; fix: }"* ]] ||
        fail "migrate names another command than doctor ($FIX): $MIGRATE_OUTPUT"
    wait_tick A "$1" $(($(field "$before" tick) + 2)) 60
}
