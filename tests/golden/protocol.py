#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds the code to what transport/PROTOCOL.md says: numbers, layouts, limits.

    python3 tests/golden/protocol.py [CC]     (default: $CC, or cc)

What PROTOCOL.md says becomes static assertions about the headers, which the compiler judges: each table of
fields and each layout that is written out ("u16 version, u16 queues, ..."), types, kinds, features, record
numbers, and the constants in the tables below. What the compiler cannot see (defaults in a function, names of
counters) is looked for in the text of the code. Prints what differs and exits 1.
"""
import os
import re
import subprocess
import sys

PROTOCOL = "transport/PROTOCOL.md"
HEADERS = ["transport/wire.h", "transport/offer.c", "transport/window.h", "transport/inflight.h",
           "transport/session.h", "transport/pace.h", "xl-plugin/plugin/stream.h", "xl-plugin/plugin/pv/tunnel.h",
           "xl-plugin/plugin/unsteady.h"]

# A table of offsets, by its section: the structure, and fields that are no member of it.
TABLES = {
    "2. OFFER": ("struct wire_offer", set()),
    "3. Packets": ("struct xf_wire_header", {"body", "tag"}),
    "7. Sequences": ("struct xf_wire_feedback", set()),
}

# A layout that is written out begins after these words: the structure, and its size where the words say it.
LAYOUTS = [
    (r"ANSWER, (?P<size>\d+) bytes: ", "struct xf_wire_answer"),
    (r"Head, (?P<size>\d+) bytes: ", "struct xf_wire_data"),
    (r"Then the records, (?P<size>\d+) bytes\neach: ", "struct xf_wire_record"),
    (r"BARRIER, (?P<size>\d+) bytes: ", "struct xf_wire_barrier"),
    (r"\| PING \| [^|]*\| ", "struct xf_wire_ping"),
    (r"\| ABORT \| [^|]*\| ", "struct xf_wire_reason"),
    (r"A range: ", "struct xf_wire_range"),
    (r"\| XF_PAGES \| ", "struct xf_pages_record"),
]

# Tables of numbers and names: how a row begins, and the name in the code.
NUMBERS = [
    (r"^\| (0x[0-9a-f]{2}) \| ([A-Z]+) \|", "XF_PACKET_", r"\bX\(([A-Z]+), 0x", "transport/wire.h"),
    (r"^\| (\d) \| ([A-Z][A-Z0-9]+) \|", "XF_RECORD_", r"\bXF_RECORD_([A-Z0-9]+) = \d|\bX\(([A-Z0-9]+), [a-z0-9]+, \d", "transport/wire.h transport/base/codec_list.h"),
    (r"^\| (0x5846[0-9a-f]{4}) \| XF_([A-Z]+) \|", "XF_REC_", None, None),
    (r"\b(\d+): ([A-Z0-9]+) \(section", "XF_FEATURE_", r"\bXF_FEATURE_([A-Z0-9]+) = \d+|\bX\(([A-Z0-9]+), [a-z0-9]+, \d", "transport/features.h transport/base/codec_list.h"),
    (r"flags \| (\d) (READY)\b", "XF_FEEDBACK_", None, None),
    (r"flags \| 1 READY, (\d) (COMPLETE)\b", "XF_FEEDBACK_", None, None),
    (r"u32 flags \((\d): (FINAL)\)", "XF_BARRIER_", None, None),
]

# Words of PROTOCOL.md with a number in them, and what that is in C. Each is there once.
CONSTANTS = [
    (r"A \*page\* is (\d+) bytes", "XF_PAGE_BYTES"),
    (r"# The xl-fast protocol, version (\d+)", "XF_PROTOCOL_VERSION"),
    (r"\| version \| (\d+)\. A target", "XF_PROTOCOL_VERSION"),
    (r"\| version \| (\d+) \|", "XF_WIRE_VERSION"),
    (r"control channel, (\d+) bytes", "XF_OFFER_BYTES"),
    (r"\| queues \| 1\.\.(\d+):", "XF_QUEUES_MAX"),
    (r"carries, at least (\d+)", "XF_PAYLOAD_MIN"),
    (r"Payloads below (\d+) are", "XF_PAYLOAD_MIN"),
    (r"\(at most (\d+) counts\)", "XF_PAYLOAD_MAX"),
    (r"page_count \| 1\.\.2\^(\d+)", "__builtin_ctzll(XF_PAGE_COUNT_MAX)"),
    (r"\| 16\+n \| (\d+) \| tag", "XF_TAG_BYTES"),
    (r"length at least (\d+) \[", "sizeof(struct xf_wire_header) + XF_TAG_BYTES"),
    (r"u16 records \(1\.\.(\d+)\)", "XF_RECORDS_MAX"),
    (r"\(room / \(4096 \+ 16\), (\d+)\)", "XF_RECORDS_MAX"),
    (r"u32 count \(1\.\.(0x[0-9a-f]+)\)", "XF_RUN_PAGES_MAX"),
    (r"F = 2, 3 or (\d+) for", "XF_FRAGS_MAX"),
    (r"HASH \| count × (\d+)", "XF_HASH_BYTES"),
    (r"ABORT \| [^|]*\|[^|]* (\d+) bytes of text", "XF_REASON_BYTES"),
    (r"FEEDBACK, (\d+) bytes, then", "sizeof(struct xf_wire_feedback)"),
    (r"then ranges of (\d+) bytes", "sizeof(struct xf_wire_range)"),
    (r"in units of (\d+) µs", "XF_LATE_UNIT_US"),
    (r"from base to base \+ (\d+)\.", "XF_WINDOW_PACKETS - 1"),
    (r"has at most (\d+) outstanding", "XF_INFLIGHT_PACKETS"),
    (r"ANSWER, every (\d+) ms", "XF_HELLO_US / 1000"),
    (r"PING \(padded\), every (\d+) ms", "XF_HELLO_US / 1000"),
    (r"silent for more than (\d+) ms", "XF_HEARTBEAT_US / 1000"),
    (r"and every (\d+) ms otherwise", "XF_HEARTBEAT_US / 1000"),
    (r"at most half of the packets[^|]*\| (\d+) s", "XF_PACE_HEAVY_LOSS_US / 1000000"),
    (r"XF_COMPARE \| u32 count \(at most (\d+)\)", "XF_UNSTEADY_MAX"),
    (r"`count` is 1\.\.(\d+)\.", "XF_TUNNEL_FRAMES_MAX"),
    (r"two halves of (\d+) to", "XF_TUNNEL_HALF_PAGES_MIN"),
    (r"two halves of \d+ to (\d+) pages", "XF_TUNNEL_HALF_PAGES_MAX"),
]

# The same where only the text of the code has it: a file, the number there, and how many of its units are one
# of PROTOCOL.md's.
IN_TEXT = [
    (r"source, CONNECT \| ANSWER \| (\d+) s", "transport/source.c", r"answer_timeout_us = (\d+);", 1000000),
    (r"the next row does not count \| (\d+) s", "transport/source.c", r"begin_timeout_us = (\d+);", 1000000),
    (r"FEEDBACK\(ready\) \| (\d+) s", "transport/source.c", r"ready_timeout_us = (\d+);", 1000000),
    (r"source, LIVE \| any authentic packet \| (\d+) s", "transport/source.c", r"peer_timeout_us = (\d+);", 1000000),
    (r"source, FINAL \| any authentic packet \| (\d+) s", "transport/source.c", r"peer_timeout_us = (\d+);", 1000000),
    (r"have all been sent \| (\d+) s", "transport/source_check.c", r"COUNT_US (\d+)u", 1000000),
    (r"first packet \| (\d+) s", "transport/target.c", r"hello_timeout_us = (\d+);", 1000000),
    (r"target, READY, LIVE, FINAL \| any authentic packet \| (\d+) s", "transport/target.c", r"peer_timeout_us = (\d+);", 1000000),
    (r"PING, after (\d+) packets", "transport/target_lane.c", r"FEEDBACK_PACKETS (\d+)u", 1),
    (r"PINGs each queue every\n(\d+) ms", "transport/source_send.c", r"PING_US (\d+)u", 1000),
    (r"\(at least (\d+) ms\) have passed", "transport/source_receive.c", r"REORDER_MIN_US (\d+)u", 1000),
    (r"taken for at most (\d+) s", "transport/source_receive.c", r"RTT_MAX_US (\d+)u", 1000000),
]

MEMBER = re.compile(r"(?:u(8|16|32|64)|(\d+) bytes(?: of)?) (\w+)")
errors = []


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def once(pattern, text, where):
    found = list(re.finditer(pattern, text, re.M))
    if len(found) != 1:
        errors.append(f"{where}: '{pattern}' is there {len(found)} times, not once")
        return None
    return found[0]


def section(text, title):
    begin = text.index("## " + title)
    end = text.find("\n## ", begin)
    return text[begin:end if end > 0 else len(text)]


def assertion(condition, words):
    return f'_Static_assert({condition}, "PROTOCOL.md: {words}");'


def member(struct, name, offset, size):
    return assertion(f"offsetof({struct}, {name}) == {offset} && sizeof((({struct} *)0)->{name}) == {size}",
                     f"{struct}: {name} at {offset}, {size} bytes")


def from_tables(text):
    for title, (struct, not_members) in TABLES.items():
        rows = re.findall(r"^\| (\d+) \| (\d+) \| (\w+) \|", section(text, title), re.M)
        if not rows:
            errors.append(f"{PROTOCOL}: no table in section {title}")
        # What is reserved has names of its own in the code.
        reserved = [f for f in rows if f[2] == "reserved"]
        for offset, size, name in rows:
            if name == "reserved" and (offset, size, name) != reserved[0]:
                name = f"reserved{reserved.index((offset, size, name))}"
            if name not in not_members:
                yield member(struct, name, offset, size)
        last = [r for r in rows if r[2] not in not_members][-1]
        yield assertion(f"sizeof({struct}) == {int(last[0]) + int(last[1])}", f"the end of {struct}")


def from_layouts(text):
    for before, struct in LAYOUTS:
        head = once(before, text, PROTOCOL)
        if not head:
            continue
        layout = re.split(r"[.|;]\s", text[head.end():], maxsplit=1)[0]
        offset = 0
        for bits, size, name in MEMBER.findall(layout):
            size = int(bits) // 8 if bits else int(size)
            if name != "0":
                yield member(struct, name, offset, size)
            offset += size
        yield assertion(f"sizeof({struct}) == {offset}", f"{struct} has {offset} bytes")
        if "size" in head.groupdict():
            yield assertion(f"sizeof({struct}) == {head['size']}", f"{struct} has {head['size']} bytes")


def from_numbers(text):
    for row, prefix, in_code, path in NUMBERS:
        found = re.findall(row, text, re.M)
        if not found:
            errors.append(f"{PROTOCOL}: no row '{row}'")
        for number, name in found:
            yield assertion(f"{prefix}{name} == {number}", f"{name} is {number}")
        if in_code:
            names = {next(filter(None, m.groups())) for p in path.split() for m in re.finditer(in_code, read(p))}
            for name in names - {name for _, name in found}:
                errors.append(f"{path}: {prefix}{name} is not in {PROTOCOL}")


def from_constants(text):
    for pattern, in_c in CONSTANTS:
        found = once(pattern, text, PROTOCOL)
        if found:
            yield assertion(f"({in_c}) == {found[1]}", " ".join(found[0].split()).replace('"', "'"))


def compare_texts(text):
    for pattern, path, in_code, factor in IN_TEXT:
        said, has = once(pattern, text, PROTOCOL), once(in_code, read(path), path)
        if said and has and int(said[1]) * factor != int(has[1]):
            errors.append(f"{path}: {has[0]}, but {PROTOCOL} says '{said[0]}'")
    # Why packets are dropped: in brackets, by the counters' names.
    said = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"\[(`[^\]]*`)\]", text))))
    counters = set(re.findall(r"^ +X\((\w+),", read("transport/base/stats.h"), re.M))
    for name in said ^ counters:
        errors.append(f"the counter {name} is not in " + ("transport/base/stats.h" if name in said else PROTOCOL))


def main():
    text = read(PROTOCOL)
    lines = [f'#include "{h}"' for h in HEADERS] + ["#include <stddef.h>"]
    for make in (from_tables, from_layouts, from_numbers, from_constants):
        lines += make(text)
    compare_texts(text)
    compiler = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("CC", "cc")
    run = subprocess.run([*compiler.split(), "-std=gnu11", "-D_GNU_SOURCE", "-I.", "-fsyntax-only", "-x", "c", "-"],
                         input="\n".join(lines), capture_output=True, text=True, check=False)
    if run.returncode:
        errors.append(run.stderr.strip())
    print("\n".join(errors) or f"{sum(l.startswith('_Static') for l in lines)} assertions hold")
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main())
