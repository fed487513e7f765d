#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What comes out behind COOKING is what the ends of each connection said, byte by byte, however their segments were cut,
mixed, doubled and overlapped, and however many queues, workers and packets a burst there are; tshark puts the same
together. Behind it searches find what lies across packets.
"""
import pathlib
import random
import shutil
import struct
import subprocess
import tempfile
import unittest

import fragments
import homard
from homard import Homard
from test_defrag import read_pcap, write_pcap

PLANT = b"lobster-thermidor"
SEED = 20060515
FIN, SYN, RST, ACK = 1, 2, 4, 16


class Connection:
    """Two ends; `said` is what each says, `sent` its frames with the time at which each is sent."""

    def __init__(self, chance, number, sizes):
        self.version = chance.choice([4, 6])
        self.ports = (1024 + number, chance.choice([21, 80, 6667]))
        self.host = 1 + number % 200
        self.said = [chance.randbytes(size) for size in sizes]
        # so that most sequence numbers wrap
        self.first = [(2**32 - chance.randrange(1, size + 2)) % 2**32 for size in sizes]
        self.sent = []
        self.ident = number << 8

    def frame(self, end, at, data=b"", flags=ACK, window=65535, acked=0):
        """Of this end, from byte `at` of what it says on; it has `acked` bytes of the other one."""
        self.ident += 1
        ports, hosts = (self.ports, (self.host, 0xffff)) if end == 0 else (self.ports[::-1], (0xffff, self.host))
        width = 4 if self.version == 4 else 16
        source, destination = (b"\x0a".ljust(width - 2, b"\0") + struct.pack("!H", h) for h in hosts)
        sequence = (self.first[end] + 1 + at - bool(flags & SYN)) % 2**32
        other = (self.first[1 - end] + 1 + acked) % 2**32
        options = b"\1\3\3\5" if flags & SYN else b""  # windows are 32 times as large
        header = struct.pack("!HHIIBBHHH", *ports, sequence, other, 0x50 + len(options) * 4, flags, window, 0, 0) + options
        return fragments.Datagram(self.version, 6, source, destination, self.ident, header + data).whole()

    def begin(self, ns):
        self.sent += [(ns, self.frame(0, 0, flags=SYN)), (ns + 1, self.frame(1, 0, flags=SYN | ACK)), (ns + 2, self.frame(0, 0))]

    def segments(self, chance, end, most=1460):
        """[(at, n)] that cover all that the end says."""
        cuts, at = [], 0
        while at < len(self.said[end]):
            n = min(chance.choice([1, 40, 512, most, most]), len(self.said[end]) - at)
            cuts.append((at, n))
            at += n
        return cuts

    def say(self, chance, end, ns, disorder=0, doubled=0.0, overlapped=0.0):
        places = []
        for number, (at, n) in enumerate(self.segments(chance, end)):
            places.append((number + chance.uniform(0, disorder), at, n))
            if chance.random() < doubled:
                places.append((number + chance.uniform(0, disorder + 3), at, n))
            if chance.random() < overlapped:
                back = chance.randrange(0, 900)
                places.append((number + chance.uniform(0, disorder), max(0, at - back), n + min(back, at)))
        for place, at, n in sorted(places):
            self.sent.append((ns + int(place * 1000), self.frame(end, at, self.said[end][at:at + n])))

    def finish(self, ns):
        for end in (0, 1):
            self.sent.append((ns + end, self.frame(end, len(self.said[end]), flags=FIN | ACK)))

    def key(self, end):
        return (self.version, self.host, *(self.ports if end == 0 else self.ports[::-1]))


def make(chance, n=60):
    connections = []
    for number in range(n):
        sizes = [chance.choice([0, 1, 700, 33000, 100000]), chance.choice([0, 300, 32768, 70000, 300000 if number % 10 == 0 else 5])]
        c = Connection(chance, number, sizes)
        c.begin(number * 5000)
        for end in (0, 1):
            if len(c.said[end]) > 5000:  # neither of two segments has it
                data = bytearray(c.said[end])
                data[1400:1400 + len(PLANT)] = PLANT
                c.said[end] = bytes(data)
            c.say(chance, end, 10000 + number * 5000, disorder=chance.choice([0, 0, 5, 20]),
                  doubled=chance.choice([0, 0.1]), overlapped=chance.choice([0, 0.1]))
        if number % 4:
            c.finish(max(ns for ns, _ in c.sent) + 1000)
        connections.append(c)
    return connections


def trace_of(connections, extra=()):
    frames = sorted([piece for c in connections for piece in c.sent] + list(extra), key=lambda piece: piece[0])
    return [(10**18 + at * 1000, frame) for at, (_, frame) in enumerate(frames)]


def streams_of(packets):
    """{key: [(sequence, data, flags)]} of TCP frames."""
    found = {}
    for _, wirelen, frame in packets:
        four = frame[12:14] == b"\x08\x00"
        ip, header = 14, 20 if four else 40
        source, destination = ((frame[26:30], frame[30:34]) if four else (frame[22:38], frame[38:54]))
        proto = frame[23] if four else frame[20]
        if proto != 6:
            continue
        tcp = ip + header
        ports = struct.unpack_from("!HH", frame, tcp)
        sequence, = struct.unpack_from("!I", frame, tcp + 4)
        host = min(struct.unpack("!H", a[-2:])[0] for a in (source, destination))
        length = struct.unpack_from("!H", frame, 16)[0] if four else 40 + struct.unpack_from("!H", frame, 18)[0]
        assert length == wirelen - 14 == len(frame) - 14, (length, wirelen, len(frame))
        found.setdefault((4 if four else 6, host, *ports), []).append((sequence, frame[tcp + (frame[tcp + 12] >> 4) * 4:], frame[tcp + 13]))
    return found


class Cook:
    """A folder for traces, and COOKING over them."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.written = 0  # files

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def cook(self, args=(), trace="in.pcap", queues=1, workers=1, burst=64):
        """The packets behind COOKING, and what it says."""
        device = {"name": "trace", "trace": str(self.folder / trace), "pace": "max", "queues": queues, "burst": burst,
                  "snaplen": 65535}
        config = {"devices": [device], "capture": {"dir": str(self.folder)}}
        type(self).written += 1
        self.out = self.folder / f"out{self.written}.pcap"
        with Homard(config, workers=workers) as h:
            flow = h.flow("trace", ["COOKING", *args], ["TO_FILE", "PCAP_NS", self.out.name, 0])
            h.call("device.start", device="trace")
            h.wait_finished(flow)
            homard.until(lambda: h.read(flow, 2)["queued"] == 0, what="all to be written")
            h.assert_balanced()
            told = h.read(flow, 1)
            h.call("flow.close", flow=flow)
            homard.until(lambda: not h.ledger()["files"], what="the file to be closed")
        return read_pcap(self.out), told


class Cooking(Cook, unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        chance = random.Random(SEED)
        cls.connections = make(chance)
        cls.others = [(k * 977, fragments.udp(4, k, b"x" * (k % 900)).whole()) for k in range(300)]
        cls.trace = trace_of(cls.connections, cls.others)
        write_pcap(cls.folder / "in.pcap", cls.trace)

    def assert_said(self, packets, connections, sides=(0, 1)):
        found = streams_of(packets)
        for c in connections:
            for end in (0, 1):
                chunks = found.pop(c.key(end), [])
                said = c.said[end] if end in sides else b""
                self.assertEqual(b"".join(data for _, data, _ in chunks) == said, True, (c.key(end), len(said)))
                at = (c.first[end] + 1) % 2**32
                for sequence, data, _ in chunks:
                    self.assertEqual(sequence, at)
                    at = (at + len(data)) % 2**32
        self.assertEqual(found, {})

    def test_all_that_was_said_comes_out(self):
        first = None
        for queues, workers, burst in ((1, 1, 64), (1, 1, 7), (2, 2, 64), (4, 4, 64), (4, 4, 3), (4, 2, 31)):
            with self.subTest(queues=queues, workers=workers, burst=burst):
                packets, told = self.cook(queues=queues, workers=workers, burst=burst)
                if first is None:
                    first = packets, told
                    self.assert_said(packets, self.connections)
                    self.assertEqual(told["bytes"], sum(len(said) for c in self.connections for said in c.said))
                    self.assertEqual((told["streams"], told["gaps"], told["held"]), (len(self.connections), 0, 0))
                    self.assertEqual(told["passed"], len(self.others))
                    self.assertEqual(told["segments"], len(self.trace) - len(self.others))
                    self.assertGreater(min(told["reordered"], told["repeated"]), 100)
                    self.assertEqual([packet[2] for packet in packets if len(packet[2]) < 1000 and packet[2][23] == 17],
                                     [frame for _, frame in sorted(self.others)])
                self.assertEqual(packets == first[0], True)
                self.assertEqual(told, first[1])

    def share(self, args, trace, queues, workers, burst):
        """What a capture of a flow that nothing ordered follows has of each connection, and what COOKING says."""
        device = {"name": "trace", "trace": str(self.folder / trace), "pace": "max", "queues": queues, "burst": burst,
                  "snaplen": 65535}
        out = self.folder / "share.pcap"
        with Homard({"devices": [device]}, workers=workers) as h:
            h.flow("trace", ["COOKING", *args], ["STR_SEARCH", PLANT.decode(), 0, 0], ["PKT_COUNTER"], name="found")
            h.flow("trace", ["COOKING", *args], ["BYTE_COUNTER"], name="all")
            with homard.popen([str(homard.HOMARDCTL), "--socket", h.socket_path, "capture", "all", "-w", str(out),
                               "--format", "pcap"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
                homard.until(lambda: [f["status"] for f in h.call("flow.list")] == ["active"] * 3, what="capture to begin")
                h.call("device.start", device="trace")
                words = process.communicate(timeout=homard.SLOW)[1].decode()
            self.assertIn(" 0 dropped", words)
            h.assert_balanced()
            order = h.call("flow.info", flow="all").get("ordered")
            if workers > 1:
                self.assertEqual((len(order["lcores"]), order["queued"], order["late"]), (workers, 0, 0))
            told = h.read("all", 1), h.read("all", 2), h.read("found", 3)
        packets = read_pcap(out)
        others = sorted(packet[2] for packet in packets if len(packet[2]) < 1000 and packet[2][23] == 17)
        return streams_of(packets), others, told

    def assert_shared(self, *args, trace="in.pcap"):
        """However many workers share the connections: what COOKING says."""
        first = self.share(args, trace, 1, 1, 64)
        for queues, workers, burst in ((2, 2, 64), (4, 4, 64), (4, 3, 5), (4, 2, 1)):
            with self.subTest(queues=queues, workers=workers, burst=burst):
                result = self.share(args, trace, queues, workers, burst)
                self.assertEqual(result[2], first[2])
                self.assertEqual(result == first, True)
        return first[2]

    def test_workers_that_share_the_connections_say_the_same(self):
        told, _, found = self.assert_shared()
        self.assertEqual(told["bytes"], sum(len(said) for c in self.connections for said in c.said))
        self.assertGreater(found, 20)

    def test_parts_evict_and_time_out_by_themselves(self):
        small = {"connections": 1024, "memory_kib": 4096, "midstream": 1}
        told, _, _ = self.assert_shared(60000, -1, 1, 3, small)
        self.assertGreater(told["evicted"], 0)
        write_pcap(self.folder / "slow.pcap", [(10**18 + at * 10**7, frame) for at, (_, frame) in enumerate(self.trace)])
        told, _, _ = self.assert_shared(-1, 1, 1, 3, {"midstream": 1}, trace="slow.pcap")
        self.assertGreater(told["timeouts"], 5)

    def test_what_is_ordered_behind_has_all_on_one_worker(self):
        device = {"name": "trace", "trace": str(self.folder / "in.pcap"), "pace": "max", "queues": 4}
        with Homard({"devices": [device]}, workers=2) as h:
            shared = h.flow("trace", ["COOKING"], ["PKT_COUNTER"], name="shared")
            whole = h.flow("trace", ["COOKING"], ["PKT_COUNTER"], ["GAP"], name="whole")
            small = h.flow("trace", ["COOKING", -1, -1, 1, 3, {"connections": 16}])
            rotated = h.flow("trace", ["ROT13"], ["COOKING"])
            self.assertEqual([len(h.call("flow.info", flow=flow)["ordered"]["lcores"])
                              for flow in (shared, whole, small, rotated)], [2, 1, 1, 1])
            with self.assertRaisesRegex(homard.RpcError, "counts there on 2 workers, whose packets have no order in common"):
                h.flow("trace", ["BINOP", 1, "shared", 2, "whole", 2])
            h.call("device.start", device="trace")
            for flow in (shared, whole, small, rotated):
                h.wait_finished(flow)
            self.assertEqual(h.read(shared, 2), h.read(whole, 2))
            self.assertEqual(h.read(shared, 1), h.read(whole, 1))
            h.assert_balanced()

    def test_checksums_and_lengths_are_right(self):
        self.cook()
        done = subprocess.run(
            ["tshark", "-n", "-r", self.out, "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE",
             "-o", "tcp.desegment_tcp_streams:FALSE", "-T", "fields", "-e", "ip.checksum.status", "-e", "tcp.checksum.status",
             "-e", "tcp.analysis.lost_segment", "-Y", "tcp"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, timeout=homard.SLOW,
            encoding="ascii")
        lines = [line.split("\t") for line in done.stdout.splitlines()]
        self.assertGreater(len(lines), 100)
        self.assertEqual({line[0] for line in lines}, {"1", ""})
        self.assertEqual({line[1] for line in lines}, {"1"})

    def test_one_side_and_the_first_chunk(self):
        for collect, end in ((1, 0), ("SERVER_SIDE", 1)):
            packets, told = self.cook([-1, -1, 1, collect])
            self.assert_said(packets, self.connections, sides=[end])
            self.assertGreater(told["dropped"]["not_wanted"], 100)
        packets, told = self.cook([100])  # many more than came in
        self.assert_said(packets, self.connections)
        packets, told = self.cook([1000, -1, 0])
        for key, chunks in streams_of(packets).items():
            c = next(c for c in self.connections if key in (c.key(0), c.key(1)))
            said = c.said[key == c.key(1)]
            self.assertEqual([data for _, data, _ in chunks], [said[:1000]])

    def test_tiny_memory_loses_no_byte_that_it_takes(self):
        """Whatever has to go early goes on; what is said twice or comes too late does not."""
        packets, told = self.cook([-1, -1, 1, 3, {"connections": 16, "memory_kib": 256, "midstream": 1}])
        self.assertGreater(told["evicted"], 20)
        self.assertLessEqual(told["memory"], 256 * 1024)
        self.assertEqual(sum(len(data) for chunks in streams_of(packets).values() for _, data, _ in chunks), told["bytes"])
        for queues, workers, burst in ((4, 4, 7),):
            again = self.cook([-1, -1, 1, 3, {"connections": 16, "memory_kib": 256, "midstream": 1}], queues=queues,
                              workers=workers, burst=burst)
            self.assertEqual(again == (packets, told), True)

    def test_lost_segments_are_gaps(self):
        chance = random.Random(SEED + 1)
        connections = make(chance, 20)
        trace = trace_of(connections)
        kept = [piece for k, piece in enumerate(trace) if k % 17 or len(piece[1]) < 100]
        write_pcap(self.folder / "lost.pcap", kept)
        packets, told = self.cook(trace="lost.pcap")
        self.assertGreater(told["gaps"], 10)
        missing = 0
        for key, chunks in streams_of(packets).items():
            c = next(c for c in connections if key in (c.key(0), c.key(1)))
            end = int(key == c.key(1))
            at = 0
            for sequence, data, _ in chunks:
                place = (sequence - c.first[end] - 1) % 2**32
                self.assertGreaterEqual(place, at)
                missing += place - at
                self.assertEqual(c.said[end][place:place + len(data)] == data, True)
                at = place + len(data)
        self.assertEqual(missing, told["missing"])

    def test_thousand_segments_backwards(self):
        c = Connection(random.Random(1), 1, [1_000_000, 0])
        c.begin(0)
        at = list(range(1000, 1_000_000, 1000))
        c.sent += [(4, c.frame(1, 0)), (5, c.frame(0, 0, c.said[0][:1]))]
        for k, place in enumerate(reversed(at)):
            c.sent.append((10 + k, c.frame(0, place, c.said[0][place:place + 1000])))
        c.sent.append((5000, c.frame(0, 1, c.said[0][1:1000])))
        c.finish(6000)
        write_pcap(self.folder / "back.pcap", trace_of([c]))
        packets, told = self.cook([-1, -1, 1, 3, {"window_kib": 1024, "connections": 16, "memory_kib": 4096}], trace="back.pcap")
        self.assert_said(packets, [c])
        self.assertEqual((told["gaps"], told["reordered"]), (0, 999))

    def test_searches_find_what_spans_packets(self):
        planted = sum(len(said) > 5000 for c in self.connections for said in c.said)
        device = {"name": "trace", "trace": str(self.folder / "in.pcap"), "pace": "max"}
        with Homard({"devices": [device]}) as h:
            behind = h.flow("trace", ["COOKING"], ["STR_SEARCH", PLANT.decode(), 0, 0], ["PKT_COUNTER"])
            regexp = h.flow("trace", ["COOKING"], ["REGEXP", "lobster-[a-z]+r"], ["PKT_COUNTER"])
            h.call("device.start", device="trace")
            h.wait_finished(behind)
            h.wait_finished(regexp)
            self.assertEqual((h.read(behind, 3), h.read(regexp, 3)), (planted, planted))
            h.assert_balanced()

    def test_searches_find_what_is_split_at_any_point(self):
        """A connection for each point and family; and one where each byte is a segment. No packet has it whole."""
        connections = []
        for version in (4, 6):
            for point in (*range(1, len(PLANT)), None):
                c = Connection(random.Random(point), len(connections), [0, 0])
                c.version, c.said[0] = version, b"GET /" + PLANT + b" HTTP/1.1"
                c.begin(len(connections) * 100)
                cuts = [0, 5 + point, len(c.said[0])] if point else range(len(c.said[0]) + 1)
                for at, end in zip(cuts, cuts[1:]):
                    c.sent.append((c.sent[-1][0] + 1, c.frame(0, at, c.said[0][at:end])))
                c.finish(c.sent[-1][0] + 1)
                connections.append(c)
        write_pcap(self.folder / "split.pcap", trace_of(connections))
        searches = (["STR_SEARCH", PLANT.decode(), 0, 0], ["REGEXP", "lobster-[a-z]+midor"])
        device = {"name": "trace", "trace": str(self.folder / "split.pcap"), "pace": "max"}
        for family in ("ip", "ip6"):
            with Homard({"devices": [device]}) as h:
                behind = [h.flow("trace", ["BPF_FILTER", family], ["COOKING"], search, ["PKT_COUNTER"]) for search in searches]
                without = [h.flow("trace", ["BPF_FILTER", family], search, ["PKT_COUNTER"]) for search in searches]
                h.call("device.start", device="trace")
                for flow in behind + without:
                    h.wait_finished(flow)
                self.assertEqual([h.read(flow, 4) for flow in behind], [len(PLANT)] * 2)
                self.assertEqual([h.read(flow, 3) for flow in without], [0] * 2)

    def test_fragmented_segments_are_put_together(self):
        chance = random.Random(3)
        c = Connection(chance, 1, [20000, 3000])
        c.version = 4
        c.begin(0)
        for end in (0, 1):
            for k, (at, n) in enumerate(c.segments(chance, end)):
                frame = c.frame(end, at, c.said[end][at:at + n])
                datagram = fragments.Datagram(4, 6, frame[26:30], frame[30:34], c.ident, frame[34:])
                pieces = datagram.fragments(range(0, len(datagram.payload), 512))
                c.sent += [(1000 * end + 10 * k + 100, piece) for piece in pieces]
        c.finish(5000)
        write_pcap(self.folder / "cut.pcap", trace_of([c]))
        packets, told = self.cook(trace="cut.pcap")
        self.assert_said(packets, [c])
        self.assertGreater(told["ledger"]["joined"], told["segments"])

    def test_books_balance_while_packets_run_and_flows_go(self):
        device = {"name": "trace", "trace": str(self.folder / "in.pcap"), "pace": "max", "loop": 0, "queues": 2}
        with Homard({"devices": [device]}, workers=2) as h:
            steady = h.flow("trace", ["COOKING"], ["PKT_COUNTER"])
            h.call("device.start", device="trace")
            for _ in range(15):
                other = h.flow("trace", ["COOKING", 500], ["BYTE_COUNTER"])
                h.assert_balanced()
                h.call("flow.close", flow=other)
            homard.until(lambda: len(h.ledger()["held"]) == 1, what="flows to be gone")
            homard.until(lambda: h.read(steady, 1)["cooked"] > 0, what="cooked packets")
            h.assert_balanced()


if __name__ == "__main__":
    homard.main()
