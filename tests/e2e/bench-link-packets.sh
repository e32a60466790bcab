#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Packets alone by bench link: counts, rates, round trips and threads fit each other, sealed and in the clear, one way
# and both, sizes and queues; what is of a migration is refused, and so are a trial that cannot be and a stranger's word.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

measured() {
    [ "$status" = 0 ] || fail "exit status $status"
    [ ! -s "$work/err" ] || fail "something on stderr"
    nothing_left
}

refused() { # what the line must hold, arguments
    bench link "${@:2}"
    wrong_usage "$1"
}

# The lines in $work/out as `runs`, one by one; then what python3 is given on stdin.
check() {
    { printf 'import json\nruns = [json.loads(line) for line in open("%s")]\n' "$work/out"; cat; } | python3 - ||
        fail "the figures do not fit each other"
}

# A memif takes no more than it can hold, so nothing is lost and the first trial of the search is the last.
bench link --search --json
measured
check <<'END'
(r,) = runs
assert r["ok"] is True and r["error"] is None and r["host"] is None and r["run"] == 1
assert (r["queues"], r["seal"], r["bidir"], r["trial_us"]) == (1, "aes", False, 1000000) and r["mtu"] - 28 == r["size_bytes"]
(t,) = r["trials"]
assert t == r["lossless"] == r["nearly_lossless"] and t["asked_pps"] is None
assert t["packets_sent"] > 0 and t["packets_lost"] == 0 and t["loss_pct"] == 0 and t["back_packets_sent"] == 0
assert t["rate_pps"] == t["packets_sent"], "a trial of a second"
assert abs(t["wire_bps"] / (8 * t["rate_pps"]) - r["size_bytes"] - 42) <= 8, t
for rtt in r["rtt_idle"], t["rtt"]:
    assert rtt["probes"] > 0 and 0 < rtt["p50_us"] <= rtt["p99_us"] <= rtt["p999_us"], rtt
for end in "source", "target":
    (cpu,), (busy,) = t[end + "_cpu_pct"], t[end + "_busy_pct"]
    assert 0 < cpu < 110 and 0 <= busy <= 100.1, t
END

# In the clear, by both queues and both ways. A stated rate is kept to, but for what a slow machine cannot.
bench link --seal none --rate 100Mbit -t 1 -O 1 -l 64,1472 -P 2 --bidir --burst 8 -J
measured
check <<'END'
assert [r["size_bytes"] for r in runs] == [64, 1472] and "lossless" not in runs[0]
for r in runs:
    (t,) = r["trials"]
    assert r["bidir"] is True and r["seal"] == "none" and r["queues"] == 2
    assert abs(t["asked_pps"] - 1e8 / 8 / (r["size_bytes"] + 42)) <= 1 + 0.01 * t["asked_pps"]
    assert 0 < t["packets_sent"] < 1.1 * t["asked_pps"], "what is omitted is not counted"
    assert 0 < t["back_packets_sent"] < 1.1 * t["asked_pps"] and t["packets_lost"] == t["back_packets_lost"] == 0
    assert len(t["source_cpu_pct"]) == len(t["target_busy_pct"]) == 2 and min(t["source_cpu_pct"]) >= 0
END

# For people: a line a trial, in 80 columns.
bench link --search --mtu 1500
measured
grep -q '^packets of the largest, MTU 1500, 1 queue, sealed, one way' "$work/out" || fail "it does not say what it measures"
for line in 'idle  *-  *0.000' '   1  *max ' 'without loss .* Gbit/s .* (trial 1)' 'with at most 0.5 % .* (trial 1)'; do
    grep -q "^$line" "$work/out" || fail "no line $line"
done
wide=$(awk 'length > 80' "$work/out")
[ -z "$wide" ] || fail "wider than a terminal of 80 columns: $wide"
bench link --size sweep -t 1 --seal none
measured
[ "$(grep -c '^packets of ' "$work/out")" = 7 ] || fail "not seven sizes"
grep -q 'in the clear' "$work/out" || fail "it does not say that nothing is sealed"

bench link --size 9000
[ "$status" = 1 ] || fail "exit status $status"
grep -q -- '--size: 9000 bytes do not fit' "$work/err" || fail "it does not say why"
nothing_left
bench link --size 9000 -J
check <<'END'
assert runs[0]["ok"] is False and "do not fit" in runs[0]["error"] and runs[0]["trials"] == [] and runs[0]["rtt_idle"] is None
END

# ---- the key of a migration cannot be without its cipher

refused '--memory is of a migration' --seal none --memory 64M
refused '--compress is of a migration' --search --compress lz4
refused '--sink is of a migration' --bidir --sink null
refused '--multicast is of a migration' --search --multicast hostb
refused "'gmac' is not one of aes, none" --seal gmac
refused '--size: ' --size 63
refused '--size: ' --size 64,
refused '--burst: ' --burst 65
refused 'do not go together' --search --rate 1G
refused 'go together' --search --source-port eth1
for command in demo migrate; do
    "$XL_FAST" $command --seal none >"$work/out" 2>"$work/err"
    [ $? = 2 ] || fail "$command has --seal"
done

# ---- an end that cannot be

cat >"$work/say.py" <<'END'
import struct, sys
def m(kind, body):
    sys.stdout.buffer.write(b"xf-bench" + struct.pack("<HHI", 3, kind, len(body)) + body)
def order(packets, multicast=0):
    m(1, struct.pack("<QIIIHHQ", 4096, 0, 1, 0, packets, multicast, 0) + sys.argv[1].encode().ljust(112, b"\0") + bytes(512))
def key():
    m(8, bytes(48) + bytes(12) + struct.pack("<I", 1))
def trial(size, burst, bidir):
    m(10, struct.pack("<IIIIQQQ", 1, size, burst, bidir, 0, 0, 1000000))
exec(sys.argv[2])
END

serve() { # what it is told, in python3; what it must say
    (python3 "$work/say.py" "$work/m" "$1"; sleep 1) | "$XL_FAST" bench link --serve >"$work/out" 2>"$work/err"
    [ $? = 1 ] || fail "it does not end badly: $1"
    grep -qa "$2" "$work/out" || fail "it does not say '$2': $1"
}
for order in 2 '1, 1' '0, 1' '0, 2'; do # a memif has no groups
    serve "order($order)" 'the order has impossible values'
done
serve 'order(1); m(10, bytes(40))' 'sent an unexpected message'
for trial in '63, 1, 0' '1 << 31, 1, 0' '64, 65, 0' '64, 0, 0' '64, 1, 2'; do
    serve "order(1); key(); trial($trial)" 'the trial has impossible values'
done
