#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Seeds of fuzz_spans: messages of HTTP, FTP, DNS and DHCP, whole and cut. Usage: corpus_spans.py FOLDER"""
import pathlib
import struct
import sys

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
http = (b"GET /a HTTP/1.1\r\nHost: h\r\nCookie: a\r\n b\r\nContent-Length: 3\r\n\r\nabcHEAD /b HTTP/1.0\r\n\r\n"
        b"HTTP/1.1 200 OK then\r\nServer: s\r\n\r\nbody")
ftp = b"USER anna\r\nXCWD /\r\nQUIT\r\n220-a\r\n b\r\n220 c\r\n"
name = b"\1a\7example\0"
record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + b"\12\0\0\1"
record6 = b"\xc0\x0c" + struct.pack(">HHIH", 28, 1, 60, 16) + bytes(range(16))
subnet = b"\0" + struct.pack(">HHIH", 41, 4096, 0, 11) + struct.pack(">HHHBB", 8, 7, 1, 24, 0) + b"\12\0\1"
dns = struct.pack(">HHHHHH", 1, 0x8180, 1, 2, 0, 1) + name + struct.pack(">HH", 1, 1) + record + record6 + subnet
dhcp4 = (b"\2\1\6\0" + bytes(8) + b"\12\0\0\1" * 4 + b"\2\0\0\0\0\1" + bytes(202) + b"\x63\x82\x53\x63"
         b"\x35\1\5\3\4\12\0\0\2\x3d\7\1\2\0\0\0\0\1\0\xff")
address = struct.pack(">HH", 5, 24) + bytes(range(24))
dhcp6 = b"\7\0\0\1" + struct.pack(">HH", 3, 12 + len(address)) + bytes(12) + address + struct.pack(">HHHH", 1, 10, 3, 1) + b"\2\0\0\0\0\1"
relayed = b"\14\0" + bytes(32) + struct.pack(">HH", 9, len(dhcp6)) + dhcp6
for title, text, kinds in (("http", http, (57, 58, 59, 76, 81, 105, 106, 118)), ("ftp", ftp, (121, 127, 136, 151, 152)),
                           ("dns", dns, (0,)), ("dhcp4", dhcp4, (1,)), ("dhcp6", dhcp6, (2,)), ("relayed", relayed, (2,))):
    for kind in kinds:
        for cut in (len(text), len(text) // 2, len(text) - 3, 5, 0):
            (folder / ("%s-%d-%d" % (title, kind, cut))).write_bytes(bytes([kind]) + text[:cut])
