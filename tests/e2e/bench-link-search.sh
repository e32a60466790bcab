#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# bench link --search over a switch with a token bucket: the highest rate without loss is found, below what the sender
# can and near what the bucket lets through; rates above lose, and the trials are bounded.
# shellcheck source=tests/e2e/netns.bash
. "$(dirname "$0")/netns.bash"

command -v tc >/dev/null || { echo "there is no tc (iproute2)"; exit 77; }
net_up 1500 1500
tc -n "$S" qdisc add dev swb root tbf rate 20mbit burst 64kb latency 50ms || { echo "this kernel has no tbf"; exit 77; }
ports=(--source-port "$A/mig" --target-port "$B/mig")

bench link --search --size 1472 "${ports[@]}" --json
[ "$status" = 0 ] || fail "exit status $status"
python3 - "$work/out" <<'END' || fail "the search is none"
import json, sys
(r,) = (json.loads(line) for line in open(sys.argv[1]))
trials = r["trials"]
loss = lambda t: 100 * t["packets_lost"] / t["packets_sent"]
assert trials[0]["asked_pps"] is None and loss(trials[0]) > 0.5, "the sender is not faster than the bucket"
assert 2 < len(trials) <= 24
for key, most in ("lossless", 0), ("nearly_lossless", 0.5):
    best = r[key]
    assert best and loss(best) <= most and best == trials[best["trial"] - 1], best
    good = [t for t in trials[1:] if loss(t) <= most]
    assert best["asked_pps"] == max(t["asked_pps"] for t in good)
    # What was tried above lost, and the next such is at most the resolution away.
    worse = [t["asked_pps"] for t in trials[1:] if loss(t) > most]
    assert len(trials) == 24 or min(worse) - best["asked_pps"] <= 0.01 * min(worse) + 1, (best, worse)
# Of what was asked for: a sender that is kept from its core does not reach it.
assert r["lossless"]["asked_pps"] <= r["nearly_lossless"]["asked_pps"]
assert r["lossless"]["wire_bps"] < 25e6, "more than the bucket lets through"
END
