# SPDX-License-Identifier: BSD-3-Clause
"""namespace: a network namespace of the test's own, with a veth pair on which only the test sends."""
import os
import subprocess
import sys
import unittest

SENDER = """
import socket, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
frame = bytes.fromhex(sys.argv[3])
for i in range(int(sys.argv[2])):
    s.send(frame)
    if i % 50 == 49:
        time.sleep(0.002)
"""
# The frames of a little-endian pcap with nanoseconds: at its own times, or with pauses so that no ring overflows.
REPLAYER = """
import pathlib, socket, struct, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
data, at, n, paced = pathlib.Path(sys.argv[2]).read_bytes(), 24, 0, sys.argv[3] == "paced"
first, begin = None, time.monotonic()
while at < len(data):
    seconds, ns, length = struct.unpack_from("<III", data, at)
    first = first or seconds + ns / 1e9
    if paced:
        time.sleep(max(0, seconds + ns / 1e9 - first - (time.monotonic() - begin)))
    elif n % 20 == 19:
        time.sleep(0.002)
    s.send(data[at + 16:at + 16 + length])
    at, n = at + 16 + length, n + 1
"""


def udp_frame():
    ip = bytes.fromhex("4500002e00000000401100000a0000010a000002")
    udp = bytes.fromhex("03e807d0001a0000") + bytes(18)
    return bytes.fromhex("020000000002020000000001" "0800") + ip + udp


class Namespace:
    """A network namespace with a veth pair hm0, hm1 that carries nothing but what tests send."""

    def __init__(self):
        self.name = "homard-%d" % os.getpid()
        self.prefix = ["ip", "netns", "exec", self.name]

    def __enter__(self):
        done = subprocess.run(["ip", "netns", "add", self.name], capture_output=True, check=False)
        if done.returncode:
            raise unittest.SkipTest("no network namespace: " + done.stderr.decode().strip())
        try:
            self.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1",
                     "net.ipv6.conf.default.disable_ipv6=1")
            self.run("ip", "link", "add", "hm0", "type", "veth", "peer", "name", "hm1")
            self.run("ip", "link", "set", "hm0", "up")
            self.run("ip", "link", "set", "hm1", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        subprocess.run(["ip", "netns", "del", self.name], check=False)

    def run(self, *command):
        subprocess.run([*self.prefix, *command], stdin=subprocess.DEVNULL, check=True)

    def send(self, count, frame):
        self.run(sys.executable, "-c", SENDER, "hm1", str(count), frame.hex())

    def replay(self, trace, paced=False):
        self.run(sys.executable, "-c", REPLAYER, "hm1", str(trace), "paced" if paced else "fast")
