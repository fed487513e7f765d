#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes seeds for fuzz_search_file into the folder it is given."""
import pathlib
import struct
import sys

SET, HEADER, CUT, CORRECT = range(4)


def step(what, at=0, byte=0):
    return struct.pack(">BHB", what, at, byte)


def seeds():
    yield b""
    yield b"\xff"
    yield b"\xffhmsearch" + bytes(40)
    yield b"\xffhmsearch" + b"\xff" * 40
    for at in range(48):
        for byte in (0x00, 0x01, 0x7f, 0xff):
            yield step(HEADER, at, byte)
            yield step(HEADER, at, byte) + step(CORRECT)
    for at in range(48, 1400, 3):
        yield step(SET, at, 0xee)
        yield step(SET, at, 0xee) + step(CORRECT)
    for at in range(0, 1200, 13):
        yield step(CUT, at)
        yield step(CUT, at) + step(CORRECT)


def main(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds()):
        (folder / ("%04d" % number)).write_bytes(seed)


main(sys.argv[1])
