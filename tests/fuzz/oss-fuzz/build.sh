#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds the fuzz targets that need neither Xen nor DPDK the way OSS-Fuzz asks for it: with its $CC, $CFLAGS
# and $LIB_FUZZING_ENGINE, into $OUT, each with its corpus beside it. The libraries are linked statically where
# their archives are there, since $OUT alone goes to where fuzzing is done.
set -euo pipefail
cd "${SRC:?}/xl-fast"
: "${CC:?}" "${OUT:?}" "${LIB_FUZZING_ENGINE:?}"

# shellcheck disable=SC2206  # words
flags=(${CFLAGS:-} -std=gnu11 -D_GNU_SOURCE -pthread)
objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT

# The archive of a library, or how to find it where it will be run.
library() { # NAME
    local archive
    archive=$("$CC" -print-file-name="lib$1.a")
    if [ -f "$archive" ]; then echo "$archive"; else echo "-l$1"; fi
}
libraries=("$(library IPSec_MB)" "$(library lz4)" "$(library xxhash)")

common=()
for file in transport/*.c transport/base/*.c transport/sim/*.c dpdk/frame.c xl-plugin/plugin/stream.c; do
    object=$objects/$(tr / _ <<<"${file%.c}").o
    "$CC" "${flags[@]}" -I. -c -o "$object" "$file"
    common+=("$object")
done
for name in frame offer packet source stream target; do
    # shellcheck disable=SC2086  # words
    "$CC" "${flags[@]}" -I. -o "$OUT/fuzz_$name" "tests/fuzz/fuzz_$name.c" "${common[@]}" \
        $LIB_FUZZING_ENGINE "${libraries[@]}"
    rm -f "$OUT/fuzz_${name}_seed_corpus.zip"
    (cd "tests/fuzz/corpus/$name" && zip -q -r - .) >"$OUT/fuzz_${name}_seed_corpus.zip"
done
