#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Functions whose result depends on the order of packets give the same through any number of queues and workers.

The trace is one that makes order hard: many packets have the same time, and some are older than the ones before.
"""
import pathlib
import random
import shutil
import struct
import tempfile
import unittest

import homard
from homard import Homard

PLANT = "lobster-thermidor"
FLOWS = [
    ("all", [["PKT_COUNTER"], ["BYTE_COUNTER"]]),
    ("gap", [["GAP"]]),
    ("udp-gap", [["BPF_FILTER", "udp"], ["PKT_COUNTER"], ["GAP"]]),
    ("sample", [["SAMPLE", 7, 2], ["PKT_COUNTER"], ["BYTE_COUNTER"], ["GAP"]]),
    ("chance", [["BPF_FILTER", "tcp"], ["SAMPLE", 30, 3], ["PKT_COUNTER"], ["BYTE_COUNTER"]]),
    ("window", [["BPF_FILTER", "ip"], ["STARTSTOP", "+7.3ms", "60ms"], ["PKT_COUNTER"],
                ["BYTE_COUNTER"], ["GAP"]]),
    ("stats", [["GAP"], ["STATS", 0, 1, "1"], ["BYTE_COUNTER"], ["STATS", 0, 3, "1ms"]]),
    ("dist", [["BPF_FILTER", "ip6"], ["GAP"], ["DIST", 0, 2, "0", "1ms", "20us"]]),
    ("told", [["PKTINFO", "PKT_TS"], ["STATS", 0, 1, "0"], ["BPF_FILTER", "tcp"], ["PROTINFO", "tcp.seq"],
              ["STATS", 0, 4, "1"], ["HASH", 2], ["DIST", 0, 6, "0", "100000", "1000"]]),
    ("bucket", [["BYTE_COUNTER"], ["BUCKET", 0, 1, "300us", 1], ["BPF_FILTER", "tcp"],
                ["PKT_COUNTER"], ["BUCKET", 0, 4, "20ms"]]),
    ("threshold", [["GAP"], ["THRESHOLD", 2, 0, 1, 8, 100000], ["PKT_COUNTER"],
                   ["THRESHOLD", 130, 0, 3, 1, 300, 3000, 3], ["PKT_COUNTER"],
                   ["THRESHOLD", 2, 0, 5, 1, 99, 0, 0, 50], ["PKT_COUNTER"]]),
    ("burst", [["BURST", 100, 9000, 300, 96, 40000, 40000, 1000]]),
    ("filter-behind", [["SAMPLE", 3, 2], ["BPF_FILTER", "tcp"], ["PKT_COUNTER"], ["GAP"]]),
    ("string-behind", [["SAMPLE", 2, 2], ["STR_SEARCH", PLANT, 0, 0], ["BYTE_COUNTER"], ["GAP"]]),
    ("string-before", [["STR_SEARCH", PLANT, 0, 0], ["SAMPLE", 2, 2], ["BYTE_COUNTER"], ["GAP"]]),
    ("copies", [["BPF_FILTER", "udp"], ["ROT13"], ["PKT_COUNTER"], ["GAP"], ["SAMPLE", 5, 2],
                ["BYTE_COUNTER"]]),
    ("content", [["SAMPLE", 10, "HASH"], ["PKT_COUNTER"], ["BYTE_COUNTER"]]),
    ("hits", [["STR_SEARCH", PLANT, 0, 0], ["PKT_COUNTER"]]),
]
SEED = 20060515


def make_hard(source, target):
    """Times in steps of 50 us, and every 37th packet as old as the one 20 packets before."""
    raw, at, times = bytearray(source.read_bytes()), 24, []
    while at < len(raw):
        seconds, fraction, caplen = struct.unpack_from("<III", raw, at)
        now = (seconds * 10**9 + fraction) // 50000 * 50000
        times.append(now)
        if len(times) % 37 == 0:
            now = times[-20]
        struct.pack_into("<II", raw, at, *divmod(now, 10**9))
        at += 16 + caplen
    target.write_bytes(raw)


class Order(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.trace = cls.folder / "order.pcap"
        homard.make_trace(cls.folder / "plain.pcap", packets=10007, flows=400, seed=SEED,
                          plant=PLANT, plant_every=3)
        make_hard(cls.folder / "plain.pcap", cls.trace)
        cls.expected = cls.results(burst=64, queues=1, workers=1)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    @classmethod
    def results(cls, burst, queues, workers, loop=2, flows=None):
        """Every result of every flow; the books are looked at, too."""
        device = {"name": "trace", "trace": str(cls.trace), "pace": "max", "loop": loop,
                  "burst": burst, "queues": queues}
        flows = flows or FLOWS
        with Homard({"devices": [device],
                     "flows": [{"name": name, "device": "trace", "functions": functions}
                               for name, functions in flows]}, workers=workers) as h:
            values = {}
            for name, functions in flows:
                h.wait_finished(name)
                for number, function in enumerate(functions, 1):
                    try:
                        values[name, number, function[0]] = h.read(name, number)
                    except homard.RpcError as error:
                        if error.mapi_errno != 6146:
                            raise
            h.assert_balanced()
            ledger = h.ledger()
            if queues > 1:
                cls.check_order(ledger, values)
            values["entries"] = {
                (e["name"], e["function"]): (e["in"], e["out"]) for e in ledger["entries"]}
            h.stop()
        return values

    @staticmethod
    def check_order(ledger, values):
        """Every packet that was handed over has run."""
        lines = {line["name"]: line for line in ledger["order"]}
        for name, line in lines.items():
            assert line["offered"] == line["handed_over"] == line["run"], (name, line)
            assert line["queued"] == 0 and line["dropped"] == {"no_room": 0}, (name, line)
        assert lines.keys() == {n for n, _ in FLOWS if n not in ("all", "hits", "content")}, lines.keys()
        assert lines["gap"]["run"] == values["all", 1, "PKT_COUNTER"]

    def test_the_trace_is_hard(self):
        window, packets = self.expected["stats", 2, "STATS"], self.expected["all", 1, "PKT_COUNTER"]
        self.assertEqual(packets, 2 * 10007)
        self.assertEqual(window["min"], "0")
        self.assertGreater(self.expected["dist", 3, "DIST"]["data"][0], packets / 20)
        self.assertGreater(self.expected["window", 3, "PKT_COUNTER"], 1000)
        self.assertGreater(self.expected["string-behind", 3, "BYTE_COUNTER"], 0)

    def test_any_number_of_queues_and_workers_gives_the_same(self):
        for queues, workers in ((2, 2), (4, 4), (4, 1), (4, 2), (3, 2)):
            for burst in (64, 7):
                with self.subTest(queues=queues, workers=workers, burst=burst):
                    self.assertEqual(self.results(burst, queues, workers), self.expected)

    def test_single_packets_give_the_same(self):
        burst = random.Random(SEED).choice([1, 2, 3])
        self.assertEqual(self.results(burst, 4, 4), self.expected)


if __name__ == "__main__":
    homard.main()
