#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# One guest becomes several at once: each clone has every page, whatever the links do; one that is killed or stands still
# is dropped by its name, and the others have the guest.
# SEEDS=N: how many seeds (2).
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

# clones WORD: how often it is in the JSON's list of clones.
clones() {
    python3 -c 'import json, sys; print(sum(c["ok"] == (sys.argv[1] == "ok") for c in json.load(sys.stdin)["clones"]))' "$1" <"$work/out"
}

# whole VALUE: the JSON's own `ok`, not a clone's.
whole() {
    [ "$(get ok | head -n 1)" = "$1" ] || fail "ok is not $1"
    one_object
}

demo --memory 32M --clones 1 --seed 1 --json
[ "$status" = 0 ] || fail "exit status $status"
whole true
[ "$(clones ok)" = 1 ] || fail "not one clone"

seeds=${SEEDS:-$(size 2 1)}
for seed in $(seq 1 "$seeds"); do
    demo --memory "$(size 64M 16M)" --clones 3 --lanes $((1 + seed % 2)) --seed "$seed" --dirty-rate 20M --verify \
        --loss 1 --reorder 1 --duplicate 1 --corrupt 0.5 --json
    [ "$status" = 0 ] || fail "exit status $status"
    whole true
    is wrong_lane 0
    at_least pages_repaired 1
    [ "$(clones ok)" = 3 ] || fail "not three clones"
    [ "$(get bytes_ports)" -gt "$(get bytes_wire)" ] || fail "fewer bytes on all ports than were sealed"
done

demo --memory 32M --clones 2 --seed 2
grep -q '^VERIFIED: the memory of 2 of 2 clones is the source' "$work/out" || fail "not said"
[ "$(sed -n 's/^  \(source\|clone .\) *xxh3 //p' "$work/out" | sort -u | wc -l)" = 1 ] || fail "hashes differ"
demo --clones 2 --source-port eth1 --target-port eth2
wrong_usage 'once for each target, that is 2 times and not 1'
demo --clones 65
wrong_usage '--clones'

# The second of three stands still in the midst.
echo "+ xl-fast demo, and clone 2 is stopped"
"$XL_FAST" demo --memory "$(size 128M 32M)" --fill random --clones 3 --seed 4 --bandwidth 200M --json \
    --events "$work/events" >"$work/out" 2>"$work/err" &
pid=$!
for _ in $(seq 600); do
    ! grep -q '"event":"round_begin"' "$work/events" 2>/dev/null || break
    sleep 0.1
done
child=$(pgrep -P "$pid" | while read -r p; do [ "$(cat "/proc/$p/comm")" != "xl-fast clone 2" ] || echo "$p"; done)
kill -STOP "$child" || fail "clone 2 is not there"
wait "$pid"
status=$?
[ "$status" = 1 ] || fail "exit status $status"
whole false
[ "$(get verified | head -n 1)" = true ] || fail "not verified"
[ "$(clones ok)" = 2 ] || fail "not two clones"
grep -q '"dropped_because": "clone 2 has ' "$work/out" || fail "it does not say why"
all_gone "$child"
nothing_left
echo "$seeds seeds verified"
