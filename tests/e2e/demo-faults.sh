#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Packets are lost, reordered, duplicated and corrupted; the guest arrives whole all the same, and no
# corrupted packet is accepted. SEEDS=N: how many seeds (5).
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

memory=$(size 512M 64M)
for seed in $(seq 1 "${SEEDS:-$(size 5 2)}"); do
    demo --memory "$memory" --fill random --dirty-rate 50M --loss 5 --reorder 5 --duplicate 2 \
        --corrupt 1 --seed "$seed" --json
    verified
    for fault in lost reordered duplicated corrupted; do
        at_least "$fault" 10
    done
    at_least pages_repaired 1
    # A copy of a packet is refused as replayed, unless it was the original that was lost or damaged.
    at_least replayed 1
    # Nearly all by the tag; a flipped bit of the header may be refused under another name before it.
    at_least forged $(($(get corrupted) * 9 / 10))
    is malformed 0
    is outside_guest 0
done
nothing_left

# Each fault alone shows what it does, and what it does not.
demo --memory 64M --fill random --duplicate 10 --seed 1 --json
verified
at_least replayed 1
is pages_repaired 0
is forged 0

# Each corrupted packet is refused, and nothing else is. (The last few to the source may come when it
# looks no more.)
demo --memory 64M --fill random --corrupt 5 --seed 1 --json
verified
at_least corrupted 100
at_least pages_repaired 1
refused=$(sum rejects)
corrupted=$(get corrupted)
if [ "$refused" -gt "$corrupted" ] || [ "$refused" -lt $((corrupted - 20)) ]; then
    fail "$corrupted corrupted, but $refused refused"
fi

# So much loss is taken for congestion, and the source gives way: the guest must hold still, or it takes minutes.
demo --memory 16M --fill random --dirty-rate 0 --loss 30 --seed 1 --json
verified
at_least pages_repaired 100
is forged 0

demo --memory 64M --fill random --reorder 20 --seed 1 --json
verified
is forged 0
