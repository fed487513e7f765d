#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""COOKING and tshark's "follow TCP stream" find the same bytes in each direction of each connection, mixed, doubled,
overlapped, lost and wrapping ones, for IPv4 and IPv6."""
import random
import re
import subprocess
import unittest

import homard
import test_cooking
from test_cooking import ACK, FIN, Connection, streams_of, trace_of, write_pcap

LOST = re.compile(rb"\[(\d+) bytes missing in capture file\]\0?")


def followed(trace, n):
    """[[what the client says, what the server says]] of the first n connections of a trace, as tshark has them."""
    wanted = [word for i in range(n) for word in ("-z", "follow,tcp,raw,%d" % i)]
    done = homard.run(["tshark", "-n", "-q", "-r", str(trace), *wanted], stdin=subprocess.DEVNULL,
                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=4 * homard.SLOW)
    done.check_returncode()
    found = {}
    for line in done.stdout.decode().splitlines():
        if line.startswith("Filter: tcp.stream eq "):
            said = found.setdefault(int(line.rsplit(" ", 1)[1]), [b"", b""])
        elif re.fullmatch("\t?[0-9a-f]+", line):
            said[line[0] == "\t"] += bytes.fromhex(line)
    return [found[i] for i in range(n)]


def by_first_packet(connections):
    """In the order in which tshark numbers them."""
    return sorted(connections, key=lambda c: min(c.sent, key=lambda piece: piece[0])[0])


class CookingTshark(test_cooking.Cook, unittest.TestCase):
    def compare(self, connections, keep=lambda number, frame: True, args=()):
        """Both over the packets that are kept: [(connection, end, chunks of COOKING, bytes of tshark)]."""
        trace = [piece for number, piece in enumerate(trace_of(connections)) if keep(number, piece[1])]
        write_pcap(self.folder / "in.pcap", trace)
        packets, self.told = self.cook(args)
        cooked = streams_of(packets)
        ordered = by_first_packet(connections)
        return [(c, end, cooked.get(c.key(end), []), said)
                for c, both in zip(ordered, followed(self.folder / "in.pcap", len(ordered))) for end, said in enumerate(both)]

    def assert_same(self, compared):
        for c, end, chunks, said in compared:
            ours = b"".join(data for _, data, _ in chunks)
            self.assertTrue(ours == said, "%s: %d bytes, by tshark %d" % (c.key(end), len(ours), len(said)))

    def test_mixed_doubled_overlapped_and_wrapping(self):
        compared = self.compare(test_cooking.make(random.Random(41), 50))
        self.assert_same(compared)
        self.assertEqual({c.version for c, *_ in compared}, {4, 6})
        self.assertGreater(sum(bool(said) for *_, said in compared), 50)
        self.assertGreater(sum(c.first[end] + len(said) > 2**32 for c, end, _, said in compared), 30)
        self.assertGreater(min(self.told["reordered"], self.told["repeated"]), 100)

    def test_thousand_segments_backwards(self):
        c = Connection(random.Random(42), 1, [1_000_000, 0])
        c.begin(0)
        c.sent.append((3, c.frame(1, 0)))  # from now on its window is large
        c.sent += [(10 - place // 1000 + 1000, c.frame(0, place, c.said[0][place:place + 1000]))
                   for place in range(0, 1_000_000, 1000)]
        c.finish(5000)
        compared = self.compare([c], args=[-1, -1, 1, 3, {"window_kib": 1024, "connections": 16, "memory_kib": 4096}])
        self.assert_same(compared)
        self.assertEqual((self.told["reordered"], self.told["gaps"]), (999, 0))

    def test_lost_segments(self):
        """tshark writes where it misses how many bytes, COOKING's sequence numbers show it: both miss the same."""
        connections = []
        for number in range(20):
            chance = random.Random(number)
            c = Connection(chance, number, [60000, 20000])
            c.begin(number * 10)
            for end in (0, 1):
                c.say(chance, end, 10**6 * (1 + end))
                # it is not told what was lost before the other end says that it has all
                c.sent.append((10**7 + end, c.frame(1 - end, len(c.said[1 - end]), acked=len(c.said[end]))))
            for end in (0, 1):
                c.sent.append((2 * 10**7 + end, c.frame(end, len(c.said[end]), flags=FIN | ACK, acked=len(c.said[1 - end]))))
            connections.append(c)
        compared = self.compare(connections, keep=lambda number, frame: number % 13 or len(frame) < 600)
        for c, end, chunks, said in compared:
            ours, at = b"", 0
            for sequence, data, _ in chunks:
                place = (sequence - c.first[end] - 1) % 2**32
                ours += b"[%d bytes missing in capture file]\0" % (place - at) if place > at else b""
                ours += data
                at = place + len(data)
            self.assertEqual(LOST.sub(b"<\\1>", ours), LOST.sub(b"<\\1>", said))
        self.assertGreater(self.told["gaps"], 20)
        self.assertEqual(self.told["missing"], sum(int(n) for *_, said in compared for n in LOST.findall(said)))

    def disagreeing(self):
        """Bytes that come a second time, and differ: of what had gone by, and of what waits behind a hole."""
        c = Connection(random.Random(43), 1, [30, 0])
        c.begin(0)
        for at, data in ((0, b"a" * 10), (5, b"b" * 10),   # in order: 10 to 14 are new
                         (25, b"c" * 5), (20, b"d" * 10),  # ahead: 25 to 29 are there
                         (15, b"e" * 5)):
            c.sent.append((10 + len(c.sent), c.frame(0, at, data)))
        c.finish(100)
        return c

    def test_overlaps_that_disagree(self):
        """Of bytes that have had their turn both keep the first ones. Of those that wait tshark takes what
        begins first, COOKING what came first, or with last_wins what came last."""
        for last_wins, in_order, ahead in ((0, b"a" * 10 + b"b" * 5, b"c"), (1, b"a" * 5 + b"b" * 10, b"d")):
            (_, _, chunks, said), _ = self.compare([self.disagreeing()], args=[-1, -1, 1, 3, {"last_wins": last_wins}])
            self.assertEqual(said, b"a" * 10 + b"b" * 5 + b"e" * 5 + b"d" * 10)
            self.assertEqual(b"".join(data for _, data, _ in chunks), in_order + b"e" * 5 + b"d" * 5 + ahead * 5)


if __name__ == "__main__":
    homard.main()
