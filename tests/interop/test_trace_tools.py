#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The traces that homard writes and reads, and the traffic it generates, as tcpdump's libpcap,
tshark, capinfos, editcap, libtrace and scapy see them.

usage: test_trace_tools.py HOMARD_TRAFFIC TRACE_LIST [CLASS[.TEST]]...
"""
import gzip
import hashlib
import json
import logging
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

logging.getLogger("scapy").setLevel(logging.ERROR)

PLANT = "homard-lobster-pot"
FORMATS = ("pcap", "pcapng", "erf")


def run(*command):
    return subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120).stdout.decode()


def need(*programs):
    missing = [name for name in programs if not shutil.which(name)]
    return unittest.skipIf(missing, "not installed: " + " ".join(missing))


def listed(path, *options):
    """[(time in ns, captured, wire, hash)] of a trace, without the line of the link type."""
    lines = run(TRACE_LIST, *options, path).splitlines()[1:]
    return [(int(ts), int(captured), int(wire), digest)
            for ts, captured, wire, digest in map(str.split, lines)]


def tshark_lines(path, *options):
    return run("tshark", "-n", "-r", path, *options).splitlines()


def tshark_listed(path):
    """The same as listed(), but for the hash."""
    rows = tshark_lines(path, "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.cap_len",
                        "-e", "frame.len")
    return [(int(ts.replace(".", "")), int(captured), int(wire))
            for ts, captured, wire in map(str.split, rows)]


def traceconvert(source, uri, path):
    run("traceconvert", source, "%s:%s" % (uri, path))
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":  # it compresses unasked
        path.write_bytes(gzip.decompress(raw))


class Folder(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="homard-")
        cls.folder = pathlib.Path(cls.temporary.name)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    @classmethod
    def traffic(cls, name, **options):
        """Makes a trace; returns its path and its truth."""
        words = [word for key, value in options.items()
                 for word in ("--" + key.replace("_", "-"), value)]
        path = cls.folder / name
        return path, json.loads(run(TRAFFIC, "--out", path, "--json", *words))


class Writer(Folder):
    """What homard wrote, read by others."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.options = dict(packets=3000, flows=100, snaplen=200, rate=777)
        cls.paths = {name: cls.traffic("w." + name, **cls.options)[0] for name in FORMATS}
        cls.rows = listed(cls.paths["pcap"])

    def test_all_formats_hold_the_same_packets(self):
        self.assertEqual(len(self.rows), 3000)
        for path in self.paths.values():
            self.assertEqual(listed(path), self.rows)

    def test_libpcap_reads_pcap_and_pcapng(self):
        for name in ("pcap", "pcapng"):
            self.assertEqual(listed(self.paths[name], "--libpcap"), self.rows)

    @need("tcpdump")
    def test_tcpdump_counts_the_packets(self):
        for name in ("pcap", "pcapng"):
            self.assertIn("3000 packets", run("tcpdump", "--count", "-r", self.paths[name]))

    @need("tshark")
    def test_tshark_reads_pcap_and_pcapng(self):
        wanted = [row[:3] for row in self.rows]
        for name in ("pcap", "pcapng"):
            self.assertEqual(tshark_listed(self.paths[name]), wanted)

    @need("tshark")
    def test_tshark_reads_erf(self):
        # tshark's length is that of the record, with FCS
        wanted = [(ts, captured, wire + 4) for ts, captured, wire, _ in self.rows]
        self.assertEqual(tshark_listed(self.paths["erf"]), wanted)

    @need("capinfos")
    def test_capinfos_knows_the_format(self):
        for name, kind in (("pcap", "nanosecond"), ("pcapng", "pcapng"), ("erf", "Endace ERF")):
            text = run("capinfos", "-t", "-c", "-E", self.paths[name])
            self.assertIn(kind, text)
            self.assertRegex(text.replace("3000", "3"), r"Number of packets: +3( k)?\b")
        self.assertIn("homard-traffic", run("capinfos", self.paths["pcapng"]))

    @need("traceconvert")
    def test_libtrace_converts_erf_to_pcap(self):
        out = self.folder / "libtrace.pcap"
        traceconvert("erf:%s" % self.paths["erf"], "pcapfile", out)
        # which has microseconds
        self.assertEqual([(ts // 1000, *row) for ts, *row in listed(out)],
                         [(ts // 1000, *row) for ts, *row in self.rows])


class Reader(Folder):
    """What others wrote, read by homard."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.source = cls.traffic("source.pcap", packets=3000, flows=100, snaplen=150, rate=777)[0]
        cls.rows = listed(cls.source)

    def check(self, path, unit=1, fcs=0):
        self.assertEqual([(ts // unit, *row) for ts, *row in listed(path)],
                         [(ts // unit, captured, wire - fcs, digest)
                          for ts, captured, wire, digest in self.rows])

    @need("editcap")
    def test_formats_of_editcap(self):
        for name, unit in (("pcap", 1000), ("nsecpcap", 1), ("pcapng", 1)):
            out = self.folder / ("editcap." + name)
            run("editcap", "-F", name, self.source, out)
            self.check(out, unit)

    @need("mergecap")
    def test_mergecap_with_several_interfaces(self):
        other = self.traffic("other.pcapng", packets=500, flows=10, seed=9, rate=100)[0]
        out = self.folder / "merged.pcapng"
        run("mergecap", "-w", out, self.source, other)
        self.assertEqual(sorted(listed(out)), sorted(self.rows + listed(other)))

    @need("traceconvert")
    def test_formats_of_libtrace(self):
        for uri, unit in (("erf", 1), ("pcapfile", 1000)):
            out = self.folder / ("libtrace." + uri)
            traceconvert("pcapfile:%s" % self.source, uri, out)
            # libtrace pads records, so padding behind a cut packet looks captured
            self.assertEqual([(ts // unit, wire) for ts, _, wire, _ in listed(out)],
                             [(ts // unit, wire) for ts, _, wire, _ in self.rows])

    def test_scapy_pcap_in_both_orders(self):
        from scapy.utils import RawPcapWriter
        for order in "<>":
            for nano in (False, True):
                out = self.folder / "scapy.pcap"
                writer = RawPcapWriter(str(out), linktype=1, endianness=order, nano=nano)
                writer.write_header(None)
                unit = 1 if nano else 1000
                rows = []
                for i in range(50):
                    data = bytes([i]) * (i * 31 % 400 + 1)
                    writer.write_packet(data, sec=1700000000 + i, usec=i * 19937, caplen=len(data),
                                        wirelen=len(data) + i)
                    rows.append(((1700000000 + i) * 10 ** 9 + i * 19937 * unit, len(data), len(data) + i))
                writer.close()
                self.assertEqual([row[:3] for row in listed(out)], rows)

    def test_scapy_pcapng(self):
        try:
            from scapy.utils import RawPcapNgWriter
        except ImportError:
            self.skipTest("this scapy writes no pcapng")
        out = self.folder / "scapy.pcapng"
        writer = RawPcapNgWriter(str(out))
        writer.linktype = 1
        writer.write_header(None)
        for i in range(50):
            writer.write_packet(bytes([i]) * (i + 1), sec=1700000000 + i)
        writer.close()
        self.assertEqual([row[:2] for row in listed(out)],
                         [((1700000000 + i) * 10 ** 9, i + 1) for i in range(50)])


class Generator(Folder):
    """The generator's truth against tshark's counts, and what tshark thinks of the packets."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.path, cls.truth = cls.traffic("truth.pcap", packets=12000, flows=200, seed=5, plant=PLANT,
                                          plant_every=7, ipv6=35, vlan=25, mpls=15, fragments=10)

    def count(self, display_filter, *options):
        return len(tshark_lines(self.path, "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE",
                                *options, "-Y", display_filter, "-T", "fields", "-e", "frame.number"))

    @need("tshark")
    def test_truth_is_what_tshark_counts(self):
        filters = {
            "packets": "frame",
            "ipv4": "ip",
            "ipv6": "ipv6",
            "tcp": "ip.proto == 6 || ipv6.nxt == 6 || ipv6.fraghdr.nxt == 6",
            "udp": "ip.proto == 17 || ipv6.nxt == 17 || ipv6.fraghdr.nxt == 17",
            "icmp": "ip.proto == 1 || ipv6.nxt == 58 || ipv6.fraghdr.nxt == 58",
            "arp": "arp",
            "vlan": "vlan || ieee8021ad",
            "mpls": "mpls",
            "fragments": "ip.flags.mf == 1 || ip.frag_offset > 0 || ipv6.fraghdr",
            "planted": 'frame contains "%s"' % PLANT,
        }
        for name, display_filter in filters.items():
            self.assertEqual(self.count(display_filter), self.truth[name], name)
            self.assertGreater(self.truth[name], 0, name)

    def test_bytes_are_the_wire_lengths(self):
        self.assertEqual(sum(row[2] for row in listed(self.path)), self.truth["bytes"])

    @need("tshark")
    def test_tshark_finds_nothing_wrong(self):
        checks = [word for name in ("ip", "tcp", "udp") for word in ("-o", name + ".check_checksum:TRUE")]
        wrong = ("_ws.malformed || _ws.short || ip.checksum.status == 0 || tcp.checksum.status == 0 || "
                 "udp.checksum.status == 0 || icmp.checksum.status == 0 || icmpv6.checksum.status == 0 || "
                 "tcp.analysis.retransmission || tcp.analysis.lost_segment || tcp.analysis.out_of_order || "
                 "tcp.analysis.ack_lost_segment || tcp.analysis.duplicate_ack || "
                 "ip.fragment.error || ip.fragment.overlap || ipv6.fragment.overlap || "
                 "_ws.expert.severity == error")
        for seed in (5, 6):
            path = self.traffic("seed.pcapng", packets=20000, flows=700, seed=seed, vlan=30, mpls=10,
                                ipv6=40, fragments=5)[0]
            self.assertEqual(tshark_lines(path, *checks, "-Y", wrong), [])

    @need("tshark")
    def test_tshark_knows_the_applications(self):
        text = run("tshark", "-n", "-r", self.path, "-q", "-z", "io,phs")
        for protocol in ("http", "tls", "dns", "quic", "ntp", "icmpv6"):
            self.assertRegex(text, r"\b%s +frames:" % protocol)

    @need("tshark")
    def test_tshark_checks_checksums_at_all(self):
        """The test above can fail: one bit changed in every packet is noticed."""
        raw = bytearray(self.path.read_bytes())
        at = 24
        while at < len(raw):
            caplen = int.from_bytes(raw[at + 8:at + 12], "little")
            raw[at + 16 + caplen - 1] ^= 1
            at += 16 + caplen
        broken = self.folder / "broken.pcap"
        broken.write_bytes(raw)
        bad = tshark_lines(broken, "-o", "tcp.check_checksum:TRUE", "-Y", "tcp.checksum.status == 0")
        self.assertGreater(len(bad), 2000)

    def test_same_seed_makes_the_same_file(self):
        def digest(name, seed):
            path = self.traffic(name, packets=5000, seed=seed)[0]
            return hashlib.sha256(path.read_bytes()).hexdigest()
        self.assertEqual(digest("a.erf", 3), digest("b.erf", 3))
        self.assertNotEqual(digest("a.erf", 3), digest("b.erf", 4))


class Program(Folder):
    """homard-traffic's manners."""

    def call(self, *arguments, **more):
        return subprocess.run([TRAFFIC, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False, timeout=60, **more)

    def test_help_names_every_option(self):
        done = self.call("--help")
        self.assertEqual(done.returncode, 0)
        for option in b"out format packets flows seed rate start snaplen plant plant-every ipv6 udp vlan " \
                      b"mpls fragments json help".split():
            self.assertIn(b"--" + option, done.stdout)

    def test_wrong_usage_is_exit_status_2(self):
        out = str(self.folder / "x.pcap")
        for arguments, text in (
                ([], b"--out"), (["--out", "x.foo"], b".pcapng"), (["--out", out, "--vlan", "101"], b"0..100"),
                (["--out", out, "--packets", "-1"], b"--packets"), (["--out", out, "--flows", "0"], b"1..16777216"),
                (["--out", out, "--rate", "1e6"], b"--rate"), (["--out", out, "--plant", ""], b"1..1024"),
                (["--out", out, "--format", "snoop"], b"snoop"), (["--out", out, "--nonsense"], b"nonsense"),
                (["--out", out, "extra"], b"extra")):
            done = self.call(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(text, done.stderr)
            self.assertFalse((self.folder / "x.pcap").exists())

    def test_failing_to_write_is_exit_status_1(self):
        done = self.call("--out", "/nonexistent/x.pcap")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"/nonexistent/x.pcap", done.stderr)
        done = self.call("--out", "/dev/full", "--format", "erf")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"No space left", done.stderr)

    def test_standard_output_is_the_trace_alone(self):
        done = self.call("--out", "-", "--format", "pcapng", "--packets", "100", "--json")
        path = self.folder / "stdout.pcapng"
        path.write_bytes(done.stdout)
        self.assertEqual(len(listed(path)), 100)
        self.assertEqual(json.loads(done.stderr)["packets"], 100)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    TRAFFIC, TRACE_LIST = sys.argv[1:3]
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
