#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The result of a benchmark as a Markdown table, so that nobody types figures.

table.py net|xen FILE.json   adds machine, date and versions to the object in FILE.json, and writes FILE.md beside it
facts(), bench()             the same for make bench, which calls them itself
"""

import datetime
import json
import os
import re
import subprocess
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
LINKS = {
    "sealed": "`xl-fast bench link`",
    "clear": "`xl-fast bench link --seal none`",
    "testpmd": "dpdk-testpmd",
    "iperf3_udp": "iperf3, UDP",
    "iperf3_tcp": "iperf3, TCP (its payload, handed over in pieces of up to 64 KB)",
}
DISKS = {
    "medium": "the slower of what its medium reads and writes (`dd`)",
    "ours": "`xl-fast bench disk`",
    "ours_lanes_2": "… with two lanes",
    "ours_verify": "… verified",
    "nbdcopy_tls": "nbdcopy, TLS",
    "nbdcopy_plain": "nbdcopy, in plain text",
    "qemu_img_tls": "qemu-img convert, TLS",
}
STAGES = ("read", "seal", "transmit", "receive", "open", "write", "bookkeeping", "guest", "all")


def said(*command):
    """The first line that a command prints; None where it fails or is not there."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=TOP)
    except OSError:
        return None
    return run.stdout.strip().split("\n")[0] or None if run.returncode == 0 else None


def facts():
    """Where and when, and of what: for each benchmark's JSON."""
    cpu = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo", encoding="utf-8").read())
    xl_fast = os.path.abspath(os.path.join(os.environ.get("BUILD") or os.path.join(TOP, "build"), "xl-fast"))
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "cpu": cpu[1] if cpu else None,
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": os.uname().release,
        "version": said(xl_fast, "--version"),
        "commit": said("git", "describe", "--always", "--dirty", "--abbrev=12"),
        "dpdk": said("pkg-config", "--modversion", "libdpdk"),
    }


def show(value, digits=2, unit=""):
    if value is None:
        return "not measured"
    return f"{value:.{digits}f}{unit}" if isinstance(value, float) else f"{value}{unit}"


def rows(head, body):
    """A table; a cell may hold anything."""
    lines = ["| " + " | ".join(str(c).replace("|", "\\|").replace("\n", " ") for c in line) + " |" for line in (head, *body)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def page(title, r, more, *parts):
    """more: rows about the run besides those of facts()."""
    about = [
        ("date", r.get("date")),
        ("machine", f"{r.get('cpu')}, {r.get('cpus')} CPUs, Linux {r.get('kernel')}"),
        ("versions", f"{r.get('version')}, commit {r.get('commit')}, DPDK {r.get('dpdk')}"),
        *more,
    ]
    return "\n\n".join([f"# {title}, {r.get('date')}", rows(("", ""), about), *(p for p in parts if p)]) + "\n"


def kept(r, ms):
    if r.get(f"downtime_hits_{ms}") is None:
        return "not measured"
    return (f"{r[f'downtime_hits_{ms}']:.0f} % kept, {r[f'downtime_predicted_{ms}'] or 0:.0f} % predicted within a quarter, "
            f"median {show(r[f'downtime_{ms}_ms'], 1, ' ms')}")


def busy(r, pct):
    gave_up = r[f"dirty_{pct}_gave_up"]
    words = [f"{gave_up} gave up"] if gave_up else []
    if r[f"dirty_{pct}_total_s"] is not None:
        words = [show(r[f"dirty_{pct}_total_s"], 2, " s"), f"{r[f'dirty_{pct}_rounds']:g} rounds",
                 "downtime " + show(r[f"dirty_{pct}_downtime_ms"], 0, " ms"), *words]
    return ", ".join(words) or "not measured"


def alone(r):
    """What does without the other end."""
    yield "two cores that only encrypt", f"{show(r['seal_2_gbps'], 1, ' Gbit/s')}, {show(r['seal_2_of_1'])} × one"
    for end, name in (("send", "source"), ("receive", "target")):
        yield (f"the {name} alone, one lane", f"{show(r[f'{end}_1_gbps'], 2, ' Gbit/s')}, "
               f"{show(r[f'{end}_1_of_seal_limit'])} of what one core encrypts")
        yield f"… the {name}, two lanes", f"{show(r[f'{end}_2_gbps'], 2, ' Gbit/s')}, {show(r[f'{end}_2_of_1'])} × one, {show(r[f'{end}_2_of_seal_2'])} of what two cores encrypt"
    share = r["lanes_cpu_per_page_spread"]
    yield "CPU time a page with 1, 2 and 4 lanes: most above least", show(None if share is None else 100 * share, 1, " %")


def bench(r, skipped, failed, rates):
    """r: results.json; rates: (name, median, least, most, total_s, runs) of each kind."""
    figures = [
        ("rate, random pages, encrypted, one core per end", show(r["payload_gbps"], 2, " Gbit/s")),
        ("… divided by what one core encrypts at most", f"{show(r['of_seal_limit'])} of {show(r['seal_limit_gbps'], 1, ' Gbit/s')}"),
        ("total time of it", show(r["total_s"], 3, " s")),
        *alone(r),
    ]
    for key, value in r.items():
        if found := re.fullmatch(r"qemu_(plain|tls)_(\d+)_s", key):
            how = {"plain": "in plain text", "tls": "with TLS"}[found[1]]
            figures.append((f"QEMU {how}, {found[2]} channel{'s' if found[2] != '1' else ''}: total time", show(value, 3, " s")))
    figures += [
        ("QEMU's best time in plain text, divided by ours (above 1: xl-fast is faster)", show(r["vs_qemu_plain_best"])),
        ("QEMU's best time with TLS, divided by ours", show(r["vs_qemu_tls"])),
        ("time of random pages, divided by that of zero pages", show(r["zero_vs_random"])),
        ("time of random pages, divided by that of mixed pages", show(r["mixed_vs_random"])),
    ]
    for key, value in r.items():
        if found := re.fullmatch(r"auto_vs_none_(.*)", key):
            figures.append((f"time without compression, divided by that with `auto`: {found[1].replace('_', ', ')}", show(value, 3)))
        elif found := re.fullmatch(r"dirty_(\d+)_total_s", key):
            figures.append((f"written to at {found[1]} % of the link", busy(r, found[1])))
        elif found := re.fullmatch(r"downtime_hits_(\d+)", key):
            if found[1] != "of_100" and f"downtime_{found[1]}_ms" in r:
                figures.append((f"`--max-downtime {found[1]}`", kept(r, found[1])))
        elif found := re.fullmatch(r"lanes_(\d+)_payload_gbps", key):
            figures.append((f"rate with {found[1]} lanes", show(value, 2, " Gbit/s")))
        elif found := re.fullmatch(r"link_(memif|veth)_(.*)_gbps", key):
            figures.append((f"frames of 1514 bytes over {found[1]}: {LINKS[found[2]]}", show(value, 2, " Gbit/s")))
        elif found := re.fullmatch(r"disk_(random|sparse)_(.*)_gbps", key):
            cpu = r[f"disk_{found[1]}_{found[2]}_cpu_s_per_gib"]
            figures.append((f"a disk, {found[1]}: {DISKS[found[2]]}", show(value, 2, " Gbit/s")
                            + (f"; CPU time {cpu:.2f} s a GiB" if cpu is not None else "")))
        elif found := re.fullmatch(r"disk_vs_nbd_tls_(.*)", key):
            figures.append((f"a disk, {found[1]}: the best time over NBD with TLS, divided by ours", show(value)))
        elif found := re.fullmatch(r"size_(\d+)m_payload_gbps", key):
            resident = r[f"size_{found[1]}m_resident_mib"]
            figures.append((f"rate of {found[1]} MiB", show(value, 2, " Gbit/s")
                            + (f"; {resident:.0f} MiB besides the guest" if resident is not None else "")))
        elif found := re.fullmatch(r"size_(\d+)m_lanes_4_resident_mib", key):
            figures.append((f"… with 4 lanes, {found[1]} MiB: memory besides the guest", show(value, 0, " MiB")))
    cycles = [(end, *(show(r[f"{end}_{s}_cycles"], 0) for s in STAGES), show(r[f"{end}_busy_pct"], 0, " %"))
              for end in ("source", "target") if f"{end}_all_cycles" in r]
    more = [
        ("QEMU", r["qemu"] or "none"),
        ("runs", f"{r['runs']} of {r['memory_bytes'] >> 20} MiB, {r['downtimes']} for each `--max-downtime`; load before: {show(r['load_before'])}"
                 + ("; **a quick look: its figures mean little**" if r["quick"] else "")),
    ]
    return page(
        "make bench", r, more,
        "## Figures\n\nMedians.\n\n" + rows(("what", "figure"), figures),
        cycles and "## Cycles per page\n\n" + rows(("end", *STAGES, "busy"), cycles),
        "## Each kind\n\nGbit/s of a guest's memory by total time; of seal, of what it encrypts; of send and receive, of "
        "one end by itself; of link, of the frames that arrive.\n\n"
        + rows(("what", "Gbit/s, median", "least", "most", "total", "runs"),
               [(n, show(m), show(low), show(high), show(t, 3, " s") if t else "", c) for n, m, low, high, t, c in rates]),
        (skipped or failed) and "## Not measured\n\n" + rows(("what", "why"), [
            *skipped.items(), *((n, f"{len(why)} failed: {why[-1]}") for n, why in failed.items())]),
    )


def net(r):
    more = [
        ("run", f"bottleneck {r['rate_bps'] / 1e9:g} Gbit/s, MTU {r['mtu']}; medians of {r['runs']} runs of {r['seconds']} s; load before: {r['load']}"),
    ]
    pct = lambda x: show(None if x is None else 100.0 * x, 1, " %")
    return page("make bench-net", r, more, rows(("what", "figure"), [
        ("goodput", show(r["goodput_gbps"], 3, " Gbit/s")),
        (f"goodput at {r['loss_pct']} % random loss", show(r["goodput_lossy_gbps"], 3, " Gbit/s")),
        ("… divided by goodput", show(r["goodput_ratio"], 3)),
        ("alone: share of the bottleneck", pct(r["alone_used"])),
        ("alone: packets dropped at the bottleneck", show(r["alone_dropped_pct"], 3, " %")),
        ("beside one TCP flow: share of xl-fast", pct(r["beside_tcp_ours"])),
        ("beside one TCP flow: share of TCP", pct(r["beside_tcp_tcp"])),
    ]))


def xen(r):
    more = [
        ("hosts", r.get("hosts")),
        ("run", f"guests of {r['memory_mib']} MiB that write {r['written_pages_per_s']} pages per second, "
                f"`--max-downtime {r['max_downtime_ms']}`; those with a disk and a network card have 192 MiB, 2 vCPUs, "
                f"write half as many, and have the usual `--max-downtime`; medians of {max(map(len, moves(r).values()), default=0)} moves each"),
    ]
    body = []
    for guest in [k[:-len("_total_ratio")] for k in r if k.endswith("_total_ratio")]:
        cells = [f"{r[f'{guest}_{what}_stock_ms']:.0f} / {r[f'{guest}_{what}_fast_ms']:.0f} ms: {r[f'{guest}_{what}_ratio']:.2f} ×"
                 if f"{guest}_{what}_ratio" in r else "" for what in ("total", "stream", "downtime", "pause", "client_gap")]
        cells.append(r.get(f"{guest}_predicted_right", ""))
        body.append((guest, *cells))
    return page("make bench-xen", r, more, "Stock `xl migrate` / `xl migrate --fast`:\n\n" + rows(
        ("guest", "in all", "suspended until the restore is over", "suspended until it was started",
         "the guest's whole downtime, by its own clock", "a TCP client hears nothing for",
         "predicted within 25 %"), body))


def moves(r):
    found = {}
    for move in r["raw"]:
        found.setdefault((move["guest"], move["how"]), []).append(move)
    return found


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("net", "xen"):
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    kind, path = sys.argv[1:]
    with open(path, encoding="utf-8") as f:
        r = json.load(f)
    r.update(facts())
    with open(path, "w", encoding="utf-8") as f:
        f.write(json.dumps(r, indent=1) + "\n")
    with open(os.path.splitext(path)[0] + ".md", "w", encoding="utf-8") as f:
        f.write({"net": net, "xen": xen}[kind](r))
    return 0


if __name__ == "__main__":
    sys.exit(main())
