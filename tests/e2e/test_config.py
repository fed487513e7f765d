#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Configuration: what is right is explained by --check, what is wrong is told, all of it at once."""
import copy
import json
import pathlib
import tempfile
import unittest

import homard

GOOD = {
    "eal": {"lcores": "0@0,1@0", "memory_mb": 256, "hugepages": "off"},
    "devices": [{"name": "null", "vdev": "net_null0", "queues": 1, "burst": 32, "snaplen": 2048}],
    "flows": [{"name": "web", "device": "null",
               "functions": [["BPF_FILTER", "tcp port 80"], ["PKT_COUNTER"]]}],
}


def changed(change):
    """A copy of the good configuration after change(copy)."""
    config = copy.deepcopy(GOOD)
    change(config)
    return config


class Check(unittest.TestCase):
    def test_good_configuration_prints_plan(self):
        code, output = homard.check(GOOD)
        self.assertEqual(code, 0, output)
        for word in ("null", "net_null0", "lcore", "256 MB", "PKT_COUNTER"):
            self.assertIn(word, output)

    def test_plan_tells_the_memory_of_ordered_parts(self):
        def plan(queues, snaplen):
            device = {"name": "null", "vdev": "net_null0", "queues": queues, "snaplen": snaplen}
            config = {**GOOD, "eal": {"lcores": "0@0,(1-4)@0", "memory_mb": 1024, "hugepages": "off"},
                      "devices": [device]}
            code, output = homard.check(config, "--json")
            self.assertEqual(code, 0, output)
            return json.loads(output)["devices"][0]["order_bytes"], homard.check(config)[1]

        none, said = plan(1, 2048)
        self.assertEqual(none, 0)
        self.assertNotIn("order ", said)
        two, said = plan(2, 2048)
        self.assertIn("order     %.1f MB more" % (two / 2 ** 20), said)
        # a ring a queue, of a power of two that has room for one and a half bursts of the longest packets
        self.assertGreater(two, 2 * 4 << 20)
        # and what each lane notes for each worker that owns pairs of addresses
        four = plan(4, 2048)[0]
        self.assertTrue(2 * two < four < 2.2 * two, (two, four))
        self.assertGreater(plan(2, 65535)[0], two)

    def test_samples_of_the_tree_are_good(self):
        samples = sorted(path for path in (homard.SOURCE / "config").glob("*.json")
                         if path.name != "schema.json")
        self.assertTrue(samples, "config/ has no sample")
        folder = tempfile.TemporaryDirectory(prefix="homard-")
        self.addCleanup(folder.cleanup)
        trace = pathlib.Path(folder.name) / "trace.pcapng"
        homard.make_trace(trace, packets=10)
        for sample in samples:
            with self.subTest(sample.name):
                config = json.loads(sample.read_text())
                for device in config["devices"]:
                    if "trace" in device:  # the sample's trace is the reader's own
                        device["trace"] = str(trace)
                code, output = homard.check(config)
                self.assertEqual(code, 0, output)

    def test_all_mistakes_are_told_at_once(self):
        def spoil(config):
            config["eal"]["memory"] = 3
            config["eal"]["memory_mb"] = "much"
            config["devices"][0]["burst"] = 65
            config["flows"][0]["device"] = "eth7"
            config["flows"][0]["functions"][0][0] = "NO_SUCH_FUNCTION"

        code, output = homard.check(changed(spoil))
        self.assertNotEqual(code, 0)
        for words in (("eal", "memory"), ("eal.memory_mb",), ("devices[0].burst", "64"),
                      ("flows[0]", "eth7"), ("flows[0]", "NO_SUCH_FUNCTION")):
            for word in words:
                self.assertIn(word, output)
        self.assertIn("config.json", output)

    def refused(self, change, *words):
        code, output = homard.check(changed(change))
        self.assertNotEqual(code, 0, output)
        for word in words:
            self.assertIn(word, output)

    def test_bad_values_name_path_and_range(self):
        def setter(where, key, value):
            return lambda config: where(config).__setitem__(key, value)

        device = lambda config: config["devices"][0]
        for key, value in (("burst", 0), ("burst", 65), ("burst", "many"), ("queues", 0),
                           ("queues", -1), ("snaplen", 10 ** 9), ("name", ""), ("colour", "red"),
                           ("pace", "slow"), ("idle", "never")):
            with self.subTest("%s=%s" % (key, value)):
                self.refused(setter(device, key, value), "devices[0]", key)

    def test_device_without_source_or_with_two_is_refused(self):
        self.refused(lambda c: c["devices"][0].pop("vdev"), "devices[0]", "vdev", "pci", "trace")
        self.refused(lambda c: c["devices"][0].update(trace="a.pcap"), "devices[0]")

    def test_two_devices_of_one_name_are_refused(self):
        self.refused(lambda c: c["devices"].append(dict(c["devices"][0], vdev="net_null1")),
                     "devices[1]", "null")

    def test_function_arguments_are_checked(self):
        for functions in ([["BPF_FILTER"]], [["STR_SEARCH", "abc", "near"]], [["PKT_COUNTER", 1]],
                          [["PKT_COUNTER"], ["STR_SEARCH", 5, 0, 0]], [[]], ["PKT_COUNTER"], []):
            with self.subTest(functions):
                self.refused(lambda c: c["flows"][0].update(functions=functions), "flows[0]")

    def test_functions_that_refuse_start_nothing(self):
        for function, word in ((["BPF_FILTER", "tcp prot 80"], "BPF_FILTER"),
                               (["STR_SEARCH", "", 0, 0], "STR_SEARCH"),
                               (["REGEXP", "(unclosed"], "REGEXP")):
            config = changed(lambda c: c["flows"][0].update(functions=[function]))
            with self.subTest(function), self.assertRaises(AssertionError) as refusal:
                homard.Homard(config)
            for what in (word, "flows[0].functions[0]"):
                self.assertIn(what, str(refusal.exception))

    def test_syntax_error_tells_line_and_column(self):
        code, output = homard.check('{\n  "devices": [\n    { "name": }\n  ]\n}\n')
        self.assertNotEqual(code, 0)
        self.assertRegex(output, r"config\.json:3:\d+|line 3.*column \d+")

    def test_text_that_is_no_configuration_is_refused(self):
        for text in ("", "[]", "null", "[" * 100000, '{"eal":{},"eal":{}}', "\0\1\2"):
            with self.subTest(text[:20]):
                code, output = homard.check(text)
                self.assertGreater(code, 0, output)
                self.assertIn("config.json", output)

    def test_missing_file_is_named(self):
        done = homard.subprocess.run([str(homard.HOMARDD), "--config", "/nonexistent/h.json"],
                                     stdin=homard.subprocess.DEVNULL, capture_output=True,
                                     timeout=homard.SLOW, check=False)
        self.assertGreater(done.returncode, 0)
        self.assertIn(b"/nonexistent/h.json", done.stdout + done.stderr)

    def test_bad_configuration_starts_nothing(self):
        with tempfile.TemporaryDirectory(prefix="homard-") as folder:
            socket = pathlib.Path(folder) / "control.sock"
            config = changed(lambda c: c.update(control={"socket": str(socket), "mode": "9999"}))
            file = pathlib.Path(folder) / "config.json"
            file.write_text(homard.json.dumps(config))
            done = homard.subprocess.run([str(homard.HOMARDD), "--config", str(file)],
                                         stdin=homard.subprocess.DEVNULL, capture_output=True,
                                         timeout=homard.SLOW, check=False)
            self.assertGreater(done.returncode, 0)
            self.assertIn(b"control.mode", done.stdout + done.stderr)
            self.assertFalse(socket.exists())

    def test_missing_trace_is_named(self):
        config = changed(lambda c: c["devices"][0].update(trace="/nonexistent/monday.pcap"))
        del config["devices"][0]["vdev"]
        with self.assertRaisesRegex(AssertionError, "/nonexistent/monday.pcap"):
            homard.Homard(config)


if __name__ == "__main__":
    homard.main()
