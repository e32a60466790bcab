#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Each end of a migration by itself, by one lane and by two: the figures fit each other, what was received is what was
# sent, and refusals of what cannot be.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

refused() { # what the line must hold, arguments
    bench "${@:2}"
    wrong_usage "$1"
}

for what in send receive; do
    for lanes in 1 2; do
        bench "$what" --memory 20M --passes 3 --lanes "$lanes" --json
        [ "$status" = 0 ] || fail "$what: exit status $status"
        python3 - "$work/out" "$what" "$lanes" <<'END' || fail "$what: the figures do not fit each other"
import json, sys
j = json.load(open(sys.argv[1]))
what, lanes = sys.argv[2], int(sys.argv[3])
samples = sorted(j["samples_bps"])
assert j["memory_bytes"] == 20 << 20 and j["fill"] == "random" and j["lanes"] == lanes, j
assert j["passes"] == len(samples) == 3 and j["pages"] == 3 * 5120, j
assert j["memory_bps"] == samples[1] > 0, j
assert 0 < j["control_cpu_us"] <= j["cpu_us"], j
assert (lanes > 1) == (j["control_cpu_us"] < j["cpu_us"]), "the lanes' threads are more than one, or are not"
assert j.get("verified") is (True if what == "receive" else None), j
c = j["cycles_per_page"]
assert abs(c["all"] - sum(v for k, v in c.items() if k != "all")) < 2, c
mine, others = (("seal", "read"), ("open", "write"))[:: 1 if what == "send" else -1]
assert all(c[k] > 0 for k in mine) and not any(c[k] for k in others), c
END
    done
    bench "$what" --memory 20M --passes 1 --fill mixed
    [ "$status" = 0 ] || fail "$what: exit status $status"
    grep -q "^$what  .* Gbit/s, .* 1 lane, " "$work/out" || fail "$what: no rate"
    # Lanes that have no page, and a stripe that is not whole.
    bench "$what" --memory 4K --passes 2 --lanes 3
    [ "$status" = 0 ] || fail "$what: one page: exit status $status"
    bench "$what" --memory 2060K --passes 2 --lanes 4 --fill zero
    [ "$status" = 0 ] || fail "$what: two stripes: exit status $status"
    refused --memory "$what" --memory 0
    refused --lanes "$what" --lanes 0
    refused --lanes "$what" --lanes 17
    refused --passes "$what" --passes 0
    refused '--seconds and --passes do not go together' "$what" --seconds 1 --passes 1
    refused 'free memory' "$what" --memory 900T
done
