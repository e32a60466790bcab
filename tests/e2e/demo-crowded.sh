#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Others flood the port's network with small broadcasts, 160 of them at a time, while both ends sleep whenever they
# think that there is nothing to do: frames that are not ours are not nothing, and ours behind them are not lost in
# the ring. (It held no more than 64 of them a look before, and a look was 4 ms away: a sixth of all got lost.)
# shellcheck source=tests/e2e/netns.bash
. "$(dirname "$0")/netns.bash"

# (Not by a pipe to grep -q, which may end before ldd has written all.)
[[ $(ldd "$XL_FAST") != *lib[at]san* ]] || { echo "a sanitizer wants to be preloaded first"; exit 77; }
read -ra cc <<<"${CC:-cc}"
"${cc[@]}" -shared -fPIC -O1 -o "$work/slow.so" tests/e2e/slow-sleeps.c || fail "it does not build"
"${cc[@]}" -O1 -o "$work/flood" tests/e2e/flood.c || fail "it does not build"
net_up 9000 9000
ip netns exec "$S" "$work/flood" br0 160 900 &

# A machine that is busy loses some all the same: most runs must show that there is no need.
lost=() bad=0
for seed in {1..6}; do
    LD_PRELOAD=$work/slow.so "$XL_FAST" demo --memory 32M --seed "$seed" --source-port "$A/mig" --target-port "$B/mig" \
        --json >"$work/out" 2>"$work/err"
    status=$?
    verified
    lost+=("$(get packets_lost)")
    [ "${lost[-1]}" -le 300 ] || bad=$((bad + 1)) # a sixth are 700
done
echo "packets lost: ${lost[*]}"
[ $bad -le 2 ] || fail "$bad of 6 runs lost packets: ${lost[*]}"
