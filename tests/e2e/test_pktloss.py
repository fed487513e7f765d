#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""PKTLOSS on a card that loses packets by script: what it tells is what the feeder and the ledger say was lost, from the
connect of each flow on, and other functions can read it.
"""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import homard
from homard import Homard, RpcError


class PktLoss(unittest.TestCase):
    def run_lossy_card(self, queues):
        with tempfile.TemporaryDirectory(prefix="homard-") as folder:
            cards = pathlib.Path(folder) / "lossy.json"
            cards.write_text(json.dumps({"dag0": {
                "shared": "loss%d.card" % os.getpid(), "buffer_mb": 1, "streams": queues, "lossy": True,
                "rate_pps": 100000, "generator": {"packets": 50000}, "drop_base": 2 ** 32 - 100,
                "drop_bits": 32, "faults": [{"fault": "drops", "at": 5000, "every": 10000,
                                             "count": 777}]}}))
            device = {"name": "lossy", "queues": queues, "vdev": "net_dag0,lib=libdag_sim.so,card=dag0,"
                      "drop_attr=1000,conf_lib=libdag_sim.so,sequence=card"}
            environment = {"DAG_SIM_CARDS": str(cards)}
            with Homard({"devices": [device]}, env=environment, workers=queues) as h:
                h.flow("lossy", ["PKTLOSS"], ["PKT_COUNTER"], name="plain")
                h.flow("lossy", ["PKTLOSS"], ["STATS", 0, 1, "0"], ["BINOP", "ADD", 0, 1, 0, 1],
                       name="read")
                self.assertEqual(h.read("plain", 1), {"lost": 0, "missed": 0, "errors": 0})
                done = subprocess.run([homard.program("homard-cardfeed"), "--json", "dag0"],
                                      stdout=subprocess.PIPE, env={**os.environ, **environment},
                                      check=True, timeout=homard.SLOW)
                fed = json.loads(done.stdout)
                homard.until(lambda: h.read("plain", 2) == fed["sent"] - fed["dropped"],
                             what="all packets")
                wire = h.ledger()["devices"][0]["wire"]["dropped"]
                self.assertEqual(wire["missed"], fed["dropped"])
                self.assertGreaterEqual(fed["dropped"], 5 * 777)
                self.assertEqual(h.read("plain", 1),
                                 {"lost": sum(wire.values()), "missed": wire["missed"],
                                  "errors": wire["errors"]})
                # each value was what was known at that packet: it rose on the way, and passed no limit
                homard.until(lambda: h.read("read", 2)["count"] == fed["sent"] - fed["dropped"],
                             what="the ordered part, too")  # it runs a little later
                stats = h.read("read", 2)
                self.assertEqual(stats["unit"], "packets")
                self.assertGreaterEqual(int(stats["max"]), 777)
                self.assertLessEqual(int(stats["max"]), fed["dropped"])
                self.assertLess(int(stats["min"]), int(stats["max"]))
                self.assertEqual(int(h.read("read", 3)), 2 * int(stats["max"]))
                h.flow("lossy", ["PKTLOSS"], name="later")
                self.assertEqual(h.read("later", 1)["lost"], 0)
                if queues > 1:
                    with self.assertRaisesRegex(RpcError, "PKTLOSS has values of its own on each of 2"):
                        h.flow("lossy", ["STATS", "plain", 1, "0"])
                h.assert_balanced()
                h.stop()

    def test_one_queue(self):
        self.run_lossy_card(1)

    def test_two_queues_on_two_workers(self):
        self.run_lossy_card(2)


if __name__ == "__main__":
    homard.main()
