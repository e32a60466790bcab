#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (four guests and five moves, half an hour; tests/e2e/evacuate*.sh kill it at each point of a move)
# Host A is emptied: two PVH guests, a PV and an HVM guest move to B by `xl-fast evacuate`. With one guest gone and
# the next one's memory on its way it is killed, and all that it has started (kill -9). Until then, and after
# it, each guest runs once. Run again it settles that guest and moves those that are left.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
begin

names=(ev-hvm ev-pv ev-pvh1 ev-pvh2)
on A rm -f /run/xl-fast/evacuate /lab/out
# Four on one emulated CPU: each takes little of it, or the last one does not get to boot.
light=(memory=128 busy=4 write=5)
make_guest A ev-hvm "${light[@]}" type=hvm
make_guest A ev-pv "${light[@]}" type=pv seed=2
make_guest A ev-pvh1 "${light[@]}" seed=3
make_guest A ev-pvh2 "${light[@]}" seed=4

# At how many hosts each guest runs, under its own name: once.
expect_each_once() { # WHEN
    local name host seen
    for name in "${names[@]}"; do
        seen=$(for host in "${HOSTS[@]}"; do on "$host" xl list; done | awk -v n="$name" '$1 == n && substr($5, 3) !~ /[a-z]/' | wc -l)
        expect_eq "$1: at how many hosts $name runs" 1 "$seen"
    done
}

# The plan, and nothing else.
plan=$(on A xl-fast evacuate --dry-run --keep 'ev-pvh?' B) || fail "evacuate --dry-run: status $?: $plan"
printf '%s\n' "$plan" | sed 's/^/   | /'
expect_eq "guests that would move" "ev-hvm ev-pv" "$(printf '%s\n' "$plan" | awk '$NF == "B" && /to B$/ { print $1 }' | sort | xargs)"
expect_eq "guests that would be kept" "ev-pvh1 ev-pvh2" "$(printf '%s\n' "$plan" | awk '/kept: --keep$/ { print $1 }' | sort | xargs)"
expect_eq "guests on B" "" "$(domains B)"

declare -A before
for name in "${names[@]}"; do
    before[$name]=$(guest_tick A "$name")
done

# At this rate a guest's memory is under way for most of a minute. Appended to: what outlives it would else write over
# the status.
on A '(xl-fast evacuate B -- --bandwidth 20M >>/lab/out 2>&1; echo "status $?" >>/lab/out) </dev/null >/dev/null 2>&1 &'
# shellcheck disable=SC2016  # expanded on the host
ON_TIMEOUT=620 on A 'i=0; until [ "$(xl list | grep -c "^ev-")" = 3 ] && xl-fast status | grep -q " live .*round"; do
    i=$((i + 1)); [ $i -lt 600 ] && ! grep -q "^status" /lab/out || exit 1; sleep 1; done' ||
    fail "the second guest does not begin to move: $(on A tail -n 30 /lab/out)"
note "journal: $(on A cat /run/xl-fast/evacuate | tr '\n' ' ')"
# It, the shim, xl, and what xl has started; first who would act on another's end.
# shellcheck disable=SC2016
on A 'shim=$(sed -n "s/^pid=//p" /run/xl-fast/evacuate); xl=$(pgrep -P "$shim" -x xl); below=$(pgrep -P "$xl")
    kill -9 $(cat /run/xl-fast/evacuate.lock) "$shim" "$xl" $below' || fail "it cannot be killed"
sleep 5
expect_match "its end" '^status 137$' "$(on A cat /lab/out)"
expect_eq "guests on A after the kill" 3 "$(domains A | wc -w)"
expect_each_once "after the kill"

status=0
output=$(ON_TIMEOUT=1800 on A xl-fast evacuate B -- --verify 2>&1) || status=$?
printf '%s\n' "$output" | tr '\r' '\n' | sed 's/^/   | /'
expect_eq "the second run's exit status" 0 "$status"
expect_match "it settles what was on its way" '^xl-fast evacuate: ev-[a-z0-9]* was on its way to B$' "$output"
expect_match "its summary" '^3 moved, 0 left, 0 kept$' "$output"

expect_each_once "at the end"
expect_eq "guests on A" "" "$(domains A)"
expect_eq "guests on B" "${names[*]}" "$(domains B | tr ' ' '\n' | sort | xargs)"
for name in "${names[@]}"; do
    expect_goes_on B "$name" "${before[$name]}"
done
for name in "${names[@]}"; do
    wait_pass B "$name"
done
on A test ! -e /run/xl-fast/evacuate || fail "the journal is left"

# Nothing to do: the first words of a run on an empty host.
expect_match "on an empty host" '^0 moved, 0 left, 0 kept$' "$(on A xl-fast evacuate B 2>&1)"
end_clean
