#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Filters and sampling in front of FLOW_REPORT: collectors are told, and a collector that multiplies arrives at what
went by, in every format."""
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import homard
from homard import Homard
from nfcapd import Nfcapd

PACKETS, PERIOD, OUTSIDE, FLOWS = 60000, 10, 5, 4


class Selection(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="hm-selection-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.trace = str(self.folder / "a.pcap")
        subprocess.run([homard.TRAFFIC, "--out", self.trace, "--packets", str(PACKETS), "--flows", "300", "--rate",
                        "5000"], check=True, stdout=subprocess.DEVNULL)

    def metered(self, *functions, flow_sampling=1, **exporter):
        """What nfdump adds up, how many packets were metered, and the ledger of flow records."""
        (self.folder / "flows").mkdir()
        collector = Nfcapd(self.folder / "flows")
        exporter = {"host": "127.0.0.1", "port": collector.port, "max_records_per_s": 100000, **exporter}
        calls = [*functions, ["FLOW_REPORT", {"flow_sampling": flow_sampling, "exporters": [exporter]}]]
        with Homard({"devices": [{"name": "t", "trace": self.trace}],
                     "flows": [{"name": "f", "device": "t", "functions": calls}]}) as h:
            h.wait_finished("f")
            value = h.read("f", len(calls))
            h.assert_balanced()
        records = collector.records()
        return sum(r["in_packets"] for r in records), value["packets"], value["ledger"]

    def check(self, protocol):
        counted, packets, _ = self.metered(["BPF_FILTER", "ip"], ["SAMPLE", PERIOD, 2], protocol=protocol)
        self.assertGreater(packets, PACKETS // PERIOD // 2)
        self.assertEqual(counted, packets * PERIOD)

    def test_ipfix(self):
        self.check("ipfix")

    def test_netflow9(self):
        self.check("netflow9")

    def test_netflow5(self):
        self.check("netflow5")

    def test_sampling_outside_and_here_multiply(self):
        counted, packets, _ = self.metered(["SAMPLE", PERIOD, 2], sampling_interval=OUTSIDE)
        self.assertEqual(counted, packets * PERIOD * OUTSIDE)

    def test_flow_sampling_takes_whole_flows(self):
        counted, packets, ledger = self.metered(flow_sampling=FLOWS)
        self.assertEqual(counted, packets * FLOWS)
        self.assertEqual(packets + ledger["packets"]["unsampled"] + ledger["packets"]["not_ip"], PACKETS)
        self.assertTrue(PACKETS / FLOWS / 3 < packets < PACKETS / FLOWS * 3, packets)

    def test_netflow5_cannot_tell_every_interval(self):
        calls = [["SAMPLE", 16384, 2], ["FLOW_REPORT", {"exporters": [{"host": "127.0.0.1", "protocol": "netflow5"}]}]]
        config = {"devices": [{"name": "t", "trace": self.trace}],
                  "flows": [{"name": "f", "device": "t", "functions": calls}]}
        code, output = homard.check(config)
        self.assertNotEqual(code, 0)
        self.assertIn("one of 16384 packets is metered, and netflow5 can tell collectors one of 16383 at most", output)

    def test_selector_reports(self):
        out = self.folder / "flows.ipfix"
        calls = [["BPF_FILTER", "ip"], ["SAMPLE", PERIOD, 2], ["SAMPLE", 50, 3],
                 ["FLOW_REPORT", {"exporters": [{"transport": "file", "path": str(out)}]}]]
        with Homard({"devices": [{"name": "t", "trace": self.trace}],
                     "flows": [{"name": "f", "device": "t", "functions": calls}]}) as h:
            h.wait_finished("f")
        text = subprocess.run(["tshark", "-n", "-r", str(out), "-V", "-O", "cflow"], check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        self.assertIn('Selector Name: BPF_FILTER "ip"', text)
        for line in ("Selector Algorithm: Systematic count-based Sampling (1)", "Selection Sequence Id: 1"):
            self.assertIn(line, text)


if __name__ == "__main__":
    homard.main()
