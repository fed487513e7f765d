#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""libmapi's calls against a real daemon: flows, functions, results, errors."""
import contextlib
import os
import pathlib
import re
import resource
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import homard
import libmapi
from homard import Homard


def whole(packet):
    """(time, length on the wire, bytes) of a struct mapipkt."""
    p = packet.contents
    return p.ts, p.wlen, libmapi.ctypes.string_at(libmapi.ctypes.addressof(p) + 20, p.caplen)


@contextlib.contextmanager
def no_descriptor_left():
    """This process may open no file any more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Reader(threading.Thread):
    """Reads packets until there is none."""

    def __init__(self, m, fd, fid):
        super().__init__(daemon=True)
        self.m, self.fd, self.fid = m, fd, fid
        self.packets, self.error = [], None
        self.start()

    def run(self):
        while True:
            packet = self.m.library.mapi_get_next_packet(self.fd, self.fid)
            if not packet:
                self.error = self.m.error()
                return
            self.packets.append(whole(packet))


class Samples(threading.Thread):
    """Reads struct sample until there is none."""

    def __init__(self, m, fd, fid):
        super().__init__(daemon=True)
        self.m, self.fd, self.fid = m, fd, fid
        self.got, self.error = [], None
        self.start()

    def run(self):
        try:
            while True:
                self.got.append(struct.unpack("7I4xQ", self.m.raw(self.fd, self.fid)))
        except libmapi.MapiError as error:
            self.error = error


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


    def test_library_shows_the_calls_of_its_header_and_nothing_else(self):
        header = (homard.SOURCE / "src" / "client" / "include" / "mapi.h").read_text()
        declared = set(re.findall(r"^\w[\w *]*?(mapi_\w+)\(.*\);$", header, re.MULTILINE))
        self.assertGreater(len(declared), 25)
        printed = subprocess.run(["nm", "-D", "--defined-only", str(homard.program("libmapi.so.2"))],
                                 stdout=subprocess.PIPE, check=True, text=True).stdout
        shown = {line.split()[-1].split("@")[0] for line in printed.splitlines() if " T " in line}
        self.assertEqual(shown, declared)


class Flows(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.truth = homard.make_trace(cls.folder / "in.pcap", packets=5000, flows=100, seed=3)
        cls.mapi = libmapi.Mapi()

    def setUp(self):
        self.daemon = Homard({"devices": [{"name": "trace", "trace": str(self.folder / "in.pcap"), "pace": "max"}],
                              "flows": []})
        self.addCleanup(self.daemon.__exit__, None)
        libmapi.use(self.daemon)
        self.addCleanup(self.mapi.close_all)  # the next session is with the next daemon

    def refused(self, number, call, *args):
        with self.assertRaises(libmapi.MapiError) as raised:
            call(*args)
        self.assertEqual(raised.exception.number, number, raised.exception.text)
        self.assertTrue(raised.exception.text)
        self.assertEqual(self.mapi.error().number, 0)  # it was forgotten
        return raised.exception.text

    def test_errors_of_making_flows(self):
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

    def test_functions_read_those_of_other_flows(self):
        """The tutorial's order of connecting, and its units: times are 2^-32 s, also of differences."""
        m = self.mapi
        one, two = m.create_flow("trace"), m.create_flow("trace")
        m.apply(two, "BPF_FILTER", "udp")
        when = m.apply(one, "PKT_INFO", 0)
        udp = m.apply(two, "PKTINFO", 0)
        later = m.apply(one, "BINOP", 1, one, when, two, udp)
        sooner = m.apply(one, "BINOP", 1, two, udp, one, when)
        sync = m.apply(one, "SYNC", "%d, %d" % (one, two))
        count = m.apply(one, "PKT_COUNTER")
        loss = m.apply(one, "PKTLOSS")
        self.refused(7002, m.apply, one, "BINOP", 1, one + 1000, when, two, udp)
        self.refused(7004, m.apply, one, "BINOP", 1, two, udp, one, 99)
        self.refused(7001, m.apply, one, "BINOP", 2, two, udp, one, when)
        self.refused(7005, m.apply, one, "BINOP", 1, two, udp, one)
        self.refused(7002, m.apply, one, "SYNC", "%d" % (one + 1000))
        self.refused(7001, m.apply, one, "SYNC", None)
        m.connect(one)
        m.connect(two)
        flow = self.daemon.call("flow.list")[-2]["flow"]
        self.daemon.call("device.start", device="trace")
        self.daemon.wait_finished(flow)
        ticks = lambda ns: ((int(ns) << 32) + 500000000) // 1000000000
        apart = self.daemon.read(flow, later)
        self.assertGreater(int(apart), 0)
        self.assertEqual(m.result(one, later), ticks(apart))
        self.assertEqual(m.result(one, sooner, libmapi.ctypes.c_longlong), -ticks(apart))
        self.assertEqual(m.result(one, when), ticks(self.daemon.read(flow, when)))
        self.assertEqual(m.result(one, count), self.truth["packets"])
        self.assertEqual(m.result(one, loss), 0)
        self.refused(6146, m.read_results, one, sync)

    def test_results_are_those_of_the_trace(self):
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

    def test_lists_are_laid_out_as_in_c(self):
        m, h = self.mapi, self.daemon
        fd, (expired, hosts, ports) = m.flow("trace", ("EXPIRED_FLOWS", 5000, 0, 2), ("TOP", 7, 1, 8, 2, 0),
                                             ("TOP", 5, 2, 11))
        number = h.call("flow.list")[-1]["flow"]
        h.call("device.start", device="trace")
        h.wait_finished(number)
        # unsigned n, and right behind it struct topx_result[n]
        for fid, address in ((hosts, True), (ports, False)):
            told, raw = h.read(number, fid)["top"], m.raw(fd, fid)
            self.assertEqual(struct.unpack_from("I", raw), (len(told),))
            self.assertEqual(len(raw), 4 + 48 * len(told))
            for entry, row in zip(told, struct.iter_unpack("4s16sHxxIQI4x", raw[4:])):
                value, addr6, family, count, bytecount, reset = row
                if address and ":" in entry["value"]:
                    self.assertEqual((family, addr6), (socket.AF_INET6, socket.inet_pton(family, entry["value"])))
                elif address:
                    self.assertEqual((family, value), (socket.AF_INET, socket.inet_aton(entry["value"])))
                else:
                    self.assertEqual((family, value), (0, struct.pack("I", entry["value"])))
                self.assertEqual((count, bytecount, reset), (entry["count"], entry["bytecount"], 0))
        # flows_stat, and behind it sent times flow_data
        flows = []
        while not flows or sent:
            raw = m.raw(fd, expired)
            sent, received, over, ignored, lost, *packets = struct.unpack_from("10I", raw)
            self.assertEqual(len(raw), 40 + 40 * sent)
            rows = list(struct.iter_unpack("3Q4s4s2H2B2x", raw[40:]))
            self.assertEqual(packets[0], sum(row[1] for row in rows))
            if not flows:
                self.assertEqual((received, lost, packets[1]), (over, 0, h.call("flow.info", flow=number)[
                    "functions"][0]["out"]))
                expected = over - ignored
            flows += rows
        self.assertEqual(len(flows), expected)
        self.assertTrue(all(row[1] >= 2 and row[-1] > 0 for row in flows))
        m.close_flow(fd)

    def test_packets_come_out_of_the_ring_and_end_with_the_trace(self):
        m = self.mapi
        h = self.daemon
        fd, (buffer,) = m.flow("trace", ("TO_BUFFER",))
        none, (_, empty) = m.flow("trace", ("BPF_FILTER", "port 1 and port 2"), ("TO_BUFFER", 0))
        busy, (polled,) = m.flow("trace", ("TO_BUFFER", 1))
        sampled, (sample,) = m.flow("trace", ("HASHSAMP", 512, 1))
        self.refused(6147, m.get_next_pkt, 0, buffer)
        self.refused(6147, m.get_next_pkt, fd, -1)
        self.refused(6145, m.get_next_pkt, fd + 1000, buffer)
        self.refused(6147, m.get_next_pkt, none, 1)
        with no_descriptor_left():  # the ring comes as one
            self.refused(6148, m.get_next_pkt, fd, buffer)
        self.refused(7004, m.loop, fd, buffer, 1, None)
        self.refused(6147, m.loop, -1, buffer, 1, None)
        self.assertFalse(m.library.mapi_get_next_pkt(busy, polled))  # nothing yet, and no error
        self.assertEqual(m.error().number, 0)
        readers = Reader(m, fd, buffer), Reader(m, none, empty)
        samples = Samples(m, sampled, sample)
        time.sleep(0.05)
        self.assertTrue(all(r.is_alive() for r in (*readers, samples)))
        before = time.process_time()
        time.sleep(0.3)
        self.assertLess(time.process_time() - before, 0.1)  # they wait, and burn nothing
        h.call("device.start", device="trace")
        got = []
        homard.until(lambda: self.poll(m, busy, polled, got) == self.truth["packets"])
        for r in (*readers, samples):
            r.join(homard.SLOW)
            self.assertFalse(r.is_alive())
        self.assertEqual([r.error.number for r in readers], [0, 0])
        self.assertEqual(readers[1].packets, [])
        self.assertEqual(readers[0].packets, self.packets_of_trace())
        self.assertEqual(got, readers[0].packets)
        self.assertEqual(samples.error.number, 6146)
        passed = h.call("flow.info", flow=4)["functions"][0]["out"]
        self.assertGreater(passed, 0)
        self.assertEqual(len(samples.got), passed)
        frames = {ts: frame for ts, _, frame in readers[0].packets}
        plain = [s for s in samples.got if frames[s[-1]][12:14] == b"\x08\0"]  # no VLAN tag
        self.assertGreater(len(plain), 10)
        for source, dest, sport, dport, _, _, protocol, ts in plain:
            frame = frames[ts]
            self.assertEqual(struct.pack("II", source, dest), frame[26:34])
            self.assertEqual(protocol, frame[23])
            self.assertEqual((sport, dport), struct.unpack_from("!2H", frame, 14 + 4 * (frame[14] & 15)))
        h.assert_balanced()
        for flow in (fd, none, busy, sampled):
            m.close_flow(flow)

    def listed(self, call, info, first, after):
        """All that a mapi_get_next_... tells, from `first` on; after(info) is what to ask with next."""
        got, where = [], first
        while getattr(self.mapi.library, "mapi_" + call)(*where, libmapi.ctypes.byref(info)) == 0:
            got.append(type(info).from_buffer_copy(info))
            where = after(info)
        error = self.mapi.error()
        return got, error.number

    def test_what_there_is_can_be_listed(self):
        m, by = self.mapi, libmapi.ctypes.byref
        libraries, number = self.listed("get_next_library_info", libmapi.LibraryInfo(), (-1,), lambda i: (i.id,))
        self.assertEqual(number, 6151)
        names = [library.libname.decode() for library in libraries]
        self.assertEqual((names[0], names[-1], [library.id for library in libraries]),
                         ("stdflib", "homard", list(range(len(names)))))
        functions = {}
        for library in libraries:
            info = libmapi.LibraryFunctionInfo()
            for i in range(library.functs):
                m.get_libfunct_info(library.id, i, by(info))
                functions[info.name.decode()] = info.argdescr.decode()
                self.assertTrue(info.descr)
                self.assertEqual(info.devtype, b"1")
            self.refused(6151, m.get_libfunct_info, library.id, library.functs, by(info))
        m.get_next_libfunct_info(0, -5, by(info))
        self.assertEqual(info.name, b"HASH")
        m.get_next_libfunct_info(0, 0, by(info))
        self.assertEqual(info.name, b"BINOP")
        self.assertEqual({name: functions[name] for name in ("BINOP", "BUCKET", "THRESHOLD", "TO_FILE", "SYNC", "TOP")},
                         {"BINOP": "irfrf", "BUCKET": "rfsi", "THRESHOLD": "irfiliii", "TO_FILE": "iwl", "SYNC": "s",
                          "TOP": "iiiii"})
        self.assertEqual(set(functions), {f["name"] for f in self.daemon.call("function.list")})
        self.refused(6151, m.get_library_info, 99, by(libmapi.LibraryInfo()))
        self.refused(7002, m.get_library_info, 0, None)
        self.refused(7003, m.get_libfunct_info, 0, 0, None)
        devices, number = self.listed("get_next_device_info", libmapi.DeviceInfo(), (0,), lambda i: (i.id,))
        self.assertEqual(([d.device for d in devices], number), ([b"trace"], 6157))
        self.refused(6157, m.get_device_info, 17, by(libmapi.DeviceInfo()))
        fd, (tcp, counter) = m.flow("trace", ("BPF_FILTER", "tcp"), ("PKT_COUNTER",))
        applied, number = self.listed("get_next_function_info", libmapi.FunctionInfo(), (fd, 0), lambda i: (fd, i.fid))
        self.assertEqual([(i.fid, i.name, i.libname, i.result_size) for i in applied],
                         [(tcp, b"BPF_FILTER", b"stdflib", 0), (counter, b"PKT_COUNTER", b"stdflib", 8)])
        self.assertEqual(number, 6150)
        flows, number = self.listed("get_next_flow_info", libmapi.FlowInfo(), (0,), lambda i: (i.fd,))
        self.assertEqual(([(f.device, f.num_functions, f.status) for f in flows], number), ([(b"trace", 2, 1)], 6149))
        self.daemon.call("device.start", device="trace")
        self.daemon.wait_finished(flows[0].fd)
        info = libmapi.FunctionInfo()
        m.get_function_info(fd, tcp, by(info))
        self.assertEqual((info.pkts, info.passed_pkts), (self.truth["packets"], m.result(fd, counter)))
        stat = libmapi.Stat()
        self.assertEqual(m.stats("trace", by(stat)), 1)
        self.assertEqual((stat.ps_recv, stat.ps_drop, stat.hostname, stat.dev),
                         (self.truth["packets"], 0, b"localhost", b"trace"))
        self.refused(8004, m.stats, "nowhere", by(stat))

    def read_all(self, fd, fid, form):
        """All that a function has to be read one by one, until it is over."""
        got = []
        with self.assertRaises(libmapi.MapiError) as raised:
            while True:
                got.append(struct.unpack(form, self.mapi.raw(fd, fid)))
        self.assertEqual(raised.exception.number, 6146)
        return got

    def test_bucket_and_threshold_are_read_one_by_one(self):
        m = self.mapi
        fd = m.create_flow("trace")
        counter = m.apply(fd, "PKT_COUNTER")
        every = m.apply(fd, "BUCKET", fd, counter, "0", 0)
        slow = m.apply(fd, "BUCKET", fd, counter, "1ms", 1)
        times = m.apply(fd, "PKTINFO", 0)
        last = m.apply(fd, "BUCKET", fd, times, "-1")
        events = m.apply(fd, "THRESHOLD", 2, fd, counter, 1, 4990.0, 0, 0, 3)
        short = m.apply(fd, "THRESHOLD", 4, fd, counter, 0, 7)  # CHAR and an int, as the tutorial writes it
        m.connect(fd)
        flow = self.daemon.call("flow.list")[-1]["flow"]
        blocked = []
        reader = threading.Thread(target=lambda: blocked.append(m.raw(fd, events)), daemon=True)
        reader.start()
        time.sleep(0.05)
        self.assertEqual(blocked, [])
        self.daemon.call("device.start", device="trace")
        reader.join(homard.SLOW)
        self.assertEqual(blocked, [b""])
        self.daemon.wait_finished(flow)
        frames = self.packets_of_trace()
        self.assertEqual(self.read_all(fd, every, "2Q"),
                         [(frames[i][0], i + 1) for i in range(len(frames) - 1000, len(frames))])
        want = self.daemon.read(flow, slow)["entries"]
        got = self.read_all(fd, slow, "2Q")
        ticks = lambda ns: ((int(ns) << 32) + 500000000) // 1000000000
        self.assertEqual(got, [(ticks(e["ts_ns"]), int(e["data"])) for e in want])
        self.assertGreater(len(got), 1)
        self.assertEqual(self.read_all(fd, last, "2Q"), [(frames[-1][0], frames[-1][0])])
        self.assertEqual(self.read_all(fd, events, ""), [(), ()])  # one of the three is read already
        passed = self.daemon.call("flow.info", flow=flow)["functions"][-1]["in"]
        # the value as a char is 7 at packets 7, 263, 519 ...
        self.assertEqual(len(self.read_all(fd, short, "")), len([i for i in range(1, passed + 1) if i % 256 == 7]))
        info = libmapi.FunctionInfo()
        m.get_function_info(fd, every, libmapi.ctypes.byref(info))
        self.assertEqual(info.result_size, 16)

    def test_loop_calls_back_and_closing_wakes_a_reader(self):
        m = self.mapi
        seen = []
        handler = libmapi.ctypes.CFUNCTYPE(None, libmapi.ctypes.POINTER(libmapi.Packet))
        callback = handler(lambda packet: seen.append(packet.contents.wlen))
        h = self.daemon
        fd, (buffer,) = m.flow("trace", ("TO_BUFFER",))
        closed, (waiting,) = m.flow("trace", ("TO_BUFFER",))
        reader = Reader(m, closed, waiting)
        time.sleep(0.05)
        m.close_flow(closed)
        reader.join(homard.SLOW)
        self.assertEqual(reader.error.number, 6145)
        h.call("device.start", device="trace")
        self.assertEqual(m.loop(fd, buffer, 10, callback), 0)
        self.assertEqual(len(seen), 10)
        self.assertEqual(m.loop(fd, buffer, -1, callback), 0)
        self.assertEqual(len(seen), self.truth["packets"])
        self.assertEqual(sum(seen), self.truth["bytes"])
        m.close_flow(fd)

    @staticmethod
    def poll(m, fd, fid, got):
        while True:
            packet = m.library.mapi_get_next_pkt(fd, fid)
            if not packet:
                return len(got)
            got.append(whole(packet))

    def packets_of_trace(self):
        """(time in 2^-32 s, length on the wire, bytes) of each packet."""
        data = (self.folder / "in.pcap").read_bytes()
        magic, = struct.unpack_from("<I", data)
        per_second = 10**9 if magic == 0xa1b23c4d else 10**6
        packets, at = [], 24
        while at < len(data):
            seconds, fraction, caplen, wirelen = struct.unpack_from("<4I", data, at)
            ns = fraction * (10**9 // per_second)
            packets.append((seconds << 32 | ((ns << 32) + 500000000) // 1000000000, wirelen,
                            data[at + 16:at + 16 + caplen]))
            at += 16 + caplen
        return packets

    def test_sessions_end_with_their_last_flow(self):
        m = self.mapi
        fds = [m.create_flow("trace") for _ in range(10)]
        listed = len(self.daemon.call("flow.list"))
        self.assertGreaterEqual(listed, 10)
        for fd in fds:
            m.close_flow(fd)
        homard.until(lambda: len(self.daemon.call("flow.list")) == listed - 10)


if __name__ == "__main__":
    homard.main()
