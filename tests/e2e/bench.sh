#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The benchmark: a small run measures and writes what it says, as JSON and as a table; what is missing is skipped by
# name; ratios and hits are of the right figures.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

export BUILD=$work/build
mkdir "$BUILD"

bench() {
    echo "+ bench $*"
    "$@" >"$work/out" 2>"$work/err"
    status=$?
}

bench scripts/bench --quick
[ "$status" = 77 ] || fail "without xl-fast: exit status $status"
grep -q 'not built' "$work/err" || fail "it does not say what is missing"

ln -s "$(realpath "$XL_FAST")" "$BUILD/xl-fast"
mkdir "$work/bin"
ln -s "$(python3 -c 'import sys; print(sys.executable)')" "$work/bin/python3"
PATH=$work/bin bench python3 scripts/bench --quick --memory 16M --downtimes 1 --only seal,ours-random,qemu,downtime,link,send,receive
[ "$status" = 0 ] || fail "exit status $status"
grep -q 'skipped: QEMU: no qemu-system-x86_64' "$work/err" || fail "it does not say that QEMU is missing"
for what in 'link-memif-testpmd: no dpdk-testpmd here' 'link-veth: \(no ip here\|network namespaces take root\)'; do
    grep -q "skipped: $what" "$work/err" || fail "it does not say that it skips $what"
done

python3 - "$BUILD/bench" <<'END' || fail "the figures do not fit each other"
import json, sys, xml.dom.minidom
r = json.load(open(sys.argv[1] + "/results.json"))
s = json.load(open(sys.argv[1] + "/samples.json"))
assert not any(isinstance(v, (list, dict)) for v in r.values()), "it is to be flat"
assert r["payload_gbps"] == s["ours-random"][0]["payload_gbps"] > 0
assert abs(r["of_seal_limit"] - r["payload_gbps"] / r["seal_limit_gbps"]) < 1e-9
assert r["vs_qemu_plain_best"] is None and r["vs_qemu_tls"] is None and "qemu" in s["skipped"]
assert r["downtime_hits_of_100"] in (0, 100) and len(s["downtime-30"]) == 1
assert 0 < s["ours-random"][0]["resident_bytes"] < 256 << 20
for how in "sealed", "clear":
    assert r[f"link_memif_{how}_gbps"] == s[f"link-memif-{how}"][0]["gbps"] > 0
assert r["link_memif_testpmd_gbps"] is None and r["link_veth_iperf3_tcp_gbps"] is None
for name in "send-1", "send-2", "receive-1", "receive-2":
    assert r[name.replace("-", "_") + "_gbps"] == s[name][0]["gbps"] > 0
assert r["lanes_cpu_per_page_spread"] >= 0
assert abs(r["receive_1_of_seal_limit"] - r["receive_1_gbps"] / r["seal_limit_gbps"]) < 1e-9
assert r["source_seal_cycles"] > 0 and r["target_write_cycles"] > 0
xml.dom.minidom.parse(sys.argv[1] + "/plot.svg")
END

# The same as a table: each figure is results.json's, and machine, date and versions are there.
python3 - "$BUILD/bench" <<'END' || fail "results.md does not say what results.json says"
import json, sys
r = json.load(open(sys.argv[1] + "/results.json"))
page = open(sys.argv[1] + "/results.md").read()
line = lambda what: next(l for l in page.split("\n") if l.startswith(f"| {what}")).split(" | ")[1].rstrip(" |")
assert page.startswith(f"# make bench, {r['date']}\n"), page
assert line("machine") == f"{r['cpu']}, {r['cpus']} CPUs, Linux {r['kernel']}"
assert line("versions") == f"{r['version']}, commit {r['commit']}, DPDK {r['dpdk']}" and r["version"].startswith("xl-fast ")
assert "a quick look" in line("runs")
assert line("rate, random pages, encrypted") == f"{r['payload_gbps']:.2f} Gbit/s"
assert line("the source alone, one lane").startswith(f"{r['send_1_gbps']:.2f} Gbit/s, {r['send_1_of_seal_limit']:.2f} of")
assert line("… the target, two lanes") == \
    f"{r['receive_2_gbps']:.2f} Gbit/s, {r['receive_2_of_1']:.2f} × one, {r['receive_2_of_seal_2']:.2f} of what two cores encrypt"
assert line("two cores that only encrypt") == f"{r['seal_2_gbps']:.1f} Gbit/s, {r['seal_2_of_1']:.2f} × one"
assert line("`--max-downtime 30`").startswith(f"{r['downtime_hits_30']:.0f} % kept")
assert line("QEMU in plain text, 4 channels") == line("rate with 2 lanes") == line("written to at 90 %") == "not measured"
assert line("frames of 1514 bytes over memif: `xl-fast bench link`") == f"{r['link_memif_sealed_gbps']:.2f} Gbit/s"
assert line("frames of 1514 bytes over veth: iperf3, UDP") == "not measured"
assert line("source").startswith(f"{r['source_read_cycles']:.0f}")
assert line("qemu") == json.load(open(sys.argv[1] + "/samples.json"))["skipped"]["qemu"]
END

# Those of the other benchmarks, of made-up figures.
cat >"$work/net.json" <<'END'
{"rate_bps": 1000000000, "mtu": 1500, "runs": 3, "seconds": 5, "loss_pct": 1, "goodput_gbps": 0.88,
 "goodput_lossy_gbps": null, "goodput_ratio": null, "alone_used": 0.997, "alone_dropped_pct": 0.0,
 "beside_tcp_ours": 0.55, "beside_tcp_tcp": 0.45, "load": 0.5}
END
cat >"$work/xen.json" <<'END'
{"memory_mib": 512, "written_pages_per_s": 400, "max_downtime_ms": 20, "hosts": "A=pv B=pv",
 "pvh_total_ratio": 1.675, "pvh_total_stock_ms": 42200.0, "pvh_total_fast_ms": 25200.0,
 "pvh_stream_ratio": 0.874, "pvh_stream_stock_ms": 118.0, "pvh_stream_fast_ms": 135.0,
 "pvh_downtime_ratio": 20.0, "pvh_downtime_stock_ms": 7000.0, "pvh_downtime_fast_ms": 350.0, "pvh_predicted_right": "9 of 10",
 "pvh_pause_ratio": 1.057, "pvh_pause_stock_ms": 3700.0, "pvh_pause_fast_ms": 3500.0,
 "raw": [{"guest": "pvh:random", "how": "fast"}, {"guest": "pvh:random", "how": "fast"}, {"guest": "pvh:random", "how": "stock"}]}
END
for kind in net xen; do
    scripts/bench.d/table.py $kind "$work/$kind.json" || fail "no table is made of $kind.json"
    grep -q '"cpus"' "$work/$kind.json" || fail "$kind.json has no machine"
done
has_line() { grep -qxF "$2" "$1" || fail "$(basename "$1") has no line '$2': $(cat "$1")"; }
has_line "$work/net.md" '| goodput | 0.880 Gbit/s |'
has_line "$work/net.md" '| goodput at 1 % random loss | not measured |'
has_line "$work/net.md" '| beside one TCP flow: share of xl-fast | 55.0 % |'
has_line "$work/xen.md" '| pvh | 42200 / 25200 ms: 1.68 × | 118 / 135 ms: 0.87 × | 7000 / 350 ms: 20.00 × | 3700 / 3500 ms: 1.06 × |  | 9 of 10 |'
grep -q 'medians of 2 moves each' "$work/xen.md" || fail "xen.md does not say of how many moves"

# By made-up samples: who is the best, which way the ratios go, that to give up is no hit.
python3 - <<'END' || fail "a figure is not what it is called"
import argparse, importlib.machinery, importlib.util, sys
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("bench", "scripts/bench")
bench = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench", loader))
loader.exec_module(bench)
a = argparse.Namespace(runs=3, downtimes=4, memory=1 << 30, bandwidth=("4G", 4e9), quick=False,
                       sizes=[256 << 20, 1 << 30, 8 << 30])
totals = lambda *t: [{"total_s": x, "gbps": 1 / x} for x in t]
stood = lambda *pairs: [{"downtime_ms": p[0], "predicted_ms": p[1]} if p else {"error": "gave up"} for p in pairs]
cycles = {e: {"seal": 5.0, "busy_pct": 90.0} for e in ("source", "target")}
ours = [{"total_s": t, "payload_gbps": 40.0, "cycles_per_page": cycles} for t in (2.0, 1.0, 9.0)]
r = bench.summarize(a, {
    "seal": [{"gbps": 80.0}] * 3, "seal-2": [{"gbps": 120.0}] * 3, "ours-random": ours, "ours-zero": totals(0.5, 0.5, 0.5),
    "qemu-plain-1": totals(30, 1, 31), "qemu-plain-2": totals(12, 12, 12), "qemu-plain-4": totals(14, 14, 14),
    "qemu-tls-1": totals(60, 60, 60), "qemu-tls-4": totals(40, 40, 40),
    "compress-none-compressible-1G": totals(4, 4, 4), "compress-auto-compressible-1G": totals(2, 2, 2),
    "compress-none-random-10G": totals(3, 3, 3), "compress-auto-random-10G": totals(4, 4, 4),
    "send-1": [{"gbps": 60.0, "cpu_ns_per_page": 500.0}], "send-2": [{"gbps": 90.0, "cpu_ns_per_page": 550.0}],
    "send-4": [{"gbps": 90.0, "cpu_ns_per_page": 625.0}], "receive-1": [{"gbps": 40.0, "cpu_ns_per_page": 800.0}],
    "receive-2": [{"gbps": 60.0, "cpu_ns_per_page": 800.0}], "receive-4": [{"gbps": 60.0, "cpu_ns_per_page": 880.0}],
    "size-256M": [{"payload_gbps": 10.0, "resident_bytes": 64 << 20}] * 3,
    "size-1024M": [{"payload_gbps": 8.0, "resident_bytes": 65 << 20}] * 3,
    "size-8192M-lanes-4": [{"payload_gbps": 8.0, "resident_bytes": 70 << 20}] * 3,
    "disk-random-medium": totals(0.25), "disk-random-ours": totals(0.5, 0.4, 0.6), "disk-sparse-ours": totals(0.1),
    "disk-random-nbdcopy-tls": totals(2, 2, 2), "disk-random-nbdcopy-plain": totals(0.1), "disk-random-qemu-img-tls": totals(1, 1, 9),
    "downtime-30": stood((30.0, 22.5), (30.1, 37.7), None, (1.0, 1.0)),
    "downtime-100": stood(*[(99.0, 99.0)] * 4), "downtime-300": stood(*[(99.0, 74.0)] * 4)}, 0.5)
want = {"total_s": 2.0, "of_seal_limit": 0.5, "vs_qemu_plain_best": 6.0, "qemu_plain_best": "qemu-plain-2",
        "vs_qemu_tls": 20.0, "zero_vs_random": 4.0, "mixed_vs_random": None, "auto_vs_none_3to1_1g": 2.0,
        "auto_vs_none_random_10g": 0.75,
        "send_1_of_seal_limit": 0.75, "send_2_of_1": 1.5, "seal_2_of_1": 1.5, "send_2_of_seal_2": 0.75,
        "receive_1_of_seal_limit": 0.5, "lanes_cpu_per_page_spread": 0.25,
        "downtime_hits_30": 50.0, "downtime_hits_of_100": 50.0, "downtime_predicted_100": 100.0,
        "downtime_predicted_300": 0.0, "size_1024m_resident_mib": 65.0, "size_8192m_payload_gbps": None,
        "size_8192m_lanes_4_resident_mib": 70.0,
        "disk_vs_nbd_tls_random": 2.0, "disk_vs_nbd_tls_sparse": None, "disk_random_ours_gbps": 2.0, "disk_of_limit": 0.5,
        "sizes_least_of_most": 0.8, "source_seal_cycles": 5.0, "target_busy_pct": 90.0}
assert round(r["downtime_predicted_30"]) == 67
wrong = {k: r.get(k) for k, v in want.items() if r.get(k) != v}
assert not wrong and "auto_vs_none_random" not in r, wrong

# A measurement that fails costs neither the others nor what was measured before: a QEMU that says it took 0 ms,
# one that ends in the middle, a demo of ours that took no time.
import contextlib, qemu
def qemu_saying(**info):
    @contextlib.contextmanager
    def end(self, which, tls):
        yield lambda command, **_: {"status": "completed", "ram": {"transferred": 1}, **info}
    guests = object.__new__(qemu.Guests)
    guests.memory_bytes = 1 << 30
    type(guests).qemu = end
    return guests.migrate(1, False)
answers = iter([{"total-time": 2000}, {"total-time": 0}, {}, {"total-time": 4000}])
samples = bench.Samples()
for run in range(4):
    samples.take("qemu-plain-1", lambda: qemu_saying(**next(answers)))
    samples.take("seal", lambda: {"gbps": 80.0})
assert [s["total_s"] for s in samples["qemu-plain-1"]] == [2.0], samples["qemu-plain-1"]
assert len(samples.failed["qemu-plain-1"]) == 2 and "0 ms" in samples.failed["qemu-plain-1"][0]
assert len(samples["seal"]) == 4 and not samples.ours_failed
r = bench.summarize(a, samples, 0.5)
assert r["qemu_plain_1_s"] == 2.0 and r["seal_limit_gbps"] == 80.0
samples.take("ours-zero", lambda: 1 / 0)
assert samples.ours_failed and "ZeroDivisionError" in samples.failed["ours-zero"][0]
END

# What the other programs say: the frames that arrive, whatever was lost; no figures are no rate.
python3 - <<'END' || fail "another program's figures are misread"
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, "scripts/bench.d")
import nets
log = lambda *bps: "".join(f"  Rx-pps: {b // 8}   Rx-bps:   {b}\n  Tx-pps: 0  Tx-bps: 0\n" for b in bps)
assert nets.testpmd_gbps(log(0, 1944, 1 * 10**9, 5 * 10**9, 7 * 10**9, 6 * 10**9, 10**9, 0)) == 6.0
end = {"sum": {"lost_percent": 154.0}, "sum_received": {"bits_per_second": 1472e6}}
assert abs(nets.iperf3_figures({"end": end}, False)["gbps"] - 1.514) < 1e-9
assert nets.iperf3_figures({"end": end}, True)["gbps"] == 1.472
trial = {"wire_bps": 8 * 10**9, "packets_sent": 1000, "packets_lost": 250, "rtt": {"p50_us": 9, "p999_us": 90}}
ours = nets.ours_figures({"trials": [trial], "rtt_idle": {"p50_us": 5}})
assert ours["gbps"] == 6.0 and ours["loss_pct"] == 25.0 and (ours["rtt_idle_us"], ours["rtt_p999_us"]) == (5, 90)
for bad in lambda: nets.testpmd_gbps(log(0, 0, 0)), lambda: nets.testpmd_gbps(""), lambda: nets.iperf3_figures({"error": "no route"}, True):
    try:
        bad()
    except nets.Failed:
        continue
    sys.exit("it takes nothing for a rate")
END
