#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""disks-sync.py HOW RING PAUSES POINTS DISK_A LOOP_A DISK_B LOOP_B COMMAND...: runs xl-fast disks sync, and is the guest,
which writes to both loops all the time, and the Xen that pauses it (PAUSES, no-xen.c). At each pause a write is under way
(RING): it is done, and answered, a moment later. What both disks hold then is in POINTS/0, POINTS/1: nothing else writes.

usual   so it is each time
deaf    the first time it is answered only when the guest goes on: its backend was not told of it
slow    the guest is paused for longer than it may stand: its request is answered too late
no      Xen does not pause it
Prints the number of pauses and of writes after the last one. Exit status: the command's; 99 if the guest is left paused."""
import mmap
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time

how, ring, pauses, points, *rest = sys.argv[1:]
disks, loops, command = rest[0:4:2], rest[1:4:2], rest[4:]
PAGE = 4096
gate = threading.RLock()
stopped = threading.Event()
paused = writes = count = 0


def set_ring(asked, answered):
    with open(ring, "r+b") as f:
        f.write(struct.pack("=IIII", asked, 0, answered, 0))


def write():
    """Now to the one, now to the other, to their first quarter; XF_TEST_IN_ORDER: to all, and to nothing twice."""
    global writes
    in_order, at = "XF_TEST_IN_ORDER" in os.environ, 0
    chance = random.Random(os.environ.get("XF_TEST_SEED", "1"))
    page = mmap.mmap(-1, 16 * PAGE)
    files = [os.open(loop, os.O_WRONLY | os.O_DIRECT) for loop in loops]
    pages = [os.lseek(fd, 0, os.SEEK_END) // PAGE for fd in files]
    while not stopped.is_set():
        for i in (0, 1):
            n = 1 if in_order else chance.choice((1, 1, 3, 16))
            page.seek(0)
            page.write(chance.randbytes(n * PAGE))
            at = (at + n) % (pages[i] - 16) if in_order else chance.randrange(pages[i] // 4 - n)
            while not stopped.is_set():
                with gate:
                    if not paused:
                        os.pwritev(files[i], [memoryview(page)[:n * PAGE]], at * PAGE)
                        writes += 1
                        break
                time.sleep(0.001)
            time.sleep(chance.random() / 100)


def answer(number):
    """Of that pause, unless it is over: who waited no longer has gone on, and may have paused the guest anew."""
    page = mmap.mmap(-1, PAGE)
    page.write(os.urandom(PAGE))
    with gate:
        if not paused or count != number:
            return
        fd = os.open(loops[0], os.O_WRONLY | os.O_DIRECT)
        os.pwritev(fd, [page], 0)
        os.close(fd)
        for i, disk in enumerate(disks):
            with open(disk, "rb") as f, open(f"{points}/{i}", "wb") as to:
                to.write(f.read())
        set_ring(7, 7)


def serve(listener):
    global paused, writes, count
    while True:
        talk = listener.accept()[0]
        what = talk.recv(16)
        if what == b"pause\n":
            with gate:
                paused += how != "no"
                count += 1
            set_ring(7, 6)
            if how == "usual" or (how == "deaf" and count > 1):
                threading.Timer(0.1, answer, (count,)).start()
        else:
            with gate:
                paused -= 1
                writes = 0
            set_ring(7, 7)
        talk.send(b"n" if how == "no" else b"y")
        talk.close()


listener = socket.socket(socket.AF_UNIX)
listener.bind(pauses)
listener.listen(4)
set_ring(7, 7)
threading.Thread(target=serve, args=(listener,), daemon=True).start()
writer = threading.Thread(target=write)
writer.start()
env = dict(os.environ, LD_PRELOAD=os.environ["LD_PRELOAD_OF_DISKS"], XF_TEST_PAUSES=pauses)
status = subprocess.run(command, env=env, check=False).returncode
for _ in range(100):  # who let it stand may be gone: another one lets it go on
    with gate:
        if not paused and (writes or not count):
            break
    time.sleep(0.1)
stopped.set()
writer.join()
os.unlink(pauses)
print(f"paused {count} times, {writes} writes since", file=sys.stderr)
sys.exit(99 if paused else status)
