#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The same trace gives the same results, whatever the burst size and the number of workers."""
import json
import pathlib
import random
import shutil
import tempfile
import unittest

import homard
from homard import Homard

PLANT = "lobster-thermidor"
FLOWS = [
    ("all", [["PKT_COUNTER"], ["BYTE_COUNTER"]]),
    ("web", [["BPF_FILTER", "tcp port 80 or tcp port 443"], ["PKT_COUNTER"], ["BYTE_COUNTER"]]),
    ("six", [["BPF_FILTER", "ip6"], ["PKT_COUNTER"], ["BPF_FILTER", "udp"], ["PKT_COUNTER"]]),
    ("hits", [["STR_SEARCH", PLANT, 0, 0], ["PKT_COUNTER"], ["BYTE_COUNTER"]]),
    ("words", [["REGEXP", "lobster-[a-z]+"], ["PKT_COUNTER"]]),
    ("samples", [["HASHSAMP", 300, 1, {"samples": 65536}], ["PKT_COUNTER"], ["BYTE_COUNTER"]]),
    ("top", [["TOP", 50, "TOPX_IP", "TOPX_IP_SRCIP"], ["TOP", 1000, "TOPX_TCP", "TOPX_TCP_SEQ", 2],
             ["TOP", 20, "TOPX_UDP", "TOPX_UDP_DSTPORT", 1, 1]]),
    ("expired", [["EXPIRED_FLOWS", 65536, 0, 3, {"idle_s": 1}], ["PKT_COUNTER"]]),
    ("early", [["BYTE_COUNTER"], ["STR_SEARCH", PLANT, 40, 200], ["PKT_COUNTER"]]),
]
HAND_OUT = {"HASHSAMP", "EXPIRED_FLOWS"}
SEED = 20060515


def handed_out(h, flow, function):
    """All records that a function hands out, of the finished trace, in an order of their own."""
    records, value = [], {"end": False}
    while not value["end"]:
        value = h.call("flow.read", flow=flow, function=function, records=1000)["value"]
        assert value["records"] or value["end"], value
        records += value["records"]
    assert value["delivered"] == len(records) and value["dropped"] == 0, value
    if all("last_ns" not in r for r in records):
        times = [int(r["ts_ns"]) for r in records]
        assert times == sorted(times), "samples come in the order of time"
    return sorted(json.dumps(r, sort_keys=True) for r in records)


class Shapes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.trace = cls.folder / "shapes.pcap"
        # a number of packets that no burst size but 1 divides
        cls.truth = homard.make_trace(cls.trace, packets=10007, flows=400, seed=SEED, rate=2000, plant=PLANT,
                                      plant_every=3)
        cls.expected = cls.results(burst=1, workers=1)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    @classmethod
    def results(cls, burst, workers, snaplen=9216):
        """Every result of every flow, and what the parser rejected, by cause."""
        device = {"name": "trace", "trace": str(cls.trace), "pace": "max", "loop": 2,
                  "burst": burst, "queues": workers, "snaplen": snaplen}
        flows = [{"name": name, "device": "trace", "functions": functions}
                 for name, functions in FLOWS]
        with Homard({"devices": [device], "flows": flows}, workers=workers) as h:
            values = {}
            for name, functions in FLOWS:
                h.wait_finished(name)
                for number, function in enumerate(functions, 1):
                    if function[0].endswith("_COUNTER"):
                        values[name, number] = h.read(name, number)
                    elif function[0] == "TOP":
                        values[name, number] = h.read(name, number)
                        # of intervals that were over: more if a worker is behind the others
                        values[name, number].pop("late")
                    elif function[0] in HAND_OUT:
                        values[name, number] = handed_out(h, name, number)
            h.assert_balanced()
            values["rejected"] = homard.rejected(h.ledger(), "trace")
            h.stop()
        return values

    def test_one_worker_agrees_with_the_generator(self):
        self.assertEqual(self.expected["all", 1], 2 * self.truth["packets"])
        self.assertEqual(self.expected["all", 2], 2 * self.truth["bytes"])
        self.assertEqual(self.expected["hits", 2], 2 * self.truth["planted"])
        self.assertEqual(self.expected["words", 2], 2 * self.truth["planted"])
        self.assertGreater(self.truth["planted"], 0)
        self.assertEqual(len(self.expected["samples", 1]), self.expected["samples", 2])
        self.assertGreater(self.expected["samples", 2], 1000)
        self.assertGreater(len(self.expected["expired", 1]), 1000)
        self.assertTrue(all(self.expected["top", n]["exact"] for n in (1, 2, 3)))
        self.assertEqual(len(self.expected["top", 2]["top"]), 1000)
        self.assertLess(self.expected["top", 3]["packets"], 2000)

    def test_any_burst_size_gives_the_same(self):
        others = random.Random(SEED).sample(range(2, 64), 4)
        for burst in [2, 63, 64, *others]:
            with self.subTest(burst=burst):
                self.assertEqual(self.results(burst, 1), self.expected)

    def test_any_number_of_workers_gives_the_same(self):
        for workers in (2, 4):
            for burst in (64, 7):
                with self.subTest(workers=workers, burst=burst):
                    self.assertEqual(self.results(burst, workers), self.expected)


if __name__ == "__main__":
    homard.main()
