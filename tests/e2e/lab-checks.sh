#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What checks the checks: the lab's matrix books a failure as stock's only where stock has just failed at the same cell
# and says why; what a host does not answer is not taken for "nothing"; parts of tests that were left out are
# counted. Without a lab: hosts and moves are stand-ins.
# shellcheck disable=SC2016  # expanded by the shell of each case
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

repo=$PWD
mkdir "$work/lab"

# case_of NAME WORDS COMMANDS: the commands run in a shell in which the lab's libraries are sourced and what they do on hosts is
# played: STOCK_CREATE and STOCK_MIGRATE are the exit statuses of stock xl, FAST that of a --fast move. Their output has the
# words.
case_of() {
    local name=$1 words=$2
    echo "+ $name"
    rm -rf "$work/lab/results"
    mkdir "$work/lab/results"
    cat >"$work/case.sh" <<END
export LAB_DIR=$work/lab
. $repo/tests/lab/lib.sh
. $repo/tests/lab/fast.sh
. $repo/tests/lab/matrix.sh
STOCK_CREATE=0 STOCK_MIGRATE=0 FAST=0
on() {
    case "\$2 \${*:3}" in
    *"xl create"* | "xl create"*) [ "\$STOCK_CREATE" = 0 ] || echo "libxl: error: no such kind of guest"; return "\$STOCK_CREATE" ;;
    "xl migrate"*) [ "\$STOCK_MIGRATE" = 0 ] || echo "xl: error: cannot"; return "\$STOCK_MIGRATE" ;;
    "cat >"*) cat >/dev/null ;;
    esac
}
make_guest() { true; }
fast_move() { MIGRATE_SECONDS=1; [ "\$FAST" = 0 ] || fail "pages differ"; }
destroy_all() { true; }
end_clean() { true; }
wait_tick() { true; }
guest_tick() { echo "xf-guest tick=3 ok=1"; }
expect_goes_on() { true; }
$3
[ ! -f "\$MATRIX" ] || cat "\$MATRIX"
echo "failed=\$cells_failed"
END
    bash "$work/case.sh" >"$work/out" 2>"$work/err" || echo "status $?" >>"$work/out"
    grep -qE -- "$words" < <(tr '\n' ' ' <"$work/out") || fail "$name: no '$words'"
}

case_of "a cell that moves" 'moved in 1 s and back in 1 s, verified.*failed=0' 'cell pvh 1 192'
case_of "a --fast that fails is a failure" 'FAILED.*failed=1' 'FAST=1; cell pvh 1 192'
case_of "also where stock would fail too" 'FAILED.*failed=1' 'FAST=1 STOCK_CREATE=1 STOCK_MIGRATE=1; cell pvh 1 192'
case_of "stock cannot create it" 'stock cannot either: xl create: libxl: error: no such kind.*failed=0' 'STOCK_CREATE=3; cell_if_stock pv 1 192'
case_of "stock cannot migrate it" 'stock cannot either: xl migrate: xl: error: cannot.*failed=0' 'STOCK_MIGRATE=1; cell_if_stock pv 1 192'
case_of "stock has no answer in time" 'FAILED: stock gave no answer.*failed=1' 'STOCK_MIGRATE=124; cell_if_stock pv 1 192'
case_of "the host cannot be reached" 'FAILED: stock gave no answer.*failed=1' 'STOCK_CREATE=255; cell_if_stock pv 1 192'
case_of "stock can, --fast cannot" 'FAILED after.*failed=1' 'FAST=1; cell_if_stock pv 1 192'

# A host that does not answer has no empty list of guests.
case_of "guests of a dead host" 'FAIL: guests on A: expected .* saw .*status 1' \
    'exec 2>&1; on() { return 255; }; expect_eq "guests on A" "" "$(domains A)"'
case_of "guests of a host without any" 'guests on A: .*failed=0' \
    'on() { printf "Name ID Mem\nDomain-0 0 1\n"; }; expect_eq "guests on A" "" "$(domains A)"'
case_of "guests of a host with two" 'guests on A: a b' \
    'on() { printf "Name ID Mem\nDomain-0 0 1\na 1 1\nb 2 1\n"; }; expect_eq "guests on A" "a b" "$(domains A)"'

# How many hosts there are is kept with what they are.
case_of "three hosts, as they were started" 'two: A B three: A B C C=pvh/bookworm/virtio/1 failed=0' \
    'want_hosts --dom0 C=pvh --hosts 3; remember_hosts; want_hosts; echo "two: ${HOSTS[*]}"; recall_hosts
    echo "three: ${HOSTS[*]}"; describe_hosts | tr " " "\n" | tail -n 1; echo; rm "$LAB_DIR/hosts"'
case_of "the third of two hosts" "no such host: 'C' .there are: A B. status 1" 'exec 2>&1; want_hosts --dom0 C=pv'
case_of "four hosts" '2 or 3 hosts status 1' 'exec 2>&1; want_hosts --hosts 4'

# A unit test that has skipped one of its functions has passed, and says so.
mkdir -p "$work/build/tests/transport"
printf '#!/bin/sh\necho "[  SKIPPED ] test_of_a_machine"\n' >"$work/build/tests/transport/test_wire"
chmod +x "$work/build/tests/transport/test_wire"
XF_BUILD=$work/build scripts/run-tests transport/test_wire >"$work/out" 2>"$work/err" || fail "run-tests: status $?"
grep -qx 'part  transport/test_wire: test_of_a_machine: see there' "$work/out" || fail "it does not say which part"
grep -qx 'parts of tests that were left out: 1' "$work/out" || fail "it does not count the part"
