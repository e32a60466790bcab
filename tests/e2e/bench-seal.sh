#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The sealing limit of a core: a number, of as many passes as it says, and refusals of what cannot be.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

refused() { # what the line must hold, arguments
    bench "${@:2}"
    wrong_usage "$1"
}

for threads in 1 2; do
    bench seal --memory 16M --seconds 1 --threads "$threads" --json
    [ "$status" = 0 ] || fail "exit status $status"
    python3 - "$work/out" "$threads" <<'END' || fail "the figures do not fit each other"
import json, sys
j = json.load(open(sys.argv[1]))
samples = sorted(j["samples_bps"])
assert j["memory_bytes"] == 16 << 20
assert j["passes"] == len(samples) >= 3
assert j["seal_bps"] == samples[len(samples) // 2] > 0
assert j["threads"] == int(sys.argv[2])
# A cycle counter of half a GHz to ten; where two share a CPU, one of them waits in the other's time.
hz = j["cycles_per_page"] * j["seal_bps"] / 8 / 4096 / j["threads"]
assert 0.25e9 < hz < 10e9, hz
END
done

bench seal --memory 16M --seconds 1
[ "$status" = 0 ] || fail "exit status $status"
grep -q 'Gbit/s' "$work/out" || fail "no rate"

refused 'unknown option' --json
refused 'seal' unseal
refused --memory seal --memory 0
refused --seconds seal --seconds 0
refused --threads seal --threads 0
refused --memory seal --memory 1K
refused "unknown option '--frobnicate'" seal --frobnicate
refused '--memory needs a value' seal --memory
bench --help
[ "$status" = 0 ] || fail "--help: exit status $status"
