#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Flows that need the order of packets on devices with several queues: what comes out is in order, flows come and go
while packets run, outputs make the trace wait, and a live device drops only what it counts.
"""
import pathlib
import random
import shutil
import subprocess
import tempfile
import time
import unittest

import homard
from homard import Homard

ALL = ["SAMPLE", 1, 2]  # passes everything, but in order


def order_of(h, name):
    return {line.get("name"): line for line in h.ledger()["order"]}[name]


class Order(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.trace = cls.folder / "in.pcap"
        cls.truth = homard.make_trace(cls.trace, packets=20001, flows=200, seed=7)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def daemon(self, flows=(), workers=2, queues=4, **more):
        device = {"name": "trace", "trace": str(self.trace), "pace": "max", "loop": 1,
                  "queues": queues, **more}
        return Homard({"devices": [device], "flows": list(flows)}, workers=workers)

    def tcpdump(self, path):
        done = subprocess.run(["tcpdump", "--nano", "-tt", "-nn", "-xx", "-r", str(path)],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              timeout=homard.SLOW, check=True)
        return done.stdout

    @unittest.skipUnless(shutil.which("tcpdump"), "needs tcpdump")
    def test_capture_behind_an_ordered_function_is_the_trace(self):
        out = self.folder / "out.pcapng"
        with self.daemon() as h:
            h.flow("trace", ALL, name="all")
            with homard.popen([str(homard.HOMARDCTL), "--socket", h.socket_path, "capture",
                               "all", "-w", str(out)], stdin=subprocess.DEVNULL,
                              stderr=subprocess.PIPE) as process:
                homard.until(lambda: [f["status"] for f in h.call("flow.list")] == ["active"] * 2,
                             what="capture to connect its flow")
                h.call("device.start", device="trace")
                words = process.communicate(timeout=homard.SLOW)[1].decode()
            self.assertEqual(words, "20001 packets captured, 0 dropped\n")
            h.assert_balanced()
        self.assertEqual(self.tcpdump(out), self.tcpdump(self.trace))

    def test_flows_come_and_go_and_the_others_lose_nothing(self):
        steady = [{"name": "plain", "device": "trace", "functions": [["PKT_COUNTER"]]},
                  {"name": "ordered", "device": "trace",
                   "functions": [["PKT_COUNTER"], ALL, ["PKT_COUNTER"], ["BYTE_COUNTER"]]}]
        laps, chance, living = 150, random.Random(20060515), []
        with self.daemon(steady, loop=laps) as h:
            while h.call("flow.info", flow="ordered")["status"] != "finished":
                living.append(h.flow("trace", ["BPF_FILTER", "udp"], ["GAP"], ["SAMPLE", 3, 2],
                                     ["PKT_COUNTER"]))
                if len(living) > 5:
                    h.call("flow.close", flow=living.pop(chance.randrange(len(living))))
                h.assert_balanced()
            self.assertEqual(h.read("plain", 1), laps * self.truth["packets"])
            self.assertEqual(h.read("ordered", 1), laps * self.truth["packets"])
            self.assertEqual(h.read("ordered", 3), laps * self.truth["packets"])
            self.assertEqual(h.read("ordered", 4), laps * self.truth["bytes"])
            for flow in living:
                info = h.call("flow.info", flow=flow)
                self.assertEqual(info["ordered"]["run"], info["functions"][1]["in"])
                self.assertEqual(info["ordered"]["queued"], 0)
                self.assertEqual(h.read(flow, 4), info["functions"][1]["in"] // 3)
            self.assertEqual(order_of(h, "ordered")["late"], 0)
            h.assert_balanced()
            h.stop()

    def test_paced_trace_with_silent_queues_goes_on(self):
        """One connection, so that three of four queues never get a packet."""
        lone = self.folder / "lone.pcap"
        homard.make_trace(lone, packets=300, flows=1, seed=3, rate=1000)
        with self.daemon([{"name": "f", "device": "trace", "functions": [["GAP"], ["PKT_COUNTER"]]}],
                         trace=str(lone), pace="realtime") as h:
            homard.until(lambda: 0 < h.read("f", 2) < 300, what="packets while the trace runs")
            h.wait_finished("f")
            self.assertEqual(h.read("f", 2), 300)
            h.assert_balanced()

    def test_explain_and_ledger_tell_where_the_order_is_made(self):
        flow = {"name": "f", "device": "trace",
                "functions": [["BPF_FILTER", "udp"], ["GAP"], ["PKT_COUNTER"]]}
        with self.daemon([flow]) as h:
            h.wait_finished("f")
            entries = h.call("explain")["devices"][0]["entries"]
            lcore = h.call("flow.info", flow="f")["ordered"]["lcores"]
            self.assertEqual([(e["function"], e.get("ordered_on_lcores")) for e in entries],
                             [("BPF_FILTER", None), ("GAP", lcore), ("PKT_COUNTER", lcore)])
            self.assertEqual([e["parent"] for e in entries], [0, *(e["entry"] for e in entries[:2])])
            self.assertEqual(entries[1]["in"], entries[0]["out"])
            self.assertRegex(homard.ctl(h, "ledger"),
                             r"to be put in order +%d +=" % entries[0]["out"])

    def test_stop_in_the_middle_loses_nothing_that_was_received(self):
        flow = {"name": "f", "device": "trace", "functions": [["PKT_COUNTER"], ALL, ["PKT_COUNTER"]]}
        with self.daemon([flow], loop=0) as h:
            homard.until(lambda: h.read("f", 3) > 0, what="packets")
            ledger = homard.printed_ledger(h.stop())
        line = ledger["order"][0]
        self.assertEqual(homard.imbalances(ledger), [])
        self.assertEqual((line["queued"], line["dropped"]), (0, {"no_room": 0}))
        self.assertEqual(line["run"], ledger["devices"][0]["received"])

    def test_live_queues_without_end_are_counted_whole(self):
        device = {"name": "null", "vdev": "net_null0,size=64", "queues": 4, "order_slack_us": 500}
        flow = {"name": "f", "device": "null", "functions": [["PKT_COUNTER"], ALL, ["PKT_COUNTER"],
                                                             ["GAP"]]}
        with Homard({"devices": [device], "flows": [flow]}, workers=2) as h:
            homard.until(lambda: h.read("f", 3) > 100000, what="packets in order")
            for _ in range(5):
                line = order_of(h, "f")
                self.assertEqual(line["offered"], line["handed_over"] + line["dropped"]["no_room"])
                self.assertGreaterEqual(line["queued"], 0)
                h.assert_balanced()
                time.sleep(0.02)
            h.call("device.stop", device="null")
            h.stop()


if __name__ == "__main__":
    homard.main()
