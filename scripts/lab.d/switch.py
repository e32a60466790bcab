#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""switch.py [--counters FILE] [--queue BYTES] [--member-seconds N] SOCKET...: an Ethernet switch behind each Unix socket, for
QEMU's -netdev stream,server=off. Whoever connects is a port.

It learns addresses and floods what it does not know. Of IPv4's groups it snoops IGMPv2: a frame for 239.0.0.0/8 goes
only to ports that have reported the group, until they leave it or have not reported for --member-seconds (260); frames for
other groups are flooded. It asks for no members, and passes no report on: who hears another's would not send its own.
It waits for nobody: beyond --queue bytes (4 MiB) for a port that does not read, frames are dropped and counted.

FILE (JSON) has the counters of each link and port, and the groups. It is written every 2 s if something has changed, and
on SIGUSR1, each time with a greater "written". SIGTERM ends the switch. A port is called by the last word of its QEMU's
-name (xl-fast-lab-A: A), else port1, port2 ... in the order of connection; one that comes again begins anew."""
import argparse
import collections
import itertools
import json
import os
import selectors
import signal
import socket
import struct
import sys
import time

READ_BYTES = 256 << 10
MOST_FRAME_BYTES = 4096 + 65536  # QEMU's own limit (NET_BUFSIZE)
MOST_PIECES = 512  # that one sendmsg() takes: IOV_MAX is 1024
MOST_ADDRESSES = 4096
COUNTERS_S = 2

LENGTH = struct.Struct(">I")
# Where things are in a frame that still has its length before it.
TO, FROM, TYPE, PAYLOAD = LENGTH.size, LENGTH.size + 6, LENGTH.size + 12, LENGTH.size + 14
IPV4, VLAN = b"\x08\x00", b"\x81\x00"
PROTOCOL_IGMP, IGMP_V2_REPORT, IGMP_LEAVE = 2, 0x16, 0x17


def qemu_name(sock):
    """The last word of the -name of the QEMU that has connected, or None."""
    pid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            words = f.read().decode(errors="replace").split("\0")
        return words[words.index("-name") + 1].split("-")[-1]
    except (OSError, ValueError, IndexError):
        return None


class Port:
    def __init__(self, switch, link, sock, name):
        self.switch, self.link, self.sock, self.name = switch, link, sock, name
        self.up = True
        self.rest = b""  # of what was read: the beginning of a frame
        self.queue = collections.deque()  # frames, each with its length before it
        self.queued = 0  # bytes of it
        self.written = 0  # bytes of the first that are written already
        self.waits_to_write = False
        self.frames_in = self.bytes_in = self.frames_out = self.bytes_out = self.dropped = 0
        switch.selector.register(sock, selectors.EVENT_READ, self.ready)

    def counters(self):
        return {key: getattr(self, key) for key in ("up", "frames_in", "bytes_in", "frames_out", "bytes_out", "dropped")}

    def ready(self, events):
        if events & selectors.EVENT_READ:
            self.read()
        if events & selectors.EVENT_WRITE and self.up:
            self.flush()

    def read(self):
        try:
            data = self.sock.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        if self.rest:
            data = self.rest + data
        at, end = 0, len(data)
        while end - at >= LENGTH.size:
            length, = LENGTH.unpack_from(data, at)
            if length > MOST_FRAME_BYTES:
                print(f"{self.link.name}: {self.name} sends a frame of {length} bytes: its stream is broken", file=sys.stderr, flush=True)
                self.close()
                return
            after = at + LENGTH.size + length
            if after > end:
                break
            self.frames_in += 1
            self.bytes_in += length
            if length >= PAYLOAD - LENGTH.size:
                self.link.forward(self, data[at:after])
            at = after
        self.rest = data[at:]

    def send(self, frame):
        if self.queued + len(frame) > self.switch.queue_bytes:
            self.dropped += 1
            return
        self.queue.append(frame)
        self.queued += len(frame)
        # Written once all that was read is forwarded: many frames by one call.
        self.switch.to_flush.add(self)

    def flush(self):
        queue = self.queue
        while queue:
            pieces = list(itertools.islice(queue, MOST_PIECES))
            if self.written:
                pieces[0] = memoryview(pieces[0])[self.written:]
            try:
                sent = self.sock.sendmsg(pieces)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                self.close()
                return
            self.queued -= sent
            sent += self.written
            while queue and sent >= len(queue[0]):
                length = len(queue.popleft())
                sent -= length
                self.frames_out += 1
                self.bytes_out += length - LENGTH.size
            self.written = sent
        if bool(queue) != self.waits_to_write:
            self.waits_to_write = bool(queue)
            self.switch.selector.modify(
                self.sock, selectors.EVENT_READ | (selectors.EVENT_WRITE if queue else 0), self.ready)

    def close(self):
        if not self.up:
            return
        self.up = False
        self.switch.selector.unregister(self.sock)
        self.sock.close()
        self.queue.clear()
        self.queued = 0
        self.link.forget(self)


class Link:
    """One switch: its listening socket, its ports, and what it has learnt."""

    def __init__(self, switch, path):
        self.switch = switch
        self.name = os.path.splitext(os.path.basename(path))[0]
        self.ports = {}  # by name, those that are closed too
        self.open = []
        self.at = {}  # address: port
        self.groups = {}  # group: {port: when it reported last}
        self.connections = 0
        if os.path.exists(path):
            os.unlink(path)
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.setblocking(False)
        self.sock.bind(path)
        self.sock.listen(16)
        switch.selector.register(self.sock, selectors.EVENT_READ, self.accept)

    def accept(self, _events):
        try:
            sock, _ = self.sock.accept()
        except OSError:
            return
        sock.setblocking(False)
        self.connections += 1
        name = qemu_name(sock) or f"port{self.connections}"
        if name in self.ports:
            self.ports[name].close()
        port = self.ports[name] = Port(self.switch, self, sock, name)
        self.open.append(port)

    def forget(self, port):
        self.open.remove(port)
        self.at = {address: p for address, p in self.at.items() if p is not port}
        for members in self.groups.values():
            members.pop(port, None)

    def forward(self, port, frame):
        """A frame, with its length before it, that has come in by a port."""
        to, source = frame[TO:FROM], frame[FROM:TYPE]
        if self.at.get(source) is not port and not source[0] & 1:
            if len(self.at) >= MOST_ADDRESSES:
                self.at.clear()
            self.at[source] = port
        if not to[0] & 1:
            out = self.at.get(to)
            if out is None:
                self.flood(port, frame)
            elif out is not port:
                out.send(frame)
        elif to.startswith(b"\x01\x00\x5e"):
            self.forward_group(port, frame)
        else:
            self.flood(port, frame)

    def flood(self, port, frame):
        for out in self.open:
            if out is not port:
                out.send(frame)

    def forward_group(self, port, frame):
        ip = PAYLOAD
        if frame[TYPE:PAYLOAD] == VLAN:
            ip += 4
        # Without its options, which a report has (Router Alert).
        if frame[ip - 2:ip] != IPV4 or len(frame) < ip + 20:
            self.flood(port, frame)
            return
        if frame[ip + 9] == PROTOCOL_IGMP and self.snoop(port, frame[ip + 4 * (frame[ip] & 15):]):
            return
        if frame[ip + 16] != 239:
            self.flood(port, frame)
            return
        for out in self.members(frame[ip + 16:ip + 20]):
            if out is not port:
                out.send(frame)

    def snoop(self, port, igmp):
        """Whether it was a member's word, which is for the switch alone."""
        if len(igmp) < 8:
            return False
        group = igmp[4:8]
        if igmp[0] == IGMP_V2_REPORT:
            self.groups.setdefault(group, {})[port] = self.switch.now
        elif igmp[0] == IGMP_LEAVE:
            self.groups.get(group, {}).pop(port, None)
        else:
            return False
        return True

    def members(self, group):
        since = self.switch.now - self.switch.member_seconds
        return [port for port, reported in self.groups.get(group, {}).items() if reported > since]

    def forget_groups(self):
        for group in list(self.groups):
            members = {port: self.groups[group][port] for port in self.members(group)}
            if members:
                self.groups[group] = members
            else:
                del self.groups[group]

    def counters(self):
        self.forget_groups()
        return {
            "ports": {name: port.counters() for name, port in sorted(self.ports.items())},
            "groups": {socket.inet_ntoa(group): sorted(port.name for port in members)
                       for group, members in sorted(self.groups.items())},
        }


class Switch:
    def __init__(self, arguments):
        self.selector = selectors.DefaultSelector()
        self.queue_bytes, self.member_seconds = arguments.queue, arguments.member_seconds
        self.file, self.writes, self.last = arguments.counters, 0, None
        self.now = time.monotonic()
        self.to_flush = set()
        self.ends = False
        # Signals come as bytes, so that they find no frame half forwarded.
        self.signals, wakeup = socket.socketpair()
        for s in (self.signals, wakeup):
            s.setblocking(False)
        self.wakeup = wakeup
        signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGUSR1, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        self.selector.register(self.signals, selectors.EVENT_READ, self.signalled)
        self.links = [Link(self, path) for path in arguments.sockets]

    def signalled(self, _events):
        for number in self.signals.recv(256):
            self.ends |= number == signal.SIGTERM
        self.write_counters(always=True)

    def write_counters(self, always=False):
        links = {link.name: link.counters() for link in self.links}
        if not self.file or (links == self.last and not always):
            return
        self.last = links
        self.writes += 1
        # Whole or not at all.
        with open(self.file + ".new", "w", encoding="utf-8") as f:
            json.dump({"written": self.writes, "links": links}, f, indent=1)
            f.write("\n")
        os.replace(self.file + ".new", self.file)

    def run(self):
        # By the first one is seen that all sockets listen.
        self.write_counters(always=True)
        due = self.now + COUNTERS_S
        while not self.ends:
            ready = self.selector.select(max(0, due - time.monotonic()))
            self.now = time.monotonic()
            for key, events in ready:
                # An earlier one of these may have closed it.
                if key.fileobj.fileno() >= 0:
                    key.data(events)
            while self.to_flush:
                port = self.to_flush.pop()
                # One that waits to write is flushed when it can be.
                if port.up and not port.waits_to_write:
                    port.flush()
            if self.now >= due:
                self.write_counters()
                due = self.now + COUNTERS_S


def main():
    parser = argparse.ArgumentParser(description="An Ethernet switch behind each Unix socket.")
    parser.add_argument("--counters", metavar="FILE")
    parser.add_argument("--queue", type=int, default=4 << 20, metavar="BYTES")
    parser.add_argument("--member-seconds", type=float, default=260, metavar="N")
    parser.add_argument("sockets", nargs="+", metavar="SOCKET")
    Switch(parser.parse_args()).run()


main()
