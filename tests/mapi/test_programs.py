#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Small programs over libmapi, in the dialects of the tutorial, MAPI 1.x and MAPI 2.0, these also as C++: they compile
without a warning against what is installed, and print what is right of a trace and of a live link."""
import contextlib
import itertools
import os
import subprocess
import unittest

import mapi
import expected
import homard
import traffic
from homard import Homard
from namespace import Namespace

VARIANTS = [("c", dialect) for dialect in mapi.DIALECTS] + [("c++", "mapi2")]
JOBS = [(mapi.PROGRAMS / (topic + ".c"), *variant) for topic, variant in itertools.product(expected.TOPICS, VARIANTS)]


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
        """All at once. What they must print is told by what was captured meanwhile: its times are the daemon's."""
        if os.geteuid() != 0:
            self.skipTest("a network namespace needs root")
        config = {"devices": [{"name": "hm0", "vdev": "net_af_packet0,iface=hm0"}],
                  "flow_report": {"cache_entries": 4096}}
        jobs = [job for job in self.programs if job[1] == "c"]
        with Namespace() as namespace, Homard(config, prefix=namespace.prefix) as h:
            folders = {job: self.folder(job, "live") for job in jobs}
            with contextlib.ExitStack() as stack:
                running = {job: stack.enter_context(self.installed.started(
                    h, self.programs[job], "device", "hm0", cwd=folders[job])) for job in jobs}
                packets = self.replay(h, namespace)
                printed = {job: self.installed.go_on(process) for job, process in running.items()}
            for job in jobs:
                with self.subTest(self.programs[job].name):
                    self.check(h, job, packets, printed[job], folders[job], live=True)
            h.assert_balanced()
            h.stop()

    def replay(self, h, namespace):
        """The trace's packets as homardctl captures them on the link."""
        file, sent = self.installed.folder / "captured.pcap", len(traffic.packets())
        before = len(h.call("flow.list"))
        with homard.popen([str(homard.HOMARDCTL), "--socket", h.socket_path, "capture", "--device", "hm0", "--format",
                           "pcap", "-c", str(sent), "-w", str(file)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as capture:
            try:
                homard.until(lambda: [f["status"] for f in h.call("flow.list")] == ["active"] * (before + 1),
                             what="the capture")
                namespace.replay(self.trace)
                self.assertEqual(capture.wait(timeout=homard.SLOW), 0)
            finally:
                capture.kill()
        packets = expected.golden.packets_of(file)
        self.assertEqual(len(packets), sent)
        return packets


if __name__ == "__main__":
    homard.main()
