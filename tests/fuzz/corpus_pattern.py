#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes seeds for fuzz_pattern into the folder it is given."""
import pathlib
import sys

LITERALS = [b"abc", b"abc||def", b"|61 62 63|", b"abcd|||65 66|||x", b"a\\|b\\\\c", b"|6|", b"||",
            b"|61", b"|6g|", b"\\", b"a|00|b", b"|61||62|", b"\xff\xfe", b"|", b"a" * 250]
REGEXPS = [b"a.c", b"^GET /[a-z]+ ", b"(a)\\1", b"a(?!b)", b"(?i)abc$", b"(?>a+)b", b"(a(?1)?b)",
           b"(*NO_JIT)a|b", b"[[:alpha:]]\\d\\x41", b"(", b"[z-a]", b"", b"(a+)+(?=[bc])", b"\\Q.|\\E",
           b"a{2,5}b", b"(a)(?i:\\1)", b"(?<n>x)\\k<n>", b"\\p{L}", b"(*CRLF)^b", b"(?C1)a"]
PACKETS = [b"", b"abc", b"xxabcdefxx", b"a|b\\c", b"a\x00b", b"GET /index ABC\nabc", b"aaaaaaaaaaaaaaaa!"]


def main(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    number = 0
    for kind, texts in enumerate([LITERALS, REGEXPS]):
        for text in texts:
            for packet in PACKETS:
                offset, depth = [(0, 0), (2, 0), (0, 5), (1, 3)][number % 4]
                (folder / ("%03d" % number)).write_bytes(
                    bytes([kind, offset, depth]) + text + b"\0" + packet)
                number += 1


main(sys.argv[1])
