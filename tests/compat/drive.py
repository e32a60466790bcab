#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""drive.py SOURCE-END TARGET-END MEMORY-BYTES: moves a simulated guest from an end of one build to one of another
(tests/compat/end.c says what they tell), and compares the memory. Prints what failed and exits 1."""
import os
import selectors
import socket
import subprocess
import sys
import tempfile

PATIENCE_S = 120


class End:
    """One end: its process, and the lines that it has said."""

    def __init__(self, kind, program, memif, peer, memory):
        self.kind, self.hash, self.rest = kind, None, b""
        self.process = subprocess.Popen([program, kind, memif, str(peer.fileno()), str(memory)], bufsize=0,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[peer.fileno()])
        peer.close()

    def order(self, word):
        self.process.stdin.write(word.encode() + b"\n")

    def lines(self):
        """What it has said, all of it: of what stayed in a buffer here, select() would not know. [""]: it has ended."""
        got = os.read(self.process.stdout.fileno(), 65536)
        *whole, self.rest = (self.rest + got).split(b"\n")
        return [line.decode() for line in whole] if got else [""]


def move(source_program, target_program, memory):
    with tempfile.TemporaryDirectory() as folder:
        peers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        memif = os.path.join(folder, "memif")
        ends = [End(kind, program, memif, peer, memory)
                for kind, program, peer in zip(("source", "target"), (source_program, target_program), peers)]
        source, target = ends
        try:
            return talk(source, target)
        finally:
            for end in ends:
                end.process.kill()
                end.process.wait()


def said(source, target):
    """The ends' lines as they come, each with its end; None: nothing for too long."""
    selector = selectors.DefaultSelector()
    for end in (source, target):
        selector.register(end.process.stdout, selectors.EVENT_READ, end)
    while ready := selector.select(PATIENCE_S):
        for key, _ in ready:
            for line in key.data.lines():
                yield key.data, line
    yield None, ""


def talk(source, target):
    for end, line in said(source, target):
        if not end:
            return f"nothing was said for {PATIENCE_S} s"
        word, _, rest = line.partition(" ")
        if word in ("", "failed"):
            return f"the {end.kind}: {rest or 'has ended'}"
        if word == "result":
            end.hash = rest
            if end is source:
                target.order("seen")
            if source.hash and target.hash:
                target.order("resume")
        if word == "resumed":
            break
    for end in (source, target):  # net_memif does not like both ends of a connection to close at once
        end.order("quit")
        if end.process.wait(PATIENCE_S):
            return f"the {end.kind} ended with status {end.process.returncode}"
    return None if source.hash == target.hash else f"the memory differs: {source.hash}, {target.hash}"


wrong = move(sys.argv[1], sys.argv[2], int(sys.argv[3]))
if wrong:
    print(wrong)
sys.exit(wrong is not None)
