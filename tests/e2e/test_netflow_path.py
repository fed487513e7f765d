#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Messages over UDP are as long as the path to the collector takes, also when that changes."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import homard
from homard import Homard
from namespace import Namespace

HEADERS = 48  # of IPv6 and UDP, which are reckoned with for IPv4, too
# Says its port, then the length of each message.
COLLECTOR = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
while True:
    print(len(s.recv(65535)), flush=True)
"""


class Collector:
    def __init__(self, namespace, file):
        self.file = file
        with open(file, "wb") as out:
            self.process = subprocess.Popen([*namespace.prefix, sys.executable, "-c", COLLECTOR],
                                            stdin=subprocess.DEVNULL, stdout=out)
        self.port = homard.until(lambda: self.numbers(), what="the collector's port")[0]

    def numbers(self):
        return [int(line) for line in self.file.read_text(encoding="ascii").splitlines(keepends=True) if line.endswith("\n")]

    def lengths(self, since=0):
        return self.numbers()[1 + since:]

    def stop(self):
        self.process.kill()
        self.process.wait()


class Path(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def test_messages_fit_the_path(self):
        trace = self.folder / "trace.pcap"
        homard.make_trace(trace, packets=20000, flows=3000, seed=5, rate=40000)
        with Namespace() as namespace:
            namespace.run("ip", "link", "set", "lo", "mtu", "700", "up")
            collector = Collector(namespace, self.folder / "lengths")
            self.addCleanup(collector.stop)
            config = {"devices": [{"name": "trace", "trace": str(trace), "pace": "realtime", "loop": 0}],
                      "netflow": [{"device": "trace", "inactive_timeout_s": 1, "active_timeout_s": 1, "cache_entries": 16384,
                                   "exporters": [{"host": "127.0.0.1", "port": collector.port, "mtu": 1400}]}]}
            with Homard(config, prefix=namespace.prefix) as h:
                homard.until(lambda: len(collector.lengths()) > 100, what="messages")
                self.assertLessEqual(max(collector.lengths()), 700 - HEADERS)
                self.assertGreater(max(collector.lengths()), 700 - HEADERS - 100)
                namespace.run("ip", "link", "set", "lo", "mtu", "1200")
                homard.until(lambda: max(collector.lengths()) > 1200 - HEADERS - 100, what="longer messages")
                self.assertLessEqual(max(collector.lengths()), 1200 - HEADERS)
                namespace.run("ip", "link", "set", "lo", "mtu", "9000")
                homard.until(lambda: max(collector.lengths()) > 1400 - HEADERS - 100, what="the longest messages")
                h.assert_balanced()
            self.assertLessEqual(max(collector.lengths()), 1400 - HEADERS)  # what is configured is the most


if __name__ == "__main__":
    homard.main()
