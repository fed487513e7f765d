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


def seeds():
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
