#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""clones.py XL_FAST RUNS [SEED [JOBS]]: groups of real processes (xl-fast demo --clones), whose links lose, reorder,
duplicate and damage packets. In half of the runs one clone stands still at some moment, in a few of them all do.
Judged: those that were kept have every page, and as long as one is well there is a clone. Exit status 1: not so."""
import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

LIMIT_S = 200


def children(pid):
    """The clones' processes of a demo, by their number."""
    found = {}
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            for child in f.read().split():
                with open(f"/proc/{child}/comm", encoding="utf-8") as comm:
                    words = comm.read().split()
                if words[:2] == ["xl-fast", "clone"]:
                    found[int(words[2])] = int(child)
    except OSError:
        pass
    return found


def stop(pid, which, after_s):
    time.sleep(after_s)
    stopped = 0
    for number, child in children(pid).items():
        if number in which:
            try:
                os.kill(child, signal.SIGSTOP)
                stopped += 1
            except OSError:
                pass
    return stopped


def run(program, seed):
    """One run: what is wrong with it, or None; and whether a clone was stopped."""
    r = random.Random(seed)
    n = r.randint(2, 4)
    args = [program, "demo", "--json", "--clones", str(n), "--seed", str(seed), "--memory", f"{r.randint(1, 24)}M",
            "--lanes", str(r.randint(1, 2)), "--fill", r.choice(["random", "mixed", "compressible"]),
            "--dirty-rate", f"{r.choice([0, 1, 20, 100])}M"]
    if r.random() < 0.5:
        args += ["--verify"]
    if r.random() < 0.6:
        args += [f"--{what}={r.choice([0, 0.1, 1, 2])}" for what in ("loss", "reorder", "duplicate", "corrupt")]
    if r.random() < 0.5:
        args += ["--bandwidth", f"{r.randint(50, 2000)}M"]
    ill = [] if r.random() < 0.5 else r.sample(range(1, n + 1), n if r.random() < 0.1 else 1)
    demo = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    stopped = stop(demo.pid, ill, r.random() * 2.5) if ill else 0
    try:
        out, err = demo.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        demo.kill()
        return " ".join(args) + ": hangs", stopped
    try:
        result = json.loads(out)
    except ValueError:
        return " ".join(args) + f": no result: {err}", stopped
    kept = [c for c in result["clones"] if not c["dropped_because"]]
    wrong = [c for c in kept if not c["ok"]]
    well = n - stopped
    # Stopped while it came up, it is missed by all; once all was over, by who waits for its end.
    if "error" in result:
        good = stopped and (not well or any(words in err for words in (
            "does not come up", "did not answer", "said nothing", "does not end")))
    else:
        good = kept and not wrong and len(kept) >= well
    return None if good else " ".join(args) + f": stopped {ill}: {[c['dropped_because'] for c in result['clones']]} {err}", stopped


def main():
    program, runs = sys.argv[1], int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 40)
    jobs = int(sys.argv[4]) if len(sys.argv) > 4 else os.cpu_count() or 1
    bad = stops = 0
    shown = time.monotonic()
    print(f"clones: seed {seed}", flush=True)
    with ThreadPoolExecutor(jobs) as pool:
        for i, (wrong, stopped) in enumerate(pool.map(lambda i: run(program, seed + i), range(runs)), 1):
            stops += stopped > 0
            if wrong:
                bad += 1
                print(f"clones: {wrong}", flush=True)
            if time.monotonic() - shown > 30:
                shown = time.monotonic()
                print(f"clones: {i} of {runs} runs, {bad} wrong", flush=True)
    print(f"clones: runs {runs}, in {stops} of them a clone was stopped, wrong {bad}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
