#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The demo ends well where DPDK's interrupt thread gets its CPU late: neither its ports' closing nor the EAL's clean-up
# meets it in the middle of anything. Without care for that about one in four crashed.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

# (Not by a pipe to grep -q, which may end before ldd has written all.)
[[ $(ldd "$XL_FAST") != *lib[at]san* ]] || { echo "a sanitizer wants to be preloaded first"; exit 77; }
read -ra cc <<<"${CC:-cc}"
"${cc[@]}" -shared -fPIC -O1 -o "$work/slow.so" tests/e2e/slow-interrupts.c -ldl || fail "it does not build"

for seed in {1..16}; do
    LD_PRELOAD=$work/slow.so "$XL_FAST" demo --memory 32M --seed "$seed" --json >"$work/out" 2>"$work/err"
    status=$?
    verified
done
