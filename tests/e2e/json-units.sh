#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# All JSON has one unit a kind (xl-plugin/doc/demo.md): the end of a key says the unit, and no other unit occurs.
# shellcheck source=tests/e2e/evacuate.bash
. "$(dirname "$0")/evacuate.bash"

# units NUMBERS COMMAND...: its JSON has at least so many numbers, whatever its exit status is.
units() {
    echo "+ ${*:2}"
    "${@:2}" >"$work/out" 2>"$work/err"
    tests/e2e/check-units "$work/out" "$1" || fail "${*:2}"
}

units 30 xl-fast demo --memory 16M --dirty-rate 4M --seed 1 --events "$work/events" --json
units 30 cat "$work/events"
units 8 xl-fast bench seal --memory 16M --seconds 1 --json
units 18 xl-fast bench send --memory 16M --passes 2 --json
units 18 xl-fast bench receive --memory 16M --passes 2 --lanes 2 --json
units 30 xl-fast bench link --memory 16M --passes 1 --interval 0.1 --json
units 30 xl-fast bench link --search --json
units 3 xl-fast probe --json
units 2 xl-fast doctor --json

world
units 12 xl-fast evacuate -n --json hostb hostc

# A move that is in progress, and one that is over.
world
echo memory >"$dir/hold"
evacuate hostb &
moving=$!
until [ -e "$dir/held" ]; do
    kill -0 "$moving" || fail "it does not begin"
    sleep 0.05
done
units 3 xl-fast status --json
units 4 xl-fast recover -n --json web1 hostb
rm "$dir/hold"
wait "$moving"
units 4 xl-fast history --json
