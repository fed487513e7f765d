#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Packets of every protocol, tunnel and link type the parser knows, made by scapy.

    make_packets.py FOLDER         one pcap a link type: FOLDER/NAME.pcap
    make_packets.py --fuzz FOLDER  seeds of fuzz_parse, one file a packet
"""
import pathlib
import struct
import sys

from scapy.config import conf

conf.ipv6_enabled = True
from scapy.contrib.erspan import ERSPAN_I, ERSPAN_II, ERSPAN_III  # noqa: E402
from scapy.contrib.geneve import GENEVE  # noqa: E402
from scapy.contrib.gtp import GTP_U_Header, GTPPDUSessionContainer  # noqa: E402
from scapy.contrib.mpls import MPLS  # noqa: E402
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP, IPOption_RR  # noqa: E402
from scapy.layers.inet6 import (  # noqa: E402
    ICMPv6EchoRequest, ICMPv6ND_NS, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting)
from scapy.layers.ipsec import AH  # noqa: E402
from scapy.layers.l2 import (  # noqa: E402
    ARP, Dot1AD, Dot1Q, Dot3, Ether, GRE, LLC, SNAP, STP)
from scapy.layers.ppp import PPP, PPPoE  # noqa: E402
from scapy.layers.sctp import SCTP, SCTPChunkData  # noqa: E402
from scapy.layers.vxlan import VXLAN  # noqa: E402
from scapy.packet import Raw  # noqa: E402

LINKS = {"ethernet": 1, "raw": 101, "ipv4": 228, "ipv6": 229, "ppp": 9, "chdlc": 104, "ppp_serial": 50,
         "null": 0, "loop": 108, "sll": 113, "sll2": 276}
MAC = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}
TUNNELS = "tunnels"


def ip(**more):
    return IP(src="10.1.2.3", dst="10.4.5.6", **more)


def ip6(**more):
    return IPv6(src="2001:db8::1", dst="2001:db8:1::2", **more)


def transports():
    return [TCP(sport=40000, dport=8099, flags="PA", options=[("NOP", None), ("Timestamp", (1, 2))]) / b"hello",
            TCP(sport=40000, dport=8099, flags="S"),
            UDP(sport=40000, dport=9999) / b"hello",
            SCTP(sport=40000, dport=9998, tag=1) / SCTPChunkData(data=b"hello")]


def networks():
    """IP datagrams of all kinds."""
    packets = [ip() / t for t in transports()] + [ip6() / t for t in transports()]
    packets += [ip() / ICMP() / b"ping", ip6() / ICMPv6EchoRequest(data=b"ping"), ip6() / ICMPv6ND_NS(tgt="::1"),
                ip(proto=50) / Raw(bytes(24)), ip6(nh=59),
                ip(options=[IPOption_NOP()] * 4) / UDP(sport=1, dport=9999) / b"x",
                ip(options=IPOption_RR(routers=["1.2.3.4"] * 9)) / TCP(sport=1, dport=9999) / b"x",
                ip(flags="MF", id=7) / UDP(sport=1, dport=9999, len=3008) / Raw(bytes(64)),
                ip(frag=9, id=7, proto=17) / Raw(bytes(range(40))),
                ip(flags="DF", id=8) / UDP(sport=1, dport=9999) / b"df"]
    udp = UDP(sport=2, dport=9999) / b"behind"
    hop, dest = IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt()
    routing = IPv6ExtHdrRouting(type=0, addresses=["2001:db8::9"], segleft=0)
    packets += [ip6() / hop / udp, ip6() / dest / udp, ip6() / routing / udp, ip6() / hop / dest / routing / udp,
                ip6() / IPv6ExtHdrFragment(m=1, offset=0, id=5) / UDP(sport=3, dport=9999, len=2000) / Raw(bytes(64)),
                ip6() / IPv6ExtHdrFragment(m=0, offset=9, nh=17, id=5) / Raw(bytes(range(32))),
                ip6() / dest / IPv6ExtHdrFragment(m=1, offset=9, nh=6, id=5) / Raw(bytes(range(32))),
                ip6() / IPv6ExtHdrFragment(m=0, offset=0, id=6) / udp,
                ip6() / AH(spi=1, seq=1, icv=bytes(12), nh=17) / udp,
                ip6(nh=140) / Raw(struct.pack(">BB6x", 17, 0) + bytes(udp))]
    return [bytes(p) for p in packets]


def is_ipv6(datagram):
    return datagram[0] >> 4 == 6


def frames():
    """Ethernet frames: all tags, sessions and LLC."""
    made = []
    for datagram in networks():
        made.append(bytes(Ether(**MAC, type=0x86dd if is_ipv6(datagram) else 0x800)) + datagram)
    made = [frame.ljust(60, b"\0") if i % 2 else frame for i, frame in enumerate(made)]
    inner = ip() / UDP(sport=5, dport=9999) / b"inner"
    inner6 = ip6() / TCP(sport=5, dport=9999) / b"inner"
    for network in (inner, inner6):
        made += [Ether(**MAC) / Dot1Q(vlan=100, prio=3) / network,
                 Ether(**MAC) / Dot1AD(vlan=200) / Dot1Q(vlan=100) / network,
                 Ether(**MAC, type=0x8100) / Dot1Q(vlan=1) / Dot1Q(vlan=2) / Dot1Q(vlan=3) / network,
                 Ether(**MAC) / MPLS(label=16, s=1) / network,
                 Ether(**MAC) / MPLS(label=16, s=0) / MPLS(label=17, s=0) / MPLS(label=18, s=1) / network,
                 Ether(**MAC) / Dot1Q(vlan=7) / MPLS(label=16, s=1) / network,
                 Ether(**MAC) / PPPoE(sessionid=3) / PPP() / network,
                 Ether(**MAC) / Dot1Q(vlan=8) / PPPoE(sessionid=3) / PPP() / network]
    made += [Ether(**MAC) / ARP(psrc="10.0.0.1", pdst="10.0.0.2"),
             Ether(**MAC) / Dot1Q(vlan=9) / ARP(psrc="10.0.0.1", pdst="10.0.0.2"),
             Dot3(**MAC) / LLC(dsap=0xaa, ssap=0xaa, ctrl=3) / SNAP(OUI=0, code=0x800) / inner,
             Dot3(**MAC) / LLC() / STP(),
             Ether(**MAC, type=0x88cc) / Raw(bytes(50))]
    return [bytes(p) for p in made]


def tunnels():
    """Ethernet frames with another packet inside."""
    made = []
    for network in (ip() / TCP(sport=6, dport=9999) / b"deep", ip6() / UDP(sport=6, dport=9999) / b"deep",
                    ip() / SCTP(sport=6, dport=9998, tag=1) / SCTPChunkData(data=b"deep")):
        frame = Ether(**MAC) / network
        kind = 0x86dd if IPv6 in network else 0x800
        for outer in (IP(src="192.0.2.1", dst="192.0.2.2"), IPv6(src="2001:db8:f::1", dst="2001:db8:f::2")):
            made += [outer / GRE(proto=kind) / network,
                     outer / GRE(proto=kind, chksum_present=1, key_present=1, key=7, seqnum_present=1, seqence_number=9)
                     / network,
                     outer / GRE(proto=0x6558) / frame,
                     outer / GRE(proto=0x6558) / Ether(**MAC) / Dot1Q(vlan=55) / network,
                     outer / GRE(proto=0x88be) / ERSPAN_I() / frame,
                     outer / GRE(proto=0x88be, seqnum_present=1, seqence_number=1) / ERSPAN_II(ver=1) / frame,
                     outer / GRE(proto=0x22eb, seqnum_present=1, seqence_number=1) / ERSPAN_III(ver=2) / frame,
                     outer / UDP(sport=4000, dport=4789) / VXLAN(vni=5, flags=8) / frame,
                     outer / UDP(sport=4000, dport=6081) / GENEVE(vni=5, proto=0x6558) / frame,
                     outer / UDP(sport=4000, dport=2152) / GTP_U_Header(teid=1) / network,
                     outer / UDP(sport=4000, dport=2152) / GTP_U_Header(teid=1, S=1, seq=5) / network,
                     outer / UDP(sport=4000, dport=2152) / GTP_U_Header(teid=1, E=1, next_ex=0x85)
                     / GTPPDUSessionContainer(type=0, QFI=1) / network,
                     outer / network]
    return [bytes(Ether(**MAC) / p) for p in made]


def behind(header4, header6):
    return [(header6 if is_ipv6(d) else header4) + d for d in networks()]


def sll(protocol):
    return struct.pack(">HHH8sH", 0, 1, 6, b"\2\0\0\0\0\1", protocol)


def sll2(protocol):
    return struct.pack(">HHIHBB8s", protocol, 0, 3, 1, 0, 6, b"\2\0\0\0\0\1")


def by_link():
    """{file name: (LINKTYPE_ number, [packet, ...])}"""
    datagrams = networks()
    arp = bytes(ARP(psrc="10.0.0.1", pdst="10.0.0.2"))
    packets = {
        "ethernet": frames(),
        "raw": datagrams,
        "ipv4": [d for d in datagrams if not is_ipv6(d)],
        "ipv6": [d for d in datagrams if is_ipv6(d)],
        "ppp": behind(b"\xff\x03\0\x21", b"\xff\x03\0\x57") + behind(b"\0\x21", b"\0\x57"),
        "ppp_serial": behind(b"\xff\x03\0\x21", b"\xff\x03\0\x57") + behind(b"\x0f\0\x08\0", b"\x0f\0\x86\xdd"),
        "chdlc": behind(b"\x0f\0\x08\0", b"\x0f\0\x86\xdd"),
        "null": behind(b"\2\0\0\0", b"\x18\0\0\0") + behind(b"\2\0\0\0", b"\x1e\0\0\0"),
        "loop": behind(b"\0\0\0\2", b"\0\0\0\x18"),
        "sll": behind(sll(0x800), sll(0x86dd)) + behind(sll(0x8100) + b"\0\x2a\x08\0", sll(0x8100) + b"\0\x2a\x86\xdd")
        + [sll(0x806) + arp],
        "sll2": behind(sll2(0x800), sll2(0x86dd)) + [sll2(0x806) + arp],
    }
    made = {name: (LINKS[name], packets[name]) for name in packets}
    made[TUNNELS] = (LINKS["ethernet"], tunnels())
    return made


def write_pcaps(folder):
    for name, (link, packets) in by_link().items():
        with open(folder / (name + ".pcap"), "wb") as out:
            out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, link))
            for i, packet in enumerate(packets):
                out.write(struct.pack("<IIII", 1700000000 + i, 0, len(packet), len(packet)) + packet)


def write_seeds(folder):
    order = [1, 101, 228, 229, 9, 104, 50, 0, 108, 113, 276]  # fuzz_parse.c's `links`
    for name, (link, packets) in by_link().items():
        for i, packet in enumerate(packets):
            seed = bytes([order.index(link), 0x3f if name == TUNNELS else 0, i & 0x43]) + packet
            (folder / f"{name}-{i}").write_bytes(seed)


def main():
    folder = pathlib.Path(sys.argv[-1])
    folder.mkdir(parents=True, exist_ok=True)
    if sys.argv[1] == "--fuzz":
        write_seeds(folder)
    else:
        write_pcaps(folder)


if __name__ == "__main__":
    main()
