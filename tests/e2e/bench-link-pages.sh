#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The transport's benchmark: hashes of both ends agree, rates fit each other, a sweep is a line a run, and its
# plot; the target at a host, which a stand-in for ssh plays; what is wrong, and an end that dies, answers
# nonsense or goes, ends in one line, with nothing left.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

memory=$(size 32M 8M)

measured() {
    [ "$status" = 0 ] || fail "exit status $status"
    [ ! -s "$work/err" ] || fail "something on stderr"
    nothing_left
}

failed() { # what the line must hold
    [ "$status" = 1 ] || fail "exit status $status"
    grep -q -e "$1" "$work/err" || fail "it does not say: $1"
    nothing_left
}

refused() { # what the line must hold, arguments
    bench "${@:2}"
    wrong_usage "$1"
}

# The lines in $work/out as `runs`, one by one; then what python3 is given on stdin.
check() {
    { printf 'import json, sys\nruns = [json.loads(line) for line in open("%s")]\n' "$work/out"; cat; } | python3 - ||
        fail "the figures do not fit each other"
}

# ---- two processes of this machine

bench link --memory "$memory" --passes 4 --json
measured
check <<'END'
(r,) = runs
assert r["ok"] is True and r["error"] is None and r["host"] is None and r["run"] == 1
assert r["verified"] is True and r["sink"] == "memory" and r["passes"] == 4
assert (r["mtu"], r["queues"], r["compress"], r["fill"]) == (9000, 1, "none", "random")
assert abs(4 * r["memory_bytes"] * 8e6 / r["time_us"] / r["memory_bps"] - 1) < 0.01
assert r["payload_bps"] == r["memory_bps"], "random pages are not zero"
assert 1.005 < r["wire_bps"] / r["payload_bps"] < 1.1 or r["pages_repaired"], r
assert abs(r["packets_sent"] * 1e6 / r["time_us"] / r["rate_pps"] - 1) < 0.01
# The first pass is not counted; the queues' counters are of all.
assert r["packets_sent"] < sum(r["queue_sent"]) < r["packets_sent"] * 1.5
assert sum(r["rejects"].values()) == 0
stages = {"guest", "read", "seal", "transmit", "receive", "open", "write", "bookkeeping", "all", "busy_pct"}
for end, own in ("source", "seal"), ("target", "write"):
    assert set(r["cycles_per_page"][end]) == stages and r["cycles_per_page"][end][own] > 0
END

bench link --memory "$memory" --passes 1 --queues 1,2 --fill random,zero --json
measured
check <<'END'
assert [(r["queues"], r["fill"]) for r in runs] == [(1, "random"), (1, "zero"), (2, "random"), (2, "zero")]
for r in runs:
    assert r["verified"] and len(r["queue_sent"]) == len(r["queue_received"]) == r["queues"], r
    assert min(r["queue_received"]) > 0, "a queue is not used"
    assert (r["payload_bps"] == 0) == (r["fill"] == "zero") and r["memory_bps"] > 0
END
cp "$work/out" "$work/runs.jsonl"

bench link --memory "$memory" --passes 1 --sink null --mtu 1500,9000 --compress lz4 --fill compressible --json
measured
check <<'END'
assert [r["mtu"] for r in runs] == [1500, 9000]
for r in runs:
    assert r["verified"] is None and r["sink"] == "null" and r["wire_bps"] < 0.6 * r["payload_bps"], r
    assert r["cycles_per_page"]["target"]["all"] > 0
assert runs[0]["packets_sent"] > 2 * runs[1]["packets_sent"]
END

# By the names of iperf3 and dpdk-testpmd: a line an interval, and what is omitted is not counted.
bench link --memory "$memory" -t 2 -O 1 -i 0.4 -P 2 -J
measured
check <<'END'
(r,) = runs
assert r["queues"] == 2 and r["time_us"] / 1e6 >= 2 and r["source_cpu_pct"] > 0 and r["target_cpu_pct"] > 0
counted = [i for i in r["intervals"] if not i["omitted"]]
omitted = r["intervals"][: len(r["intervals"]) - len(counted)]
assert all(i["omitted"] for i in omitted) and omitted[-1]["end_us"] >= 1000000, omitted
for all_of in omitted, counted:
    assert all_of[0]["start_us"] == 0 and all(a["end_us"] == b["start_us"] for a, b in zip(all_of, all_of[1:]))
    assert all(i["end_us"] - i["start_us"] >= 400000 for i in all_of[:-1])
assert sum(i["packets_sent"] for i in omitted) > 0
assert abs(sum(i["packets_sent"] for i in counted) - r["packets_sent"]) <= 0.1 * r["packets_sent"] + 100, r
for i in counted:
    assert abs(i["rate_pps"] * (i["end_us"] - i["start_us"]) / 1e6 - i["packets_sent"]) <= 2 + 1e-3 * i["packets_sent"], i
    # The last one may have but a few short packets.
    assert i["packets_sent"] < 100 or i["wire_bps"] > 8 * 1000 * i["rate_pps"] and i["source_cpu_pct"] > 0, i
assert any(i["target_cpu_pct"] for i in counted)
END
bench link --memory "$memory" --time 1 --stats-period 0.5 --txq 2 --rxq 2
measured
grep -q '^  interval s .* source  target$' "$work/out" || fail "no headings of the intervals"
grep -q '^  0.00-0.5[0-9.]* ' "$work/out" || fail "no interval"
grep -q '^ 9000  2 none random ' "$work/out" || fail "not two queues"

# For people: a table, and the run in the middle of three.
bench link --memory "$memory" --passes 1 --runs 3 --timing
measured
[ "$(grep -c '^ 9000  1 none random ' "$work/out")" = 1 ] || fail "not one line of it"
for stage in queue guest seal open busy; do
    grep -q "^ *$stage " "$work/out" || fail "no line of $stage"
done
wide=$(awk 'length > 80' "$work/out")
[ -z "$wide" ] || fail "wider than a terminal of 80 columns: $wide"

# ---- the plot

bench plot "$work/runs.jsonl" "$work/runs.svg"
measured
python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$work/runs.svg" || fail "it is no SVG"
[ "$(grep -c 'queues [12], none, \(random\|zero\)' "$work/runs.svg")" = 4 ] || fail "not four combinations"
grep -q 'prefers-color-scheme: dark' "$work/runs.svg" || fail "no dark theme"
sed 's/"random"/"<script>"/; s/"error": null/"ok": true/' "$work/runs.jsonl" >"$work/odd.jsonl"
bench plot "$work/odd.jsonl" "$work/odd.svg"
measured
! grep -q '<script>' "$work/odd.svg" || fail "what a line says is markup"
echo '{"ok": true}' >"$work/odd.jsonl"
bench plot "$work/odd.jsonl" "$work/odd.svg"
failed 'line 1: a rate is missing'
bench plot tests/e2e/common.bash "$work/odd.svg"
failed 'line 1: not a line of xl-fast bench link'
bench plot /dev/null "$work/odd.svg"
failed 'no run with figures'
bench plot "$work/nowhere" "$work/odd.svg"
failed 'No such file'
refused 'FILE.svg is missing' plot "$work/runs.jsonl"

# ---- the target at a host

mkdir "$work/bin"
ln -s "$(realpath "$XL_FAST")" "$work/bin/xl-fast"
cat >"$work/bin/ssh" <<'END'
#!/bin/sh
echo "ssh $*" >>"$W/log"
while [ $# -gt 1 ]; do shift; done
export XL_FAST_CONF=$W/target.conf
exec ${LOGIN_SHELL:-sh} -c "$1"
END
chmod +x "$work/bin/ssh"
export W=$work PATH=$work/bin:$PATH
vdev() { # role, last byte of its MAC address
    echo "net_memif0,role=$1,mac=02:00:00:00:00:$2,socket=$work/m,socket-abstract=no,bsize=9216,rsize=9"
}
ports=(--source-port "$(vdev client 01)" --target-port "$(vdev server 02)")

bench link --memory "$memory" --passes 1 "${ports[@]}" --json 'root@hostb'
measured
check <<'END'
(r,) = runs
assert r["ok"] and r["verified"] and r["host"] == "root@hostb"
END
[ "$(cat "$work/log")" = "ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15 root@hostb xl-fast bench link --serve" ] ||
    fail "this is what ssh was asked for: $(cat "$work/log")"

needs_shells
for shell in fish tcsh; do
    LOGIN_SHELL=$shell bench link --memory "$memory" --passes 1 "${ports[@]}" --json hostb
    measured
done

# By the xl-fast.conf of each.
if [ -x "${XF_BUILD:-build}/xl-fast-preflight" ]; then
    printf 'port = "%s"\naddress = "192.0.2.11/24"\n' "$(vdev client 01)" >"$work/source.conf"
    printf 'port = "%s"\naddress = "192.0.2.12/24"\nmtu = 1500\n' "$(vdev server 02)" >"$work/target.conf"
    XL_FAST_LIBDIR=$(realpath "${XF_BUILD:-build}") XL_FAST_CONF=$work/source.conf bench link --memory "$memory" --passes 1 \
        -s "ssh -p 2" hostb
    measured
    grep -q '^ 1500  1 none random ' "$work/out" || fail "it has not the target's MTU"
    grep -q '^ssh -p 2 hostb ' "$work/log" || fail "-s is not what is run"
    rm "$work/target.conf"
    XL_FAST_LIBDIR=$(realpath "${XF_BUILD:-build}") XL_FAST_CONF=$work/source.conf bench link --memory "$memory" hostb
    failed 'hostb: .*target.conf'
fi
XL_FAST_LIBDIR=$work/nowhere bench link --memory "$memory" hostb
failed 'xl-fast-preflight is not there.*--source-port'

# An end that is no end: a script in ssh's place.
there() { # the script, what is said
    printf '%s\n' "$1" >"$work/not-ssh"
    bench link --memory "$memory" "${ports[@]}" -s "sh $work/not-ssh" hostb
    failed "$2"
}
message() { # version, kind, bytes of the body, and the body for printf
    printf '%s\n' "printf 'xf-bench\\00$1\\000\\00$2\\000\\00$3\\000\\000\\000${4:-}'; sleep 1"
}
there false 'hostb ended before it had answered'
there 'exit 255' 'hostb ended before it had answered: ssh ended with status 255'
there 'kill -9 $$' 'ssh was killed by signal 9'
there 'echo Welcome to hostb; sleep 1' "hostb answers 'Welcome to hostb', and not as"
there 'printf "\\nWelcome to hostb, "; sleep 0.05; echo "which has a long line"; echo more; sleep 1' \
    "hostb answers 'Welcome to hostb, which has a long line', and not as"
there "$(message 1 2 4)" 'hostb has an xl-fast bench link of version 1, this one is 3'
there "$(message 3 2 7)" 'hostb sent an unexpected message'
there "$(message 3 4 4 '\050\043\000\000')" 'hostb sent an unexpected message'
there "$(message 3 2 4 '\001\000\000\000')" 'hostb reports impossible figures'
there "printf 'xf-bench\\003\\000\\006\\000\\000\\001\\000\\000no\\033[2J%0251d' 0; sleep 1" 'hostb: no?\[2J0'

# To serve is to check what one is told.
echo 'GET / HTTP/1.0' | "$XL_FAST" bench link --serve >"$work/out" 2>"$work/err"
[ $? = 1 ] || fail "it serves a stranger"
grep -qa 'the source answers .GET / HTTP' "$work/out" || fail "it does not say what it got"
python3 -c 'import struct, sys
sys.stdout.buffer.write(b"xf-bench" + struct.pack("<HHI", 3, 1, 656) + struct.pack("<QIIIIQ", 4097, 0, 1, 0, 0, 0) + bytes(624))' |
    "$XL_FAST" bench link --serve >"$work/out" 2>"$work/err"
[ $? = 1 ] || fail "it serves half a page"
grep -qa 'the order has impossible values' "$work/out" || fail "it does not say what is wrong"

# ---- the end of it, at any moment

start() { # arguments: in the background, until its ends are joined, and there is no directory left to clean
    echo "+ xl-fast bench link $* &"
    (trap - INT; exec env "$XL_FAST" bench link --memory "$memory" --seconds 60 "$@") >"$work/out" 2>"$work/err" &
    pid=$!
    for _ in $(seq 200); do
        children=$(pgrep -P "$pid" | tr '\n' ' ')
        [ "$(wc -w <<<"$children")" = 2 ] && sleep 0.1 && [ -z "$(ls -A "$TMPDIR")" ] && break
        sleep 0.05
    done
    [ "$(wc -w <<<"$children")" = 2 ] || fail "not two children"
    children="$children $(for p in $children; do pgrep -P "$p"; done)"
}

ended() { # what is said
    wait "$pid"
    status=$?
    failed "$1"
    # shellcheck disable=SC2086  # words
    all_gone $children
}

start
kill -INT "$pid"
ended 'interrupted by signal 2'
start "${ports[@]}" hostb
kill -INT "$pid"
ended 'interrupted by signal 2'
echo 'exec sleep 60' >"$work/not-ssh"
start "${ports[@]}" -s "sh $work/not-ssh" hostb
kill -TERM "$pid"
ended 'interrupted by signal 15'
start --json
for p in $children; do
    [ "$(cat "/proc/$p/comm")" != "xl-fast target" ] || kill -KILL "$p"
done
ended 'the target process was killed by signal 9'
check <<'END'
(r,) = runs
assert r["ok"] is False and "killed" in r["error"] and r["verified"] is None
END

# ---- what the command line may not be

refused --memory link --memory 5
refused --seconds link --seconds 0
refused --passes link --passes x
refused --omit link -O x
refused --interval link -i 0.01
refused 'do not go together' link --seconds 1 --passes 1
refused --sink link --sink file
refused --mtu link --mtu 1500,
refused --mtu link --mtu 1259
refused --queues link --queues 1,17
refused --queues link --queues 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1
refused --compress link --compress zstd
refused --fill link --fill random:zero
refused --runs link --runs 101
refused 'go together' link --source-port eth1
refused --target-port link --target-port ns/ --source-port eth1
refused 'a memif has no groups' link --multicast
refused 'of free memory' link --memory 1000T
refused "unknown option '--frobnicate'" link --frobnicate
refused '--mtu needs a value' link --mtu
refused 'is not a host name' link 'a;b'
refused "unexpected 'b'" link a b
refused '--serve takes no HOST' link --serve a
refused "unknown command 'frobnicate': it has seal, send, receive, link, disk, plot" frobnicate
refused "unknown command 'lnik'; did you mean 'link'?" lnik
refused 'which of seal, send, receive, link, disk, plot'
bench link --help
[ "$status" = 0 ] || fail "--help: exit status $status"
