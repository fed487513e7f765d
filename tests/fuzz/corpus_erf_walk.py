# SPDX-License-Identifier: BSD-3-Clause
"""Seeds for fuzz_erf_walk: every type, extension chains, lengths that contradict each other."""
import pathlib
import struct
import sys


def record(kind=2, flags=4, rlen=None, lctr=0, wlen=64, extensions=0, data=b"\x45" * 60):
    chain = b"".join(bytes([16 | (0x80 if i + 1 < extensions else 0)]) + bytes(7) for i in range(extensions))
    body = chain + b"\0\0" + data
    body += bytes(-(16 + len(body)) % 8)
    return struct.pack("<Q", 1700000000 << 32) + struct.pack(
        ">BBHHH", kind | (0x80 if extensions else 0), flags, 16 + len(body) if rlen is None else rlen, lctr,
        wlen) + body


def extended(*types):
    """A frame behind one extension header of each type, every byte of them set."""
    chain = b"".join(bytes([t | (0x80 if i + 1 < len(types) else 0)]) + b"\xa5" * 7 for i, t in enumerate(types))
    body = chain + b"\0\0" + b"\x45" * 60
    body += bytes(-(16 + len(body)) % 8)
    return struct.pack("<Q", 1700000000 << 32) + struct.pack(">BBHHH", 2 | 0x80, 4, 16 + len(body), 0, 64) + body


def tag(kind, value):
    return struct.pack(">HH", kind, len(value)) + value + bytes(-len(value) % 4)


def meta(*tags):
    body = b"\x11" + bytes(7) + b"".join(tags)
    body += bytes(-(16 + len(body)) % 8)
    return struct.pack("<Q", 1700000000 << 32) + struct.pack(
        ">BBHHH", 27 | 0x80, 4, 16 + len(body), 0, len(body) - 8) + body


def metas():
    number, drop, clock = tag(33, bytes(4)), tag(216, b"\0\0\1\0"), tag(385, b"\0\0\0\2")
    section = {n: tag(0xff00 + n, b"\0\1\0\0") for n in range(16)}
    yield "meta", meta(tag(2, bytes(8)), section[0], section[8], number, drop, section[5], clock)
    yield "meta-sections", meta(*section.values())
    yield "meta-tags", b"".join(meta(section[8], tag(n, b"\1" * (n % 9))) for n in range(0, 512, 3))
    yield "meta-order", meta(section[8], drop, tag(217, bytes(8)), number, section[8], tag(390, bytes(12)))
    yield "meta-empty", meta() + meta(tag(7, b""), tag(0, b""), section[8])
    whole = meta(section[8], number, drop, clock)
    for n in range(24, len(whole)):  # the length of a tag, wrong in each byte
        yield "meta-wrong-%d" % n, whole[:n] + b"\xff" + whole[n + 1:]


def seeds():
    yield from metas()
    yield "extension-types", b"".join(extended(t) for t in range(128))
    yield "extension-mix", extended(3, 6, 14, 16, 17) + extended(17, 17, 16, 12, 18) + extended(*range(24))
    yield "types", b"".join(record(kind) for kind in range(128))
    yield "extensions", b"".join(record(extensions=n) for n in (0, 1, 2, 16, 17))
    yield "endless-chain", record(extensions=3).replace(b"\x10\0\0\0\0\0\0\0\0\0", b"\x90\0\0\0\0\0\0\0\0\0")
    for rlen in (0, 1, 15, 16, 17, 18, 23, 24, 65535):
        yield "rlen-%d" % rlen, record(rlen=rlen) + record()
    for wlen in (0, 1, 3, 4, 64, 1518, 65535):
        yield "wlen-%d" % wlen, record(wlen=wlen) + record()
    yield "errors", record(flags=0x10) + record(flags=0x20) + record(flags=0xff)
    yield "pad", b"".join(record(48, data=b"", rlen=None) for _ in range(20))
    whole = record() + record(extensions=2)
    for cut in (1, 8, 15, 16, 17, 40, len(whole) - 1):
        yield "cut-%d" % cut, whole[:cut]


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in seeds():
        (folder / name).write_bytes(data)


main()
