#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Behind DEFRAG functions see of a trace of fragments what they see of the trace of whole datagrams: any number of
queues and workers, any burst. What comes out is what went in before it was cut, and what tshark makes of the fragments.
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

PLANT = b"lobster-thermidor"
SEED = 20060515
BEHIND = {
    "all": [["PKT_COUNTER"], ["BYTE_COUNTER"], ["GAP"]],
    "string": [["STR_SEARCH", PLANT.decode(), 0, 0], ["PKT_COUNTER"], ["BYTE_COUNTER"]],
    "ports": [["BPF_FILTER", "udp dst port 53 or tcp src port 999"], ["PKT_COUNTER"], ["BYTE_COUNTER"]],
    "copies": [["ROT13"], ["STR_SEARCH", "ybofgre-gurezvqbe", 0, 0], ["BYTE_COUNTER"]],
    "top": [["TOP", 5, "TOPX_UDP", "TOPX_UDP_SRCPORT"]],
    "records": [["FLOW_REPORT", "IPFIX", "127.0.0.1:9"]],
}


def write_pcap(path, packets):
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        for ns, frame in packets:
            out.write(struct.pack("<IIII", *divmod(ns, 10**9), len(frame), len(frame)) + frame)


def read_pcap(path):
    raw, at, packets = path.read_bytes(), 24, []
    while at < len(raw):
        seconds, ns, caplen, wirelen = struct.unpack_from("<IIII", raw, at)
        packets.append((seconds * 10**9 + ns, wirelen, raw[at + 16:at + 16 + caplen]))
        at += 16 + caplen
    return packets


def make(chance, n=1500):
    """[(ns, frame)] of fragments and of whole datagrams, and what is to be counted. Fragments of a datagram are among
    those of others; some come twice; some datagrams lack one. Later identifications are not those of earlier ones."""
    sent = []  # place, datagram's number, frame
    packets, counts = [], {"passed": 0, "joined": 0, "datagrams": 0, "duplicate": 0, "unfinished": 0}
    for i in range(n):
        size = chance.choice([20, 300, 1400, 3000, 9000] + [60000] * (i % 100 == 0))
        data = bytearray(chance.randbytes(size))
        make_one = chance.choice([fragments.udp, fragments.tcp])
        ports = (chance.choice([999, 1234, 5000]), chance.choice([53, 80]))
        step = chance.choice([512, 1480])
        if size > step and i % 3 == 0:  # neither of two fragments has it
            at = step - (8 if make_one is fragments.udp else 20) - chance.randrange(1, len(PLANT))
            data[at:at + len(PLANT)] = PLANT
        packet = make_one(chance.choice([4, 6]), i, bytes(data), ports, host=1 + i % 7)
        packets.append(packet)
        if len(packet.payload) <= step:
            sent.append((10 * i, i, packet.whole()))
            counts["passed"] += 1
            continue
        pieces = packet.fragments(range(0, len(packet.payload), step))
        pieces = [(10 * i + place, i, frame) for place, frame in zip(chance.sample(range(200), len(pieces)), pieces)]
        if i % 11 == 0:
            del pieces[chance.randrange(len(pieces))]
            packets[-1] = None
            counts["unfinished"] += len(pieces)
        else:
            counts["joined"] += len(pieces)
            counts["datagrams"] += 1
        if i % 5 == 0:  # the first that comes: the datagram is not whole then
            place, _, frame = min(pieces)
            pieces.append((place + 0.5, i, frame))
            counts["duplicate"] += 1
        sent += pieces
    sent.sort(key=lambda piece: piece[0])
    last = {number: at for at, (_, number, _) in enumerate(sent)}
    times = [10**18 + at * 7000 for at in range(len(sent))]
    wholes = [(times[at], packets[number].whole()) for at, (_, number, _) in enumerate(sent)
              if last[number] == at and packets[number]]
    return list(zip(times, (frame for _, _, frame in sent))), wholes, counts


class Defrag(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.cut, cls.whole, cls.counts = make(random.Random(SEED))
        write_pcap(cls.folder / "cut.pcap", cls.cut)
        write_pcap(cls.folder / "whole.pcap", cls.whole)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def results(self, trace, before, queues=1, workers=1, burst=64):
        """{(flow, function behind `before`): result}, and what DEFRAG says."""
        device = {"name": "trace", "trace": str(self.folder / trace), "pace": "max", "queues": queues, "burst": burst}
        flows = [{"name": name, "device": "trace", "functions": before + functions}
                 for name, functions in BEHIND.items()]
        values = {}
        with Homard({"devices": [device], "flows": flows}, workers=workers) as h:
            for name, functions in BEHIND.items():
                h.wait_finished(name)
                for i, (function, *_) in enumerate(functions):
                    if function in ("BPF_FILTER", "STR_SEARCH", "ROT13"):  # have no result
                        continue
                    value = h.read(name, len(before) + i + 1)
                    if function == "FLOW_REPORT":
                        value = {key: value[key] for key in ("packets", "bytes", "records")}
                    values[name, i] = value
            h.assert_balanced()
            own = [h.read(name, 1) for name in BEHIND] if before else []
            lines = h.ledger()["held"]
            printed = homard.ctl(h, "ledger")
            h.stop()
        self.assertEqual(len(lines), len(own))
        self.assertEqual("to be put together" in printed, bool(own))
        for told in own:
            self.assertEqual(told, own[0])
        return values, own

    def test_functions_see_whole_datagrams(self):
        expected, _ = self.results("whole.pcap", [])
        self.assertGreater(expected["string", 1], 200)
        self.assertGreater(expected["records", 0]["records"], 20)
        blind, _ = self.results("cut.pcap", [])
        self.assertLess(blind["string", 1], expected["string", 1] / 4)
        first = None
        for queues, workers, burst in ((1, 1, 64), (1, 1, 7), (2, 2, 64), (4, 4, 64), (4, 4, 3), (4, 1, 64), (4, 2, 31)):
            with self.subTest(queues=queues, workers=workers, burst=burst):
                values, own = self.results("cut.pcap", [["DEFRAG"]], queues, workers, burst)
                self.assertEqual(values, expected)
                first = first or own[0]
                self.assertEqual(own[0], first)
        told = {**first, **first["dropped"]}
        self.assertEqual({key: told[key] for key in self.counts}, self.counts)
        self.assertEqual(told["held"], 0)
        self.assertEqual(first["ledger"]["in"], len(self.cut))

    def test_small_tables_give_the_same_with_any_number_of_workers(self):
        before = [["DEFRAG", {"datagrams": 5, "timeout_ms": 1, "memory_kib": 256}]]
        expected, own = self.results("cut.pcap", before)
        self.assertGreater(own[0]["dropped"]["evicted"], 100)
        self.assertGreater(own[0]["datagrams"], 10)
        for queues, workers, burst in ((2, 2, 64), (4, 4, 7)):
            with self.subTest(queues=queues, workers=workers):
                self.assertEqual(self.results("cut.pcap", before, queues, workers, burst), (expected, own))

    def test_books_balance_while_packets_run_and_flows_go(self):
        device = {"name": "trace", "trace": str(self.folder / "cut.pcap"), "pace": "max", "loop": 0, "queues": 2}
        with Homard({"devices": [device]}, workers=2) as h:
            steady = h.flow("trace", ["DEFRAG"], ["PKT_COUNTER"])
            h.call("device.start", device="trace")
            seen = set()
            for _ in range(30):
                other = h.flow("trace", ["DEFRAG", {"datagrams": 9}], ["BYTE_COUNTER"])
                h.assert_balanced()
                seen |= {line["held"] > 0 for line in h.ledger()["held"]}
                h.call("flow.close", flow=other)
            self.assertIn(True, seen)
            homard.until(lambda: len(h.ledger()["held"]) == 1, what="flows to be gone")
            self.assertGreater(h.read(steady, 1)["datagrams"], 0)
            h.assert_balanced()

    def written(self):
        """The packets behind DEFRAG, in a file."""
        device = {"name": "trace", "trace": str(self.folder / "cut.pcap"), "pace": "max", "queues": 3,
                  "snaplen": 65535}
        with Homard({"devices": [device], "capture": {"dir": str(self.folder)}}, workers=2) as h:
            flow = h.flow("trace", ["DEFRAG"], ["TO_FILE", "PCAP_NS", "out.pcap", 0])
            h.call("device.start", device="trace")
            h.wait_finished(flow)
            homard.until(lambda: h.read(flow, 2)["queued"] == 0, what="all to be written")
            h.assert_balanced()
            h.call("flow.close", flow=flow)
            homard.until(lambda: not h.ledger()["files"], what="the file to be closed")
        return self.folder / "out.pcap"

    def payloads(self, path):
        """By tshark: of UDP and TCP, in its order."""
        done = subprocess.run(
            ["tshark", "-n", "-r", path, "-o", "ip.defragment:TRUE", "-o", "ipv6.defragment:TRUE", "-o",
             "tcp.desegment_tcp_streams:FALSE", "-o", "tcp.reassemble_out_of_order:FALSE", "-T", "fields", "-e",
             "frame.time_epoch", "-e", "udp.payload", "-e", "tcp.payload"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, timeout=homard.SLOW,
            encoding="ascii")
        lines = [line.split("\t") for line in done.stdout.splitlines()]
        return [line for line in lines if line[1] or line[2]]

    def test_what_comes_out_is_what_was_cut(self):
        packets = read_pcap(self.written())
        self.assertEqual(len(packets), len(self.whole))
        for got, (ns, frame) in zip(packets, self.whole):
            self.assertEqual((got[0], got[1]), (ns, len(frame)))
            self.assertTrue(got[2] == frame)

    @unittest.skipUnless(shutil.which("tshark"), "needs tshark")
    def test_tshark_puts_the_same_together(self):
        ours, theirs = self.payloads(self.written()), self.payloads(self.folder / "cut.pcap")
        self.assertEqual(len(ours), len(self.whole))
        self.assertTrue(ours == theirs)


if __name__ == "__main__":
    homard.main()
