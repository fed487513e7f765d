#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Seeds of fuzz_defrag: traces of fragments, in order, backwards, overlapping, hostile. Usage: corpus_defrag.py FOLDER"""
import pathlib
import random
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

import fragments  # noqa: E402

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
chance = random.Random(20060515)


def record(frame, milliseconds=1, beyond=0):
    return struct.pack(">HBB", len(frame), beyond, milliseconds) + frame


def write(name, frames, **more):
    (folder / name).write_bytes(b"".join(record(frame, **more) for frame in frames))


for version in (4, 6):
    packets = [fragments.udp(version, i, bytes(range(256)) * 4) for i in range(9)]
    cuts = [p.fragments([0, 8, 208, 520, 808]) for p in packets]
    write("ordered%d" % version, [frame for cut in cuts for frame in cut])
    write("backwards%d" % version, [frame for cut in cuts for frame in reversed(cut)])
    write("turns%d" % version, [frame for turn in zip(*cuts) for frame in turn])
    write("slow%d" % version, cuts[0], milliseconds=120)
    write("cut%d" % version, cuts[0], beyond=9)
    write("overlap%d" % version, packets[0].fragments([0, 400]) + [packets[0].fragment(200, 400), packets[0].fragment(400, 632)])
    write("ends%d" % version, [packets[0].fragment(400, 200, more=False), packets[0].fragment(400, 300, more=False),
                               packets[0].fragment(800, 100), packets[0].fragment(8, 0), packets[0].fragment(8, 13)])
    write("tiny%d" % version, packets[0].fragments(range(0, 1032, 8)))
    write("long%d" % version, [packets[0].fragment(at, 8) for at in (65528, 65520, 65512, 65504, 0)])
    many = [p.fragment(8 * chance.randrange(100), 8) for p in packets for _ in range(9)]
    chance.shuffle(many)
    write("many%d" % version, many)
