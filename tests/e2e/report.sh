#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The page about a migration: says what its events say, is whole, loads nothing, and takes names and numbers
# that mean harm as what they are.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

page=$work/page.html

# page_says WORDS...: the page is well formed, and shows each of the words.
page_says() {
    checked check-page "$page" "$@"
}

# report STATUS: of the events in $work/events.
report() {
    echo "+ xl-fast report ($(wc -l <"$work/events") events)"
    "$XL_FAST" report "$work/events" "$page" >"$work/out" 2>"$work/err"
    status=$?
    [ "$status" = "$1" ] || fail "exit status $status"
}

# With and without a file of events; both are of the same migration.
demo --memory 24M --dirty-rate 20M --loss 2 --corrupt 1 --seed 1 --json \
    --report "$page" --events "$work/events"
verified
page_says 'simulated guest' 'Moved, and both ends' 'Freeze: suspending the guest: ' 'Copy: the last round: ' \
    'Rate on the wire' 'Dirty memory still to send' "$(get packets_lost) of $(get packets_sent) packets" \
    "$(get pages_repaired) of $(get pages_sent) pages" 'forged: authentication failed' 'with the guest suspended'
[ "$(grep -c '<svg' "$page")" = 3 ] || fail "not three drawings"
[ "$(grep -cx '<tr><td>[0-9]*\*\{0,1\}</td>.*' "$page")" = "$(get rounds)" ] || fail "not a row for each round"
cp "$page" "$work/first.html"
report 0
cmp -s "$page" "$work/first.html" || fail "the demo's page is another"
demo --memory 4K --seed 2 --report "$page"
[ "$status" = 0 ] || fail "exit status $status"
page_says 'Moved, and both'

# One that failed, and one that is not over, cut within a line.
demo --memory 16M --seed 3 --source-port no-such-port0 --target-port no-such-port1 --report "$page"
[ "$status" = 1 ] || fail "exit status $status"
page_says 'Failed' 'no-such-port' 'The guest was not suspended.'
n=$(grep -n '"suspend"' "$work/events" | cut -d : -f 1)
cp "$work/events" "$work/all"
{ head -n $((n + 1)) "$work/all"; printf '{"version":2,"ev'; } >"$work/events"
report 0
page_says 'Not over' 'its last round did not end' 'not over'

# Names and reasons as an enemy would choose them, numbers out of all bounds, in no order.
cat >"$work/events" <<'END'
{"version":2,"event":"start","t_us":0,"program":"migrate","guest":"</title><script>alert(1)</script>\"'&amp;\u202e","host":"<img src=x onerror=y>\u0007"}
{"version":2,"event":"round_begin","t_us":9223372036854775807,"round":1,"pages":9223372036854775807,"suspended":false}
{"version":2,"event":"progress","t_us":5,"round":1,"pages":7,"pages_done":9,"bytes":9223372036854775807}
{"version":2,"event":"round_end","t_us":1,"round":1,"pages":9223372036854775807,"duration_us":0,"dirty_pages":1,"suspended":false}
{"version":2,"event":"round_begin","t_us":0,"round":2,"suspended":true}
{"version":2,"event":"suspend","t_us":-5,"predicted_copy_us":"soon"}
{"version":2,"event":"unheard of","t_us":[{}]}
{"version":2,"event":"failed","error":"<b>&</b>","rejects":{"<i>":3,"forged":4},"downtime":{"copy_us":9223372036854775807,"freeze_us":1}}
END
report 0
page_says '<script>alert(1)</script>"' '<img src=x onerror=y>' '<b>&</b>'
grep -q '<script\|<img\|<i>' "$page" && fail "markup from the events"

# The last migration of a file counts. A guest that moved and did not start is no success.
cat >>"$work/events" <<'END'
{"version":2,"event":"start","t_us":0,"program":"migrate","guest":"web1","host":"hostb"}
{"version":2,"event":"done","t_us":5,"total_us":123000,"rounds":0,"bytes":0,"pages_sent":0,"downtime":{},"rejects":{}}
{"version":2,"event":"exit","status":1}
END
report 0
page_says web1 hostb 'ended with status 1' '123 ms'
grep -q alert "$page" && fail "the migration before is in the page"

# The downtime is told once the guest was started; before that there are parts of it.
cat >"$work/events" <<'END'
{"version":2,"event":"start","t_us":0,"clock_us":1,"program":"migrate","guest":"web1","host":"hostb"}
{"version":2,"event":"suspend","t_us":1,"predicted_copy_us":40000,"predicted_downtime_us":6540000}
{"version":2,"event":"done","t_us":1000000,"rounds":1,"bytes":0,"pages_sent":0,"downtime":{"freeze_us":2000,"copy_us":30000,"context_us":60000},"rejects":{}}
END
report 0
page_says 'At least 92.0 ms' "Context: the guest's state is sent: 60.0 ms"
! grep -q 'Devices\|<dt>Downtime' "$page" || fail "a downtime that is not known"
cat >>"$work/events" <<'END'
{"version":2,"event":"started","t_us":8000000,"downtime_us":7092000,"devices_us":6900000,"go_us":100000,"limited_by":"<b>the link</b>"}
{"version":2,"event":"reachable","t_us":8100000,"vif":0,"mac":"<b>","reachable_after_us":7192000}
{"version":2,"event":"reachable","t_us":8100000,"vif":1,"mac":"00:16:3e:00:00:01","reachable_after_us":null}
END
report 0
page_says 'after 7.2 s (vif 0), not seen in 30 s (vif 1)' '7.09 s; predicted were 6.54 s' 'Devices: the target attaches them: 6.90 s' 'Go: the target starts the guest: 100 ms' '8.00 s' 'Limited by' '<b>the link</b>'
! grep -q '<b>' "$page" || fail "markup from the events"
! grep -q 'At least\|Verify:' "$page" || fail "more or less than there was"

# What is no file of events, or cannot be read or written: status 1, and one line that says so.
for line in 'no event' '[]' '{"version":2,"event":"start"}' ''; do
    printf '%s' "$line${line:+$'\n'}" >"$work/events"
    report 1
    [ "$(wc -l <"$work/err")" = 1 ] || fail "not one line about '$line'"
done
cp "$work/all" "$work/events"
page=$work/none/page.html
report 1
grep -q 'none/page.html: No such file' "$work/err" || fail "does not say which file"
"$XL_FAST" report "$work/events" /dev/full 2>"$work/err" && fail "a full disk is a success"
"$XL_FAST" report "$work/gone" "$work/x" 2>"$work/err" && fail "events that are not there"
"$XL_FAST" report - - <"$work/all" >"$work/piped.html" || fail "by pipes"
cmp -s "$work/piped.html" "$work/first.html" || fail "by pipes it is another"
"$XL_FAST" report --frobnicate "$work/x" 2>/dev/null
[ $? = 2 ] || fail "an unknown option is taken"
"$XL_FAST" report "$work/all" 2>/dev/null
[ $? = 2 ] || fail "without a page"
nothing_left
