#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""config.reload while packets flow, and what waits for new programs when the daemon stops."""
import json
import pathlib
import shutil
import signal
import tempfile
import time
import unittest

import homard
from homard import Homard, RpcError


def flow(name, *functions):
    return {"name": name, "device": "trace", "functions": [list(f) for f in functions]}


def slow_to_compile(n):
    return [["REGEXP", "x%d[a-f]{1,60}(foo|bar).{1,200}y" % i] for i in range(n)]


class Reload(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.trace = cls.folder / "reload.pcap"
        homard.make_trace(cls.trace, packets=20000, flows=500, seed=21)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def daemon(self, *flows, **more):
        return Homard({"devices": [{"name": "trace", "trace": str(self.trace), "pace": "max",
                                    "loop": 0}], "flows": list(flows), **more})

    @staticmethod
    def write(h, *flows):
        h.file.write_text(json.dumps({**h.config, "flows": list(flows)}))

    @staticmethod
    def names(h):
        return sorted(f.get("name", "") for f in h.call("flow.list"))

    def test_new_flows_count_kept_ones_go_on_others_are_gone(self):
        with self.daemon(flow("kept", ["PKT_COUNTER"]), flow("gone", ["PKT_COUNTER"]),
                         flow("changed", ["PKT_COUNTER"])) as h:
            kept = h.call("flow.info", flow="kept")["flow"]
            homard.until(lambda: h.read("kept", 1) > 20000, what="packets")
            before = h.read("kept", 1)
            self.write(h, flow("kept", ["PKT_COUNTER"]), flow("changed", ["BYTE_COUNTER"]),
                       *[flow("new%d" % i, ["PKT_COUNTER"]) for i in range(40)])
            h.call("config.reload")
            self.assertEqual(self.names(h), sorted(["kept", "changed"] +
                                                   ["new%d" % i for i in range(40)]))
            self.assertEqual(h.call("flow.info", flow="kept")["flow"], kept)
            self.assertGreaterEqual(h.read("kept", 1), before)
            for name in ("new0", "new39", "changed"):
                homard.until(lambda name=name: h.read(name, 1) > 0, what="packets in " + name)
            h.assert_balanced()

    def test_equal_file_changes_nothing(self):
        with self.daemon(flow("a", ["PKT_COUNTER"]), flow("b", ["BYTE_COUNTER"])) as h:
            before = [f["flow"] for f in h.call("flow.list")]
            for _ in range(5):
                h.call("config.reload")
            self.assertEqual([f["flow"] for f in h.call("flow.list")], before)

    def test_file_that_does_not_work_changes_nothing(self):
        with self.daemon(flow("a", ["PKT_COUNTER"])) as h:
            for wrong in (flow("b", ["BPF_FILTER", "no filter"]), flow("b", ["NO_SUCH"]),
                          {"name": "b", "device": "elsewhere", "functions": []}):
                self.write(h, flow("c", ["PKT_COUNTER"]), wrong)
                with self.subTest(wrong), self.assertRaisesRegex(RpcError, "not reloaded"):
                    h.call("config.reload")
                self.assertEqual(self.names(h), ["a"])

    def test_name_that_a_client_uses_is_refused(self):
        with self.daemon(flow("a", ["PKT_COUNTER"])) as h:
            mine = h.flow("trace", ["PKT_COUNTER"], name="mine")
            self.write(h, flow("b", ["PKT_COUNTER"]), flow("mine", ["BYTE_COUNTER"]))
            with self.assertRaisesRegex(RpcError, r"flows\[1\]\.name: flow %d " % mine):
                h.call("config.reload")
            self.assertEqual(self.names(h), ["a", "mine"])
            h.call("flow.close", flow=mine)
            h.call("config.reload")
            self.assertEqual(self.names(h), ["b", "mine"])

    def test_stop_during_a_reload_ends_both(self):
        with self.daemon(flow("a", ["PKT_COUNTER"])) as h:
            self.write(h, flow("b", *slow_to_compile(60)))
            h.client.send("config.reload")
            with h.connect() as other:
                homard.until(lambda: len(other.call("flow.list")) > 1, what="the new flow")
            h.send_signal(signal.SIGTERM)
            self.assertIn("stopping", h.client.receive()["error"]["message"])
            self.assertEqual(h.wait(), 0)

    def test_stop_does_not_wait_for_the_pattern_compiler(self):
        with self.daemon(flow("a", ["PKT_COUNTER"])) as h:
            # many seconds of work for Hyperscan, which cannot be called off
            slow = [["REGEXP", "x%d[a-f]{1,60}(foo|bar).{1,1900}(z|q{3,190}).{1,1900}y" % i] for i in range(60)]
            new = h.flow("trace", *slow, connect=False)
            h.client.send("flow.connect", {"flow": new})
            with h.connect() as other:
                homard.until(lambda: other.call("flow.info", flow=new)["status"] != "init",
                             what="the connect")
            time.sleep(1)  # the compiler is at it
            h.send_signal(signal.SIGTERM)
            self.assertEqual(h.client.receive()["error"]["data"]["mapi_errno"], 6140)
            self.assertEqual(h.wait(5), 0)

    def test_stop_answers_a_connect_that_waits(self):
        with self.daemon(flow("a", ["PKT_COUNTER"])) as h:
            new = h.flow("trace", *slow_to_compile(60), connect=False)
            h.client.send("flow.connect", {"flow": new})
            with h.connect() as other:
                homard.until(lambda: other.call("flow.info", flow=new)["status"] != "init",
                             what="the connect")
            h.send_signal(signal.SIGTERM)
            self.assertEqual(h.client.receive()["error"]["data"]["mapi_errno"], 6140)
            self.assertEqual(h.wait(), 0)

    def test_stop_does_not_wait_for_a_flow_that_no_worker_has_seen(self):
        # TO_FILE is done when its worker says so, and none ever runs it
        with self.daemon(flow("a", ["PKT_COUNTER"]), capture={"dir": str(self.folder)}) as h:
            new = h.flow("trace", *slow_to_compile(60), ["TO_FILE", "PCAP", "never.pcap"], connect=False)
            h.client.send("flow.connect", {"flow": new})
            with h.connect() as other:
                homard.until(lambda: other.call("flow.info", flow=new)["status"] != "init",
                             what="the connect")
            h.send_signal(signal.SIGTERM)
            self.assertEqual(h.client.receive()["error"]["data"]["mapi_errno"], 6140)
            self.assertEqual(h.wait(), 0)


if __name__ == "__main__":
    homard.main()
