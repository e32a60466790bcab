#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# xl-fast-pump between ssh and an xl that is a script: what it copies; that xl can write its report and tidy up where
# nobody reads any more, or the pump was killed; and that an early hand-over which cannot begin ends its xl's stdin.
set -u
cd "$(dirname "$0")/../.." || exit 1
pump=${XF_BUILD:-build}/xl-fast-pump
[ -x "$pump" ] || { echo "xl-fast-pump is not built (XEN=0)"; exit 77; }
pump=$(realpath "$pump")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAIL: $*"; exit 1; }

# It says that it is there, and at its stdin's end it reports as xl does: what cannot be written ends it before it has
# tidied up.
cat >"$work/xl" <<'END'
#!/bin/bash
echo here
cat >"$W/got"
sleep "${SLEEP:-0}"
printf '%080d' 1 2>/dev/null || exit 1
touch "$W/tidy"
exit "${STATUS:-0}"
END
chmod +x "$work/xl"
export W=$work

# until COMMAND...: waits for it, 10 s at the most.
until_() {
    local i
    for ((i = 0; i < 100; i++)); do
        "$@" && return 0
        sleep 0.1
    done
    return 1
}
begin() { rm -f "$work/got" "$work/tidy" "$work/in"; }

# ---- it copies ---------------------------------------------------------------------------------------

begin
head -c 300000 /dev/urandom >"$work/sent"
STATUS=7 "$pump" "$work/xl" <"$work/sent" >"$work/out"
status=$?
[ "$status" = 7 ] || fail "exit status $status, not xl's"
cmp "$work/sent" "$work/got" || fail "xl has got other bytes"
{ echo here; printf '%080d' 1; } | cmp - "$work/out" || fail "xl's words are others"
[ -e "$work/tidy" ] || fail "xl has not come to its end"

"$pump" /nowhere/xl </dev/null
status=$?
[ "$status" = 127 ] || fail "without an xl: exit status $status"

# ---- nobody reads ------------------------------------------------------------------------------------

begin
mkfifo "$work/in"
"$pump" "$work/xl" <"$work/in" 2>/dev/null | head -c 5 >/dev/null &
exec 7>"$work/in"
until_ test -e "$work/got" || fail "xl does not begin"
sleep 0.3
exec 7>&-
until_ test -e "$work/tidy" || fail "nobody reads, and xl does not tidy up"
wait

# ---- it is killed ------------------------------------------------------------------------------------

begin
mkfifo "$work/in"
"$pump" "$work/xl" <"$work/in" >"$work/out" &
pid=$!
exec 7>"$work/in"
until_ grep -q here "$work/out" || fail "xl does not begin"
kill -9 "$pid"
until_ test -e "$work/tidy" || fail "the pump was killed, and xl does not tidy up"
exec 7>&-
wait "$pid" 2>/dev/null

# ---- early -------------------------------------------------------------------------------------------

# Without Xen, or with an xl that is none: it is refused, and xl's stdin ends.
begin
XL_FAST=early XL_FAST_DOMAIN=5afe0000-0000-4000-8000-000000000001 "$pump" "$work/xl" \
    < <(sleep 5) >"$work/out" 2>"$work/err"
status=$?
[ "$status" = 1 ] || fail "early, without a guest: exit status $status"
grep -Eq '^xl-fast: target: (cannot reach Xen|xl here begins with what is not known of it)' "$work/err" ||
    fail "early, without a guest: $(cat "$work/err")"
[ ! -s "$work/out" ] || fail "early, without a guest: the source was told '$(cat "$work/out")'"
[ -e "$work/tidy" ] || fail "early, without a guest: xl does not tidy up"
XL_FAST=early XL_FAST_DOMAIN=x "$pump" "$work/xl" </dev/null >/dev/null 2>"$work/err" && fail "a guest without a UUID is taken"
echo ok
