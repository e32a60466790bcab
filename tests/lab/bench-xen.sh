#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (a benchmark: make bench-xen)
# `xl migrate --fast` beside stock `xl migrate` over ssh: the same guests, there and back, in turns. Writes
# build/bench/xen.json, and xen.md as a table; stock / ours as medians: the total time; the part of the downtime that the stream
# decides, from the guest suspended to the end of the stream handled at the target, marked alike in both
# (xl-plugin/plugin/marks.h); and the raw times, with the guest's whole pause by its own clock.
#   XF_BENCH_RUNS=3       runs of each, there and back counted as two
#   XF_BENCH_GUESTS='pvh:random pv:random pvh:zero'   XF_BENCH_MEMORY=512
#   XF_BENCH_DOWNTIME=20  --max-downtime of ours, ms: stock's last round is one of some fifty pages
#   XF_BENCH_WRITE=400    pages a second that each guest writes: a tenth of what goes over this link
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
begin

RUNS=${XF_BENCH_RUNS:-3}
MEMORY=${XF_BENCH_MEMORY:-512}
WRITE=${XF_BENCH_WRITE:-400}
DOWNTIME=${XF_BENCH_DOWNTIME:-20}
OUT=$REPO/build/bench
RAW=$OUT/xen.raw
MIGRATE_TIMEOUT=1800
mkdir -p "$OUT"
: >"$RAW"

# How much a host's clock is ahead of this machine's, in microseconds: by the quickest of some questions, asked
# over one connection.
clock_ahead() { # HOST
    local i t0 t1 there best=
    coproc CLOCK { on "$1" "bash -c 'while read -r; do echo \$EPOCHREALTIME; done'"; }
    for i in {1..30}; do
        t0=${EPOCHREALTIME/./}
        echo >&"${CLOCK[1]}"
        read -r -t 60 there <&"${CLOCK[0]}" || fail "host $1 does not say its time"
        t1=${EPOCHREALTIME/./}
        [ -n "$best" ] && [ $((t1 - t0)) -ge "$best" ] && continue
        best=$((t1 - t0))
        AHEAD_US=$((${there/./} - (t0 + t1) / 2))
    done
    eval "exec ${CLOCK[1]}>&-"
    wait "$CLOCK_PID"
    CLOCK_ERROR_US=$((best / 2))
}

marked() { # WHAT: microseconds, by the clock of the host that said it
    printf '%s\n' "$MIGRATE_OUTPUT" | sed -n "s/^xl-fast: mark $1 \([0-9]*\)\.\([0-9]*\)$/\1\2/p" | tail -n 1
}

# The longest gap that the guest saw since then, in ms.
paused_ms() { # HOST NAME TICK
    on "$1" "cat \$(ls -t $CONSOLE_LOGS/guest-$2.log $CONSOLE_LOGS/guest-$2--incoming.log 2>/dev/null | head -n 1)" |
        tr -d '\r' | sed -n 's/^xf-guest tick=\([0-9]*\) .* gap_ms=\([0-9]*\)$/\1 \2/p' |
        awk -v from="$3" '$1 > from && $2 > max { max = $2 } END { print max + 0 }'
}

# one_move HOW FROM NAME KIND: a line of the raw times.
one_move() {
    local how=$1 from=$2 name=$3 kind=$4 to before began ms suspended restored ahead stream_ms pause_ms
    to=$(other_host "$from")
    before=$(guest_tick "$from" "$name")
    began=$(date +%s%N)
    if [ "$how" = fast ]; then
        MIGRATE_OUTPUT=$(ON_TIMEOUT=$MIGRATE_TIMEOUT on "$from" XL_FAST_VERBOSE=1 XL_FAST_MARKS=1 xl migrate --fast --max-downtime "$DOWNTIME" "$name" "$to" 2>&1) ||
            fail "xl migrate --fast: $MIGRATE_OUTPUT"
    else
        # The library is there for the marks; without XL_FAST it passes the call through.
        MIGRATE_OUTPUT=$(ON_TIMEOUT=$MIGRATE_TIMEOUT on "$from" \
            "env $HELPER XL_FAST_MARKS=1 xl migrate $name '$to env $HELPER XL_FAST_MARKS=1'" 2>&1) ||
            fail "xl migrate: $MIGRATE_OUTPUT"
    fi
    ms=$((($(date +%s%N) - began) / 1000000))
    MIGRATE_OUTPUT=$(printf '%s\n' "$MIGRATE_OUTPUT" | tr '\r' '\n')
    expect_goes_on "$to" "$name" "$before"
    suspended=$(marked suspended)
    restored=$(marked restored)
    if [ -z "$suspended" ] || [ -z "$restored" ]; then fail "$how: no marks: $MIGRATE_OUTPUT"; fi
    clock_ahead "$from"
    ahead=$AHEAD_US
    clock_ahead "$to"
    stream_ms=$(((restored - AHEAD_US - (suspended - ahead)) / 1000))
    pause_ms=$(paused_ms "$to" "$name" "$(field "$before" tick)")
    printf '%s %s %d %d %d %d\n' "$kind" "$how" "$ms" "$stream_ms" "$pause_ms" $((CLOCK_ERROR_US / 1000)) >>"$RAW"
    note "RAW $(tail -n 1 "$RAW")"
}

# What was measured is written also where a later move fails.
summarize() {
    [ -s "$RAW" ] || return 0
    python3 - "$RAW" "$OUT/xen.json" "$MEMORY" "$WRITE" "$DOWNTIME" "$(describe_hosts)" <<'PY'
import json, statistics, sys
raw = [line.split() for line in open(sys.argv[1])]
out = {"memory_mib": int(sys.argv[3]), "written_pages_per_s": int(sys.argv[4]), "max_downtime_ms": int(sys.argv[5]),
       "hosts": sys.argv[6]}
for kind in dict.fromkeys(r[0] for r in raw):
    name = kind.replace(":random", "").replace(":", "_")
    if {r[1] for r in raw if r[0] == kind} != {"stock", "fast"}:
        print(f"   {name}: only one of stock and ours was measured")
        continue
    for column, what in ((2, "total"), (3, "downtime"), (4, "pause")):
        median = {how: statistics.median(int(r[column]) for r in raw if r[0] == kind and r[1] == how)
                  for how in ("stock", "fast")}
        out[f"{name}_{what}_ratio"] = round(median["stock"] / max(median["fast"], 1), 3)
        out[f"{name}_{what}_stock_ms"], out[f"{name}_{what}_fast_ms"] = median["stock"], median["fast"]
out["raw"] = [dict(zip(("guest", "how", "total_ms", "downtime_ms", "pause_ms", "clock_error_ms"),
                       r[:2] + [int(x) for x in r[2:]])) for r in raw]
json.dump(out, open(sys.argv[2], "w"), indent=1)
for key, value in out.items():
    if key != "raw":
        print(f"   {key}: {value}")
PY
    "$REPO/scripts/bench.d/table.py" xen "$OUT/xen.json"
}
trap summarize EXIT

for word in ${XF_BENCH_GUESTS:-pvh:random pv:random pvh:zero}; do
    type=${word%:*}
    content=${word#*:}
    fill=$((MEMORY * 3 / 4))
    [ "$content" = random ] || fill=16
    make_guest A bench type="$type" memory="$MEMORY" fill="$fill" write="$WRITE"
    at=A
    for ((run = 0; run < RUNS; run++)); do
        for how in stock fast; do
            one_move "$how" "$at" bench "$type:$content"
            at=$(other_host "$at")
        done
    done
    wait_pass "$at" bench
    # With its consoles' logs: the next one has its name.
    for host in "${HOSTS[@]}"; do destroy_all "$host"; done
done
end_clean
