#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The tutorial's two programs: the worm detector as it stands there, and the tool that measures a TCP stream with the
corrections that its head names. Both on a trace and on a live link."""
import contextlib
import itertools
import math
import os
import pathlib
import subprocess
import tempfile
import unittest

import mapi
import expected
import homard
import traffic
from homard import Homard
from namespace import Namespace

TUTORIAL = mapi.HERE / "tutorial"


SECOND = 10**9
HEADER = "Packets Bytes Gap Cwnd"
SENDER = "tcp and src host 10.1.0.1 and src port 40000 and dst host 10.1.0.2 and dst port 80"
RECEIVER = "tcp and src host 10.1.0.2 and src port 80 and dst host 10.1.0.1 and dst port 40000"


def stats(values):
    """As RES2FILE writes them: count, sum, sum of squares, min, max."""
    return [len(values), sum(values), sum(v * v for v in values), min(values), max(values)]


def rows(packets):
    """What must stand in the file of tcpanalyze: a row for each whole second from the sender's first packet on."""
    sent = expected.golden.tcpdump_filter(packets, SENDER)
    acks = expected.golden.tcpdump_filter(packets, RECEIVER)
    gaps = [gap * 2**32 / SECOND for gap in expected.golden.gaps(sent)]
    windows = [int.from_bytes(data[38:42], "big") - next(
        (int.from_bytes(a[0][42:46], "big") for a in reversed(acks) if a[2] < ns), 0) for data, _, ns in sent]
    bytes_so_far = list(itertools.accumulate(p[1] for p in sent))
    for second in range((sent[-1][2] - sent[0][2]) // SECOND):
        n = sum((p[2] - sent[0][2]) // SECOND <= second for p in sent)
        yield [n, bytes_so_far[n - 1], *stats(gaps[1:n]), *stats(windows[1:n])]


class Tutorial(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.installed = mapi.Installed()
        cls.addClassCleanup(cls.installed.remove)
        sleep = [TUTORIAL / "sleep.c"]
        cls.worm = cls.installed.compile(TUTORIAL / "worm.c", flags=["-DMAPI_RESULT_IS_VALUE"], more=sleep)
        cls.tcpanalyze = cls.installed.compile(TUTORIAL / "tcpanalyze.c", more=sleep)

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

    def check_rows(self, process, packets):
        process.kill()
        homard.until(lambda: len((self.folder / "result.txt").read_text().splitlines()) > len(list(rows(packets))),
                     what="all rows")
        lines = (self.folder / "result.txt").read_text().splitlines()
        self.assertEqual(lines[0].rstrip(), HEADER)
        wanted = list(rows(packets))
        self.assertGreaterEqual(len(wanted), 2)
        self.assertEqual(len(lines) - 1, len(wanted), lines)
        for line, row in zip(lines[1:], wanted):
            got = [float(word) for word in line.split()]
            self.assertEqual(len(got), len(row), line)
            for a, b in zip(got, row):
                self.assertTrue(math.isclose(a, b, rel_tol=1e-9, abs_tol=1), "%s, and not %s" % (got, row))

    def analyze(self, h, flows=2):
        return self.running(h, self.tcpanalyze, "result.txt", "10.1.0.1", 40000, "10.1.0.2", 80, flows=flows)

    def test_tcpanalyze_on_a_trace(self):
        traffic.write(self.trace, traffic.slow_conversation())
        with Homard({"devices": [{"name": "eth0", "trace": str(self.trace)}]}) as h:
            process = self.analyze(h)
            h.call("device.start", device="eth0")
            homard.until(lambda: h.call("device.list")[0]["state"] == "finished", what="the end of the trace")
            self.check_rows(process, expected.golden.packets_of(self.trace))
            h.stop()

    def test_tcpanalyze_on_a_live_link(self):
        traffic.write(self.trace, traffic.slow_conversation())
        captured = self.folder / "live.pcap"
        with self.link("eth0") as (namespace, h):
            with homard.popen([str(homard.HOMARDCTL), "--socket", h.socket_path, "capture", "--device", "eth0",
                               "--format", "pcap", "-w", str(captured)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as capture:
                process = self.analyze(h, flows=3)
                namespace.replay(self.trace, paced=True)
                sent = len(expected.golden.packets_of(self.trace))
                homard.until(lambda: homard.received(h, "eth0") == sent, what="all packets")
                capture.send_signal(homard.signal.SIGINT)
                self.assertEqual(capture.wait(timeout=homard.SLOW), 0)
            self.check_rows(process, expected.golden.packets_of(captured))
            h.stop()


if __name__ == "__main__":
    homard.main()
