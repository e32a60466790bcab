#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# xl-fast evacuate, killed with kill -9 at each point of a move, and started again: each guest ends up running once;
# and where that cannot be told, it stops.
# shellcheck source=tests/e2e/evacuate.bash
. "$(dirname "$0")/evacuate.bash"

# It alone is killed: what it has begun goes on, and the next run waits for it.
start memory hostb hostc
kill -9 "$pid"
wait "$pid" 2>/dev/null
timeout 60 xl-fast evacuate hostb hostc >"$work/out" 2>"$work/err" </dev/null &
pid=$!
for ((i = 0; i < 400; i++)); do
    ! grep -q 'still on its way' "$work/err" || break
    sleep 0.05
done
evacuate hostb # two at once
ends 1
has err "another xl-fast evacuate runs here (process "
are 'cache db web1 web2' 'db--incoming=paused' ''
go_on
wait "$pid"
status=$?
ends 0
moves_are 'db hostb' 'cache hostc' 'web1 hostb' 'web2 hostc'
are '' 'db web1' 'cache web2'
once

# All of it is killed, where the guest is in each of the states that a move has: the next run settles it.
kill_all() {
    kill -9 "$pid" "$(shim)" "$(cat "$dir/xl.pid")"
    wait "$pid" 2>/dev/null
    until_ended "$(cat "$dir/xl.pid")"
}

killed_at() { # WHERE STATE-HERE STEPS [MOVES...]
    start "$1" -k 'web*' hostb hostc
    kill_all
    [ "$(at here)" = "$2" ] || fail "here: '$(at here)', not '$2'"
    go_on
    evacuate -k 'web*' hostb hostc
    ends 0
    are 'web1 web2' db cache
    [ "$(xargs <"$dir/log/steps")" = "$3" ] || fail "steps '$(xargs <"$dir/log/steps")', not '$3'"
    shift 3
    moves_are "$@"
    once
}

killed_at memory 'cache db web1 web2' 'hostb destroy-unrun db' 'db hostb' 'db hostb' 'cache hostc'
killed_at suspended 'cache db=suspended web1 web2' 'hostb destroy-unrun db here resume db' 'db hostb' 'db hostb' 'cache hostc'
killed_at away 'cache db--migratedaway=suspended web1 web2' 'here take-back db hostb destroy-unrun db here resume db' \
    'db hostb' 'db hostb' 'cache hostc'
killed_at there 'cache db--migratedaway=suspended web1 web2' 'here destroy-stale db' 'db hostb' 'cache hostc'
killed_at gone 'cache web1 web2' '' 'db hostb' 'cache hostc'
has out 'db                                -  moved to hostb'

# The target does not answer any more, and the guest is alive here: it goes elsewhere.
start memory -k 'web*' -k db hostb hostc
kill_all
go_on
touch "$dir/hostb/.down"
evacuate -k 'web*' -k db hostb hostc
ends 0
are 'db web1 web2' 'cache--incoming=paused' 'cache'
once

# ... and where it is suspended here, it may run there: nothing more is done.
for how in down no-trace; do
    start away hostb hostc
    kill_all
    go_on
    [ $how = no-trace ] || touch "$dir/hostb/.down"
    [ $how = down ] || rm "$dir/hostb/db--incoming"
    evacuate hostb hostc
    ends 3
    has err 'xl-fast recover db hostb' 'remove '
    has out 'db                                -  unsettled: xl-fast recover: hostb' 'cache                       400 MiB  left: its turn'
    moves_are 'db hostb'
    [ -n "$(journal)" ] || fail "the journal is gone"
done

# Nor with a journal that cannot be read.
world
mkdir "$dir/run/xl-fast"
echo 'xl-fast evacuate 1' >"$dir/run/xl-fast/evacuate"
evacuate hostb hostc
ends 3
has err "$dir/run/xl-fast/evacuate is damaged"
[ ! -s "$dir/log/moves" ] || fail "something was moved"
evacuate -n hostb hostc
ends 3
