#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A small soak (tests/soak/soak.h): faults at any point leave one running copy and right bytes, on the
# virtual clock and with real processes; `make soak` is the large one. SEED=N: another seed.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

soak=${XF_BUILD:-build}/faults/soak
virtual=$(size 1500 200) group=$(size 400 40) real=$(size 20 4)
# DPDK's own threads are not built for it.
[ "${XF_SANITIZED:-}" != tsan ] || { real=0 && echo "left out: real processes: DPDK's own threads are not built for ThreadSanitizer"; }

"$soak" -v "$virtual" -g "$group" -r "$real" -s "${SEED:-1}" -o "$work/out" >"$work/err" 2>&1 ||
    fail "the soak has found something"
for key in runs wrong_bytes double_owner lost hangs leaks seed; do
    [ "$(grep -c "\"$key\": [0-9]" "$work/out")" = 3 ] || fail "no figure for $key in the JSON"
done
[ "$(sed -n 's/.*"runs": \([0-9]*\),/\1/p' "$work/out" | tr '\n' ' ')" = "$real $virtual $group " ] ||
    fail "not all runs were made"
nothing_left

# A run can be made again by its seed, with other faults.
"$soak" -V 5 -f 'source_suspended=kill' >"$work/err" 2>&1 || fail "a run that dies when it has suspended"
grep -q ' 0 moved, 1 stayed' "$work/err" || fail "it should have stayed"
"$soak" -V 5 -f 'owner_started=kill' >"$work/err" 2>&1 || fail "a run that dies when the target runs"
grep -q ' 1 moved, 0 stayed, of these 1 settled' "$work/err" || fail "recovery should have settled it"
# The last that a slow target took was long ago when it was dropped, and the others must have their time.
"$soak" -G 15615027127699063775 >"$work/err" 2>&1 || fail "a group that is renewed late"
grep -q ' 1 moved, 0 stayed' "$work/err" || fail "the others should have moved"
# With lanes, a clock that is put forward at the start is no long nap for who grants them what they may send.
if [ "$real" != 0 ]; then
    "$soak" -R 5946510621941980320 -f 'source_started:1=jump:302' >"$work/err" 2>&1 || fail "a clock that is put forward"
    grep -q ' 1 moved, 0 stayed' "$work/err" || fail "it should have moved"
fi

# Told to end, it ends the runs that are under way, and leaves nothing.
if [ "$real" != 0 ]; then
    mkdir "$work/tmp"
    TMPDIR=$work/tmp setsid "$soak" -r 100000 -s 1 >"$work/err" 2>&1 &
    pid=$!
    until ls "$work"/tmp/xl-fast-soak-*/source.log >/dev/null 2>&1; do
        kill -0 "$pid" 2>/dev/null || fail "it has ended by itself"
        sleep 0.1
    done
    kill -INT "-$pid"
    status=0
    wait "$pid" || status=$?
    [ "$status" = 1 ] || fail "interrupted, it ends with status $status"
    grep -Eq '^soak: real: interrupted: [0-9]+ of 100000 runs$' "$work/err" || fail "it does not say that it was interrupted"
    grep -q ' wrong_bytes 0, double_owner 0, lost 0, hangs 0, leaks 0, crashes 0,' "$work/err" || fail "it has found something"
    [ -z "$(ls "$work/tmp")" ] || fail "it leaves $(ls "$work/tmp")"
fi
