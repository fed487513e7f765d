#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""RES2FILE: its rows are those that a plain loop over the packets writes, for every interval, format and number of queues
and workers, from its own flow and from others; what cannot be is refused with MAPI's numbers.
"""
import array
import json
import os
import pathlib
import shutil
import socket
import struct
import tempfile
import unittest

import homard
import libmapi
from homard import Homard, RpcError

SEED = 20061127
PACKETS = 3001


def packets_of(path):
    """[(frame, length on the wire, ns)]"""
    raw, at, packets = path.read_bytes(), 24, []
    while at < len(raw):
        seconds, fraction, caplen, wirelen = struct.unpack_from("<IIII", raw, at)
        packets.append((raw[at + 16:at + 16 + caplen], wirelen, seconds * 10**9 + fraction))
        at += 16 + caplen
    return packets


def ticks(ns):
    return ((ns << 32) + 500000000) // 10**9


def seconds(ns):
    return "%d.%09d000" % divmod(ns, 10**9)


def is_udp(frame):
    if frame[12:14] == b"\x08\x00":
        return frame[23] == 17
    return frame[12:14] == b"\x86\xdd" and (frame[54] if frame[20] == 44 else frame[20]) == 17


class Res2File(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.trace = cls.folder / "in.pcap"
        homard.make_trace(cls.trace, packets=PACKETS, flows=50, seed=SEED)
        cls.packets = packets_of(cls.trace)
        cls.times = [p[2] for p in cls.packets]
        cls.gaps = [0, *(b - a for a, b in zip(cls.times, cls.times[1:]))]

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def config(self, flows, queues=1, burst=64, **more):
        return {"devices": [{"name": "trace", "trace": str(self.trace), "pace": "max", "loop": 1,
                             "queues": queues, "burst": burst}],
                "capture": {"dir": str(self.folder)},
                "flows": [{"name": name, "device": "trace", "functions": functions}
                          for name, *functions in flows], **more}

    def run_flows(self, *flows, queues=1, workers=1, burst=64):
        """What is in the file "out" when the flows have seen the trace."""
        (self.folder / "out").unlink(missing_ok=True)
        with Homard(self.config(flows, queues, burst), workers=workers) as h:
            h.wait_finished(flows[-1][0])
            functions = h.call("flow.info", flow=flows[-1][0])["functions"]
            number = next(f["number"] for f in functions if f["name"] == "RES2FILE")
            homard.until(lambda: h.read(flows[-1][0], number)["queued"] == 0, what="all rows")
            counts = h.read(flows[-1][0], number)
            h.assert_balanced()
            h.stop()
        content = (self.folder / "out").read_bytes()
        self.assertEqual(counts["bytes"], len(content))
        self.assertEqual(counts["offered"], counts["written"])
        self.assertEqual((counts["lost"], counts["dropped"], counts["error"]), (0, 0, ""))
        return counts["written"], content

    def test_row_at_every_packet(self):
        expected = "Count Gap Gap Time\n" + "".join(
            "%d %d %s %s \n" % (i + 1, ticks(gap), seconds(gap), seconds(ts))
            for i, (gap, ts) in enumerate(zip(self.gaps, self.times)))
        for queues, workers, burst in ((1, 1, 64), (1, 1, 7), (4, 2, 64)):
            with self.subTest(queues=queues, workers=workers, burst=burst):
                rows, content = self.run_flows(
                    ("f", ["PKT_COUNTER"], ["GAP"], ["PKTINFO", "PKT_TS"],
                     ["RES2FILE", "1,R2F_ULLSTR, ullsec,2", "1, 2,2@f,3@f", "Count Gap Gap Time",
                      "out", "-1"]), queues=queues, workers=workers, burst=burst)
                self.assertEqual(content.decode(), expected)
                self.assertEqual(rows, PACKETS)

    def by_interval(self, step, reset):
        """Rows of: packets and bytes of all, packets of udp, statistics of the gaps but the first."""
        lines, begin = [], self.times[0]
        count = octets = udp = 0
        base, sums, last = (0, 0, 0), [], None
        for (frame, wirelen, ns), gap in zip(self.packets, self.gaps):
            over = (ns - begin) // step
            if over:
                shown = [now - was for now, was in zip(last[0], base)] if reset else list(last[0])
                base = last[0]
                lines.append((shown, last[1]))
                lines.extend([([0, 0, 0], [])] * (over - 1))
                begin += over * step
            count, octets, udp = count + 1, octets + wirelen, udp + is_udp(frame)
            if count > 1:
                sums = sums + [gap]
            last = ((count, octets, udp), sums)
        return lines

    def test_row_an_interval_with_other_flows_and_statistics(self):
        factor = 2**32 / 10**9
        for step, text, reset in ((1500000, "1.5ms", 1), (20000, "20us", 0)):
            expected = self.by_interval(step, reset)
            for queues, workers, burst in ((1, 1, 64), (1, 1, 5), (2, 2, 64), (4, 4, 9)):
                with self.subTest(step=step, queues=queues, workers=workers, burst=burst):
                    rows, content = self.run_flows(
                        ("udp", ["BPF_FILTER", "udp"], ["PKT_COUNTER"]),
                        ("gaps", ["GAP"], ["STATS", 0, 1, 1]),
                        ("f", ["PKT_COUNTER"], ["BYTE_COUNTER"],
                         ["RES2FILE", "1,1,1,3", "1@f,2@f,2@udp,2@gaps", "", "out", text, reset]),
                        queues=queues, workers=workers, burst=burst)
                    lines = content.decode().split("\n")
                    self.assertEqual((lines[0], lines[-1], rows), ("", "", len(expected)))
                    self.assertEqual(len(lines) - 2, len(expected))
                    for line, (counts, sums) in zip(lines[1:-1], expected):
                        self.assertRegex(line, r"^\d+ \d+ \d+ \d+  ([\d.]+ ){4}$")
                        fields = line.split()
                        self.assertEqual([int(n) for n in fields[:3]], counts)
                        self.assertEqual(int(fields[3]), len(sums))
                        for got, want in zip(map(float, fields[4:]), (
                                sum(sums) * factor, sum(v * v for v in sums) * factor**2,
                                min(sums, default=0) * factor, max(sums, default=0) * factor)):
                            self.assertAlmostEqual(got, want, delta=1e-6 + abs(want) * 1e-12)

    def test_one_row_at_the_end(self):
        for queues, workers in ((1, 1), (4, 2)):
            _, content = self.run_flows(
                ("f", ["PKT_COUNTER"], ["BYTE_COUNTER"], ["SAMPLE", 10, 2],
                 ["RES2FILE", "1,1", "1,2", "at the end", "out", "0"]), queues=queues, workers=workers)
            seen = self.packets[:PACKETS // 10 * 10]  # up to the last that SAMPLE lets through
            self.assertEqual(content.decode(), "at the end\n%d %d \n"
                             % (len(seen), sum(p[1] for p in seen)))

    def test_raw_is_mapis_memory(self):
        _, content = self.run_flows(
            ("f", ["GAP"], ["STATS", 0, 1, "0"],
             ["RES2FILE", "0,RAW", "1,2", "raw", "out", "0"]))
        self.assertEqual(content[:4], b"raw\n")
        size, gap, length, count = struct.unpack_from("<4Q", content, 4)
        self.assertEqual((size, gap, length, count), (8, ticks(self.gaps[-1]), 64, PACKETS))
        self.assertEqual(struct.unpack_from("<2d", content, 4 + 24 + 48),
                         (max(self.gaps) * 2**32 / 10**9, 0.0))
        self.assertEqual(content[4 + 24 + 64:], b"\n")

    def test_long_silence_is_rows_of_zeros_to_a_limit(self):
        trace = self.folder / "silence.pcap"
        frame = b"\0" * 60
        with open(trace, "wb") as out:
            out.write(struct.pack("<IHHIIII", 0xa1b23c4d, 2, 4, 0, 0, 65535, 1))
            for second in (10, 11, 15, 4000000):
                out.write(struct.pack("<IIII", second, 0, 60, 60) + frame)
        config = self.config([("f", ["PKT_COUNTER"], ["RES2FILE", "1", "1", "x", "silent", "1s"])])
        config["devices"][0]["trace"] = str(trace)
        with Homard(config) as h:
            h.wait_finished("f")
            homard.until(lambda: h.read("f", 2)["queued"] == 0, what="all rows")
            counts = h.read("f", 2)
        self.assertEqual((counts["written"], counts["left_out"]), (6 + 1000000, 4000000 - 15 - 1 - 1000000))
        self.assertEqual((self.folder / "silent").read_text()[:24],
                         "x\n1 \n2 \n0 \n0 \n0 \n3 \n0 \n0 \n"[:24])

    def test_close_of_the_flow_writes_what_is_left(self):
        (self.folder / "closed").unlink(missing_ok=True)
        config = self.config([])
        config["devices"] = [{"name": "live", "vdev": "net_null0,size=64"}]
        with Homard(config) as h:
            flow = h.flow("live", ["PKT_COUNTER"], ["RES2FILE", "1", "1", "x", "closed", "0"])
            homard.until(lambda: h.read(flow, 1) > 1000, what="packets")
            h.call("flow.close", flow=flow)
            homard.until(lambda: (self.folder / "closed").read_text().count("\n") == 2, what="the row")
            self.assertGreater(int((self.folder / "closed").read_text().split()[1]), 1000)

    def test_fast_rows_on_a_live_device_drop_only_what_they_count(self):
        (self.folder / "fast").unlink(missing_ok=True)
        config = self.config([])
        config["devices"] = [{"name": "live", "vdev": "net_null0,size=64"}]
        with Homard(config) as h:
            flow = h.flow("live", ["PKT_COUNTER"], ["RES2FILE", "1", "1", "x", "fast", "-1"])
            homard.until(lambda: h.read(flow, 2)["dropped"] > 0 and h.read(flow, 2)["written"] > 5000,
                         what="a full ring")
            h.call("device.stop", device="live")
            homard.until(lambda: h.ledger()["devices"][0]["in_flight"] == 0, what="rest")
            homard.until(lambda: h.read(flow, 2)["offered"] == h.read(flow, 1) and
                         h.read(flow, 2)["queued"] == 0, what="all rows")
            counts, packets = h.read(flow, 2), h.read(flow, 1)
            lines = (self.folder / "fast").read_text().split("\n")
            self.assertEqual(counts["offered"], packets)
            self.assertEqual(counts["written"], packets - counts["dropped"])
            self.assertEqual(len(lines) - 2, counts["written"])
            self.assertEqual(sorted(map(int, lines[1:-1])), list(map(int, lines[1:-1])))

    def test_client_passes_the_file_and_the_tutorials_order_is_taken(self):
        out = self.folder / "passed"
        with Homard(self.config([])) as h, open(out, "wb") as file:
            flow = h.flow("trace", ["PKT_COUNTER"], ["BYTE_COUNTER"], connect=False)
            request = {"jsonrpc": "2.0", "id": 77, "method": "flow.apply", "params": {
                "flow": flow, "function": "RES2FILE",
                "args": ["1@%d,2@%d" % (flow, flow), "1,1", "Count Bytes", "passed", "0"]}}
            h.client.socket.sendmsg(
                [json.dumps(request).encode() + b"\n"],
                [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file.fileno()]))])
            self.assertEqual(h.client.receive()["result"], {"function": 3})
            h.call("flow.connect", flow=flow)
            h.call("device.start", device="trace")
            h.wait_finished(flow)
            homard.until(lambda: h.read(flow, 3)["written"] == 1, what="the row")
        self.assertEqual(out.read_text(), "Count Bytes\n%d %d \n"
                         % (PACKETS, sum(p[1] for p in self.packets)))

    @unittest.skipIf("HOMARD_SANITIZED" in os.environ, "Python has not been built with the sanitizers")
    def test_libmapi_writes_with_the_callers_rights(self):
        out = self.folder / "by-libmapi"
        with Homard(self.config([])) as h:
            os.environ["HOMARD_SOCKET"] = h.socket_path
            m = libmapi.Mapi()
            one, two = m.create_flow("trace"), m.create_flow("trace")
            count, gap = m.apply(one, "PKT_COUNT"), m.apply(two, "GAP")
            last = m.apply(one, "RES2FILE", "%d@%d, %d@%d" % (count, one, gap, two), "1,2", "Count Gap",
                           str(out), "0")
            m.connect(one)
            m.connect(two)
            flow = h.call("flow.list")[0]["flow"]
            h.call("device.start", device="trace")
            h.wait_finished(flow)
            homard.until(lambda: h.read(flow, last)["written"] == 1, what="the row")
            with self.assertRaises(libmapi.MapiError) as refused:
                m.read_results(one, last)
            self.assertEqual(refused.exception.number, 6146)
            m.close_all()
        self.assertEqual(out.read_text(), "Count Gap\n%d %s \n" % (PACKETS, seconds(self.gaps[-1])))
        self.assertEqual(out.stat().st_mode & 0o777, 0o600)

    def test_each_wrong_argument_has_its_number(self):
        good = ["1", "1", "x", "refused", "1s", 0]
        with Homard(self.config([])) as h:
            for at, value, number, words in (
                    (0, None, 7001, "is missing"), (1, None, 7002, "is missing"), (2, None, 7003, "is missing"),
                    (3, None, 6155, "is missing"), (4, None, 7005, "is missing"), (5, 2, 7011, "must be 0 or 1"),
                    (5, "x", 7011, "must be an integer"), (0, "1,1", 7001, "more types than"),
                    (1, "1,1", 7001, "fewer types than"), (1, "9", 7002, "there is no function 9"),
                    (1, "1@99", 7002, "there is no flow 99"), (1, "1@", 7002, "must be like"),
                    (1, "x@1", 7002, "must be like"), (1, "", 7002, "must be like"),
                    (0, "7", 7002, "must be 0 (RAW)"), (0, "", 7002, "must be 0 (RAW)"),
                    (0, "3", 7002, "type STATS is for"), (1, "2", 7002, "BPF_FILTER has no value"),
                    (3, "../out", 6155, ""), (3, "", 6155, ""), (4, "soon", 7005, "must be a time"),
                    (4, "0s", 7005, "must be a time"), (4, "-2", 7005, "must be a time")):
                args = list(good)
                args[at] = value
                flow = h.flow("trace", ["PKT_COUNTER"], ["BPF_FILTER", "ip"], connect=False)
                with self.assertRaises(RpcError) as refused:
                    h.call("flow.apply", flow=flow, function="RES2FILE", args=args)
                self.assertEqual(refused.exception.mapi_errno, number, (args, refused.exception))
                self.assertIn(words, str(refused.exception))
                h.call("flow.close", flow=flow)
            many = h.flow("trace", ["PKT_COUNTER"], connect=False)
            with self.assertRaisesRegex(RpcError, "64 functions at most"):
                h.call("flow.apply", flow=many, function="RES2FILE",
                       args=[",".join(["1"] * 65), ",".join(["1"] * 65), *good[2:]])
            # a folder that is not there is found at connect
            away = h.flow("trace", ["PKT_COUNTER"], ["RES2FILE", "1", "1", "x", "no/such/out", "0"],
                          connect=False)
            with self.assertRaises(RpcError) as refused:
                h.call("flow.connect", flow=away)
            self.assertEqual(refused.exception.mapi_errno, 6155)


if __name__ == "__main__":
    homard.main()
