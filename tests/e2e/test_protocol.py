#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Protocol: every example of docs/protocol.md is what the daemon really answers, on the fake engine and
on the real one; and every method has an example."""
import json
import re
import socket
import unittest

import control
import homard

PAGE = homard.SOURCE / "docs" / "protocol.md"
ANY = "..."


def examples():
    """[(line to send, expected answer)] in the order of the page."""
    found, asked = [], None
    for line in PAGE.read_text().splitlines():
        if line.startswith("    --> "):
            asked = line[8:]
        elif line.startswith("    <-- "):
            found.append((asked, json.loads(line[8:])))
            asked = None
    return found


def same(expected, got):
    if expected == ANY:
        return True
    if isinstance(expected, dict) and isinstance(got, dict):
        keys = set(expected) - {ANY}
        return (keys <= set(got) and (ANY in expected or keys == set(got))
                and all(same(expected[key], got[key]) for key in keys))
    if isinstance(expected, list) and isinstance(got, list):
        return len(expected) == len(got) and all(map(same, expected, got))
    return expected == got and type(expected) is type(got)


class Protocol(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = homard.tempfile.mkdtemp(prefix="homard-")
        cls.addClassCleanup(homard.shutil.rmtree, cls.folder)
        cls.trace = cls.folder + "/monday.pcap"
        homard.make_trace(cls.trace, packets=1000)

    def run_examples(self, client):
        for line, expected in examples():
            line, *trace = line.split(" + the descriptor of a trace")
            with open(self.trace, "rb") as file:
                socket.send_fds(client.socket, [line.encode() + b"\n"], [file.fileno()] if trace else [])
            answer = client.receive()
            if not same(expected, answer):
                self.fail("%s\nis answered\n%s\nand not\n%s"
                          % (line, json.dumps(answer), json.dumps(expected)))
        self.assertEqual(len(client.fds), 1, "flow.buffer brings one descriptor")

    def test_examples_hold_on_the_fake_engine(self):
        with control.Daemon() as daemon, daemon.connect() as client:
            self.run_examples(client)
            self.assertEqual(daemon.process.wait(timeout=homard.SLOW), 0)

    def test_examples_hold_on_the_real_engine(self):
        if not homard.HOMARDD.exists():
            self.skipTest("homardd is not built")
        config = {"devices": [{"name": "dag0", "vdev": "net_null0"},
                              {"name": "monday", "trace": self.trace, "pace": "realtime", "loop": 0}]}
        with homard.Homard(config) as h:
            self.run_examples(h.client)
            self.assertEqual(h.wait(), 0)

    def test_every_method_has_an_example_and_a_section(self):
        with control.Daemon() as daemon, daemon.connect() as client:
            methods = {m["method"] for m in client.call("method.list")}
        lines = [(line.split(" + ")[0], answer) for line, answer in examples()]
        used = {json.loads(line)["method"] for line, answer in lines
                if line.endswith("}") and "result" in answer}
        self.assertEqual(methods - used, set())
        sections = set(re.findall(r"^### (\S+)$", PAGE.read_text(), re.MULTILINE))
        self.assertEqual(methods, sections)


if __name__ == "__main__":
    homard.main()
