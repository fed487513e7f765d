#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Seeds of fuzz_cooking: TCP in order, backwards, overlapping, without an end. Usage: corpus_cooking.py FOLDER"""
import pathlib
import random
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

import fragments  # noqa: E402

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
chance = random.Random(20060515)
FIN, SYN, RST, ACK = 1, 2, 4, 16


def segment(version, sequence, flags, data=b"", host=1):
    frame = bytearray(fragments.tcp(version, sequence & 0xffff, data, host=host, sequence=sequence % 2**32).whole())
    frame[14 + (20 if version == 4 else 40) + 13] = flags
    return bytes(frame)


def record(frame, milliseconds=1, beyond=0):
    return struct.pack(">HBB", len(frame), beyond, milliseconds) + frame


def write(name, policy, frames, **more):
    (folder / name).write_bytes(bytes([policy]) + b"".join(record(frame, **more) for frame in frames))


for version in (4, 6):
    first = 2**32 - 500  # wraps
    said = bytes(range(256)) * 8
    syn, fin = segment(version, first - 1, SYN), segment(version, first + len(said), FIN | ACK)
    parts = [segment(version, first + at, ACK, said[at:at + 256]) for at in range(0, len(said), 256)]
    twice = [segment(version, first + at, ACK, said[at:at + 400]) for at in range(0, len(said) - 400, 200)]
    for policy in range(0, 64, 5):
        write("ordered%d-%d" % (version, policy), policy, [syn, *parts, fin])
        write("backwards%d-%d" % (version, policy), policy, [syn, *reversed(parts), fin])
        write("twice%d-%d" % (version, policy), policy, [syn, *chance.sample(twice, len(twice)), fin])
    write("midstream%d" % version, 4, parts)
    write("reset%d" % version, 0, [syn, *parts[1:3], segment(version, first, RST)])
    write("again%d" % version, 0, [syn, *parts[:3], segment(version, 77, SYN), segment(version, 78, ACK, said[:9])])
    write("slow%d" % version, 0, [syn, *parts[:3]], milliseconds=250)
    write("cut%d" % version, 0, [syn, *parts], beyond=9)
    write("many%d" % version, 0, [frame for host in range(9) for frame in
                                  (segment(version, 9, SYN, host=host), segment(version, 10, ACK, said[:99], host=host))])
