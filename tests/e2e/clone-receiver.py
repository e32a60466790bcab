#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""clone-receiver.py HOW LOG WORDS...: in xl migrate-receive's place, as tools/xl/xl_migrate.c has it. Writes into LOG what
it was told and what it did, a line each. HOW: well, or what it does instead: no-banner, noise (other words first), dies
(in the stream), dies-late, lingers, not-ready, mute (instead of that it is ready), mute-late (what became of its copy),
no-report, cannot (its copy does not start)."""
import os
import struct
import sys
import time

HOW, LOG = sys.argv[1], sys.argv[2]


def log(line):
    with open(LOG, "a", encoding="utf-8") as f:
        print(line, file=f)


def get(n):
    data = b""
    while len(data) < n:
        got = os.read(0, n - len(data))
        if not got:
            log("the source has ended")
            sys.exit(1)
        data += got
    return data


def put(data):
    try:
        os.write(1, data)
    except BrokenPipeError:
        pass  # which the next get() sees

log("words " + " ".join(sys.argv[3:]))
if HOW == "no-banner":
    sys.exit(1)
if HOW == "noise":
    put(b"Welcome to hostb!\n")
put(b"xl migration receiver ready, send binary domain data.\n")
magic, order, flags, optional, length = struct.unpack("=32sIIII", get(48))
assert magic == b"Xen saved domain, xl format\n \0 \r" and order == 0x01020304 and flags == 3 and not optional, magic
(n,) = struct.unpack("=I", get(4))
assert length == n + 4, (length, n)
log("configuration " + get(n).rstrip(b"\0").decode())
if HOW == "dies":
    sys.exit(1)
start = get(6)
if start == b"LibxlF":  # of several: libxl's head, libxc's, and records
    get(24 - 6 + 40)
    while True:
        kind, length = struct.unpack("=II", get(8))
        body = get((length + 7) // 8 * 8)
        if kind == 0x58460006:
            log(f"member {body[0]}")
        assert kind in (0x58460001, 0x58460006, 0x10, 0x58460002), hex(kind)
        if kind == 0x58460002:
            break
        if kind == 0x10 and HOW == "dies-late":
            sys.exit(1)
        if kind == 0x10 and HOW == "lingers":  # as ssh to a host that is gone
            os.close(0)
            os.close(1)
            time.sleep(3)
            with open(os.path.join(os.path.dirname(LOG), "log-2"), encoding="utf-8") as other:
                log("the other has its go" if "go\n" in other.readlines() else "the other waits")
            sys.exit(1)
    start = get(6)
assert start == b"stream"
if HOW == "not-ready":
    sys.exit(1)
if HOW == "mute":  # until the source hangs up
    get(1)
log("ready")
put(b"domain received, ready to unpause\0")
assert get(44) == b"domain is yours, you are cleared to unpause\0"
log("go")
if HOW == "mute-late":
    get(1)
if HOW == "no-report":
    sys.exit(1)
put(b"my copy unpause results are as follows\0" + (b"\1" if HOW == "cannot" else b"\0"))
