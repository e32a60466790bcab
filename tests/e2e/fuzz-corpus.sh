#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Shows that the inputs which fuzzing has kept (tests/fuzz/corpus) still break nothing, with any compiler;
# nor do those with a telling name, cut at any byte or with any byte changed: offers, packets, control streams,
# configurations.
set -euo pipefail

build=${XF_BUILD:-build}
seed=${XF_SEED:-$RANDOM}
for folder in tests/fuzz/corpus/*/; do
    name=$(basename "$folder")
    if [ "${XEN:-1}" = 0 ] && [ ! -x "$build/fuzz/replay_$name" ]; then
        echo "left out: $name: not built without Xen"
        continue
    fi
    # The others are named by libFuzzer, which has changed them enough.
    mapfile -t telling < <(find "$folder" -type f -regextype posix-extended ! -regex '.*/[0-9a-f]{40}')
    if ! out=$("$build/fuzz/replay_$name" "$folder" 2>&1 &&
        "$build/fuzz/replay_$name" --mutate "$seed" "${telling[@]}" 2>&1); then
        tail -n 30 <<<"$out"
        echo "fuzz-corpus: $name: the input named last breaks it, as it is or changed by seed $seed"
        exit 1
    fi
    echo "fuzz-corpus: $name: $(grep -a ' inputs$' <<<"$out" | head -n 1), ${#telling[@]} of them changed too"
done
