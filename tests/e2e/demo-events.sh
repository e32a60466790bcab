#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The demo's events fit their schema and come in order, however it ends and whoever reads them: a
# migration is neither held up nor ended by a reader that is slow or goes.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

events=$work/events

# check WORDS...: the events fit the schema, and there are as many of each kind as the words say.
check() {
    checked check-events "$events" "$@"
}

# last KIND KEY: the number or word that the newest event of that kind has under the key.
last() {
    grep "\"event\":\"$1\"" "$events" | tail -n 1 | sed -n "s/.*\"$2\":\"\{0,1\}\([^,\"}]*\).*/\1/p"
}

# To a file, beside --json: both say the same.
demo --memory 48M --dirty-rate 20M --loss 2 --seed 1 --events "$events" --json
verified
check start=1 connected=1 suspend=1 "done=1" started=1 exit=1
for key in rounds pages_total pages_sent pages_zero pages_compressed bytes_saved pages_repaired packets_sent packets_lost; do
    is "$key" "$(last "done" "$key")"
done
is bytes_wire "$(last "done" bytes)"
is total_us "$(last "done" total_us)"
is payload_bps "$(last "done" payload_bps)"
is downtime_us $(($(last "done" freeze_us) + $(last "done" copy_us)))
is downtime_us "$(last started downtime_us)"
[ "$(last exit status)" = 0 ] || fail "exit is not 0"
at_least pages_repaired 1
[ "$(sed -n 's/.*"round_end".*"repaired":\([0-9]*\).*/\1/p' "$events" | awk '{ n += $1 } END { print n }')" = \
    "$(get pages_repaired)" ] || fail "the rounds' repairs are not the whole"

# For a while: progress, but not more than some times a second; the limit is named.
rm "$events"
demo --memory 48M --fill random --bandwidth 400M --seed 2 --events "$events"
[ "$status" = 0 ] || fail "exit status $status"
check
[ "$(last "done" bandwidth_bps)" = 400000000 ] || fail "the limit is not named"
n=$(grep -c '"progress"' "$events")
us=$(last "done" t_us)
[ "$n" -ge 3 ] || fail "only $n progress events"
[ "$n" -le $((us / 200000 + 2)) ] || fail "$n progress events in $us us"

# stdout is the events' alone.
demo --memory 16M --seed 3 --events -
[ "$status" = 0 ] || fail "exit status $status"
cp "$work/out" "$events"
check "done=1" exit=1

# Failed: says why, as the last line on stderr does, and the status.
rm "$events"
demo --memory 16M --seed 4 --source-port no-such-port0 --target-port no-such-port1 --events "$events"
[ "$status" = 1 ] || fail "exit status $status"
check start=1 failed=1 exit=1
[ "$(last exit status)" = 1 ] || fail "exit is not 1"
[ -n "$(last failed error)" ] || fail "no reason"
grep -qF -- "$(last failed error)" "$work/err" || fail "another reason than on stderr"

# A reader that goes, and one that never reads: the demo ends well all the same.
echo '+ xl-fast demo --events - | true'
{ "$XL_FAST" demo --memory 32M --fill random --bandwidth 400M --seed 5 --events - 2>"$work/err"; echo $? >"$work/status"; } | true
[ "$(cat "$work/status")" = 0 ] || fail "a reader that goes ends it: $(cat "$work/status")"
mkfifo "$work/fifo"
exec 5<>"$work/fifo"
for _ in $(seq 16); do printf '%4096s' ' ' >&5; done # all that a pipe holds
demo --memory 16M --seed 6 --events "$work/fifo"
[ "$status" = 0 ] || fail "a reader that does not read: exit status $status"
exec 5>&-

# Nowhere to write them: at once.
demo --memory 16M --events "$work/none/events"
[ "$status" = 1 ] || fail "exit status $status"
grep -q 'none/events: No such file' "$work/err" || fail "does not say which file"
nothing_left
