#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# xl-fast evacuate, to hosts that cannot be used, where moves fail, or where nothing fits.
# shellcheck source=tests/e2e/evacuate.bash
. "$(dirname "$0")/evacuate.bash"

world
touch "$dir/hostc/.down"
evacuate hostb hostc
ends 1
moves_are 'db hostb' 'cache hostb'
has err 'hostc: cannot be asked: ssh, or xl-fast-preflight there, failed'
[ "$(grep -c 'hostc: cannot' "$work/err")" = 1 ] || fail "said more than once"
once

world
touch "$dir/hostc/.port"
evacuate hostc
ends 1
has out 'hostc                             -  hostc: port eth9 is down' '0 moved, 4 left'
[ ! -s "$dir/log/moves" ] || fail "something was moved"

world
touch "$dir/hostc/.same"
evacuate hostb hostc
has out 'hostc: is hostb again'

# An answer that is none, or means harm to the terminal.
answers() { # COMMAND WORDS
    world
    echo "$1" >"$dir/hostc/.says"
    evacuate --quiet hostc
    ends 1
    has err "$2"
    [ ! -s "$dir/log/moves" ] || fail "something was moved"
}
answers 'yes free_kib=1 2>/dev/null' 'hostc: cannot be asked: answers without end'
answers 'echo fast=ok' 'hostc: unexpected output from xl-fast-preflight'
answers 'echo fast=ok; echo free_kib=-1' 'hostc: unexpected output from xl-fast-preflight'
answers 'echo free_kib=99999999' 'hostc: unexpected output from xl-fast-preflight'
answers 'printf "why=a\033[2Jb\n"' 'evacuate: a?[2Jb'

# A login shell that prints a line: xl migrate would fail there.
world
echo 'Welcome to hostc' >"$dir/hostc/.noise"
evacuate --quiet hostc
ends 1
has err "hostc: its login shell prints 'Welcome to hostc' before the answer, and xl migrate fails on that"
[ ! -s "$dir/log/moves" ] || fail "something was moved"

# Names that shells and old rules do not like, by other login shells.
needs_shells
for shell in fish tcsh; do
    world
    rm "$dir"/here/*
    guest münchen 200
    guest -web 100
    echo 9999 >"$dir/here/.total"
    LOGIN_SHELL=$shell evacuate hostb
    ends 0
    are "" "-web münchen" ""
done
# A move fails: the next host that fits, once; nobody else is held up.
world
touch "$dir/hostb/.refuses"
evacuate hostb hostc
ends 1
moves_are 'db hostb' 'cache hostb' 'cache hostc' 'web1 hostb' 'web1 hostc' 'web2 hostb' 'web2 hostc'
are 'db' '' 'cache web1 web2'
has out 'db                          900 MiB  left: xl migrate to hostb failed (status 1); no other host has room'
has err 'migration target: no luck' 'db keeps running here'
once

world
touch "$dir/hostb/.refuses" "$dir/hostc/.refuses"
evacuate --json hostb hostc
ends 1
are 'cache db web1 web2' '' ''
[ "$(wc -l <"$dir/log/moves")" = 7 ] || fail "not each guest twice, where it fits"
has out '"event":"evacuate_begin"' '"result":"failed","status":1' \
    'xl migrate to hostb failed (status 1), xl migrate to hostc failed (status 1)' '"event":"evacuate_done"'
python3 -c 'import json, sys; [json.loads(l) for l in open(sys.argv[1])]' "$work/out" || fail "no JSON"
has err 'no luck'

# Nothing fits.
world
echo 100 >"$dir/hostb/.total"
evacuate hostb
ends 1
has out 'left: no host that can be used has room for its 900 MiB' '0 moved, 4 left'
[ ! -s "$dir/log/moves" ] || fail "something was moved"
once
