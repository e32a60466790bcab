#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A whole migration under valgrind, DPDK included: no process of it loses memory, and none reads what was
# never written or is not its own. `make valgrind` runs it: half a minute, or several where the machine is busy.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/../e2e/common.bash"

# Errors other than leaks of the kinds named would be reported as well. Memory that DPDK and libc keep for
# good is still reachable; a thread's that is still there at the end is "possibly lost".
valgrind --leak-check=full --errors-for-leak-kinds=definite,indirect --show-leak-kinds=definite,indirect \
    --trace-children=yes --log-file="$work/valgrind.%p" \
    "$XL_FAST" demo --memory 4M --dirty-rate 1M --loss 2 --seed 1 --json >"$work/out" 2>"$work/err"
status=$?
verified
nothing_left

ends=0
for log in "$work"/valgrind.*; do
    sed 's/^==[0-9]*== //' "$log" | grep -E '^(Command|ERROR SUMMARY)|(definitely|indirectly) lost:'
    grep -q 'ERROR SUMMARY: 0 errors' "$log" || { cat "$log"; fail "valgrind found errors"; }
    ends=$((ends + 1))
done
[ "$ends" -ge 3 ] || fail "$ends processes were looked at, not the demo and its two ends"
