#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Seeds of fuzz_anonymize: rules of each kind on packets that they are for. Usage: corpus_anonymize.py FOLDER"""
import pathlib
import struct
import sys

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
ETHERNET = bytes(12)
IP4 = bytes((10, 0, 0, 1, 10, 0, 0, 2))
IP6 = b"\x20\1\x0d\xb8" + bytes(11) + b"\1" + b"\x20\1\x0d\xb8" + bytes(11) + b"\2"


def ip4(protocol, body, options=b""):
    return struct.pack(">BBHHHBBH", 0x45 + len(options) // 4, 0, 20 + len(options) + len(body), 1, 0, 64, protocol, 0) + \
        IP4 + options + body


def ip6(protocol, body):
    return struct.pack(">IHBB", 6 << 28, len(body), protocol, 64) + IP6 + body


def tcp(data, port=80, options=b""):
    return struct.pack(">HHIIBBHHH", 9, port, 1, 2, 0x50 + len(options) * 4, 24, 9, 0, 0) + options + data


def udp(data, port=53):
    return struct.pack(">HHHH", port, 9, 8 + len(data), 1) + data


http = b"GET /a.html HTTP/1.1\r\nHost: h\r\nCookie: abc\r\n\r\n"
dns = struct.pack(">HHHHHH", 1, 0x8180, 0, 1, 0, 0) + b"\0" + struct.pack(">HHIH", 1, 1, 60, 4) + b"\12\0\0\1"
quoted = struct.pack(">BBHI", 3, 1, 0, 0) + ip4(17, udp(b"x"))
packets = {
    "tcp": b"\x08\0" + ip4(6, tcp(http, options=b"\1\1\1\0"), b"\x94\4\0\0"), "tcp6": b"\x86\xdd" + ip6(6, tcp(http)),
    "ftp": b"\x08\0" + ip4(6, tcp(b"USER a\r\nPASS b.c\r\n", 21)), "udp": b"\x81\0\0\5\x08\0" + ip4(17, udp(dns)),
    "icmp": b"\x08\0" + ip4(1, quoted), "arp": b"\x08\6" + b"\0\1\x08\0\6\4\0\1" + bytes(20),
    "gre": b"\x08\0" + ip4(47, b"\x80\0\x08\0\0\0\0\0" + ip4(6, tcp(http)))}
rules = """IP,SRC_IP,PREFIX_PRESERVING IP,DST_IP,MAP IP,TOS,ZERO IP,PAYLOAD,STRIP,0 TCP,PAYLOAD,REPLACE,abcdefghijkl IP,OPTIONS,STRIP,1
    TCP,TCP_OPTIONS,HASHED,SHA,STRIP_REST TCP,PAYLOAD,REGEXP,(a)(.*)c,2,bbb,NULL HTTP,COOKIE,STRIP,0 HTTP,URI,FILENAME_RANDOM
    FTP,PASS,HASHED,MD5,PAD_WITH_ZERO IP,EMBEDDED_IP,RANDOM ETH,VLAN_ID,MAP ARP,SRC_IP,MAP TCP,SRC_PORT,RANGES,5,9
    IP,TTL,MAP_DISTRIBUTION,GAUSSIAN,9,3 IP,CHECKSUM,CHECKSUM_ADJUST IP,ID,PATTERN_FILL,STR,xy PACKET,TIMESTAMP,OFFSET,-1s
    UDP,PAYLOAD,HASHED,AES,STRIP_REST HTTP,HTTP_PAYLOAD,ZERO IP,SRC_IID,ZERO IP,FLOW,COARSEN,7""".split()
for i, rule in enumerate(rules):
    for name, packet in packets.items():
        for choice in (0, 1, 2, 8):
            (folder / ("%s-%d-%d" % (name, i, choice))).write_bytes(
                rule.encode() + b"\n" + bytes([choice]) + ETHERNET + packet)
