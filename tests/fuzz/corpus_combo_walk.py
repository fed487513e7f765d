# SPDX-License-Identifier: BSD-3-Clause
"""Seeds for fuzz_combo_walk: segments with hardware data of all sizes, cut by the seam at each byte,
and lengths that contradict each other."""
import pathlib
import struct
import sys


def segment(frame=b"\x45" * 60, hw=b"\x01\0\0\0" + struct.pack("<II", 999999999, 1700000000), size=None,
            hw_size=None):
    head = 4 + len(hw)
    start = head + -head % 8
    true = start + len(frame)
    body = struct.pack("<HH", true if size is None else size, len(hw) if hw_size is None else hw_size) + hw
    body += bytes(start - head) + frame
    return body + bytes(-len(body) % 8)


def seeds():
    two = segment() + segment(frame=b"\x60" * 61)
    for seam in range(len(two) + 1):
        yield "seam-%d" % seam, seam, two
    for n in (0, 1, 4, 8, 11, 12, 20, 300):
        yield "hw-%d" % n, 5, segment(hw=bytes(range(256))[:n] if n < 256 else bytes(n)) + segment()
    for size in (0, 1, 3, 4, 15, 16, 17, 24576, 24577, 65535):
        yield "size-%d" % size, 20, segment(size=size) + segment()
    for hw_size in (1, 60, 72, 73, 65529, 65535):
        yield "hw-size-%d" % hw_size, 30, segment(hw_size=hw_size) + segment()
    for name, time in (("zeros", bytes(8)), ("ones", b"\xff" * 8), ("ns", struct.pack("<II", 10 ** 9, 1))):
        yield "time-" + name, 7, segment(hw=bytes(4) + time)
    yield "long", 9999, segment(frame=bytes(24560)) + segment()
    for cut in (1, 3, 4, 5, 15, 16, 17, 75, len(two) - 1):
        yield "cut-%d" % cut, 2, two[:cut]


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, seam, data in seeds():
        (folder / name).write_bytes(struct.pack("<H", seam) + data)


main()
