# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Wrong set-ups: what doctor and `xl migrate --fast` say of one, and that the command they name mends it.
# Sourced after lib.sh.

# doctor STATUS: as it is run at A about B; what it says in SAID.
doctor() {
    local status=0
    SAID=$(on A xl-fast doctor B 2>&1) || status=$?
    [ "$status" = "$1" ] || fail "doctor: status $status, not $1: $SAID"
}

# doctor_names STATE REGEX: the line about it has a command; it is left in MEND.
doctor_names() {
    expect_match "doctor" "^  $1 +$2" "$SAID"
    MEND=$(printf '%s\n' "$SAID" | grep -E -A 1 -m 1 "^  $1 +$2" | sed -n 's/^ *mend: //p')
    [ -n "$MEND" ] || fail "doctor names no command: $SAID"
}

# As an admin at A would type it.
mend() {
    note "mend: $MEND"
    on A "cd ~; $MEND" >"$WORK/log" 2>&1 </dev/null || fail "$MEND: $(cat "$WORK/log")"
}

# refused NAME REGEX: --fast is refused, with the same command, and the guest goes on.
refused() {
    local before
    before=$(guest_tick A "$1")
    if migrate A "$1" --fast 2>/dev/null; then fail "it went"; fi
    expect_match "migrate" "^xl-fast: $2" "$MIGRATE_OUTPUT"
    # What is to be done at the target, it names without the way there.
    [[ $MIGRATE_OUTPUT == *"; mend: "* && $MEND == *"${MIGRATE_OUTPUT##*; mend: }"* ]] ||
        fail "migrate names another command than doctor ($MEND): $MIGRATE_OUTPUT"
    wait_tick A "$1" $(($(field "$before" tick) + 2)) 60
}
