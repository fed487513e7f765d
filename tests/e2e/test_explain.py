#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""explain: which entries there are, who shares them, where they run, and that what they cost adds up."""
import json
import pathlib
import shutil
import tempfile
import unittest

import homard
from homard import Homard

PLANT = "lobster"
FLOWS = {
    "web": [["BPF_FILTER", "tcp port 80"], ["PKT_COUNTER"], ["STR_SEARCH", PLANT, 0, 0], ["BYTE_COUNTER"]],
    "web-too": [["PKT_COUNTER"], ["BPF_FILTER", "tcp port 80"], ["STR_SEARCH", PLANT, 0, 0],
                ["REGEXP", "(l|x)(o)\\1|lobster"]],
    "words": [["REGEXP", "lob[a-z]+"], ["PKT_COUNTER"]],
    "turned": [["BPF_FILTER", "udp"], ["ROT13"], ["STR_SEARCH", "ybofgre", 0, 0], ["PKT_COUNTER"]],
}
STAGES = ["receive", "parse", "filters", "patterns", "release"]


class Explain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.trace = cls.folder / "explain.pcap"
        homard.make_trace(cls.trace, packets=20000, flows=500, seed=7, plant=PLANT, plant_every=3)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def daemon(self, loop, flows=FLOWS, **more):
        return Homard(dict({"devices": [{"name": "trace", "trace": str(self.trace), "pace": "max",
                                         "loop": loop}],
                            "flows": [{"name": name, "device": "trace", "functions": functions}
                                      for name, functions in flows.items()],
                            "explain": {"sample_batches": 1}}, **more))

    def explained(self, h, **params):
        answer = h.call("explain", **params)
        self.assertEqual(len(answer["devices"]), 1)
        return answer["devices"][0]

    def entry(self, device, function, flow):
        found = [e for e in device["entries"]
                 if e["function"] == function and flow in [f["name"] for f in e["flows"]]]
        self.assertEqual(len(found), 1, "%s of %s in %s" % (function, flow, json.dumps(device["entries"])))
        return found[0]

    def test_entries_say_where_they_run_and_who_shares_them(self):
        with self.daemon(1) as h:
            for name in FLOWS:
                h.wait_finished(name)
            device = self.explained(h)
            filters, strings = (self.entry(device, f, "web") for f in ("BPF_FILTER", "STR_SEARCH"))
            for entry in (filters, strings):
                self.assertEqual(sorted(f["name"] for f in entry["flows"]), ["web", "web-too"])
                self.assertEqual(entry["n_flows"], 2)
            self.assertEqual(filters["parent"], 0)
            self.assertEqual(strings["parent"], filters["entry"])
            self.assertIn(filters["runs"], ("index", "index+bpf", "bpf"))
            self.assertEqual(strings["runs"], "literal")
            self.assertEqual(self.entry(device, "REGEXP", "words")["runs"], "hyperscan")
            self.assertEqual(self.entry(device, "REGEXP", "web-too")["runs"], "prefilter+pcre2")
            self.assertEqual(self.entry(device, "PKT_COUNTER", "web")["runs"], "counter, runs nothing")
            self.assertEqual(self.entry(device, "ROT13", "turned")["runs"], "copies packets")
            # packets are those of the flow's own books
            for name, functions in FLOWS.items():
                for number, info in enumerate(h.call("flow.info", flow=name)["functions"]):
                    entry = self.entry(device, functions[number][0], name)
                    self.assertEqual([entry[k] for k in ("in", "out", "dropped")],
                                     [info[k] for k in ("in", "out", "dropped")])
            self.assertGreater(device["memory"]["pattern_database"], 0)
            self.assertEqual(device["pcre2_limit_hits"], 0)

    def test_costs_add_up(self):
        """What all flows take is what all stages and entries take: nothing is left out or charged twice."""
        with self.daemon(1) as h:
            for name in FLOWS:
                h.wait_finished(name)
            device = self.explained(h)
            self.assertGreater(device["timed_packets"], 19000)
            self.assertEqual([s["stage"] for s in device["stages"]], STAGES)
            for stage in device["stages"]:
                self.assertGreater(stage["cycles"], 0, stage)
            for entry in device["entries"]:
                measured = entry["measured"]
                if entry["runs"] == "counter, runs nothing":
                    self.assertEqual((measured["cycles"], entry["predicted"]), (0, 0))
                elif entry["in"] > 10000:
                    self.assertGreater(measured["cycles_here"], 0, entry)
                    self.assertGreater(entry["predicted"], 0, entry)
            parts = device["stages"] + [entry["measured"] for entry in device["entries"]]
            whole = sum(part["cycles"] for part in parts)
            flows = sum(flow["measured"]["cycles"] for flow in device["flows"])
            self.assertAlmostEqual(whole, flows, delta=0.01 * (len(parts) + len(FLOWS)))
            for flow in device["flows"]:
                cost = flow["measured"]
                self.assertAlmostEqual(cost["cycles"], cost["own"] + cost["shared"], delta=0.02)
            turned, web = (next(f for f in device["flows"] if f["name"] == name) for name in ("turned", "web"))
            self.assertGreater(turned["measured"]["own"], 0)
            self.assertGreater(turned["adds"]["cycles"], 0)
            # its filter and its search are there already, for others
            self.assertLess(web["adds"]["cycles"], web["measured"]["cycles"])

    def test_one_flow_has_the_entries_on_its_way(self):
        with self.daemon(0) as h:
            device = self.explained(h, flow="web")
            self.assertEqual([e["function"] for e in device["entries"]],
                             ["BPF_FILTER", "PKT_COUNTER", "STR_SEARCH", "BYTE_COUNTER"])
            self.assertEqual([f["name"] for f in device["flows"]], ["web"])
            with self.assertRaises(homard.RpcError) as refused:
                h.call("explain", flow="nobody")
            self.assertEqual(refused.exception.mapi_errno, 6145)

    def test_timing_is_sampled_and_can_be_switched_off(self):
        def timed(h):
            return self.explained(h)["timed_batches"]

        with self.daemon(0, explain={"sample_batches": 64}) as h:
            homard.until(lambda: timed(h) > 20, what="timed batches")
            batches = h.read("words", 2)  # something runs
            device = self.explained(h)
            received = homard.received(h, "trace")
            self.assertLess(device["timed_packets"], received / 32)
            homard.ctl(h, "explain", "sample", "0")
            last = timed(h)
            homard.until(lambda: homard.received(h, "trace") > received + 100000, what="packets")
            self.assertLessEqual(timed(h), last + 1)
            self.assertEqual(h.call("explain")["sample_batches"], 0)
            h.call("explain.sample", batches=1)
            homard.until(lambda: timed(h) > last + 100, what="timed batches")
            self.assertGreaterEqual(h.read("words", 2), batches)
            with self.assertRaises(homard.RpcError):
                h.call("explain.sample", batches=-1)

    def test_new_flow_costs_from_its_own_start(self):
        with self.daemon(0) as h:
            homard.until(lambda: self.explained(h)["timed_packets"] > 100000, what="timed packets")
            h.flow("trace", ["BPF_FILTER", "less 100"], ["BYTE_COUNTER"], name="late")
            homard.until(lambda: h.read("late", 2) > 0, what="packets")
            entry = homard.until(lambda: self.entry(self.explained(h, flow="late"), "BYTE_COUNTER", "late"))
            self.assertGreater(entry["measured"]["cycles"], 0)
            self.assertLess(entry["measured"]["cycles"], 10000)

    def test_homardctl_prints_the_tree(self):
        with self.daemon(1) as h:
            h.wait_finished("web")
            printed = homard.ctl(h, "explain")
            for word in ("STAGE", "patterns", "BPF_FILTER \"tcp port 80\"", "    BYTE_COUNTER", "web, web-too",
                         "counter, runs nothing", "memory in bytes"):
                self.assertIn(word, printed)
            self.assertNotIn("turned", homard.ctl(h, "explain", "words"))
            self.assertIn("devices", json.loads(homard.ctl(h, "--json", "explain", "web")))
            self.assertIn("there is no flow", homard_error(h, "explain", "nobody"))


def homard_error(h, *args):
    """What homardctl says when the daemon refuses."""
    try:
        homard.ctl(h, *args)
    except AssertionError as e:
        return str(e)
    return ""


if __name__ == "__main__":
    homard.main()
