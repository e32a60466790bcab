#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# --bandwidth is kept to on the wire, frames and all. (How near it is come to depends on how busy the machine is.)
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

demo --memory 64M --fill random --dirty-rate 0 --bandwidth 400M --seed 1 --json
verified
is bandwidth_bps 400000000
# 64 MiB at 400 Mbit/s are 1.34 s; a thousandth more may be saved up at the start.
awk -v bps="$(get wire_bps)" 'BEGIN { exit !(bps > 0 && bps < 404e6) }' ||
    fail "$(get wire_bps) bit/s of 400000000"
is limited_by '"the bandwidth limit, 400 Mbit/s"'
[ "$(python3 -c 'import json, sys
print(json.load(open(sys.argv[1]))["time_pct"]["source"]["wait_path"] > 50)' "$work/out")" = True ] ||
    fail "it did not wait for that: $(get time_pct)"
demo --memory 32M --fill random --bandwidth 400M --seed 1
grep -qx '  limited by  the bandwidth limit, 400 Mbit/s' "$work/out" || fail "the table has no limit"
nothing_left
