#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""corpus_output_name: names of files, good and bad, as seeds for fuzz_output_name.

usage: corpus_output_name.py FOLDER
"""
import pathlib
import sys

NAMES = ["web.pcap", "monday/web-%Y%m%d-%H%M%S-%n.pcap", "100%%", ".hidden", "a.b.c", "%n", "-1", "a-1.x",
         "..", "../x", "a/../b", "/etc/passwd", "a//b", "a/", "%", "%x", "a\nb", "%Y/x", "", "." * 511, "x" * 600,
         "%Y" * 200]
FOUND = ["", "web.pcap", "web-1.pcap", "20231115-120000-000001.pcap", "-" * 300, "000001"]


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    seeds = [(name + "\0" + found).encode() for name in NAMES for found in FOUND]
    for i, seed in enumerate(seeds + [b"\xff\xfe\0\xff", b"\0"]):
        (folder / ("%03d" % i)).write_bytes(seed)


if __name__ == "__main__":
    main()
