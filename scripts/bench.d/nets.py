# SPDX-License-Identifier: LGPL-2.1-or-later
"""What carries packets between two processes of this machine: `xl-fast bench link`, dpdk-testpmd and iperf3, over the
same memif or veth, for `make bench`.

Frames of 1514 bytes. The rate is that of the frames that arrive; of iperf3's TCP, which the kernel hands over in pieces
of up to 64 KB, that of its payload.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

from qemu import Failed

FRAME_BYTES = 1514
UDP_BYTES = FRAME_BYTES - 42
START_S = 30  # to come up
# The rings that xl-fast has: xl-plugin/demo/memif.c, dpdk/af_packet.c.
MEMIF = "net_memif0,role={role},socket={socket},socket-abstract=no,bsize=9216,rsize=8"
MEMIF_CLIENT = ",zero-copy=yes"
AF_PACKET = "net_af_packet0,iface=v0,framesz=2048,blocksz=8192,framecnt=2560"
# No pinning: the kernel places both ends, as it does ours.
TESTPMD = ("dpdk-testpmd", "--no-huge", "-m", "512", "--no-pci", "--no-shconf", "--no-telemetry", "--single-file-segments", "--lcores", "0@({0}),1@({0})")
TESTPMD_MORE = ("--stats-period", "1", "--total-num-mbufs", "8192", "--mbuf-size", "9344", "--no-flush-rx")


def missing(program):
    """None, or why what takes the program is skipped."""
    return None if shutil.which(program) else f"no {program} here: scripts/setup bench, as root"


class Veth:
    """Two network namespaces and a cable; needs close()."""

    def __init__(self):
        if os.geteuid():
            raise Failed("network namespaces take root")
        if why := missing("ip"):
            raise Failed(why)
        self.ends = [f"xlf{os.getpid()}{end}" for end in "ab"]
        a, b = self.ends
        try:
            for end in self.ends:
                ip("netns", "add", end)
            ip("-n", a, "link", "add", "name", "v0", "mtu", "1500", "type", "veth", "peer", "name", "v0", "netns", b)
            for i, end in enumerate(self.ends):
                ip("-n", end, "addr", "add", f"198.51.100.{i + 1}/24", "dev", "v0")
                ip("-n", end, "link", "set", "dev", "v0", "mtu", "1500", "up")
        except Failed:
            self.close()
            raise

    def close(self):
        for end in self.ends:
            subprocess.run(["ip", "netns", "del", end], capture_output=True, check=False)


def ip(*words):
    run = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if run.returncode:
        raise Failed(f"ip {' '.join(words)}: {run.stderr.strip()}")


def inside(end):
    return ("ip", "netns", "exec", end) if end else ()


@contextlib.contextmanager
def started(command):
    """A program in the background; yields it and the file of what it says. Ends it."""
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        try:
            yield process, out
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(START_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def said(out):
    # By the path: the file's place is the program's own.
    with open(f"/proc/self/fd/{out.fileno()}", encoding="utf-8", errors="replace") as f:
        return f.read()


def wait_for(process, out, words):
    end = time.monotonic() + START_S
    while words not in said(out):
        if process.poll() is not None or time.monotonic() > end:
            raise Failed(f"dpdk-testpmd: {(said(out).strip() or 'it says nothing').splitlines()[-1]}")
        time.sleep(0.1)


# ---- dpdk-testpmd


def testpmd_gbps(text):
    """The median of what it has received each second, but for the first and the last of them."""
    rates = [int(r) for r in re.findall(r"Rx-bps:\s*(\d+)", text)]
    busy = [i for i, r in enumerate(rates) if r > max(rates) / 100]  # what else passes is not the load
    if len(busy) < 3:
        raise Failed("dpdk-testpmd received nothing for long enough")
    return statistics.median(rates[busy[0] + 1:busy[-1]]) / 1e9


def testpmd(seconds, source_vdev, target_vdev, ends=(None, None)):
    cpus = ",".join(str(c) for c in sorted(os.sched_getaffinity(0)))
    command = [word.format(cpus) for word in TESTPMD]
    target = [*inside(ends[1]), *command, "--vdev", target_vdev, "--", "--forward-mode", "rxonly", *TESTPMD_MORE]
    source = [*inside(ends[0]), *command, "--vdev", source_vdev, "--", "--forward-mode", "txonly", "--txpkts", str(FRAME_BYTES),
              *TESTPMD_MORE]
    with started(target) as (t, t_out):
        wait_for(t, t_out, "NIC statistics")
        with started(source) as (s, s_out):
            wait_for(s, s_out, "NIC statistics")
            time.sleep(seconds + 2)  # the first second and the last are left out
        text = said(t_out)
    return {"gbps": testpmd_gbps(text)}


def testpmd_memif(seconds):
    with tempfile.TemporaryDirectory(prefix="xl-fast-bench-") as folder:
        source, target = (MEMIF.format(role=role, socket=os.path.join(folder, "m")) for role in ("client", "server"))
        return testpmd(seconds, source + MEMIF_CLIENT, target)


# ---- iperf3


def iperf3_figures(j, tcp):
    end = j.get("end") or {}
    if "error" in j or not end:
        raise Failed(f"iperf3: {j.get('error', 'no figures')}")
    # Its lost_percent counts what was lost in the omitted time, too, and so may be above 100.
    return {"gbps": end["sum_received"]["bits_per_second"] / 1e9 * (1 if tcp else FRAME_BYTES / UDP_BYTES)}


def iperf3(seconds, veth, tcp):
    how = () if tcp else ("-u", "-b", "0", "-l", str(UDP_BYTES))
    with started([*inside(veth.ends[1]), "iperf3", "-s", "-1", "--forceflush"]) as (server, out):
        wait_for(server, out, "listening")
        run = subprocess.run([*inside(veth.ends[0]), "iperf3", "-c", "198.51.100.2", "-t", str(seconds), "-O", "1", "-J", *how],
                             capture_output=True, text=True, check=False, timeout=seconds + START_S)
    try:
        j = json.loads(run.stdout)
    except ValueError:
        raise Failed(f"iperf3: {run.stderr.strip() or 'no JSON'}") from None
    return iperf3_figures(j, tcp)


# ---- ours


def ours_figures(j):
    (t,) = j["trials"]
    arrived = 1 - t["packets_lost"] / t["packets_sent"] if t["packets_sent"] else 0
    return {"gbps": t["wire_bps"] * arrived / 1e9, "loss_pct": 100 * (1 - arrived), "rtt_idle_us": j["rtt_idle"]["p50_us"],
            "rtt_us": t["rtt"]["p50_us"], "rtt_p999_us": t["rtt"]["p999_us"]}


def contenders(seconds, ours, veth):
    """Name and function of all; veth: a Veth, or None. ours(OPTION...): a run of bench link, its JSON. What is missing
    comes with None and the reason: name, None, why."""
    def link(*options):
        size = ("--size", str(UDP_BYTES), "-t", str(seconds), "-O", "1")
        return lambda: ours_figures(ours(*size, *options))

    yield "link-memif-sealed", link("--mtu", "1500"), None
    yield "link-memif-clear", link("--mtu", "1500", "--seal", "none"), None
    yield "link-memif-testpmd", lambda: testpmd_memif(seconds), missing("dpdk-testpmd")
    if not veth:
        return
    ports = ("--source-port", f"{veth.ends[0]}/v0", "--target-port", f"{veth.ends[1]}/v0")
    yield "link-veth-sealed", link(*ports), None
    yield "link-veth-clear", link(*ports, "--seal", "none"), None
    yield "link-veth-testpmd", lambda: testpmd(seconds, AF_PACKET, AF_PACKET, veth.ends), missing("dpdk-testpmd")
    yield "link-veth-iperf3-udp", lambda: iperf3(seconds, veth, False), missing("iperf3")
    yield "link-veth-iperf3-tcp", lambda: iperf3(seconds, veth, True), missing("iperf3")
