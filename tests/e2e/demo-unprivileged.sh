#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The demo runs as a user who has nothing: no root, no home, no XDG_RUNTIME_DIR, no hugepages.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

[ "$(id -u)" = 0 ] || { echo "runs unprivileged as it is: see demo-plain"; exit 77; }
command -v setpriv >/dev/null || { echo "no setpriv"; exit 77; }

# The checkout may lie where nobody else may look.
cp "$XL_FAST" "$work/xl-fast"
cp -r tests/sanitizers "$work/sanitizers"
chmod -R a+rX "$work/sanitizers"
chmod 755 "$work" "$work/xl-fast"
chmod 1777 "$TMPDIR"

before=$(ls -A /tmp/dpdk 2>/dev/null) # other programs' leftovers
echo '+ as nobody: xl-fast demo'
setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --inh-caps=-all \
    env -i PATH="$PATH" TMPDIR="$TMPDIR" ${ASAN_OPTIONS:+ASAN_OPTIONS="$ASAN_OPTIONS"} \
    ${LSAN_OPTIONS:+LSAN_OPTIONS="${LSAN_OPTIONS//$PWD\/tests/$work}"} ${TSAN_OPTIONS:+TSAN_OPTIONS="${TSAN_OPTIONS//$PWD\/tests/$work}"} \
    "$work/xl-fast" demo --memory 64M --seed 1 --json >"$work/out" 2>"$work/err"
status=$?
verified
# A user who meets warnings of DPDK would think that something is wrong.
[ ! -s "$work/err" ] || fail "something on stderr"
nothing_left
[ "$(ls -A /tmp/dpdk 2>/dev/null)" = "$before" ] || fail "DPDK left files in /tmp/dpdk"
