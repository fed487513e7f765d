#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""corpus_tracked: payloads with and without signatures, as seeds for fuzz_tracked.

usage: corpus_tracked.py FOLDER
"""
import pathlib
import sys

PAYLOADS = [b"", b"$MyNick a|", b"x" * 300 + b"$mynick", b"\x13BitTorrent protocol", b"x\x13BitTorrent", b"GNUTELLA/0.6",
            b"x" * 11 + b"gnutella/", b"x" * 12 + b"GNUTELLA/", b"\xe3\x06\0\0\0\x01abcde", b"\xe3\x96abcd", b"\xc5\x90", b"\xe3",
            b"\xd4\xff\xff\xff\xff\x40", b"\xe3\0\0\0\0", b"\xe3\0\0\0\0\x01"]


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    seeds = [bytes([options, more]) + payload for payload in PAYLOADS for options in range(4) for more in (0, 1)]
    for i, seed in enumerate(seeds + [b"", b"\0"]):
        (folder / ("%03d" % i)).write_bytes(seed)


if __name__ == "__main__":
    main()
