#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Flows come and go while packets pass at full rate: nobody else's packet is lost or counted twice."""
import pathlib
import shutil
import tempfile
import unittest

import homard
from homard import Homard

FLOWS = 1000
LOOPS = 200
FILTERS = ["tcp", "udp", "tcp port 80", "udp port 53", "host 10.0.0.1", "greater 500", "ip6", "icmp"]


class Flows(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.trace = cls.folder / "flows.pcap"
        cls.truth = homard.make_trace(cls.trace, packets=50000, flows=500, seed=11,
                                      vlan=0, mpls=0)  # libpcap does not look behind tags

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def daemon(self, loop, **more):
        return Homard({"devices": [dict({"name": "trace", "trace": str(self.trace), "pace": "max",
                                         "loop": loop}, **more)], "flows": []})

    def test_thousand_flows_come_and_go_at_full_rate(self):
        with self.daemon(LOOPS) as h:
            whole = [h.flow("trace", ["PKT_COUNTER"], ["BYTE_COUNTER"], name="whole"),
                     h.flow("trace", ["BPF_FILTER", "tcp"], ["PKT_COUNTER"], name="tcp"),
                     h.flow("trace", ["BPF_FILTER", "udp"], ["PKT_COUNTER"], name="udp")]
            h.call("device.start", device="trace")
            churned = 0
            while churned < FLOWS:
                flow = h.flow("trace", ["BPF_FILTER", FILTERS[churned % len(FILTERS)]],
                              ["PKT_COUNTER"])
                self.assertGreaterEqual(h.read(flow, 2), 0)
                h.call("flow.close", flow=flow)
                churned += 1
            self.assertEqual(len(h.call("flow.list")), len(whole))
            for flow in whole:
                h.wait_finished(flow, 4 * homard.SLOW)
            self.assertEqual(h.read("whole", 1), LOOPS * self.truth["packets"])
            self.assertEqual(h.read("whole", 2), LOOPS * self.truth["bytes"])
            self.assertEqual(h.read("tcp", 2), LOOPS * self.truth["tcp"])
            self.assertEqual(h.read("udp", 2), LOOPS * self.truth["udp"])
            h.assert_balanced()
            self.assertEqual(homard.received(h, "trace"), LOOPS * self.truth["packets"])

    def test_strings_come_and_go_while_another_is_counted(self):
        trace = self.folder / "strings.pcap"
        truth = homard.make_trace(trace, packets=20000, flows=300, seed=12, plant="attack-at-dawn",
                                  plant_every=3)
        self.assertGreater(truth["planted"], 0)
        with self.daemon(50, trace=str(trace)) as h:
            h.flow("trace", ["STR_SEARCH", "attack-at-dawn", 0, 0], ["PKT_COUNTER"], name="hits")
            h.call("device.start", device="trace")
            for i in range(40):
                flow = h.flow("trace", ["STR_SEARCH", "other%d" % i, 0, 0], ["PKT_COUNTER"])
                h.call("flow.close", flow=flow)
            h.wait_finished("hits", 4 * homard.SLOW)
            self.assertEqual(h.read("hits", 2), 50 * truth["planted"])
            h.assert_balanced()

    def test_flow_starts_at_zero_when_it_connects(self):
        with self.daemon(0) as h:
            h.flow("trace", ["PKT_COUNTER"], name="early")
            h.call("device.start", device="trace")
            homard.until(lambda: h.read("early", 1) > 500000, what="packets")
            h.flow("trace", ["PKT_COUNTER"], name="late")
            self.assertLess(h.read("late", 1), h.read("early", 1))

    def test_flows_that_are_alike_share_and_count_from_their_own_start(self):
        functions = [["BPF_FILTER", "tcp"], ["PKT_COUNTER"], ["BYTE_COUNTER"]]
        with self.daemon(20) as h:
            h.flow("trace", *functions, name="first")
            h.flow("trace", ["PKT_COUNTER"], name="all")
            h.call("device.start", device="trace")
            homard.until(lambda: h.read("first", 2) > 10000, what="packets")
            h.flow("trace", *functions, name="second")
            h.flow("trace", *functions, name="third")
            h.call("flow.reset", flow="third", function=2)
            h.call("flow.close", flow="first")
            h.wait_finished("all")
            values = {name: [h.read(name, number) for number in (2, 3)] for name in ("second", "third")}
            info = h.call("flow.info", flow="second")["functions"]
            self.assertLess(values["second"][0], 20 * self.truth["tcp"])
            self.assertLess(values["third"][0], values["second"][0])
            self.assertLessEqual(values["third"][1], values["second"][1])
            # a filter, its counter and the ledger say the same of one flow
            self.assertEqual(info[0]["out"], values["second"][0])
            self.assertEqual(info[1]["in"], info[0]["out"])
            self.assertEqual(info[2]["out"], info[0]["out"])
            h.assert_balanced()

    def test_flow_does_not_wait_for_patterns_of_others(self):
        """Answers come in the order in which flows see packets, not in which they were asked for."""
        with self.daemon(0) as h:
            h.flow("trace", ["STR_SEARCH", "known", 0, 0], ["PKT_COUNTER"])
            h.call("device.start", device="trace")
            dear = h.flow("trace", *[["REGEXP", "(a|b|c|%d).{0,300}x.{0,300}y" % i] for i in range(4)],
                          name="dear", connect=False)
            cheap = h.flow("trace", ["BPF_FILTER", "udp"], ["PKT_COUNTER"], connect=False)
            known = h.flow("trace", ["PKT_COUNTER"], ["STR_SEARCH", "known", 0, 0], connect=False)
            asked = [h.client.send("flow.connect", {"flow": flow}) for flow in (dear, cheap, known)]
            answered = [h.client.receive()["id"] for _ in asked]
            self.assertEqual(answered[-1], asked[0])
            self.assertEqual(sorted(answered), asked)
            self.assertEqual(h.call("flow.info", flow="dear")["status"], "active")
            h.assert_balanced()

    def test_flow_that_is_closed_while_its_pattern_compiles_is_gone(self):
        with self.daemon(0) as h:
            h.call("device.start", device="trace")
            h.flow("trace", ["REGEXP", "(a|b|c|d).{0,300}x.{0,300}y"], name="dear", connect=False)
            asked = h.client.send("flow.connect", {"flow": "dear"})
            with h.connect() as other:
                other.call("flow.close", flow="dear")
            answer = h.client.receive()
            self.assertEqual((answer["id"], answer["error"]["data"]["mapi_errno"]), (asked, 6145))
            h.flow("trace", ["STR_SEARCH", "dear", 0, 0], ["PKT_COUNTER"], name="dear")
            self.assertGreaterEqual(h.read("dear", 2), 0)

    def test_flows_end_with_their_client_unless_persistent(self):
        with self.daemon(0) as h:
            with h.connect() as client:
                client.flow("trace", ["PKT_COUNTER"], name="mine")
                client.flow("trace", ["PKT_COUNTER"], name="kept", persistent=True)
                self.assertEqual(len(h.call("flow.list")), 2)
            homard.until(lambda: len(h.call("flow.list")) == 1, what="the flow to end")
            self.assertEqual(h.call("flow.info", flow="kept")["status"], "active")

    def test_requests_in_the_wrong_order_bring_mapi_errors(self):
        with self.daemon(0) as h:
            flow = h.flow("trace", ["PKT_COUNTER"], connect=False)
            for method, params, number in (
                    ("flow.read", {"flow": flow, "function": 1}, 6143),
                    ("flow.apply", {"flow": flow, "function": "NONE", "args": []}, 6144),
                    ("flow.info", {"flow": "nobody"}, 6145),
                    ("flow.create", {"device": "nothing"}, 3200)):
                with self.subTest(method), self.assertRaises(homard.RpcError) as error:
                    h.call(method, **params)
                self.assertEqual(error.exception.mapi_errno, number)
            h.call("flow.connect", flow=flow)
            for method, params, number in (
                    ("flow.connect", {"flow": flow}, 3081),
                    ("flow.apply", {"flow": flow, "function": "PKT_COUNTER", "args": []}, 7006),
                    ("flow.read", {"flow": flow, "function": 9}, 6147)):
                with self.subTest(method), self.assertRaises(homard.RpcError) as error:
                    h.call(method, **params)
                self.assertEqual(error.exception.mapi_errno, number)


if __name__ == "__main__":
    homard.main()
