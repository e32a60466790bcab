#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes packets.txt from transport/PROTOCOL.md alone: a second implementation of what is on the wire,
with Python's standard library only (AES and GCM are written out here, slow and plain).

    python3 tests/golden/reference.py > tests/golden/packets.txt

test_golden.c holds the C code to the same bytes.
"""
import hashlib
import hmac
import struct

# ---- AES-256 (FIPS 197), encryption only, and GCM (SP 800-38D) -------------------------------


def xtime(a):
    return ((a << 1) ^ 0x1B) & 0xFF if a & 0x80 else a << 1


def gmul8(a, b):
    r = 0
    while b:
        if b & 1:
            r ^= a
        a = xtime(a)
        b >>= 1
    return r


def make_sbox():
    box = []
    for x in range(256):
        inv = next((y for y in range(256) if gmul8(x, y) == 1), 0)
        s = 0x63
        for i in range(5):
            s ^= ((inv << i) | (inv >> (8 - i))) & 0xFF
        box.append(s)
    return box


SBOX = make_sbox()


def expand(key):
    words = [list(key[i:i + 4]) for i in range(0, 32, 4)]
    rcon = 1
    for i in range(8, 60):
        t = list(words[i - 1])
        if i % 8 == 0:
            t = [SBOX[b] for b in t[1:] + t[:1]]
            t[0] ^= rcon
            rcon = xtime(rcon)
        elif i % 8 == 4:
            t = [SBOX[b] for b in t]
        words.append([a ^ b for a, b in zip(words[i - 8], t)])
    return [sum(words[i:i + 4], []) for i in range(0, 60, 4)]


def aes(keys, block):
    s = [a ^ b for a, b in zip(block, keys[0])]
    for rnd in range(1, 15):
        s = [SBOX[s[(i + 4 * (i % 4)) % 16]] for i in range(16)]
        if rnd < 14:
            out = []
            for c in range(0, 16, 4):
                col = s[c:c + 4]
                for i in range(4):
                    out.append(gmul8(col[i], 2) ^ gmul8(col[(i + 1) % 4], 3)
                               ^ col[(i + 2) % 4] ^ col[(i + 3) % 4])
            s = out
        s = [a ^ b for a, b in zip(s, keys[rnd])]
    return bytes(s)


def ghash(h, data):
    y = 0
    for i in range(0, len(data), 16):
        y ^= int.from_bytes(data[i:i + 16].ljust(16, b"\0"), "big")
        z, v = 0, h
        for bit in range(127, -1, -1):
            if y >> bit & 1:
                z ^= v
            v = v >> 1 ^ (0xE1 << 120 if v & 1 else 0)
        y = z
    return y


def pad16(b):
    return b + b"\0" * (-len(b) % 16)


def gcm_seal(key, nonce, aad, plain):
    keys = expand(key)
    h = int.from_bytes(aes(keys, bytes(16)), "big")
    out = bytearray()
    for i in range(0, len(plain), 16):
        stream = aes(keys, nonce + struct.pack(">I", 2 + i // 16))
        out += bytes(a ^ b for a, b in zip(plain[i:i + 16], stream))
    lengths = struct.pack(">QQ", len(aad) * 8, len(out) * 8)
    s = ghash(h, pad16(aad) + pad16(bytes(out)) + lengths)
    tag = s ^ int.from_bytes(aes(keys, nonce + b"\0\0\0\1"), "big")
    return bytes(out) + tag.to_bytes(16, "big")


# ---- PROTOCOL.md ------------------------------------------------------------------------------


def hkdf(salt, ikm, info):
    prk = hmac.new(salt, ikm, hashlib.sha256).digest()
    return hmac.new(prk, info + b"\1", hashlib.sha256).digest()


SESSION_ID = bytes(range(16))
SECRET = bytes(range(0x40, 0x60))
TO_TARGET = hkdf(SESSION_ID, SECRET, b"xl-fast 1 source to target")
TO_SOURCE = hkdf(SESSION_ID, SECRET, b"xl-fast 1 target to source")


def packet(key, kind, queue, sequence, body):
    header = struct.pack("<BBH4sQ", 1, kind, queue, SESSION_ID[:4], sequence)
    nonce = struct.pack("<IQ", queue, sequence)
    return header + gcm_seal(key, nonce, header, body)


def record(index, count, kind, frag=0):
    return struct.pack("<QIBBH", index, count, kind, frag, 0)


def data(rnd, floor_delta, records, payload=b""):
    return struct.pack("<IIHHI", rnd, floor_delta, len(records), 0, 0) + b"".join(records) + payload


def pattern(n, seed):
    return bytes((seed + 7 * i + (i >> 8)) & 0xFF for i in range(n))


def lz4_page(byte):
    """A page of this byte, as an LZ4 block: one literal, a match of 4090 bytes from the byte before, and
    the five literals that must end a block."""
    length = 4090 - 4 - 15
    block = (bytes([0x1F, byte, 1, 0]) + b"\xff" * (length // 255) + bytes([length % 255])
             + bytes([0x50]) + bytes([byte] * 5))
    return struct.pack("<H", len(block)) + block


def reason(code, text):
    return struct.pack("<II120s", code, 0, text)


OFFER = (struct.pack("<4sHHIIQQ", b"XFOF", 1, 2, 8972, 0, 49152, 0) + SESSION_ID + SECRET
         + bytes([2, 0, 0, 0, 0, 1]) + struct.pack("<HII", 7950, 0x0A5A0001, 0))

# One target of a group: the second of three.
OWN_SECRET = bytes(range(0x80, 0xA0))
TO_SOURCE_OWN = hkdf(SESSION_ID, OWN_SECRET, b"xl-fast 1 target to source")
MEMBER = (struct.pack("<4sHH", b"XFGR", 1, 3) + bytes([1, 0, 0x5E, 7, 7, 7])
          + struct.pack("<HI12x", 7950, 0xEF070707) + OWN_SECRET)

VECTORS = [
    ("key_to_target", TO_TARGET),
    ("key_to_source", TO_SOURCE),
    ("offer", OFFER),
    ("data_populate", packet(TO_TARGET, 0x01, 0, 0,
                             data(1, 0, [record(0, 512, 4), record(1024, 3, 4)]))),
    ("data_raw_zero_defer", packet(TO_TARGET, 0x01, 1, 0x1122334455,
                                   data(2, 5, [record(7, 1, 1), record(8, 100, 2),
                                               record(200, 1, 1), record(300, 2, 5)],
                                        pattern(4096, 1) + pattern(4096, 99)))),
    ("data_frag", packet(TO_TARGET, 0x01, 0, 9, data(3, 9, [record(42, 1, 3, 2)],
                                                    pattern(4096 - 2 * 1376, 5)))),
    ("data_hash", packet(TO_TARGET, 0x01, 0, 13, data(4, 1, [record(100, 3, 6)],
                                                      pattern(48, 3)))),
    ("data_held", packet(TO_TARGET, 0x01, 0, 15, data(6, 1, [record(0, 0x8000, 8), record(0x9000, 7, 8)], b""))),
    ("data_lz4", packet(TO_TARGET, 0x01, 0, 14, data(5, 2, [record(50, 2, 7), record(60, 1, 7)],
                                                     lz4_page(0x11) + lz4_page(0x22) + lz4_page(0x33)))),
    ("barrier", packet(TO_TARGET, 0x02, 0, 10, struct.pack("<IIQQQ", 3, 1, 1234, 10, 0))),
    ("barrier_hashes", packet(TO_TARGET, 0x02, 0, 16, struct.pack("<IIQQQ", 4, 3, 1234, 16, 0))),
    ("ping", packet(TO_TARGET, 0x03, 1, 11, struct.pack("<QQ", 3, 1000001))),
    ("abort", packet(TO_TARGET, 0x04, 0, 12, reason(125, b"the user said so"))),
    ("answer", packet(TO_SOURCE, 0x10, 0, 0,
                      struct.pack("<HHIQ", 1, 2, 8972, 49152) + bytes([2, 0, 0, 0, 0, 2])
                      + struct.pack("<HII", 7950, 0x0A5A0002, 384))),
    ("feedback", packet(TO_SOURCE, 0x11, 1, 1,
                        struct.pack("<IIQQQQHHHH", 0, 2, 100, 140, 77, 1000001, 384, 9, 1, 2)
                        + struct.pack("<IIII", 0, 3, 20, 1))),
    ("refuse", packet(TO_SOURCE, 0x12, 0, 2, reason(12, b"no memory"))),
    ("member", MEMBER),
    ("answer_group", packet(TO_SOURCE_OWN, 0x10, 256, 0,
                            struct.pack("<HHIQ", 1, 2, 8972, 49152) + bytes([2, 0, 0, 0, 0, 3])
                            + struct.pack("<HII", 7950, 0x0A5A0003, 384))),
    ("feedback_group", packet(TO_SOURCE_OWN, 0x11, 1 + 256, 1,
                              struct.pack("<IIQQQQHHHH", 1, 2, 100, 140, 77, 1000001, 384, 9, 1, 1)
                              + struct.pack("<II", 0, 3))),
]

for name, value in VECTORS:
    print(name, value.hex())
