#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# xl-fast evacuate and a guest that shuts down, is destroyed or reboots while it moves: it is named and settled, the
# others move, and what has rebooted moves too.
# shellcheck source=tests/e2e/evacuate.bash
. "$(dirname "$0")/evacuate.bash"

ended() { # STATUS OF THE RUN: of one that stands in the middle of db's memory
    wait "$pid"
    status=$?
    ends "$1"
    once
}

# As by its own poweroff, a crash or xl destroy: xl has removed it.
start memory hostb hostc
rm "$dir/here/db"
go_on
ended 0
has err 'db has ended while it moved to hostb: it has shut down, crashed or been destroyed, and hostb does not have it'
has out 'ended while it moved to hostb' '3 moved, 0 left, 0 kept, 1 ended'
moves_are 'db hostb' 'cache hostb' 'web1 hostb' 'web2 hostc'
are '' 'cache web1' web2

# The run was killed meanwhile, and what moved the guest too: the next one settles it.
start memory --json hostb hostc
kill -9 "$pid" "$(shim)" "$(cat "$dir/xl.pid")"
wait "$pid" 2>/dev/null
rm "$dir/here/db" "$dir/hostb/db--incoming"
go_on
evacuate --json hostb hostc
ends 0
once
has out '"result":"settled-ended"' '"result":"ended"'
are '' 'cache web1' web2
evacuate hostb hostc
ends 0
lacks err db

# Where the target may have it, that is not so.
start memory hostb hostc
kill -9 "$pid" "$(shim)" "$(cat "$dir/xl.pid")"
wait "$pid" 2>/dev/null
rm "$dir/here/db"
go_on
evacuate hostb hostc
ends 3
[ -n "$(journal)" ] || fail "the journal is gone"
touch "$dir/hostb/.down"
rm "$dir/hostb/db--incoming"
evacuate hostb hostc
ends 3
lacks err 'has ended'

# Shut down, and left so by its on_poweroff.
start memory hostb hostc
n=1 guest db 900 shut-down
go_on
ended 1
has out 'db                          900 MiB  left: is shut down' '3 moved, 1 left, 0 kept'
are 'db=shut-down' 'cache web1' web2

# It has rebooted: a new domain of its name and UUID, at once, or, as xl does it, after a while, paused at first.
new_domain() { echo "99 ${boot}2 $1 7 900" >"$dir/here/db"; }
start memory hostb hostc
new_domain running
go_on
ended 0
has err 'db has rebooted while it moved to hostb'
has out '4 moved, 0 left'
moves_are 'db hostb' 'db hostb' 'cache hostc' 'web1 hostb' 'web2 hostc'
are '' 'db web1' 'cache web2'

start memory -k 'web*' -k cache hostb hostc
rm "$dir/here/db"
go_on
sleep 3
new_domain paused
sleep 3
new_domain running
ended 0
moves_are 'db hostb' 'db hostb'
are 'cache web1 web2' db ''

# Again and again: not for ever.
world
touch "$dir/reboots"
evacuate -k 'web*' -k cache hostb hostc
ends 1
has out 'db                          900 MiB  left: has rebooted 4 times while it moved'
[ "$(wc -l <"$dir/log/moves")" = 4 ] || fail "other moves: $(cat "$dir/log/moves")"
are 'cache db web1 web2' '' ''
once
