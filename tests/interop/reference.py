# SPDX-License-Identifier: BSD-3-Clause
"""reference: flow records of a pcap file as docs/netflow.md defines them, written without a look at the C
code: plain packets in, one tuple per direction out."""
import ipaddress
import struct
from collections import namedtuple

Packet = namedtuple("Packet", "ns src dst sport dport proto length flags tos vlan mac mpls_label frame")
Record = namedtuple("Record", "first_ms last_ms src dst sport dport proto packets octets flags tos frame", defaults=[None])
Frame = namedtuple("Frame", "source destination mpls")  # MAC addresses, and three bytes of the outermost label

FIN, SYN, RST, ACK = 1, 2, 4, 16


def frames(path):
    """(ns, wire length, bytes) of a nanosecond pcap of either byte order."""
    with open(path, "rb") as f:
        header = f.read(24)
        order = "<" if header[:4] == bytes.fromhex("4d3cb2a1") else ">"
        assert struct.unpack(order + "I", header[:4])[0] == 0xa1b23c4d
        while True:
            head = f.read(16)
            if not head:
                return
            seconds, ns, caplen, length = struct.unpack(order + "IIII", head)
            yield seconds * 10**9 + ns, length, f.read(caplen)


def network(frame):
    """The IP datagram behind Ethernet, VLAN tags and MPLS labels, or None."""
    kind, at = struct.unpack_from("!H", frame, 12)[0], 14
    while kind in (0x8100, 0x88a8):
        kind, at = struct.unpack_from("!H", frame, at + 2)[0], at + 4
    if kind == 0x8847:
        while not frame[at + 2] & 1:
            at += 4
        at += 4
        kind = {4: 0x0800, 6: 0x86dd}.get(frame[at] >> 4)
    return frame[at:] if kind in (0x0800, 0x86dd) else None


def vlan_of(frame):
    """The outermost VLAN number, 0 without a tag."""
    kind, tag = struct.unpack_from("!HH", frame, 12)
    return tag & 0xfff if kind in (0x8100, 0x88a8) else 0


def frame_of(frame):
    """What is of the Ethernet frame; the label behind VLAN tags."""
    kind, at = struct.unpack_from("!H", frame, 12)[0], 14
    while kind in (0x8100, 0x88a8):
        kind, at = struct.unpack_from("!H", frame, at + 2)[0], at + 4
    label = bytes(frame[at:at + 3]) if kind == 0x8847 else None
    return Frame(bytes(frame[6:12]), bytes(frame[:6]), label)


def transport(ip):
    """(protocol, offset of the transport header or None for later fragments)."""
    if ip[0] >> 4 == 4:
        later = struct.unpack_from("!H", ip, 6)[0] & 0x1fff
        return ip[9], None if later else (ip[0] & 15) * 4
    proto, at = ip[6], 40
    while proto in (0, 43, 60, 44):
        if proto == 44:
            if struct.unpack_from("!H", ip, at + 2)[0] & 0xfff8:
                return ip[at], None
            proto, at = ip[at], at + 8
        else:
            proto, at = ip[at], at + (ip[at + 1] + 1) * 8
    return proto, at


def fragment_of(ip):
    """What all fragments of a datagram have in common, and whether this is a later one; None: no fragment."""
    if ip[0] >> 4 == 4:
        number, offset = struct.unpack_from("!HH", ip, 4)
        return (ip[9], bytes(ip[12:20]), number, offset & 0x1fff != 0) if offset & 0x3fff else None
    proto, at = ip[6], 40
    while proto in (0, 43, 60):
        proto, at = ip[at], at + (ip[at + 1] + 1) * 8
    if proto != 44 or not struct.unpack_from("!H", ip, at + 2)[0] & 0xfff9:
        return None
    later = struct.unpack_from("!H", ip, at + 2)[0] & 0xfff8 != 0
    return transport(ip)[0], bytes(ip[8:40]), bytes(ip[at + 4:at + 8]), later


class Fragments:
    """Gives later fragments the ports of the first one of their datagram."""

    def __init__(self):
        self.firsts = {}

    def ports(self, ns, ip, own):
        fragment = fragment_of(ip)
        if fragment is None:
            return own
        *datagram, later = fragment
        if not later:
            self.firsts[tuple(datagram)] = (ns, own)
            return own
        first = self.firsts.get(tuple(datagram))
        return first[1] if first and abs(ns - first[0]) < 30 * 10**9 else own


def parse(ns, ip, vlan, frame, fragments):
    if ip[0] >> 4 == 4:
        src, dst, length, tos = ip[12:16], ip[16:20], struct.unpack_from("!H", ip, 2)[0], ip[1]
    else:
        src, dst, length = ip[8:24], ip[24:40], struct.unpack_from("!H", ip, 4)[0] + 40
        tos = struct.unpack_from("!H", ip)[0] >> 4 & 255
    proto, at = transport(ip)
    sport = dport = flags = 0
    if at is not None:
        if proto in (6, 17, 132):
            sport, dport = struct.unpack_from("!HH", ip, at)
        elif proto in (1, 58):
            dport = struct.unpack_from("!H", ip, at)[0]
        if proto == 6:
            flags = ip[at + 13]
    sport, dport = fragments.ports(ns, ip, (sport, dport))
    # as keys of both directions: addresses in the order of the endpoints, and the label's 20 bits
    mac = frame[:2] if (src, sport) <= (dst, dport) else frame[1::-1]
    mpls_label = frame.mpls and int.from_bytes(frame.mpls, "big") >> 4
    return Packet(ns, bytes(src), bytes(dst), sport, dport, proto, length, flags, tos, vlan, mac, mpls_label, frame)


class Biflow:
    def __init__(self):
        self.directions = {}  # (src, sport, dst, dport) -> [packets]
        self.fins = set()
        self.start = None
        self.last = None

    def add(self, p):
        way = (p.src, p.sport, p.dst, p.dport)
        self.directions.setdefault(way, []).append(p)
        if p.flags & FIN:
            self.fins.add(way)
        self.start = p.ns if self.start is None else min(self.start, p.ns)
        self.last = p.ns if self.last is None else max(self.last, p.ns)

    def records(self):
        for packets in self.directions.values():
            one, times = packets[0], [p.ns for p in packets]
            flags = 0
            for p in packets:
                flags |= p.flags
            yield Record(min(times) // 10**6, max(times) // 10**6, str(ipaddress.ip_address(one.src)),
                         str(ipaddress.ip_address(one.dst)), one.sport, one.dport, one.proto,
                         len(packets), sum(p.length for p in packets), flags, one.tos, one.frame)
        self.directions = {}
        self.start = None


def meter(path, active_s, inactive_s, more_key=()):
    """All flow records of the file, in no order; more_key has names of packets' fields."""
    flows, out, fragments = {}, [], Fragments()
    active, inactive = active_s * 10**9, inactive_s * 10**9
    for ns, _, frame in frames(path):
        ip = network(frame)
        if ip is None:
            continue
        p = parse(ns, ip, vlan_of(frame), frame_of(frame), fragments)
        key = (p.proto, *sorted([(p.src, p.sport), (p.dst, p.dport)]), *(getattr(p, name) for name in more_key))
        f = flows.get(key)
        if f and (ns >= f.last + inactive or (f.start is not None and ns >= f.start + active)):
            out += f.records()
            if ns >= f.last + inactive:
                f = None
        closed = f is not None and len(f.fins) == 2
        if closed and p.flags & (SYN | ACK | RST) == SYN:
            out += f.records()
            f, closed = None, False
        f = flows[key] = f or Biflow()
        f.add(p)
        if p.flags & RST or (closed and not p.flags & FIN):
            out += f.records()
            del flows[key]
    for f in flows.values():
        out += f.records()
    return out
