#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Where the cycles went: each end has its own stages, they add up, and no end is busier than it has time;
# the total is that of the whole move.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

demo --memory 64M --fill random --dirty-rate 0 --seed 1 --json
verified
python3 - "$work/out" <<'END' || fail "the figures do not fit each other"
import json, sys
j = json.load(open(sys.argv[1]))
stages = {"guest", "read", "seal", "transmit", "receive", "open", "write", "bookkeeping"}
for end, others in ("source", {"open", "write"}), ("target", {"read", "seal"}):
    c = j["cycles_per_page"][end]
    busy, total = c.pop("busy_pct"), c.pop("all")
    assert set(c) == stages, c
    assert {s for s in stages if c[s] == 0} == others, (end, c)
    assert abs(sum(c.values()) - total) < 1, (end, c, total)
    assert 0 < busy <= 100, busy
# The total begins before memory goes and ends when all is there.
assert j["total_us"] >= j["downtime_us"] > 0
assert j["total_us"] / 1e6 * j["payload_bps"] / 8 >= 64 << 20
END

demo --memory 32M --seed 5 --timing
[ "$status" = 0 ] || fail "exit status $status"
for stage in guest read seal transmit receive open write bookkeeping all busy; do
    grep -q "^    $stage " "$work/out" || fail "no line of $stage"
done
wide=$(awk 'length > 80' "$work/out")
[ -z "$wide" ] || fail "wider than a terminal of 80 columns: $wide"
