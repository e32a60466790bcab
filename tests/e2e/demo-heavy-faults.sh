#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A link that is as bad as can be borne: the guest arrives whole, and neither congestion control nor its
# circuit breaker gives it up. SEEDS=N: how many seeds (3).
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

seeds=${SEEDS:-$(size 3 1)}
for seed in $(seq 1 "$seeds"); do
    demo --memory "$(size 64M 32M)" --fill random --dirty-rate 20M --loss 10 --reorder 10 --duplicate 5 \
        --corrupt 2 --seed "$seed" --json
    verified
    at_least pages_repaired 10
    at_least forged 1
    is malformed 0
done
nothing_left
echo "$seeds seeds verified"
