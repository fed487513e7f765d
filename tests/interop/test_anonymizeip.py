#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""ANONYMIZEIP: traceanon, nfanon and the paper in Python make the same pseudonyms, tshark finds every checksum
right, any number of workers writes the same packets, and the key is shown nowhere."""
import contextlib
import ipaddress
import json
import pathlib
import shutil
import stat
import subprocess
import tempfile
import unittest

import homard

KEY = "lobster-thermidor-with-a-32-byte"
assert len(KEY) == 32
PACKETS = 12000
MADE = {"packets": PACKETS, "flows": 300, "seed": 11, "ipv6": 40, "vlan": 20, "fragments": 10}
IPV4 = {**MADE, "ipv6": 0, "vlan": 0}
ADDRESSES = ("ip.src", "ip.dst", "ipv6.src", "ipv6.dst")
CHECKS = [word for name in ("ip", "tcp", "udp") for word in ("-o", name + ".check_checksum:TRUE")]
UNDEFRAGMENTED = ["-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE"]


def run(*command):
    done = homard.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                      stderr=subprocess.PIPE, timeout=4 * homard.SLOW)
    if done.returncode:
        raise AssertionError("%s ended with %d: %s" % (command, done.returncode, done.stderr.decode()))
    return done.stdout.decode()


def need(*programs):
    missing = [name for name in programs if not shutil.which(name)]
    return unittest.skipIf(missing, "not installed: " + " ".join(missing))


def fields(trace, *names, shown="ip || ipv6", options=()):
    """Fields of the packets as tshark reads them, one list a packet."""
    words = [word for name in names for word in ("-e", name)]
    text = run("tshark", "-n", "-r", trace, *UNDEFRAGMENTED, *options, "-Y", shown, "-T", "fields", *words)
    return [line.split("\t") for line in text.splitlines()]


def encrypted(blocks):
    done = homard.run(["openssl", "enc", "-aes-128-ecb", "-nopad", "-K", KEY[:16].encode().hex()],
                      input=b"".join(blocks), stdout=subprocess.PIPE, timeout=homard.SLOW)
    done.check_returncode()
    return [done.stdout[at:at + 16] for at in range(0, len(done.stdout), 16)]


def pseudonyms(names):
    """{address: pseudonym}, bit by bit as the paper has it: bit i is changed by the first bit of the cipher of the
    first i bits, with the rest of the padding behind them."""
    addresses = [ipaddress.ip_address(name) for name in names]
    pad = int.from_bytes(encrypted([KEY[16:].encode()])[0], "big")
    blocks = []
    for address in addresses:
        bits = int(address) << 128 - address.max_prefixlen
        for i in range(address.max_prefixlen):
            kept = (1 << 128) - (1 << 128 - i)
            blocks.append((bits & kept | pad & ~kept).to_bytes(16, "big"))
    first = iter([block[0] >> 7 for block in encrypted(blocks)])
    made = {}
    for address in addresses:
        change = 0
        for _ in range(address.max_prefixlen):
            change = change << 1 | next(first)
        made[str(address)] = str(type(address)(int(address) ^ change))
    return made


def with_icmp(path):
    """A trace of errors that quote packets, and of what has addresses of its own; by scapy, with its checksums."""
    from scapy.all import (Ether, ICMP, ICMPv6DestUnreach, ICMPv6ND_NS, ICMPv6TimeExceeded, IP, IPv6, TCP, UDP,
                           wrpcap)
    link = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")  # else it asks the network
    packets = []
    for i in range(1, 60):
        ends = {"src": "10.7.%d.%d" % (i % 5, i), "dst": "192.0.2.%d" % i}
        quoted = IP(src=ends["dst"], dst=ends["src"], id=i)
        for inner in (quoted / UDP(sport=53, dport=40000 + i) / b"answer", quoted / TCP(sport=80, dport=40000 + i) / b"page"):
            whole = bytes(inner)
            for cut in (28, len(whole)):
                packets.append(link / IP(**ends) / ICMP(type=3, code=3) / whole[:cut])
        packets.append(link / IP(**ends) / ICMP(type=8) / (b"x" * i))
        ends = {"src": "2001:db8::%x" % i, "dst": "2001:db8:0:%x::1" % i}
        inner = bytes(IPv6(src=ends["dst"], dst=ends["src"]) / UDP(sport=53, dport=40000 + i) / b"answer")
        packets.append(link / IPv6(**ends) / ICMPv6DestUnreach() / inner)
        packets.append(link / IPv6(**ends) / ICMPv6TimeExceeded() / inner)
        packets.append(link / IPv6(**ends) / ICMPv6ND_NS(tgt=ends["dst"]))
    wrpcap(str(path), packets)


class AnonymizeIp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.truth = homard.make_trace(cls.folder / "mixed.pcap", **MADE)
        homard.make_trace(cls.folder / "ipv4.pcap", **IPV4)
        with_icmp(cls.folder / "icmp.pcap")
        cls.key_file = cls.folder / "anonymize.key"
        cls.key_file.write_text(KEY)
        cls.key_file.chmod(0o600)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def config(self, trace, **more):
        return {"devices": [{"name": "trace", "trace": str(self.folder / trace), "pace": "max", **more}],
                "capture": {"dir": str(self.folder)}}

    def play(self, h, flow):
        with contextlib.suppress(homard.RpcError):  # it has begun by itself
            h.call("device.start", device="trace")
        h.wait_finished(flow)

    def anonymized(self, trace, name, key=KEY, workers=1, functions=None, **more):
        """The trace with pseudonyms, or behind other functions, as TO_FILE writes it."""
        with homard.Homard({**self.config(trace, **more), "anonymize": {"key_file": str(self.key_file)}}, workers=workers) as h:
            flow = h.flow("trace", *(functions or [["ANONYMIZEIP", key]]), ["TO_FILE", "PCAP", name])
            self.play(h, flow)
            homard.until(lambda: h.read(flow, "TO_FILE")["queued"] == 0, what="all to be written")
            h.assert_balanced()
            h.call("flow.close", flow=flow)
            homard.until(lambda: not h.ledger()["files"], what="the file to be closed")
        return self.folder / name

    @need("traceanon", "tshark")
    def test_traceanon_makes_the_same_pseudonyms(self):
        """Of IPv4, quoted ones too; it leaves IPv6 addresses, and what is behind VLAN tags, as they are."""
        for trace in ("ipv4.pcap", "icmp.pcap"):
            theirs = self.folder / ("theirs-" + trace)
            run("traceanon", "-s", "-d", "--cryptopan=" + KEY, "pcapfile:%s" % (self.folder / trace),
                "pcapfile:%s" % theirs)
            ours = self.anonymized(trace, "ours-" + trace)
            got, wanted = (fields(path, "ip.src", "ip.dst", shown="ip") for path in (ours, theirs))
            self.assertGreater(len(got), 100)
            self.assertNotEqual(got, fields(self.folder / trace, "ip.src", "ip.dst", shown="ip"))
            self.assertEqual([pair for pair in zip(got, wanted) if pair[0] != pair[1]][:3], [])
            self.assertEqual(len(got), len(wanted))

    @need("openssl", "tshark")
    def test_paper_in_python_makes_the_same_pseudonyms(self):
        for trace in ("mixed.pcap", "icmp.pcap"):
            before = fields(self.folder / trace, *ADDRESSES)
            names = pseudonyms({name for row in before for field in row for name in field.split(",") if name})
            wanted = [[",".join(names.get(name, "") for name in field.split(",")) for field in row] for row in before]
            got = fields(self.anonymized(trace, "paper-" + trace), *ADDRESSES)
            self.assertGreater(len(names), 50)
            self.assertEqual([pair for pair in zip(got, wanted) if pair[0] != pair[1]][:3], [])
            self.assertEqual(len(got), len(wanted))

    def flows(self, trace, key=None):
        """What nfdump sees in a trace, after nfanon if there is a key."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        run("nfpcapd", "-r", trace, "-w", folder, "-t", "86400")
        file = next(folder.iterdir())
        if key:
            run("nfanon", "-q", "-K", key, "-r", file, "-w", folder / "anonymous")
            file = folder / "anonymous"
        rows = [line.split(",") for line in run("nfdump", "-q", "-N", "-r", file, "-o", "csv").splitlines()]
        return sorted((*row[3:8], *row[11:13]) for row in rows if len(row) > 13)  # ends, protocol, packets, bytes

    @need("nfanon", "nfdump", "nfpcapd")
    def test_nfanon_makes_the_same_pseudonyms(self):
        """Of IPv4: what it makes of IPv6 addresses has no prefixes in common."""
        ours = self.flows(self.anonymized("ipv4.pcap", "ours-ipv4.pcap"))
        self.assertGreater(len(ours), 500)
        self.assertNotEqual(ours, self.flows(self.folder / "ipv4.pcap"))
        self.assertEqual(ours, self.flows(self.folder / "ipv4.pcap", KEY))

    @need("tshark")
    def test_tshark_finds_every_checksum_right(self):
        wrong = "ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0 || " \
                "icmp.checksum.status == 0 || icmpv6.checksum.status == 0 || _ws.malformed"
        for trace in ("mixed.pcap", "icmp.pcap"):
            ours = self.anonymized(trace, "checked-" + trace)
            self.assertEqual(fields(ours, "frame.number", shown=wrong, options=CHECKS),
                             fields(self.folder / trace, "frame.number", shown=wrong, options=CHECKS))
            self.assertEqual(fields(ours, "frame.number", shown=wrong, options=CHECKS), [])

    def test_any_number_of_workers_writes_the_same(self):
        files = []
        for workers, queues, burst in [(1, 1, 64), (1, 4, 7), (2, 4, 64), (4, 4, 1)]:
            name = "%d-%d.pcap" % (workers, queues)
            files.append(self.anonymized("mixed.pcap", name, workers=workers, queues=queues,
                                         burst=burst).read_bytes())
        self.assertGreater(len(files[0]), 100 * PACKETS)
        self.assertTrue(all(file == files[0] for file in files))

    def test_rules_of_anonymize_on_any_number_of_workers(self):
        """MAP counts in the order of time, and the same key gives the same pseudonyms as ANONYMIZEIP's."""
        rules = ["IP,SRC_IP,PREFIX_PRESERVING", "IP,DST_IP,PREFIX_PRESERVING", "TCP,SRC_PORT,MAP", "IP,ID,MAP_DISTRIBUTION,UNIFORM,1,9",
                 "UDP,PAYLOAD,HASHED,HMAC,STRIP_REST"]
        files = []
        for workers, queues, burst in [(1, 1, 64), (1, 4, 7), (2, 4, 64), (4, 4, 1)]:
            name = "rules-%d-%d.pcap" % (workers, queues)
            files.append(self.anonymized("mixed.pcap", name, workers=workers, queues=queues, burst=burst, functions=[
                ["ANONYMIZE", *rules, "TCP,DST_PORT,MAP", "IP,TTL,MAP"]]).read_bytes())
        self.assertGreater(len(files[0]), 50 * PACKETS)
        self.assertTrue(all(file == files[0] for file in files))
        plain = self.anonymized("icmp.pcap", "rules-plain.pcap", functions=[
            ["BPF_FILTER", "ip or ip6"],
            ["ANONYMIZE", *rules[:2], "IP,EMBEDDED_IP,PREFIX_PRESERVING"]]).read_bytes()
        self.assertEqual(plain, self.anonymized("icmp.pcap", "rules-ip.pcap").read_bytes())

    def test_only_ip_goes_on(self):
        with homard.Homard(self.config("mixed.pcap")) as h:
            flow = h.flow("trace", ["ANONYMIZEIP", KEY], ["PKT_COUNTER"])
            self.play(h, flow)
            info = h.call("flow.info", flow=flow)["functions"]
            self.assertEqual(info[0]["in"], PACKETS)
            self.assertEqual(info[0]["out"], self.truth["ipv4"] + self.truth["ipv6"])
            self.assertLess(info[0]["out"], PACKETS)
            self.assertEqual(info[0]["dropped"], 0)
            self.assertEqual(h.read(flow, 2), info[0]["out"])

    @need("tshark")
    def test_key_from_a_file(self):
        file = self.folder / "key"
        file.write_text(KEY.encode().hex() + "\n")
        file.chmod(0o600)
        by_file = self.anonymized("icmp.pcap", "by-file.pcap", key="file:%s" % file).read_bytes()
        self.assertEqual(by_file, self.anonymized("icmp.pcap", "by-key.pcap").read_bytes())
        self.assertEqual(by_file, self.anonymized("icmp.pcap", "by-digits.pcap", key=KEY.encode().hex()).read_bytes())
        file.chmod(stat.S_IRUSR | stat.S_IRGRP)
        config = {**self.config("icmp.pcap"), "flows": [
            {"name": "anonymous", "device": "trace", "functions": [["ANONYMIZEIP", "file:%s" % file]]}]}
        code, text = homard.check(config)
        self.assertNotEqual(code, 0)
        self.assertIn("others may read or write it", text)

    def test_the_key_is_shown_nowhere(self):
        """Not where a flow is told of, nor in what is logged, nor in the text of an error."""
        flow = {"name": "anonymous", "device": "trace",
                "functions": [["BPF_FILTER", "ip"], ["ANONYMIZEIP", KEY], ["FLOW_REPORT", "IPFIX", "127.0.0.1:9"]]}
        with homard.Homard({**self.config("mixed.pcap"), "flows": [flow]}) as h:
            h.call("log.level", level="debug")
            self.assertEqual(h.call("flow.info", flow="anonymous")["functions"][1]["args"], ["***"])
            with self.assertRaises(homard.RpcError) as raised:
                h.flow("trace", ["ANONYMIZEIP", KEY + "!"])
            self.assertEqual(raised.exception.mapi_errno, 7001)
            told = [str(raised.exception), json.dumps(raised.exception.data)]
            for method in ("flow.info", "explain"):
                told.append(json.dumps(h.call(method, flow="anonymous")))
                self.assertIn("***", told[-1])
            for method in ("flow.list", "explain", "ledger", "device.list"):
                told.append(json.dumps(h.call(method)))
            told += [homard.ctl(h, "flow", "info", "anonymous"), homard.ctl(h, "explain"), h.stop()]
        for text in told:
            self.assertNotIn(KEY, text)


if __name__ == "__main__":
    homard.main()
