#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the seed corpus of fuzz_trace: tiny traces of every format, order and kind of record.

usage: corpus_trace.py FOLDER
"""
import os
import struct
import sys

FRAME = bytes(range(60))


def pcap(order, magic, link, minor=4, records=((FRAME, 60), (FRAME[:20], 1500))):
    out = struct.pack(order + "IHHiIII", magic, 2, minor, 0, 0, 65535, link)
    for data, wirelen in records:
        out += struct.pack(order + "IIII", 1700000000, 123456, len(data), wirelen) + data
    return out


def block(order, kind, body):
    body += b"\0" * (-len(body) % 4)
    length = len(body) + 12
    return struct.pack(order + "II", kind, length) + body + struct.pack(order + "I", length)


def option(order, code, value):
    return struct.pack(order + "HH", code, len(value)) + value + b"\0" * (-len(value) % 4)


def section(order):
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)
                 + option(order, 4, b"corpus") + bytes(4))


def interface(order, link, snaplen, *options):
    return block(order, 1, struct.pack(order + "HHI", link, 0, snaplen) + b"".join(options) + bytes(4))


def packet(order, index, data, wirelen, *options):
    body = struct.pack(order + "IIIII", index, 0x00050000, 7, len(data), wirelen) + data
    body += b"\0" * (-len(body) % 4) + b"".join(options)
    return block(order, 6, body)


def pcapng(order, link=1, data=FRAME):
    return (section(order)
            + interface(order, link, 40)
            + interface(order, link, 0, option(order, 9, b"\x09"), option(order, 13, b"\x04"),
                        option(order, 14, struct.pack(order + "q", -3)))
            + interface(order, link, 0, option(order, 9, b"\x94"))
            + packet(order, 0, data, 99)
            + packet(order, 1, data, 60, option(order, 1, b"comment"),
                     option(order, 2, struct.pack(order + "I", 0x80)), bytes(4))
            + packet(order, 2, data[:33], 33)
            + block(order, 3, struct.pack(order + "I", 100) + data[:40])
            + block(order, 2, struct.pack(order + "HHIIII", 1, 0, 1, 2, 20, 20) + data[:20])
            + block(order, 5, bytes(12))
            + block(order, 0xBAD, b"x" * 33))


def erf(kind, payload, wlen, extensions=0, sub=b"", seconds=1700000000, flags=4):
    rlen = 16 + 8 * extensions + len(sub) + len(payload)
    out = struct.pack("<II", 0x80000000, seconds)
    out += struct.pack(">BBHHH", kind | (0x80 if extensions else 0), flags, rlen, 0, wlen)
    for i in range(extensions):
        out += bytes([0x80 | 3 if i + 1 < extensions else 16]) + bytes(7)
    return out + sub + payload


def erf_file():
    return (erf(2, FRAME, 64, sub=bytes(2)) + erf(48, bytes(8), 0, seconds=0) + erf(27, bytes(16), 16, 1)
            + erf(11, FRAME + bytes(4), 64, 3, bytes(2), flags=0x45) + erf(20, FRAME[:30], 1500, 0, bytes(2))
            + erf(33, bytes(8), 0))


def corpus():
    yield "us_le.pcap", pcap("<", 0xA1B2C3D4, 1)
    yield "us_be.pcap", pcap(">", 0xA1B2C3D4, 113)
    yield "ns_le.pcap", pcap("<", 0xA1B23C4D, 101)
    yield "ns_be.pcap", pcap(">", 0xA1B23C4D, 0)
    yield "fcs.pcap", pcap("<", 0xA1B2C3D4, 0x24000001)
    yield "old_2.pcap", pcap("<", 0xA1B2C3D4, 1, 2)
    yield "old_3.pcap", pcap("<", 0xA1B2C3D4, 1, 3)
    yield "cut.pcap", pcap("<", 0xA1B2C3D4, 1)[:-5]
    record = erf(2, FRAME, 64, 1, bytes(2))
    yield "erf.pcap", pcap("<", 0xA1B2C3D4, 197, records=((record, len(record)), (record[:20], 90)))
    yield "le.pcapng", pcapng("<")
    yield "be.pcapng", pcapng(">")
    yield "sections.pcapng", pcapng(">") + pcapng("<")
    yield "erf.pcapng", pcapng("<", 197, record)
    yield "ethernet.erf", erf_file()
    yield "ip.erf", erf(22, b"\x45" + bytes(19), 20) + erf(23, b"\x60" + bytes(39), 40)
    yield "hdlc.erf", erf(1, b"\x0f\0\x08\0" + bytes(20), 28) + erf(5, b"\x0f\0" + bytes(20), 26, sub=bytes(4))
    yield "ppp.erf", erf(10, b"\xff\x03\0\x21" + bytes(20), 28) + erf(17, bytes(20), 24, sub=bytes(4))
    yield "mixed.erf", erf(2, FRAME, 64, sub=bytes(2)) + erf(22, b"\x45" + bytes(19), 20)
    yield "cut.erf", erf_file()[:100]
    yield "gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03"


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    os.makedirs(sys.argv[1], exist_ok=True)
    for name, data in corpus():
        with open(os.path.join(sys.argv[1], name), "wb") as f:
            f.write(data)


if __name__ == "__main__":
    main()
