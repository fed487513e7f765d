#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""libmapi's calls against a real daemon: flows, functions, results, errors."""
import pathlib
import shutil
import struct
import tempfile
import unittest

import homard
import libmapi
from homard import Homard


class BeforeAll(unittest.TestCase):
    def test_calls_before_any_flow_say_so(self):
        m = libmapi.Mapi()
        for call in (lambda: m.connect(-1), lambda: m.close_flow(1), lambda: m.read_results(1, 1),
                     lambda: m.apply(-1, "PKT_COUNTER"), lambda: m.is_remote(1), lambda: m.get_scope_size(1)):
            with self.assertRaises(libmapi.MapiError) as raised:
                call()
            self.assertEqual(raised.exception.number, 6141)

    def test_no_daemon_is_5123_and_says_what_to_do(self):
        m = libmapi.Mapi()
        with tempfile.TemporaryDirectory() as folder:
            libmapi.use(type("nobody", (), {"socket_path": folder + "/sock"}))
            with self.assertRaises(libmapi.MapiError) as raised:
                m.create_flow("trace")
        self.assertEqual(raised.exception.number, 5123)
        self.assertIn("start homardd", raised.exception.text)


class Flows(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.truth = homard.make_trace(cls.folder / "in.pcap", packets=5000, flows=100, seed=3)
        cls.daemon = Homard({"devices": [{"name": "trace", "trace": str(cls.folder / "in.pcap"), "pace": "max"}],
                             "flows": []})
        libmapi.use(cls.daemon)
        cls.mapi = libmapi.Mapi()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.addClassCleanup(cls.daemon.__exit__, None)

    def refused(self, number, call, *args):
        with self.assertRaises(libmapi.MapiError) as raised:
            call(*args)
        self.assertEqual(raised.exception.number, number, raised.exception.text)
        self.assertTrue(raised.exception.text)
        self.assertEqual(self.mapi.error().number, 0)  # it was forgotten
        return raised.exception.text

    def test_1_errors_of_making_flows(self):
        m = self.mapi
        fd = m.create_flow("trace")
        self.refused(6157, m.create_flow, None)
        self.refused(3200, m.create_flow, "nowhere")
        self.assertIn("remote", self.refused(5123, m.create_flow, "elsewhere.example:eth0"))
        self.refused(6147, m.apply, -1, "PKT_COUNTER")
        self.refused(6147, m.apply, 0, "PKT_COUNTER")
        self.refused(7006, m.apply_function, fd, None)
        self.refused(6145, m.apply, fd + 1000, "PKT_COUNTER")
        self.refused(6144, m.apply, fd, "NO_SUCH_FUNCTION")
        self.refused(6144, m.apply, fd, "PKT_COUNTER!1.3.1")
        self.refused(6144, m.apply, fd, "")
        self.refused(1025, m.apply, fd, "BPF_FILTER", "no filter")
        self.refused(7001, m.apply, fd, "BPF_FILTER", None)
        self.refused(7001, m.apply, fd, "BPF_FILTER", 0)
        self.refused(7001, m.apply, fd, "BPF_FILTER")
        self.refused(7001, m.apply, fd, "BPF_FILTER", b"\xff\xfe")
        self.refused(7002, m.apply, fd, "STR_SEARCH", "pattern", -1, 0)
        self.refused(6145, m.connect, -1)
        self.refused(6145, m.connect, fd + 1000)
        self.refused(6145, m.close_flow, 0)
        self.refused(6143, m.read_results, fd, 1)
        m.connect(fd)
        self.refused(3081, m.connect, fd)
        self.refused(7006, m.apply, fd, "PKT_COUNTER")
        self.refused(6147, m.read_results, fd, 1)
        self.refused(6145, m.read_results, fd, 0)
        self.refused(6145, m.read_results, fd, -1)
        self.refused(6145, m.read_results, 0, 1)
        m.close_flow(fd)
        self.refused(6145, m.close_flow, fd)
        self.refused(6145, m.read_results, fd, 1)
        self.assertGreater(m.create_flow("localhost:trace"), fd)  # never used again

    def test_2_results_are_those_of_the_trace(self):
        m = self.mapi
        fd = m.create_flow("trace")
        packets = m.apply(fd, "pkt_counter", 1, 2, 3)  # surplus arguments are ignored
        octets = m.apply_function(fd, "BYTE_COUNTER!1")
        gap = m.apply(fd, "GAP")
        statistics = m.apply(fd, "STAT", 0, gap, 1)
        dist = m.apply(fd, "DIST", 0, gap, "0", "1ms", "100us")
        burst = m.apply(fd, "BURST", 1000, 4000, 1000, 0, 0, 0, 1000)
        window = m.apply(fd, "STARTSTOP", "0", "0")
        digest = m.apply(fd, "HASH", 0)
        tcp = m.apply_function_array(fd, b"BPF_FILTER", (libmapi.ctypes.c_char_p * 1)(b"tcp"), 1)
        tcp_packets = m.apply(fd, "PKT_COUNTER")
        m.connect(fd)
        flow = self.daemon.call("flow.list")[-1]["flow"]
        self.daemon.call("device.start", device="trace")
        self.daemon.wait_finished(flow)
        value = {f: self.daemon.read(flow, f) for f in (gap, statistics, dist, burst, window, digest)}
        ticks = lambda ns: ((int(ns) << 32) + 500000000) // 1000000000
        self.assertEqual(m.result(fd, packets), self.truth["packets"])
        self.assertEqual(m.result(fd, octets), self.truth["bytes"])
        self.assertGreater(m.result(fd, tcp_packets), 0)
        self.assertEqual(m.result(fd, gap), ticks(value[gap]))
        self.assertEqual(m.result(fd, digest, libmapi.ctypes.c_uint), value[digest])
        self.assertEqual(struct.unpack("3Q", m.raw(fd, window)),
                         tuple(ticks(value[window][key]) for key in ("first", "first_processed", "last")))
        # stats_t
        count, = struct.unpack_from("Q", m.raw(fd, statistics))
        total, squares = (float(libmapi.ctypes.c_longdouble.from_buffer_copy(m.raw(fd, statistics), at).value)
                          for at in (16, 32))
        most, least = struct.unpack_from("2d", m.raw(fd, statistics), 48)
        self.assertEqual(len(m.raw(fd, statistics)), 64)
        self.assertEqual(count, self.truth["packets"] - 1)
        factor = 2**32 / 1e9
        for got, want in ((total, int(value[statistics]["sum"]) * factor),
                          (squares, int(value[statistics]["sum2"]) * factor**2),
                          (most, int(value[statistics]["max"]) * factor),
                          (least, int(value[statistics]["min"]) * factor)):
            self.assertAlmostEqual(got, want, delta=abs(want) * 1e-12)
        # dist_t
        numbers = struct.unpack("%dQ" % (len(m.raw(fd, dist)) // 8), m.raw(fd, dist))
        self.assertEqual(numbers[:3], (0, ticks(1000000), 10))
        self.assertEqual(list(numbers[3:]), value[dist]["data"])
        self.assertEqual(sum(numbers[3:]), self.truth["packets"])
        # burst_category_t[]
        categories = list(struct.iter_unpack("5L", m.raw(fd, burst)))
        self.assertEqual(categories, [tuple(c[key] for key in ("bytes", "packets", "bursts", "gap_bytes", "gaps"))
                                      for c in value[burst]["categories"]])
        self.refused(6146, m.read_results, fd, tcp)
        m.close_flow(fd)

    def test_3_sessions_end_with_their_last_flow(self):
        m = self.mapi
        fds = [m.create_flow("trace") for _ in range(10)]
        listed = len(self.daemon.call("flow.list"))
        self.assertGreaterEqual(listed, 10)
        for fd in fds:
            m.close_flow(fd)
        homard.until(lambda: len(self.daemon.call("flow.list")) == listed - 10)


if __name__ == "__main__":
    homard.main()
