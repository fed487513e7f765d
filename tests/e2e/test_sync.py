#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""SYNC: nothing passes until all flows of the list are connected, and then flows that list each other see the very same
packets, on any number of queues and workers, while packets never stop.
"""
import pathlib
import tempfile
import unittest

import homard
from homard import Homard, RpcError


def live(queues):
    return {"name": "live", "vdev": "net_null0,size=64", "queues": queues, "order_slack_us": 500}


class Sync(unittest.TestCase):
    def stopped_counts(self, h, flows, function):
        """What each flow has counted when nothing moves any more."""
        h.call("device.stop", device="live")
        homard.until(lambda: h.ledger()["devices"][0]["in_flight"] == 0, what="rest")
        counts = None

        def rest():
            nonlocal counts
            before, counts = counts, [h.read(f, function) for f in flows]
            return counts == before

        homard.until(rest, what="counters at rest", every=0.2)
        return counts

    def test_flows_that_list_each_other_begin_with_the_same_packet(self):
        for queues, workers in ((1, 1), (4, 2)):
            with self.subTest(queues=queues, workers=workers), \
                    Homard({"devices": [live(queues)]}, workers=workers) as h:
                flows = [h.call("flow.create", device="live")["flow"] for _ in range(3)]
                everyone = " %d ,%d,%d" % tuple(flows)
                for flow in flows:
                    for function, *args in (["BPF_FILTER", "len > 20"], ["SYNC", everyone], ["PKT_COUNTER"],
                                            ["BPF_FILTER", "len > 10"], ["PKT_COUNTER"]):
                        h.call("flow.apply", flow=flow, function=function, args=args)
                for flow in flows[:2]:
                    h.call("flow.connect", flow=flow)
                    homard.until(lambda f=flow: h.call("flow.info", flow=f)["functions"][1]["in"] > 1000,
                                 what="packets before SYNC")
                    info = h.call("flow.info", flow=flow)["functions"]
                    self.assertEqual(info[1]["out"], 0)
                    self.assertTrue(info[1]["waits"])
                    self.assertEqual(h.read(flow, 3), 0)
                h.call("flow.connect", flow=flows[2])
                homard.until(lambda: h.read(flows[0], 5) > 10000, what="packets behind SYNC")
                self.assertNotIn("waits", h.call("flow.info", flow=flows[0])["functions"][1])
                counts = self.stopped_counts(h, flows, 3)
                self.assertEqual(len(set(counts)), 1, counts)
                self.assertEqual([h.read(f, 5) for f in flows], counts)
                h.assert_balanced()
                h.stop()

    def test_ordered_functions_behind_it_see_the_same_packets(self):
        with Homard({"devices": [live(4)]}, workers=2) as h:
            flows = [h.call("flow.create", device="live")["flow"] for _ in range(2)]
            for flow in flows:
                for function, *args in (["SYNC", "%d,%d" % tuple(flows)], ["GAP"], ["PKT_COUNTER"]):
                    h.call("flow.apply", flow=flow, function=function, args=args)
            h.call("flow.connect", flow=flows[1])
            homard.until(lambda: h.call("flow.info", flow=flows[1])["functions"][0]["in"] > 1000,
                         what="packets")
            h.call("flow.connect", flow=flows[0])
            homard.until(lambda: h.read(flows[0], 3) > 10000, what="packets behind SYNC")
            self.stopped_counts(h, flows, 3)
            one, two = h.ledger()["order"]
            self.assertEqual(one["offered"], two["offered"])
            h.assert_balanced()

    def test_flow_that_will_never_be_connected_is_not_waited_for(self):
        with Homard({"devices": [live(1)]}) as h:
            other = h.flow("live", ["PKT_COUNTER"], connect=False)
            waits = h.flow("live", ["SYNC", str(other)], ["PKT_COUNTER"])
            homard.until(lambda: h.call("flow.info", flow=waits)["functions"][0]["in"] > 1000,
                         what="packets")
            self.assertEqual(h.read(waits, 2), 0)
            h.call("flow.close", flow=other)
            homard.until(lambda: h.read(waits, 2) > 0, what="packets behind SYNC")

    def test_flow_whose_connect_fails_is_not_waited_for(self):
        with Homard({"devices": [live(1)]}) as h:
            other = h.flow("live", ["REGEXP", "(a|b)(c)\\1"], connect=False,
                           budget={"cycles_per_packet": 1})
            waits = h.flow("live", ["SYNC", str(other)], ["PKT_COUNTER"])
            with self.assertRaises(RpcError):
                h.call("flow.connect", flow=other)
            homard.until(lambda: h.read(waits, 2) > 0, what="packets behind SYNC")

    def test_once_open_it_stays_open(self):
        with Homard({"devices": [live(1)]}) as h:
            other = h.flow("live", ["PKT_COUNTER"])
            waits = h.flow("live", ["SYNC", str(other)], ["PKT_COUNTER"])
            homard.until(lambda: h.read(waits, 2) > 0, what="packets behind SYNC")
            h.call("flow.close", flow=other)
            h.flow("live", ["PKT_COUNTER"])
            seen = h.read(waits, 2)
            homard.until(lambda: h.read(waits, 2) > seen, what="more packets")

    def test_flows_of_a_trace_see_all_of_it(self):
        with tempfile.TemporaryDirectory(prefix="homard-") as folder:
            trace = pathlib.Path(folder) / "in.pcap"
            homard.make_trace(trace, packets=2000, flows=20, seed=9)
            device = {"name": "trace", "trace": str(trace), "pace": "max", "loop": 1}
            with Homard({"devices": [device], "flows": [
                    {"name": "a", "device": "trace", "functions": [["PKT_COUNTER"]]},
                    {"name": "b", "device": "trace", "functions": [["SYNC", "a, b"], ["PKT_COUNTER"]]}]}) as h:
                h.wait_finished("b")
                self.assertEqual((h.read("a", 1), h.read("b", 2)), (2000, 2000))

    def test_wrong_lists_are_refused(self):
        other = {"name": "other", "vdev": "net_null1"}
        with Homard({"devices": [live(1), other]}) as h:
            h.flow("other", connect=False, name="elsewhere")
            one = h.flow("live", connect=False)
            for args, number, words in (
                    ([], 7001, "is missing"), ([5], 7001, "must be a string"), ([""], 7002, "must be a list"),
                    (["%d,," % one], 7002, "must be a list"), (["99"], 7002, "there is no flow 99"),
                    (["-1"], 7002, "there is no flow -1"), (["nobody"], 7002, 'there is no flow "nobody"'),
                    (["99999999999999999999"], 7002, "there is no flow"),
                    (["elsewhere"], 7002, "is on device other"),
                    ([",".join([str(one)] * 65)], 7002, "64 flows at most")):
                flow = h.flow("live", connect=False)
                with self.assertRaises(RpcError) as refused:
                    h.call("flow.apply", flow=flow, function="SYNC", args=args)
                self.assertEqual(refused.exception.mapi_errno, number, args)
                self.assertIn(words, str(refused.exception))


if __name__ == "__main__":
    homard.main()
