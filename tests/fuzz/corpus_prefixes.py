#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Seeds of fuzz_prefixes: a file of each kind, packed and not. Usage: corpus_prefixes.py FOLDER"""
import gzip
import pathlib
import struct
import sys

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)


def record(subtype, body):
    return struct.pack("!IHHI", 1700000000, 13, subtype, len(body)) + body


def rib(subtype, length, prefix, attributes):
    entry = struct.pack("!HIH", 0, 0, len(attributes)) + attributes
    return record(subtype, struct.pack("!IB", 0, length) + prefix + struct.pack("!H", 1) + entry)


path = bytes.fromhex("40020a02020000fbfe0000fbff")
ipv4 = rib(2, 22, bytes.fromhex("c63364"), bytes.fromhex("40010100") + path + bytes.fromhex("400304cb007101"))
ipv6 = rib(4, 32, bytes.fromhex("20010db8"), path + bytes.fromhex("800e1110fe80") + bytes(14))
mrt = record(1, bytes(8)) + ipv4 + ipv6
text = b"# prefixes\n192.0.2.0/24 64500 198.51.100.1\n203.0.113.0\t24\t1_2,3\n2001:db8::/32 AS64504 2001:db8::1\n"
for name, data in {"text": text, "mrt": mrt, "text.gz": gzip.compress(text), "mrt.gz": gzip.compress(mrt),
                   "cut": mrt[:-5], "empty": b""}.items():
    (folder / name).write_bytes(data)
