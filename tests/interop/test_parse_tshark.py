#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The parser sees what tshark sees: addresses, ports, protocols, lengths, tags and where each header
begins, for generated packets of every protocol, tunnel and link type.

    test_parse_tshark.py PARSE_DUMP [FILE ...]      FILE: traces to compare instead
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAKE_PACKETS = ROOT / "tests/parse/make_packets.py"
TUNNELS = ["gre", "erspan", "vxlan", "geneve", "gtpu", "ipip"]
TRANSPORTS = {"tcp": 6, "udp": 17, "sctp": 132, "icmp": 1, "icmpv6": 58}
PREFERENCES = ["ip.defragment:FALSE", "ipv6.defragment:FALSE", "tcp.desegment_tcp_streams:FALSE",
               "sctp.reassembly:FALSE", "tcp.relative_sequence_numbers:FALSE"]


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def seen_by_us(parse_dump, trace, tunnels):
    return [json.loads(line) for line in run(parse_dump, trace, *tunnels).splitlines()]


def seen_by_tshark(trace):
    """For each packet the list of its layers."""
    options = [word for p in PREFERENCES for word in ("-o", p)]
    xml = run("tshark", "-n", "-r", trace, "-T", "pdml", *options)
    return [packet.findall("proto") for packet in ElementTree.fromstring(xml.encode()).iter("packet")]


def field(layer, name):
    found = layer.find(f".//field[@name='{name}']")
    return None if found is None else found.get("show")


def number(layer, name):
    text = field(layer, name)
    return None if text is None else int(text, 0)


def ip_layers(layers):
    """Places of IP headers, but not of those that ICMP errors quote."""
    places = []
    for i, layer in enumerate(layers):
        if layer.get("name") in ("icmp", "icmpv6"):
            break
        if layer.get("name") in ("ip", "ipv6"):
            places.append(i)
    return places


def transport_behind(layers, place):
    for layer in layers[place + 1:]:
        if layer.get("name") in ("ip", "ipv6"):
            return None
        if layer.get("name") in TRANSPORTS:
            return layer
    return None


def expectation(layers, inside):
    """What tshark's layers mean in the words of parse_dump."""
    places = ip_layers(layers)
    frame = layers[:places[0]] if places else layers
    tags = [layer for layer in frame if layer.get("name") in ("vlan", "ieee8021ad")]
    want = {"vlan": int(bool(tags)), "mpls": int(any(layer.get("name") == "mpls" for layer in frame))}
    if tags:
        want["vlan_id"] = number(tags[0], tags[0].get("name") + ".id")
    if not places:
        arp = next((p for p in layers if p.get("name") == "arp"), None)
        want.update({"ipv4": 0, "ipv6": 0, "arp": int(arp is not None)})
        want["l3"] = int(arp.get("pos")) if arp is not None else -1
        return want
    place = places[-1] if inside else places[0]
    layer = layers[place]
    version = layer.get("name")
    want.update({"ipv4": int(version == "ip"), "ipv6": int(version == "ipv6"), "l3": int(layer.get("pos")),
                 "src": field(layer, f"{version}.src"), "dst": field(layer, f"{version}.dst")})
    if version == "ip":
        want["ip_len"] = number(layer, "ip.len")
        want["proto"] = number(layer, "ip.proto")
        more, offset = number(layer, "ip.flags.mf"), number(layer, "ip.frag_offset")
    else:
        want["ip_len"] = 40 + number(layer, "ipv6.plen")
        more, offset = number(layer, "ipv6.fraghdr.more"), number(layer, "ipv6.fraghdr.offset")
    want["fragment"] = int(bool(more or offset))
    want["later_fragment"] = int(bool(offset))
    transport = transport_behind(layers, place)
    if transport is None or offset:
        return want
    name = transport.get("name")
    want.update({"proto": TRANSPORTS[name], name.replace("icmpv6", "icmp6"): 1, "l4": int(transport.get("pos")),
                 "l4_ok": 1})
    if name in ("tcp", "udp", "sctp"):
        want.update({"sport": number(transport, f"{name}.srcport"), "dport": number(transport, f"{name}.dstport")})
    if name in ("tcp", "udp"):
        size = number(transport, "tcp.hdr_len") if name == "tcp" else 8
        want["payload"] = want["l4"] + size
    return want


def differences(ours, layers, inside):
    want = expectation(layers, inside)
    ours["vlan_id"] = ours["vlan_tci"] & 0xfff
    return {key: (ours.get(key), want[key]) for key in want if ours.get(key) != want[key]}


class ParserAndTshark(unittest.TestCase):
    parse_dump = None
    given = []

    def compare(self, trace, tunnels):
        ours, theirs = seen_by_us(self.parse_dump, trace, tunnels), seen_by_tshark(trace)
        self.assertEqual(len(ours), len(theirs), trace)
        for i, (mine, layers) in enumerate(zip(ours, theirs), 1):
            if any(layer.get("name") in ("_ws.malformed", "_ws.short") for layer in layers):
                continue
            wrong = differences(mine, layers, bool(tunnels))
            self.assertFalse(wrong, f"{trace} packet {i}: (parser, tshark) {wrong}\n{mine}\n"
                             f"{':'.join(layer.get('name') for layer in layers)}")
        return len(ours)

    def test_generated_packets(self):
        with tempfile.TemporaryDirectory(prefix="homard-") as folder:
            run("/usr/bin/python3", str(MAKE_PACKETS), folder)
            traces = sorted(pathlib.Path(folder).glob("*.pcap"))
            self.assertEqual(len(traces), 12)
            for trace in traces:
                with self.subTest(trace=trace.name):
                    self.assertGreater(self.compare(str(trace), []), 10)
                    self.assertGreater(self.compare(str(trace), TUNNELS), 10)

    def test_given_traces(self):
        for trace in self.given:
            with self.subTest(trace=trace):
                self.compare(trace, [])


if __name__ == "__main__":
    if not shutil.which("tshark"):
        print("skipped: no tshark")
        sys.exit(77)
    ParserAndTshark.parse_dump = sys.argv[1]
    ParserAndTshark.given = sys.argv[2:]
    unittest.main(argv=sys.argv[:1])
