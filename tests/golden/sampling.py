# SPDX-License-Identifier: BSD-3-Clause
"""sampling: which packets hashes choose, worked out in Python from the frames alone."""
import ipaddress
import struct

WORD = 2**32
GOLDEN = 0x9E3779B9


def mix(a, b, c):
    """One round of Bob Jenkins' hash of 1996 (RFC 5475, appendix A.2; Linux 2.6's jhash)."""
    for right, left, last in ((13, 8, 13), (12, 16, 5), (3, 10, 15)):
        a = (a - b - c) % WORD ^ c >> right
        b = (b - c - a) % WORD ^ a << left & WORD - 1
        c = (c - a - b) % WORD ^ b >> last
    return a, b, c


def jhash_3words(a, b, c, initval):
    return mix((a + GOLDEN) % WORD, (b + GOLDEN) % WORD, (c + initval) % WORD)[2]


def transport(frame):
    """(IPv4 header, TCP or UDP header and what follows) of an untagged frame; None without them."""
    if frame[12:14] != b"\x08\0" or len(frame) < 34 or frame[23] not in (6, 17):
        return None
    if int.from_bytes(frame[20:22], "big") & 0x1FFF:
        return None  # a later fragment
    packet = frame[14:14 + int.from_bytes(frame[16:18], "big")]
    header = packet[0] % 16 * 4
    if len(packet) < header + (20 if packet[9] == 6 else 8):
        return None
    return packet[:header], packet[header:]


def hash_of(ip, l4):
    source, dest, ports = struct.unpack("<II", ip[12:20]) + struct.unpack("<I", l4[:4])
    return jhash_3words(source, dest ^ ip[9], ports, 6564987) % 1024


def kept_sample(ns, ip, l4):
    tcp = ip[9] == 6
    # SYN 1, ACK 2, RST 4, FIN 8, PSH 16 to MAPI
    flags = sum(to for of, to in ((2, 1), (16, 2), (4, 4), (1, 8), (8, 16)) if l4[13] & of) if tcp else 0
    return {"ts_ns": str(ns), "source_ip": str(ipaddress.ip_address(ip[12:16])),
            "dest_ip": str(ipaddress.ip_address(ip[16:20])),
            "sourceport": int.from_bytes(l4[0:2], "big"), "destport": int.from_bytes(l4[2:4], "big"),
            "sequence": int.from_bytes(l4[4:8], "big") if tcp else 0, "tcp_flags": flags,
            "protocol": ip[9]}


def hashsamp(packets, below, keep=0):
    """(packets that HASHSAMP passes, its result or None)"""
    passed, samples = [], []
    for packet in packets:
        headers = transport(packet[0])
        if headers and hash_of(*headers) < below:
            passed.append(packet)
            samples.append(kept_sample(packet[2], *headers))
    n = len(samples)
    return passed, keep and {"offered": n, "delivered": n, "dropped": 0, "queued": 0,
                             "records": samples, "end": True}


def bob(data, initval):
    """RFC 5475, appendix A.2."""
    a, b, c, rest = GOLDEN, GOLDEN, initval, data
    while len(rest) >= 12:
        a, b, c = mix(*((x + y) % WORD for x, y in zip((a, b, c), struct.unpack("<III", rest[:12]))))
        rest = rest[12:]
    last = (rest[:8] + bytes(8))[:8] + b"\0" + rest[8:] + bytes(3)  # a byte for the length
    words = struct.unpack("<III", last[:12])
    return mix((a + words[0]) % WORD, (b + words[1]) % WORD, (c + words[2] + len(data)) % WORD)[2]


def by_hash(packets, one_of, _mode, options=None):
    """What SAMPLE passes in mode HASH, of untagged frames without IPv6 extension headers."""
    options = {"seed": 0, "payload_offset": 0, "payload_bytes": 16, **(options or {})}
    passed = []
    for packet in packets:
        frame = packet[0]
        if frame[12:14] == b"\x08\0":
            ip = frame[14:14 + int.from_bytes(frame[16:18], "big")]
            header, payload = ip[4:8] + ip[12:20], ip[ip[0] % 16 * 4:]
        elif frame[12:14] == b"\x86\xdd":
            ip = frame[14:54 + int.from_bytes(frame[18:20], "big")]
            header, payload = ip[4:6], ip[40:]
            for address in (ip[8:24], ip[24:40]):
                header += bytes(address[i - 1] for i in (10, 11, 14, 15, 16))
        else:
            continue
        taken = payload[options["payload_offset"]:][:options["payload_bytes"]]
        if bob(header + taken, options["seed"]) < WORD // max(one_of, 1):
            passed.append(packet)
    return passed
