#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Seeds of fuzz_warm: the good file, and each kind of damage."""
import pathlib
import sys

HEADER, ANYWHERE, ENTRY, LENGTH = range(4)


def step(where, at, value):
    return bytes([where, at >> 8, at & 255, value])


# offsets in struct header: layout 8, entry_bytes 12, lanes 16, entries 20, key 24, checksum 28, owner 32;
# exporters from 64 on, lanes from 256 on: made, first, newest, places, checksum, sealed
SEEDS = {
    "good": b"",
    "magic": step(HEADER, 0, 0),
    "layout": step(HEADER, 8, 9),
    "lanes": step(HEADER, 16, 200),
    "entries": step(HEADER, 23, 255),
    "key": step(HEADER, 24, 31),
    "checksum": step(HEADER, 28, 1),
    "owner": step(HEADER, 32, 1),
    "places": step(ANYWHERE, 256 + 24, 255) + step(ANYWHERE, 256 + 25, 255),
    "not_sealed": step(ANYWHERE, 256 + 32, 0),
    "not_sealed_and_damaged": step(ANYWHERE, 256 + 32, 0) + step(ENTRY, 128 + 4, 77) + step(ENTRY, 256 + 13, 5),
    "not_sealed_late": step(ANYWHERE, 256 + 32, 0) + step(ENTRY, 128 + 31, 255),
    "damaged": step(ENTRY, 128 * 5 + 40, 1),
    "empty": step(LENGTH, 0, 0),
    "short": step(LENGTH, 0, 1),
    "half": step(LENGTH, 0, 128),
}


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in SEEDS.items():
        (folder / name).write_bytes(data)


main()
