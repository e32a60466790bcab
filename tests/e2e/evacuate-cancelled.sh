#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# xl-fast evacuate, ended by a signal: the move in progress ends as by xl-fast cancel, or is let go on where it is too
# late; and one move that is cancelled from elsewhere.
# shellcheck source=tests/e2e/evacuate.bash
. "$(dirname "$0")/evacuate.bash"

for signal in INT:130 TERM:143 HUP:129; do
    start memory hostb hostc
    kill -"${signal%:*}" "$pid"
    wait "$pid"
    status=$?
    ends "${signal#*:}"
    are 'cache db web1 web2' '' ''
    has err 'db keeps running here'
    has out '0 moved, 4 left' 'its turn had not come'
    once
done
go_on
evacuate hostb hostc
ends 0
are '' 'db web1' 'cache web2'
once

# Too late for it: the guest moves, and no other.
start there hostb hostc
kill -TERM "$pid"
sleep 0.3 # the shim is told, and has nothing to end
go_on
wait "$pid"
status=$?
ends 143
has out 'moved to hostb' '1 moved, 3 left'
moves_are 'db hostb'

# xl-fast cancel from elsewhere: this guest stays, the others move.
start memory -k 'web*' hostb hostc
xl-fast cancel db >/dev/null || fail "cancel"
go_on
wait "$pid"
status=$?
ends 1
has out 'left: xl migrate to hostb was cancelled'
moves_are 'db hostb' 'cache hostb'

# Cancelled, and then xl dies where the guest belongs to nobody, or is gone: that is for the next run to settle.
for where in away gone; do
    start $where hostb hostc
    kill -TERM "$pid"
    kill -9 "$(cat "$dir/xl.pid")"
    wait "$pid"
    status=$?
    ends 143
    has out 'db                          900 MiB  unsettled'
    [ -n "$(journal)" ] || fail "it is forgotten"
    [ ! -s "$dir/log/steps" ] || fail "it was settled: $(cat "$dir/log/steps")"
    go_on
    evacuate hostb hostc
    ends 0
    are '' 'db web1' 'cache web2'
    once
done
