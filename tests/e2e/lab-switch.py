#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""lab-switch.py SWITCH: starts SWITCH (scripts/lab.d/switch.py) in this directory, is its ports as three QEMUs would be, and says
what does not pass as it should. Exit status: 0 if all does."""
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time

QUEUE_BYTES = 256 << 10
MEMBER_SECONDS = 3
A, B, C = (b"\x52\x54\x00\x0a\x01" + bytes([n]) for n in (1, 2, 3))
BROADCAST = b"\xff" * 6
GROUP, ALL_HOSTS, ALL_ROUTERS = (239, 1, 2, 3), (224, 0, 0, 1), (224, 0, 0, 2)
QUERY, REPORT, LEAVE = 0x11, 0x16, 0x17


class Wrong(Exception):
    pass


def expect(what, wanted, seen):
    if wanted != seen:
        raise Wrong(f"{what}: expected {str(wanted)[:200]}, saw {str(seen)[:200]}")


class Client:
    def __init__(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("link1.sock")
        self.sock.settimeout(20)
        self.got = b""

    def send(self, *frames):
        self.sock.sendall(b"".join(struct.pack(">I", len(f)) + f for f in frames))

    def frame(self):
        """The next that comes."""
        while len(self.got) < 4 or len(self.got) < 4 + struct.unpack_from(">I", self.got)[0]:
            piece = self.sock.recv(1 << 16)
            if not piece:
                raise Wrong("the switch has closed a port")
            self.got += piece
        end = 4 + struct.unpack_from(">I", self.got)[0]
        frame, self.got = self.got[4:end], self.got[end:]
        return frame


def ether(to, source, payload, kind=0x88b5):
    return to + source + struct.pack(">H", kind) + payload


def ipv4(source, group, payload=b"x" * 40, protocol=17, options=b"", vlan=False):
    header = struct.pack(">BBHHHBBH4s4s", 0x45 + len(options) // 4, 0, 20 + len(options) + len(payload), 0, 0, 1, protocol, 0,
                         bytes((10, 90, 0, source[5])), bytes(group)) + options
    to = b"\x01\x00\x5e" + bytes((group[1] & 127, group[2], group[3]))
    if vlan:
        return ether(to, source, struct.pack(">HH", 7, 0x0800) + header + payload, 0x8100)
    return ether(to, source, header + payload, 0x0800)


def igmp(source, kind, group):
    """As dpdk/multicast.c has it, with Router Alert; a leave goes to all routers."""
    to = {REPORT: group, LEAVE: ALL_ROUTERS, QUERY: ALL_HOSTS}[kind]
    return ipv4(source, to, struct.pack(">BBH4s", kind, 0, 0, bytes(group)), 2, b"\x94\x04\x00\x00")


class Lab:
    def __init__(self, process):
        self.process = process
        self.until(lambda: os.path.exists("switch.json"), "counters")
        # One after the other: ports are numbered in the order of their connections.
        self.clients = {}
        for n in (1, 2, 3):
            self.clients[n] = Client()
            self.until(lambda n=n: f"port{n}" in self.counters()["ports"], f"port {n}")
        self.marks = 0

    def until(self, condition, what):
        for _ in range(1000):
            if self.process.poll() is not None:
                raise Wrong("the switch has ended")
            if condition():
                return
            time.sleep(0.02)
        raise Wrong(f"no {what}")

    @staticmethod
    def read():
        with open("switch.json", encoding="utf-8") as f:
            return json.load(f)

    def counters(self, link="link1"):
        before = self.read()["written"]
        self.process.send_signal(signal.SIGUSR1)
        self.until(lambda: self.read()["written"] > before, "answer to SIGUSR1")
        return self.read()["links"][link]

    def hear(self):
        """What each has been sent since the last time: a broadcast from each other port comes after it."""
        marks = {}
        for n, client in self.clients.items():
            self.marks += 1
            # An address that nobody learns anything by: a group's is no source.
            marks[n] = ether(BROADCAST, b"\x03\x00\x00\x00\x00" + bytes([n]), b"mark %d" % self.marks)
            client.send(marks[n])
        heard = {}
        for n, client in self.clients.items():
            others = {m for k, m in marks.items() if k != n}
            frames = []
            while others:
                # Either may come first.
                frame = client.frame()
                if frame in others:
                    others.remove(frame)
                else:
                    frames.append(frame)
            heard[n] = frames
        return heard

    def passes(self, what, sender, frame, to):
        """The frame comes to these ports, as it is, and to no others."""
        self.clients[sender].send(frame)
        heard = self.hear()
        for n in self.clients:
            expect(f"{what}: to port {n}", [frame] if n in to else [], heard[n])
        print("ok", what)


def learning(lab):
    lab.passes("an unknown address is flooded", 1, ether(B, A, b"?" * 50), {2, 3})
    lab.passes("a learnt one is not", 2, ether(A, B, b"!" * 50), {1})
    lab.passes("nor is the other", 1, ether(B, A, b"." * 50), {2})
    lab.passes("broadcast is flooded", 3, ether(BROADCAST, C, b"b" * 50), {1, 2})
    lab.passes("9000 bytes", 1, ether(C, A, os.urandom(9000)), {3})
    lab.passes("back to where it came from", 1, ether(A, A, b"a" * 50), set())
    lab.passes("an address that has moved", 2, ether(BROADCAST, A, b"moved" * 10), {1, 3})
    lab.passes("is where it was seen last", 3, ether(A, C, b"m" * 50), {2})
    lab.passes("and back", 1, ether(BROADCAST, A, b"moved" * 10), {2, 3})
    lab.passes("one that is too short", 1, b"short", set())


def snooping(lab):
    data = ipv4(A, GROUP)
    lab.passes("a group without members", 1, data, set())
    lab.passes("a report is the switch's", 2, igmp(B, REPORT, GROUP), set())
    lab.passes("a group with one member", 1, data, {2})
    lab.passes("on a VLAN", 1, ipv4(A, GROUP, vlan=True), {2})
    lab.passes("another group", 1, ipv4(A, (239, 1, 2, 4)), set())
    lab.passes("another group of one MAC address", 1, ipv4(A, (239, 129, 2, 3)), set())
    lab.passes("a second report", 3, igmp(C, REPORT, GROUP), set())
    lab.passes("a group with two members", 1, data, {2, 3})
    expect("groups", {"239.1.2.3": ["port2", "port3"]}, lab.counters()["groups"])
    lab.passes("from a member", 2, ipv4(B, GROUP), {3})
    lab.passes("a leave is the switch's", 2, igmp(B, LEAVE, GROUP), set())
    lab.passes("after one has left", 1, data, {3})
    lab.passes("a query is flooded", 1, igmp(A, QUERY, (0, 0, 0, 0)), {2, 3})
    lab.passes("224.0.0.0/24 is flooded", 2, ipv4(B, (224, 0, 0, 251)), {1, 3})
    lab.passes("a group outside 239.0.0.0/8 is flooded", 2, ipv4(B, (232, 1, 2, 3)), {1, 3})
    lab.passes("a group of another protocol is flooded", 2, ether(b"\x33\x33\x00\x00\x00\x01", B, b"6" * 40, 0x86dd), {1, 3})
    time.sleep(MEMBER_SECONDS + 0.5)
    lab.passes("who does not report again is forgotten", 1, data, set())
    expect("groups", {}, lab.counters()["groups"])


def pieces(lab):
    frames = [ether(B, A, os.urandom(n)) for n in (46, 9000, 1, 1500)]
    stream = b"".join(struct.pack(">I", len(f)) + f for f in frames)
    sender = lab.clients[1].sock
    # Within a length, a frame, and across frames.
    at = 0
    for n in (1, 2, 3, 30, 40, 3, 5000, 4000):
        sender.sendall(stream[at:at + n])
        at += n
        time.sleep(0.03)
    sender.sendall(stream[at:])
    expect("in pieces", frames, lab.hear()[2])
    print("ok frames in pieces")


def not_reading(lab):
    """C reads nothing: B still gets all, and C gets the first ones when it reads again."""
    before = lab.counters()["ports"]
    frames = [ether(BROADCAST, A, struct.pack(">I", n) + bytes(8990)) for n in range(300)]
    for n, frame in enumerate(frames):
        lab.clients[1].send(frame)
        # B keeps up, so that nothing of it is dropped.
        expect(f"frame {n} at the port that reads", frame, lab.clients[2].frame())
    dropped = lab.counters()["ports"]["port3"]["dropped"] - before["port3"]["dropped"]
    if not 100 < dropped < 300 - QUEUE_BYTES // 9100:
        raise Wrong(f"{dropped} of 300 frames are dropped")
    got = [lab.clients[3].frame() for _ in range(300 - dropped)]
    expect("at the port that did not", frames[:300 - dropped], got)
    heard = lab.hear()
    expect("what comes after", {1: [], 2: [], 3: []}, heard)
    after = lab.counters()["ports"]
    expect("dropped to the others", (0, 0), (after["port1"]["dropped"], after["port2"]["dropped"]))
    # Three marks: two come in for each one that is sent.
    expect("frames in", 301, after["port1"]["frames_in"] - before["port1"]["frames_in"])
    expect("bytes in", sum(map(len, frames)), after["port1"]["bytes_in"] - before["port1"]["bytes_in"] - mark_bytes(lab, 1))
    expect("frames out", 302, after["port2"]["frames_out"] - before["port2"]["frames_out"])
    expect("frames out to the other", 302 - dropped, after["port3"]["frames_out"] - before["port3"]["frames_out"])
    print(f"ok a port that does not read ({dropped} of 300 dropped)")


def mark_bytes(lab, n):
    """Of the newest mark from port n."""
    return 14 + len("mark %d" % (lab.marks - 3 + n))


def many(lab):
    """As many as an emulated host sends, and more."""
    frames = [ether(B, A, struct.pack(">I", n) + bytes(1496)) for n in range(100)]
    began = time.monotonic()
    for _ in range(100):
        lab.clients[1].send(*frames)
        for frame in frames:
            expect("a frame of many", frame, lab.clients[2].frame())
    print(f"ok 10000 frames of 1500 bytes ({10000 / (time.monotonic() - began):.0f} a second)")


def links_and_ports(lab):
    expect("ports of the other link", {}, lab.counters("link2")["ports"])
    lab.clients[3].sock.close()
    lab.until(lambda: not lab.counters()["ports"]["port3"]["up"], "end of a port")
    del lab.clients[3]
    lab.passes("its address is unknown again", 1, ether(C, A, b"c" * 50), {2})
    lab.clients[4] = Client()
    lab.until(lambda: "port4" in lab.counters()["ports"], "port that comes again")
    lab.passes("a port that comes again", 4, ether(A, C, b"c" * 50), {1})
    lab.passes("is known again", 1, ether(C, A, b"c" * 50), {4})
    lab.clients[2].sock.sendall(b"\xff" * 10)
    lab.until(lambda: not lab.counters()["ports"]["port2"]["up"], "end of a port whose stream is broken")
    del lab.clients[2]
    lab.passes("the others do not mind", 1, ether(BROADCAST, A, b"b" * 50), {4})


def main():
    process = subprocess.Popen([sys.executable, sys.argv[1], "--counters", "switch.json", "--queue", str(QUEUE_BYTES),
                                "--member-seconds", str(MEMBER_SECONDS), "link1.sock", "link2.sock"])
    try:
        lab = Lab(process)
        for part in (learning, snooping, pieces, not_reading, many, links_and_ports):
            part(lab)
        process.send_signal(signal.SIGTERM)
        expect("the switch's exit status", 0, process.wait(20))
    except (Wrong, OSError) as e:
        print(f"wrong: {e}", file=sys.stderr)
        sys.exit(1)
    finally:
        process.kill()


main()
