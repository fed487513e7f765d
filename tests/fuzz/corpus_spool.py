# SPDX-License-Identifier: BSD-3-Clause
"""corpus_spool: writes seeds for fuzz_spool into a folder. How a segment looks is said here once more, from
src/netflow/spool_segment.h, so that a change of it shows."""
import pathlib
import struct
import sys


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc


def header(name=b"ipfix", sealed=1, messages=2, flows=20, done=0):
    first = struct.pack("=8s16sIIQ", b"HMSPOOL1", name, sealed, messages, flows)
    return first + struct.pack("=II", crc32c(first), done)


def frame(message, flags=0, flows=10, length=None):
    rest = struct.pack("=IIHxxQQQQII", len(message) if length is None else length, flows, flows, 5, 500, 1, 2, flags, 0)
    return struct.pack("=I", crc32c(rest + message)) + rest + message + bytes(-len(message) % 8)


def template(number, *fields):
    body = struct.pack("!HH", number, len(fields))
    for field in fields:
        body += struct.pack("!HH", *field[:2]) + (struct.pack("!I", field[2]) if len(field) > 2 else b"")
    return body


def template_set(*templates):
    body = b"".join(templates)
    return struct.pack("!HH", 2, 4 + len(body)) + body


def message(*sets):
    body = b"".join(struct.pack("!HH", number, 4 + len(data)) + data for number, data in sets)
    return struct.pack("!HHIII", 10, 16 + len(body), 0, 0, 0) + body


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    both = template_set(template(256, (8, 4), (1, 8)), template(257, (27, 16), (1 | 0x8000, 8, 29305)))
    data = message((256, bytes(12)), (257, bytes(24)))
    seeds = {
        "whole": header() + frame(both, 1) + frame(data) + frame(data),
        "done": header(done=1) + frame(both, 1) + frame(data) + frame(data),
        "unsealed": header(sealed=0, messages=0, flows=0) + frame(both, 1) + frame(data),
        "other": header(b"netflow9") + frame(b"", 1) + frame(data),
        "cut": (header() + frame(both, 1) + frame(data) + frame(data))[:-20],
        "long": header() + frame(both, 1, length=0xffffffff) + frame(data),
        "cut-template": header() + frame(both[:-3], 1) + frame(data),
        "many-fields": header() + frame(template_set(template(256, *[(1, 8)] * 65)), 1),
        "five": header() + frame(template_set(*[template(256 + i, (1, 8)) for i in range(5)]), 1),
        "no-length": header() + frame(struct.pack("!HH", 2, 0), 1) + frame(message() + bytes(4)),
        "empty": b"",
    }
    for name, seed in seeds.items():
        (folder / name).write_bytes(seed)


if __name__ == "__main__":
    main()
