#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Two and four lanes move a guest that is written to, over a link that loses, reorders, duplicates and corrupts packets.
# SEEDS=N: how many seeds (2).
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

seeds=${SEEDS:-$(size 2 1)}
for seed in $(seq 1 "$seeds"); do
    for lanes in 2 4; do
        demo --memory "$(size 96M 16M)" --lanes "$lanes" --seed "$seed" --dirty-rate 40M \
            --loss 1 --reorder 1 --duplicate 1 --corrupt 0.5 --json
        verified
        is lanes "$lanes"
        at_least pages_repaired 1
        is wrong_lane 0
    done
done
nothing_left
echo "$seeds seeds verified"
