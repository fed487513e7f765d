#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The tutorial's worm detector as it stands there, on a trace and on a live link."""
import contextlib
import os
import pathlib
import tempfile
import unittest

import mapi
import expected
import homard
import traffic
from homard import Homard
from namespace import Namespace

TUTORIAL = mapi.HERE / "tutorial"


class Tutorial(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.installed = mapi.Installed()
        cls.addClassCleanup(cls.installed.remove)
        sleep = [TUTORIAL / "sleep.c"]
        cls.worm = cls.installed.compile(TUTORIAL / "worm.c", flags=["-DMAPI_RESULT_IS_VALUE"], more=sleep)

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="homard-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.trace = self.folder / "in.pcap"

    def running(self, h, program, *args, flows):
        """The program in a folder of its own, once its flows are connected."""
        process = self.installed.start(h, program, *args, cwd=self.folder)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        homard.until(lambda: sum(f["status"] == "active" for f in h.call("flow.list")) >= flows,
                     what="%s to connect" % program)
        return process

    def end(self, process, file, size):
        """Without the program the daemon closes its flows, and completes its files."""
        process.kill()
        homard.until(lambda: (self.folder / file).stat().st_size >= size, what="the end of " + file)

    def check_worm(self, process, packets):
        """Reads what it prints until it has found all, ends it, and looks at its file."""
        filtered = expected.golden.tcpdump_filter(packets, "src port 1234")
        found = [p for p in filtered if p[0].find(b"pattern", 100, 400) >= 0]
        last = "BPF match: %d String match: %d\n" % (len(filtered), len(found))
        for line in process.stdout:
            self.assertRegex(line, r"^BPF match: \d+ String match: \d+$")
            if line == last:
                break
        else:
            self.fail("it ended: " + last)
        self.end(process, "worm.trace", 24 + sum(16 + len(p[0]) for p in found))
        self.assertEqual([p[:2] for p in expected.golden.packets_of(self.folder / "worm.trace")],
                         [p[:2] for p in found])

    def test_worm_on_a_trace(self):
        traffic.write(self.trace)
        with Homard({"devices": [{"name": "/dev/dag0", "trace": str(self.trace)}]}) as h:
            process = self.running(h, self.worm, flows=1)
            self.assertEqual(process.stdout.readline(), "BPF match: 0 String match: 0\n")
            h.call("device.start", device="/dev/dag0")
            self.check_worm(process, expected.golden.packets_of(self.trace))
            h.assert_balanced()
            h.stop()

    def test_worm_on_a_live_link(self):
        traffic.write(self.trace)
        with self.link("/dev/dag0") as (namespace, h):
            process = self.running(h, self.worm, flows=1)
            namespace.replay(self.trace)
            self.check_worm(process, expected.golden.packets_of(self.trace))
            h.stop()

    @contextlib.contextmanager
    def link(self, name):
        if os.geteuid() != 0:
            self.skipTest("a network namespace needs root")
        with Namespace() as namespace, Homard({"devices": [{"name": name, "vdev": "net_af_packet0,iface=hm0"}]},
                                              prefix=namespace.prefix) as h:
            yield namespace, h


if __name__ == "__main__":
    homard.main()
