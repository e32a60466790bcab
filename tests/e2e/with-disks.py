#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""with-disks.py WHAT LOOP RING DOMAINS COMMAND...: runs xl-fast-disks live, and is all that is around it: the guest, which
writes to LOOP until it is suspended and has a request under way then (RING); the save helper; xl-fast migrate.

moved      xl says that the guest has moved         stays  that it has not
copied     the copy runs, and the guest too
either     as the helper is told
cancelled  xl-fast migrate ends before the helper has asked
changed    as refused: its disk is another one by then
refused    the helper gets no "done", or there is none to ask: the guest goes on
Exit status: 0 if that came true."""
import json
import mmap
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time

what, loop, ring, domains, *command = sys.argv[1:]
PAGE = 4096
stopped = threading.Event()
counts = [0]


def write(seed):
    chance = random.Random(seed)
    page = mmap.mmap(-1, 16 * PAGE)
    fd = os.open(loop, os.O_WRONLY | os.O_DIRECT)
    pages = os.lseek(fd, 0, os.SEEK_END) // PAGE
    while not stopped.is_set():
        n = chance.choice((1, 1, 3, 16))
        page.seek(0)
        page.write(chance.randbytes(n * PAGE))
        os.pwritev(fd, [memoryview(page)[:n * PAGE]], chance.randrange(pages - n) * PAGE)
        counts[0] += 1
        time.sleep(chance.random() / 200)
    os.close(fd)


def set_ring(asked, answered):
    with open(ring, "r+b") as f:
        f.write(struct.pack("=IIII", asked, 0, answered, 0))


def say(child, kind):
    try:
        child.stdin.write(json.dumps({"kind": kind}).encode() + b"\n")
        child.stdin.flush()
    except OSError:
        pass


def helper(path):
    """Its word to the guest that stands, or None."""
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(path)
        s.send(b"stands\n")
        time.sleep(0.3)
        set_ring(7, 7)  # the backend has answered
        return s.makefile().readline().strip()
    except OSError:
        return None


writers = [threading.Thread(target=write, args=(seed,)) for seed in (1, 2)]
for writer in writers:
    writer.start()
env = dict(os.environ, LD_PRELOAD=os.environ["LD_PRELOAD_OF_DISKS"])
child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
first = json.loads(child.stdout.readline() or b"{}")
print("first:", first)
word = None
if first.get("kind") == "ready" and what == "cancelled":
    child.stdin.close()
elif first.get("kind") == "ready":
    time.sleep(0.5)
    set_ring(7, 6)
    stopped.set()
    for writer in writers:
        writer.join()
    if what == "changed":
        with open(domains, "w") as f:
            f.write("web /mnt/other.img\n")
    word = helper(first["socket"])
stopped.set()
for writer in writers:
    writer.join()
print("the helper hears:", word, "after", counts[0], "writes")
if what in ("moved", "either") and word == "done":
    open(domains, "w").close()
    say(child, "moved")
elif what != "cancelled":
    say(child, "moved" if what == "copied" and word == "done" else "stays")
last = json.loads(child.stdout.readline() or b"{}")
print("last:", last)
try:
    child.stdin.close()
except OSError:
    pass
status = child.wait()
print("status:", status)
if what in ("moved", "stays", "copied"):
    sys.exit(word != "done" or last.get("kind") != "done" or status != 0)
if what in ("refused", "changed", "either"):
    for message in (first, last):
        if message.get("kind") == "failed":
            print(message["reason"], file=sys.stderr)
    sys.exit(what != "either" and (word == "done" or status == 0))
sys.exit(what == "cancelled" and status == 0)
