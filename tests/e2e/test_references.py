#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Functions that read those of other flows: who may read whom, what is refused with which number, what happens when
either flow is closed while packets run, and names in the configuration.
"""
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import homard
from homard import Homard, RpcError

LIVE = {"name": "live", "vdev": "net_null0,size=64"}
OTHER_USER = 60001


def live(queues):
    return {**LIVE, "queues": queues, "order_slack_us": 500}


class Lives(unittest.TestCase):
    def test_reader_keeps_the_last_value_of_a_flow_that_is_closed(self):
        for queues in (1, 4):
            with self.subTest(queues=queues), Homard({"devices": [live(queues)]}, workers=2) as h:
                read = h.flow("live", ["PKT_COUNTER"])
                reader = h.flow("live", ["BINOP", "ADD", read, 1, read, 1], ["PKT_COUNTER"])
                homard.until(lambda: int(h.read(reader, 1)) > 1000, what="values")
                h.call("flow.close", flow=read)
                homard.until(lambda: len(h.call("flow.list")) == 1, what="the flow to go")
                seen = h.read(reader, 2)
                homard.until(lambda: h.read(reader, 2) > seen + 10000, what="packets")
                kept = int(h.read(reader, 1))
                seen = h.read(reader, 2)
                homard.until(lambda: h.read(reader, 2) > seen + 10000, what="more packets")
                self.assertEqual(int(h.read(reader, 1)), kept)
                self.assertGreater(kept, 1000)
                with self.assertRaises(RpcError) as refused:
                    h.flow("live", ["STATS", read, 1, "0"])
                self.assertEqual(refused.exception.mapi_errno, 7001)
                h.assert_balanced()

    def test_flow_that_is_read_outlives_its_reader(self):
        with Homard({"devices": [live(4)]}, workers=2) as h:
            read = h.flow("live", ["PKT_COUNTER"], ["GAP"])
            reader = h.flow("live", ["BINOP", 1, read, 1, read, 2])
            homard.until(lambda: int(h.read(reader, 1)) > 0, what="values")
            h.call("flow.close", flow=reader)
            seen = h.read(read, 1)
            homard.until(lambda: h.read(read, 1) > seen + 10000, what="packets")
            h.assert_balanced()
            h.stop()

    def test_flows_that_read_each_other_come_and_go(self):
        for queues in (1, 4):
            chance, flows = random.Random(queues), []
            with self.subTest(queues=queues), Homard({"devices": [live(queues)]}, workers=2) as h:
                for _ in range(120 if "HOMARD_SANITIZED" not in os.environ else 40):
                    flow = h.flow("live", ["PKT_COUNTER"], ["GAP"], connect=False)
                    for name in ("BINOP", "STATS"):
                        other = chance.choice(flows + [flow])
                        args = {"BINOP": [1, other, 1, flow, 2], "STATS": [other, 2, "0"]}[name]
                        h.call("flow.apply", flow=flow, function=name, args=args)
                    flows.append(flow)
                    if chance.random() < 0.8:
                        h.call("flow.connect", flow=flow)
                    if len(flows) > 6:
                        h.call("flow.close", flow=flows.pop(chance.randrange(len(flows))))
                h.assert_balanced()
                for flow in flows:
                    h.call("flow.close", flow=flow)
                homard.until(lambda: not h.call("flow.list"), what="all flows to go")
                h.stop()

    def test_explain_shows_the_way_of_the_readers_packets(self):
        with Homard({"devices": [live(4)]}, workers=2) as h:
            read = h.flow("live", ["BPF_FILTER", "ip"], ["PKT_COUNTER"])
            reader = h.flow("live", ["GAP"], ["STATS", read, 2, "0"], ["PKT_COUNTER"])
            homard.until(lambda: h.read(reader, 3) > 0, what="packets")
            entries = {e["function"]: e for e in h.call("explain", flow=reader)["devices"][0]["entries"]}
            self.assertEqual(entries["STATS"]["parent"], entries["GAP"]["entry"])
            self.assertEqual(h.call("flow.info", flow=reader)["functions"][0]["unit"], "ns")


class Refusals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.h = Homard({"devices": [live(1), {"name": "other", "vdev": "net_null1"}],
                        "control": {"mode": "0666"}})
        os.chmod(cls.h.folder, 0o755)
        cls.read = cls.h.flow("live", ["PKT_COUNTER"], ["BPF_FILTER", "ip"], ["ROT13"], ["PKT_COUNTER"],
                              name="read")

    @classmethod
    def tearDownClass(cls):
        cls.h.__exit__(None)

    def refused(self, number, words, function, *args, device="live", before=()):
        flow = self.h.flow(device, *before, connect=False)
        with self.assertRaises(RpcError) as refused:
            self.h.call("flow.apply", flow=flow, function=function, args=list(args))
        self.h.call("flow.close", flow=flow)
        self.assertEqual(refused.exception.mapi_errno, number, refused.exception)
        self.assertIn(words, str(refused.exception))

    def test_each_reader_has_its_own_number_for_what_cannot_be_read(self):
        for number, function, args in (
                (7002, "BINOP", [0, "FLOW", "N", "read", 1]), (7004, "BINOP", [0, "read", 1, "FLOW", "N"]),
                (7001, "STATS", ["FLOW", "N", "0"]), (7000, "BUCKET", ["FLOW", "N", "1s"]),
                (7001, "DIST", ["FLOW", "N", "0", "9", "1"]),
                (7002, "THRESHOLD", [2, "FLOW", "N", 1, 9])):
            for flow, n, device, words in (
                    (99, 1, "live", "there is no flow 99"), ("no", 1, "live", 'there is no flow "no"'),
                    ("read", 1, "other", "is on device live, this one on other"),
                    ("read", 5, "live", "there is no function 5 (1 to 4)"),
                    ("read", 0, "live", "there is no function 0"),
                    ("read", 2, "live", "BPF_FILTER has no value"),
                    ("read", 4, "live", "ROT13 changes packets")):
                filled = [{"FLOW": flow, "N": n}.get(a, a) if isinstance(a, str) else a for a in args]
                if device == "other" and function == "BINOP" and number == 7004:
                    continue  # the left one is refused before
                self.refused(number, words, function, *filled, device=device)

    def test_reader_behind_a_function_that_changes_packets_is_refused(self):
        self.refused(7001, "ROT13 changes packets", "STATS", self.read, 1, "0", before=[["ROT13"]])

    def test_type_of_binop_is_looked_at_last(self):
        self.refused(7001, "must be 0 (ADD) or 1 (SUB)", "BINOP", 2, self.read, 1, self.read, 1)
        self.refused(7002, "no flow 99", "BINOP", 2, 99, 1, self.read, 1)

    @unittest.skipIf(os.geteuid() != 0, "only root can be other users")
    def test_flows_of_other_users_are_not_read(self):
        program = ("import os, sys; sys.path.insert(0, %r); import homard\n"
                   "os.setgroups([]); os.setgid(%d); os.setuid(%d)\n"
                   "c = homard.Client(sys.argv[1]); f = c.flow('live', connect=False)\n"
                   "try:\n"
                   "    c.call('flow.apply', flow=f, function='STATS', args=['read', 1, '0'])\n"
                   "except homard.RpcError as e:\n"
                   "    print(e.mapi_errno, e)\n"
                   % (str(pathlib.Path(__file__).parent), OTHER_USER, OTHER_USER))
        said = subprocess.run([sys.executable, "-c", program, self.h.socket_path],
                              stdout=subprocess.PIPE, timeout=homard.SLOW, check=True).stdout.decode()
        self.assertRegex(said, r"^7001 .*flow %d is of another user" % self.read)


class Configured(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.trace = cls.folder / "in.pcap"
        homard.make_trace(cls.trace, packets=2000, flows=20, seed=9)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def config(self, *flows, **device):
        return {"devices": [{"name": "trace", "trace": str(self.trace), "pace": "max", "loop": 1,
                             **device}],
                "flows": [{"name": name, "device": "trace", "functions": functions}
                          for name, *functions in flows]}

    READ = ("udp", ["BPF_FILTER", "udp"], ["PKT_COUNTER"])
    READER = ("reader", ["PKT_COUNTER"], ["BINOP", "SUB", "reader", 1, "udp", 2])

    def test_flows_read_those_before_them_by_name(self):
        with Homard(self.config(self.READ, self.READER)) as h:
            h.wait_finished("reader")
            self.assertEqual(int(h.read("reader", 2)), 2000 - h.read("udp", 2))

    def test_check_and_start_refuse_what_comes_later(self):
        code, output = homard.check(self.config(self.READER, self.READ))
        self.assertNotEqual(code, 0)
        self.assertIn('flows[0].functions[1] (BINOP): arguments 4 and 5 (flow, function): there is no flow "udp" '
                      "before this one", output)
        code, output = homard.check(self.config(self.READ, self.READER))
        self.assertEqual(code, 0, output)

    def test_reload_makes_readers_of_a_changed_flow_anew(self):
        with Homard(self.config(self.READ, self.READER, ("plain", ["PKT_COUNTER"]), loop=0)) as h:
            numbers = {f["name"]: f["flow"] for f in h.call("flow.list")}
            changed = ("udp", ["BPF_FILTER", "tcp"], ["PKT_COUNTER"])
            h.file.write_text(json.dumps({**h.config, "flows": self.config(
                changed, self.READER, ("plain", ["PKT_COUNTER"]))["flows"]}))
            h.call("config.reload")
            homard.until(lambda: len(h.call("flow.list")) == 3, what="the old flows to go")
            fresh = {f["name"]: f["flow"] for f in h.call("flow.list")}
            self.assertEqual(fresh["plain"], numbers["plain"])
            self.assertNotEqual(fresh["udp"], numbers["udp"])
            self.assertNotEqual(fresh["reader"], numbers["reader"])
            homard.until(lambda: h.read("udp", 2) > 0, what="packets")
            time.sleep(0.05)
            first = int(h.read("reader", 2))
            homard.until(lambda: int(h.read("reader", 2)) != first, what="values")


if __name__ == "__main__":
    homard.main()
