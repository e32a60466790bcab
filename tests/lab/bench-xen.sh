#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (a benchmark: make bench-xen)
# `xl migrate --fast` beside stock `xl migrate` over ssh: the same guests, there and back, in turns. Writes
# build/bench/xen.json, and xen.md as a table; stock / ours as medians: the total time; the part of the downtime that the stream
# decides, from the guest suspended to the end of the stream handled at the target, marked alike in both
# (xl-plugin/plugin/marks.h); the downtime, from the guest suspended until xl at the source hears that it was started, by the
# source's clock; the guest's whole pause by its own clock; and of guests with devices the longest time in which a TCP
# client of theirs heard nothing. Guests with devices are also moved by ours with --verify. Of ours also what the tool tells,
# how long the guest's kernel slept (37 compares with what Xen shows), and how far what the tool predicted at the suspend is
# from what it tells, once it has seen three moves of this kind in this direction.
#   XF_BENCH_RUNS=3       runs of each, there and back counted as two; of guests with devices two more
#   XF_BENCH_GUESTS='pvh:devices pv:devices hvm:devices pvh:random pv:random pvh:zero'   devices: 192 MiB, 2 vCPUs, a
#                         disk and a network card; these give pvh_downtime_ratio, pvh_client_gap_ratio and so on
#   XF_BENCH_MEMORY=512   of the others
#   XF_BENCH_DOWNTIME=20  --max-downtime of ours, ms: stock's last round is one of some fifty pages; with devices the usual
#                         one, for the pages are a small part then, and each further round slows the guest down
#   XF_BENCH_WRITE=400    pages a second that each guest writes: a tenth of what goes over this link; with devices half
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

marked() { # WHAT: microseconds, by the clock of the host that said it
    printf '%s\n' "$MIGRATE_OUTPUT" | sed -n "s/^xl-fast: mark $1 \([0-9]*\)\.\([0-9]*\)$/\1\2/p" | tail -n 1
}

# The longest gap that the guest saw since then, in ms.
paused_ms() { # HOST NAME TICK
    on "$1" "cat \$(ls -t $CONSOLE_LOGS/guest-$2.log $CONSOLE_LOGS/guest-$2--incoming.log 2>/dev/null | head -n 1)" |
        tr -d '\r' | sed -n 's/^xf-guest tick=\([0-9]*\) .* gap_ms=\([0-9]*\)$/\1 \2/p' |
        awk -v from="$3" '$1 > from && $2 > max { max = $2 } END { print max + 0 }'
}

# What runs xl there, and marks when it says that the guest was started.
give_marker() { # HOST
    on "$1" 'cat >/lab/marked; chmod +x /lab/marked' <<'END'
#!/bin/bash
set -o pipefail
"$@" 2>&1 | while IFS= read -r line; do
    printf '%s\n' "$line"
    [[ $line != *"Target reports successful startup"* ]] || echo "xl-fast: mark started $EPOCHREALTIME"
done
END
}

# What the tool tells of the downtime, and of its freeze, in ms; "-": nothing.
told_ms() { # NAME [PART]
    local told
    told=$(said_downtime "$1" | sed -n "s/.*\<${2:-downtime} \([0-9]*\).*/\1/p")
    echo "${told:--}"
}
frozen_ms() { told_ms "$1" freeze; }

# one_move HOW FROM NAME KIND: a line of the raw times.
one_move() {
    local how=$1 from=$2 name=$3 kind=$4 to before began ms suspended restored started ahead stream_ms pause_ms gap_ms=- options=() predicted=- slept
    to=$(other_host "$from")
    before=$(guest_tick "$from" "$name")
    devices_begin "$name"
    began=$(date +%s%N)
    if [ "$how" != stock ]; then
        [ "$how" = fast ] || options+=(--verify)
        guest_has "$name" net || options+=(--max-downtime "$DOWNTIME")
        MIGRATE_OUTPUT=$(ON_TIMEOUT=$MIGRATE_TIMEOUT on "$from" XL_FAST_VERBOSE=1 XL_FAST_MARKS=1 /lab/marked xl migrate --fast "${options[@]}" "$name" "$to" 2>&1) ||
            fail "xl migrate --fast: $MIGRATE_OUTPUT"
    else
        # The library is there for the marks; without XL_FAST it passes the call through.
        MIGRATE_OUTPUT=$(ON_TIMEOUT=$MIGRATE_TIMEOUT on "$from" \
            "env $HELPER XL_FAST_MARKS=1 /lab/marked xl migrate $name '$to env $HELPER XL_FAST_MARKS=1'" 2>&1) ||
            fail "xl migrate: $MIGRATE_OUTPUT"
    fi
    ms=$((($(date +%s%N) - began) / 1000000))
    MIGRATE_OUTPUT=$(printf '%s\n' "$MIGRATE_OUTPUT" | tr '\r' '\n')
    devices_end "$to" "$name" "$before"
    ! guest_has "$name" net || gap_ms=$PEERS_GAP_MS
    expect_goes_on "$to" "$name" "$before"
    suspended=$(marked suspended)
    restored=$(marked restored)
    started=$(marked started)
    if [ -z "$suspended" ] || [ -z "$restored" ] || [ -z "$started" ]; then fail "$how: no marks: $MIGRATE_OUTPUT"; fi
    clock_ahead "$from"
    ahead=$AHEAD_US
    clock_ahead "$to"
    stream_ms=$(((restored - AHEAD_US - (suspended - ahead)) / 1000))
    # Its clock goes on by the target's time of day.
    pause_ms=$(($(paused_ms "$to" "$name" "$(field "$before" tick)") - (AHEAD_US - ahead) / 1000))
    slept=$(($(slept_ms "$to" "$name" "$before") - (AHEAD_US - ahead) / 1000))
    [ "$how" = stock ] || read -r predicted _ <<<"$(history_downtimes "$from")"
    printf '%s %s %d %d %d %d %s %s %d %s %s %d %s\n' "$kind" "$how" "$ms" "$stream_ms" $(((started - suspended) / 1000)) "$pause_ms" \
        "$gap_ms" "$(told_ms "$name")" $((CLOCK_ERROR_US / 1000)) "$from" "$predicted" \
        "$slept" "$(frozen_ms "$name")" >>"$RAW"
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
    name = kind.replace(":devices", "").replace(":", "_")
    for ours, prefix in (("fast", name), ("verify", f"{name}_verify")):
        for column, what in ((2, "total"), (3, "stream"), (4, "downtime"), (5, "pause"), (6, "client_gap")):
            of = {how: [int(r[column]) for r in raw if r[0] == kind and r[1] == how and r[column] != "-"]
                  for how in ("stock", ours)}
            # Where the devices are attached early, Xen's own restore is over before the guest is suspended.
            if not (of["stock"] and of[ours]) or min(of[ours]) < 0:
                continue
            median = {how: statistics.median(of[how]) for how in of}
            out[f"{prefix}_{what}_ratio"] = round(median["stock"] / max(median[ours], 1), 3)
            out[f"{prefix}_{what}_stock_ms"], out[f"{prefix}_{what}_fast_ms"] = median["stock"], median[ours]
    # How far what was predicted is from what was told.
    predicted = []
    for host in "AB":
        moves = [r for r in raw if r[0] == kind and r[1] != "stock" and r[9] == host]
        predicted += [(int(r[10]), int(r[7])) for r in moves[3:] if r[10] != "-" and r[7] != "-"]
    if predicted:
        out[f"{name}_predicted_minus_told_ms"] = [before - seen for before, seen in predicted]
        near = sum(abs(before - seen) <= seen / 4 for before, seen in predicted)
        out[f"{name}_predicted_right"] = f"{near} of {len(predicted)}"
out["raw"] = [dict(zip(("guest", "how", "total_ms", "stream_ms", "downtime_ms", "pause_ms", "client_gap_ms", "told_ms",
                        "clock_error_ms", "from", "predicted_ms", "suspended_ms", "freeze_ms"),
                       r[:2] + [int(x) if x.lstrip("-").isdigit() else None if x == "-" else x for x in r[2:]]))
              for r in raw]
json.dump(out, open(sys.argv[2], "w"), indent=1)
for key, value in out.items():
    if key != "raw":
        print(f"   {key}: {value}")
PY
    "$REPO/scripts/bench.d/table.py" xen "$OUT/xen.json"
}
trap summarize EXIT

for host in "${HOSTS[@]}"; do give_marker "$host"; done
for word in ${XF_BENCH_GUESTS:-pvh:devices pv:devices hvm:devices pvh:random pv:random pvh:zero}; do
    type=${word%:*}
    content=${word#*:}
    runs=$RUNS
    ways=(stock fast)
    case $content in
    devices)
        runs=$((RUNS + 2))
        ways+=(verify)
        make_guest A bench type="$type" memory=192 vcpus=2 disk=4 net=1 write=$((WRITE / 2))
        wait_field A bench disk 1 180
        ;;
    random) make_guest A bench type="$type" memory="$MEMORY" fill=$((MEMORY * 3 / 4)) write="$WRITE" ;;
    *) make_guest A bench type="$type" memory="$MEMORY" fill=16 write="$WRITE" ;;
    esac
    at=A
    for ((run = 0; run < runs; run++)); do
        for how in "${ways[@]}"; do
            one_move "$how" "$at" bench "$type:$content"
            at=$(other_host "$at")
        done
    done
    wait_pass "$at" bench
    # With its consoles' logs: the next one has its name.
    for host in "${HOSTS[@]}"; do destroy_all "$host"; done
done
end_clean
