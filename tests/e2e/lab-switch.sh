#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The switch between three hosts of the lab (scripts/lab.d/switch.py), by three ports of lab-switch.py: what it learns and floods,
# which groups it snoops, frames that come and go in pieces, a port that does not read, and its counters.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

# Not the socket's whole path: it may have 107 characters.
here=$PWD
cd "$work" || exit
python3 "$here/tests/e2e/lab-switch.py" "$here/scripts/lab.d/switch.py" >"$work/out" 2>"$work/err" || fail "exit status $?"
cat "$work/out"
