#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Small programs over libmapi, in the dialects of the tutorial, MAPI 1.x and MAPI 2.0, as C and as C++: they compile
without a warning against what is installed, and print what is right of a trace and of a live link."""
import itertools
import os
import pathlib
import subprocess
import unittest

import mapi
import expected
import homard
import traffic
from homard import Homard
from namespace import Namespace

JOBS = [(mapi.PROGRAMS / (topic + ".c"), language, dialect)
        for topic, language, dialect in itertools.product(expected.TOPICS, mapi.LANGUAGES, mapi.DIALECTS)]


class Programs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.installed = mapi.Installed()
        cls.addClassCleanup(cls.installed.remove)
        cls.programs = cls.installed.compile_all(JOBS)
        cls.trace = cls.installed.folder / "programs.pcap"
        traffic.write(cls.trace)

    def folder(self, job, where):
        """Where a program runs, and writes what it writes."""
        folder = self.installed.folder / where / self.programs[job].name
        folder.mkdir(parents=True)
        return folder

    def check(self, h, job, packets, printed, folder, live=False):
        homard.until(lambda: h.call("flow.list") == [], what="the end of all flows")
        self.assertEqual(expected.differences(job, packets, printed, live), [])
        if job[0].stem == "files":
            self.assertEqual(list(expected.wrong_files(folder, packets, live)), [])

    def test_on_a_trace(self):
        packets = expected.golden.packets_of(self.trace)
        # in the older dialects each example has a device of its own
        limits = {"max_devices_per_client": 32}
        with Homard({"devices": [mapi.idle_device(self.trace)], "control": limits}) as h:
            for job, program in self.programs.items():
                if job[2] not in expected.ON_TRACES.get(job[0].stem, mapi.DIALECTS):
                    continue
                with self.subTest(program.name):
                    folder = self.folder(job, "trace")
                    printed = self.installed.run(h, program, "trace", self.trace, cwd=folder)
                    self.check(h, job, packets, printed, folder)
            h.stop()

    def test_calls_that_ask(self):
        """All that mapi_get_..._info(), mapi_stats() and the life of a flow tell."""
        packets = expected.golden.packets_of(self.trace)
        n, udp = len(packets), len(expected.golden.tcpdump_filter(packets, "udp"))
        told = {"alias": "one", "description": "a link of ours", "link_speed_mbps": 2500, "vlan": True}
        with Homard({"devices": [{**mapi.idle_device(self.trace), **told}]}) as h:
            for language in mapi.LANGUAGES:
                printed = self.installed.run(h, self.installed.compile(mapi.PROGRAMS / "calls.c", language), self.trace)
                lines = printed.splitlines()
                self.assertEqual(lines[:12], [
                    "trace is PATH@N: 1",
                    "flow fresh: init, ours: 1, 2 functions, started: 0, ended: 0",
                    "flow connected: active, ours: 1, 2 functions, started: 1, ended: 0",
                    "flows 1",
                    "flow finished: finished, ours: 1, 2 functions, started: 1, ended: 0",
                    "applied BPF_FILTER of stdflib, 0 bytes, %d %d" % (n, udp),
                    "applied PKT_COUNTER of stdflib, 8 bytes, %d %d" % (udp, udp),
                    "scope 1 remote 0",
                    "stats 1 %d 0 0 localhost" % n,
                    "error 0 6145 then 0 0",
                    "device 1 idle, one, a link of ours, 2500 0 1",
                    "function BPF_FILTER of stdflib, si, type 1, 1"], printed)
                self.assertGreaterEqual(len(lines[12:]), 2, printed)
                for i, line in enumerate(lines[12:]):
                    self.assertRegex(line, r"^library %d \w+ has all: 1$" % i)
            h.stop()

    def test_on_a_live_link(self):
        """What the programs must print is told by what the daemon itself captured meanwhile: its times are the daemon's."""
        if os.geteuid() != 0:
            self.skipTest("a network namespace needs root")
        device = {"name": "hm0", "vdev": "net_af_packet0,iface=hm0"}
        sent = len(traffic.packets())
        with Namespace() as namespace, Homard({"devices": [device]}, prefix=namespace.prefix) as h:
            for job, program in self.programs.items():
                if job[1] == "c":
                    with self.subTest(program.name):
                        folder = self.folder(job, "live")
                        captured, printed = self.live(h, namespace, program, sent, folder)
                        self.check(h, job, captured, printed, folder, live=True)
            h.assert_balanced()
            h.stop()

    def live(self, h, namespace, program, sent, folder):
        """(packets as homardctl captured them, what the program printed)"""
        file = folder / "captured.pcap"
        with h.connect() as counting:
            flow = counting.flow("hm0", ["PKT_COUNTER"])
            with homard.popen([str(homard.HOMARDCTL), "--socket", h.socket_path, "capture", "--device", "hm0",
                               "--format", "pcap", "-c", str(sent), "-w", str(file)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as capture:
                try:
                    homard.until(lambda: [f["status"] for f in h.call("flow.list")] == ["active"] * 2,
                                 what="the capture")
                    with self.installed.started(h, program, "device", "hm0", cwd=folder) as process:
                        namespace.replay(self.trace)
                        homard.until(lambda: counting.read(flow, 1) == sent, what="%d packets" % sent)
                        printed = self.installed.go_on(process)
                    self.assertEqual(capture.wait(timeout=homard.SLOW), 0)
                finally:
                    capture.kill()
        packets = expected.golden.packets_of(file)
        self.assertEqual(len(packets), sent)
        return packets, printed


if __name__ == "__main__":
    homard.main()
