#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What is predicted of the downtime is shown beside what is seen; a guest that writes too fast moves all the
# same, or stays where it is and runs on, as --on-busy says.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

demo --memory 32M --fill random --dirty-rate 20M --bandwidth 1G --seed 1 --json --events "$work/events"
verified
[ "$(get predicted_downtime_us)" != 0 ] || fail "nothing was predicted"
us=$(sed -n 's/.*"suspend".*"predicted_downtime_us":\([0-9]*\).*/\1/p' "$work/events")
[ "$(get predicted_downtime_us)" = "$us" ] || fail "the events predict $us"
demo --memory 16M --seed 1
grep -qE '^  downtime +[0-9.]+ ms, predicted [0-9.]+ ms$' "$work/out" || fail "the table shows no prediction"
# Of what did not happen the table has no zeros.
! grep -E '^  (injected|rejects) |[ ,]0 (compressed|repaired)| 0 B less' "$work/out" || fail "rows of zeros"

# Everything is written anew in each round.
busy=(--memory 16M --fill random --dirty-rate 400M --bandwidth 400M --max-downtime 1 --seed 2)
demo "${busy[@]}" --json
verified
is on_busy '"go"'

# Slowed down, it can move.
demo --memory 16M --fill random --dirty-rate 100M --bandwidth 400M --max-downtime 100 --seed 3 --throttle \
    --on-busy abort --json
verified
[ "$(get throttle_pct)" -lt 100 ] || fail "it was not slowed down"

rm "$work/events"
demo "${busy[@]}" --json --on-busy=abort --events "$work/events"
[ "$status" = 5 ] || fail "exit status $status"
one_object
is ok false
at_least stayed_pages 1
for words in 'dirties' 'Gbit' 'the link carries' '--max-downtime' '--on-busy=go'; do
    grep -q -- "$words" "$work/err" || fail "it does not say '$words'"
done
[ "$(wc -l <"$work/err")" = 1 ] || fail "more than one line"
checked check-events "$work/events" start=1 failed=1 exit=1
! grep -q '"suspend"' "$work/events" || fail "the guest was suspended"
grep -q '"exit","status":5' "$work/events" || fail "the events end otherwise"

demo "${busy[@]}" --on-busy abort
[ "$status" = 5 ] || fail "exit status $status"
grep -q 'STAYED: the guest keeps running at the source' "$work/out" || fail "the table does not say where the guest is"
nothing_left

demo --on-busy perhaps
[ "$status" = 2 ] || fail "exit status $status"
