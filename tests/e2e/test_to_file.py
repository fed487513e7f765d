#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""TO_FILE: what is in its files is what came, in every format, as others read them; files follow one another without
a packet between them; and where a disk is full, or the daemon is killed, files stay readable and the ledger knows
what is missing."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import unittest

import homard
from homard import Homard

N = 20001
CAUSES = ["disk_full", "io_error", "no_folder", "no_format", "no_room", "removed"]


def packets_of(path):
    """[(ns, wire length, bytes), ...] of a little-endian pcap; a part of a record at its end does not count."""
    raw = pathlib.Path(path).read_bytes()
    unit = {0xA1B23C4D: 1, 0xA1B2C3D4: 1000}[struct.unpack_from("<I", raw)[0]]
    packets, at = [], 24
    while at + 16 <= len(raw):
        seconds, fraction, caplen, wirelen = struct.unpack_from("<IIII", raw, at)
        if at + 16 + caplen > len(raw):
            break
        packets.append((seconds * 10**9 + fraction * unit, wirelen, raw[at + 16:at + 16 + caplen]))
        at += 16 + caplen
    return packets, len(raw) - at


def run(*command):
    done = homard.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                      stderr=subprocess.PIPE, timeout=homard.SLOW)
    if done.returncode:
        raise AssertionError("%s ended with %d: %s" % (command, done.returncode, done.stderr))
    return done.stdout


def by_editcap(path):
    """The packets as Wireshark's library reads them."""
    with tempfile.NamedTemporaryFile(suffix=".pcap") as out:
        run("editcap", "-F", "nsecpcap", str(path), out.name)
        return packets_of(out.name)[0]


def differ(got, expected):
    """Where two lists of packets begin to differ; "" where they do not. unittest's own would take minutes."""
    if got == expected:
        return ""
    at = next((i for i, (a, b) in enumerate(zip(got, expected)) if a != b), min(len(got), len(expected)))
    return "packet %d of %d: %s instead of %s, of %d" % (at, len(got), got[at:at + 1],
                                                        expected[at:at + 1], len(expected))


def tool(name):
    return unittest.skipUnless(shutil.which(name), "needs " + name)


class ToFile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.trace = cls.folder / "in.pcap"
        homard.make_trace(cls.trace, packets=N, flows=200, seed=7)
        cls.packets = packets_of(cls.trace)[0]

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def setUp(self):
        self.out = pathlib.Path(tempfile.mkdtemp(dir=self.folder))

    def daemon(self, flows=(), workers=1, prefix=(), **more):
        device = {"name": "trace", "trace": str(self.trace), **more}
        return Homard({"devices": [device], "flows": list(flows), "capture": {"dir": str(self.out)}},
                      workers=workers, prefix=prefix)

    def finish(self, h, flow, function=1):
        """Plays the trace; the function's result when all is written or lost, and the flow has gone."""
        with contextlib.suppress(homard.RpcError):  # it has begun by itself
            h.call("device.start", device="trace")
        h.wait_finished(flow)
        homard.until(lambda: h.read(flow, function)["queued"] == 0
                     or sum(h.read(flow, function)["dropped"].values()), what="all to be written")
        result = h.read(flow, function)
        h.assert_balanced()
        h.call("flow.close", flow=flow)
        return result

    def write(self, *arguments, **more):
        with self.daemon(**more) as h:
            result = self.finish(h, h.flow("trace", ["TO_FILE", *arguments]))
            homard.until(lambda: not h.ledger()["files"], what="the file to be closed")
        self.assertEqual(result["state"], 0)
        self.assertEqual(sorted(result["dropped"]), CAUSES)
        return result

    def same(self, got, expected):
        self.assertEqual(differ(got, expected), "")

    def whole(self, path, expected):
        """A pcap file of these packets and nothing else."""
        packets, rest = packets_of(path)
        self.same(packets, expected)
        self.assertEqual(rest, 0)

    # --- formats ---

    def test_pcap_has_microseconds(self):
        result = self.write("MFF_PCAP", "a.pcap")
        self.assertEqual(result["packets"], N)
        expected = [(ns // 1000 * 1000, wire, data) for ns, wire, data in self.packets]
        self.whole(self.out / "a.pcap", expected)

    @tool("tcpdump")
    def test_pcap_is_read_by_tcpdump(self):
        self.write(0, "a.pcap", 0, {"snaplen": 100})
        read = ["tcpdump", "--nano", "-tt", "-nn", "-xx", "-r"]
        cut = self.out / "cut.pcap"
        run("editcap", "-F", "pcap", "-s", "100", str(self.trace), str(cut))
        self.assertTrue(run(*read, str(self.out / "a.pcap")) == run(*read, str(cut)))

    def test_pcap_ns_is_the_trace(self):
        self.write("pcap_ns", "a.pcap")
        self.whole(self.out / "a.pcap", self.packets)

    @tool("editcap")
    def test_pcapng_is_what_wireshark_reads(self):
        self.write("PCAPNG", "a.pcapng")
        self.same(by_editcap(self.out / "a.pcapng"), self.packets)

    @tool("editcap")
    def test_erf_is_what_wireshark_reads(self):
        self.write("MFF_DAG_ERF", "a.erf")
        # editcap leaves the record's 18 bytes of header before the frame; with Ethernet's check sequence
        # behind it, which a record counts
        got = by_editcap(self.out / "a.erf")
        self.same([(ns, wire - 18 - 4, data[18:]) for ns, wire, data in got], self.packets)

    @tool("tracestats")
    def test_erf_is_what_libtrace_reads(self):
        self.write(2, "a.erf")
        words = run("tracestats", "erf:%s" % (self.out / "a.erf")).decode().split()
        self.assertIn(str(N), words)

    @tool("zstd")
    def test_compressed_file_is_the_same(self):
        result = self.write("PCAP_NS", "a.pcap.zst", 0, {"zstd": 3})
        self.assertEqual(result["bytes"], (self.out / "a.pcap.zst").stat().st_size)
        run("zstd", "-dq", str(self.out / "a.pcap.zst"))
        self.whole(self.out / "a.pcap", self.packets)

    @tool("capinfos")
    def test_capinfos_sees_whole_files_of_every_format(self):
        for number, name in enumerate(["MFF_PCAP", "MFF_RAW", "ERF", "PCAP_NS", "PCAPNG"]):
            self.write(name, "%d" % number, 1000)
            text = run("capinfos", "-M", "-c", "-S", str(self.out / ("%d" % number))).decode()
            self.assertIn("1000", text)

    def test_no_packets_leave_a_file_of_none(self):
        with self.daemon() as h:
            self.finish(h, h.flow("trace", ["BPF_FILTER", "udp port 1"],
                                  ["TO_FILE", "PCAP", "a.pcap"]), 2)
        self.whole(self.out / "a.pcap", [])

    # --- how many ---

    def test_any_number_of_queues_and_workers_writes_the_same(self):
        files = []
        for workers, queues, burst in [(1, 1, 64), (1, 4, 7), (2, 4, 64), (4, 4, 1)]:
            name = "%d-%d.pcap" % (workers, queues)
            self.write("PCAP_NS", name, workers=workers, queues=queues, burst=burst)
            files.append((self.out / name).read_bytes())
        self.whole(self.out / "1-1.pcap", self.packets)
        self.assertTrue(all(file == files[0] for file in files))

    def test_count_ends_the_file_and_nothing_else(self):
        with self.daemon() as h:
            flow = h.flow("trace", ["TO_FILE", "PCAP_NS", "a.pcap", 777], ["PKT_COUNTER"])
            self.assertEqual(h.read(flow, 1)["state"], 11)
            h.call("device.start", device="trace")
            h.wait_finished(flow)
            homard.until(lambda: h.read(flow, 1)["packets"] == 777, what="the packets")
            self.assertEqual(h.read(flow, 1)["state"], 0)
            self.assertEqual(h.read(flow, 2), N)
            self.assertEqual(h.read(flow, 1)["file"]["ignored"], N - 777)
            h.assert_balanced()
        self.whole(self.out / "a.pcap", self.packets[:777])

    # --- one file after the other ---

    def parts(self, pattern="*.pcap"):
        return [packets_of(path) for path in sorted(self.out.glob(pattern))]

    def check_parts(self, result, parts):
        self.assertEqual(result["files"], len(parts))
        self.assertEqual([rest for _, rest in parts], [0] * len(parts))
        self.same([p for packets, _ in parts for p in packets], self.packets)

    def test_files_of_so_many_packets(self):
        result = self.write("PCAP_NS", "x-%n.pcap", 0, {"rotate_packets": 100})
        parts = self.parts()
        self.check_parts(result, parts)
        self.assertEqual([len(packets) for packets, _ in parts], [100] * 200 + [1])

    def test_files_of_one_packet(self):
        result = self.write("PCAP_NS", "x-%n.pcap", 300, {"rotate_packets": 1})
        self.assertEqual(result["files"], 300)
        self.same([p for packets, _ in self.parts() for p in packets], self.packets[:300])

    def test_files_of_so_many_bytes(self):
        result = self.write("PCAP_NS", "x-%n.pcap", 0, {"rotate_bytes": 500000})
        parts = self.parts()
        self.check_parts(result, parts)
        sizes = [path.stat().st_size for path in sorted(self.out.glob("*.pcap"))]
        self.assertLessEqual(max(sizes), 500000)
        self.assertGreater(min(sizes[:-1]), 490000)

    def test_files_of_so_many_seconds_begin_on_the_second(self):
        slow = self.folder / "slow.pcap"
        if not slow.exists():
            homard.make_trace(slow, packets=3000, flows=20, seed=3, rate=400)
        packets = packets_of(slow)[0]
        result = self.write("PCAP_NS", "%Y%m%d-%H%M%S.pcap", 0, {"rotate_s": 2}, trace=str(slow))
        parts = self.parts()
        self.same([p for part, _ in parts for p in part], packets)
        self.assertEqual(result["files"], len(parts))
        self.assertGreater(len(parts), 2)
        for path, (part, _) in zip(sorted(self.out.glob("*.pcap")), parts):
            self.assertEqual(len({ns // (2 * 10**9) for ns, _, _ in part}), 1)
            stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(part[0][0] // 10**9))
            self.assertEqual(path.name, stamp + ".pcap")

    def test_retention_keeps_the_newest(self):
        (self.out / "x-000000.pcap").write_bytes(bytes(100))  # of an earlier run
        os.utime(self.out / "x-000000.pcap", (1000, 1000))
        (self.out / "other.pcap").write_bytes(bytes(100))
        result = self.write("PCAP_NS", "x-%n.pcap", 0,
                            {"rotate_bytes": 200000, "keep_bytes": 1000000})
        kept = sorted(self.out.glob("x-*.pcap"))
        self.assertLessEqual(sum(path.stat().st_size for path in kept), 1000000)
        self.assertGreaterEqual(len(kept), 4)
        gone = result["files"] + 1 - len(kept)
        self.assertIn(gone - result["deleted"], (0, 1))  # the end of the last file may remove one more
        self.assertTrue((self.out / "other.pcap").exists())
        packets = [p for path in kept for p in packets_of(path)[0]]
        self.same(packets, self.packets[-len(packets):])

    def test_script_runs_for_flows_of_the_configuration_only(self):
        script = self.out / "script"
        script.write_text("#!/bin/sh\nmv \"$1\" \"$1.done\"\n")
        script.chmod(0o755)
        options = {"rotate_packets": 5000, "script": str(script)}
        flow = {"name": "disk", "device": "trace", "functions": [["TO_FILE", "PCAP_NS", "x-%n", 0, options]]}
        with self.daemon([flow]) as h:
            h.wait_finished("disk")
            homard.until(lambda: h.read("disk", 1)["scripts"]["run"] == 5, what="all scripts")
            with self.assertRaises(homard.RpcError) as refused:
                h.flow("trace", ["TO_FILE", "PCAP_NS", "y", 0, {"script": str(script)}])
            self.assertEqual(refused.exception.mapi_errno, 7004)
            h.assert_balanced()
        self.assertEqual(len(list(self.out.glob("x-*.done"))), 5)

    # --- what clients pass ---

    def test_client_passes_a_file_or_a_folder(self):
        with self.daemon() as h, open(self.folder / "mine.pcap", "wb") as file:
            flow = h.call("flow.create", device="trace")["flow"]
            folder = os.open(self.out, os.O_RDONLY)
            h.call("flow.apply", files=[file.fileno()], flow=flow, function="TO_FILE",
                   args=["PCAP_NS", "/any/where.pcap", 0])
            h.call("flow.apply", files=[folder], flow=flow, function="TO_FILE",
                   args=["PCAP_NS", "x-%n.pcap", 0, {"rotate_packets": 10000}])
            os.close(folder)
            h.call("flow.connect", flow=flow)
            self.finish(h, flow, 2)
            homard.until(lambda: not h.ledger()["files"], what="the files to be closed")
        self.whole(self.folder / "mine.pcap", self.packets)
        self.same([p for part, _ in self.parts() for p in part], self.packets)

    def test_one_file_passed_is_written_by_any_number_of_workers(self):
        """The descriptor outlives that the function is made again for the ordered part of the flow."""
        with self.daemon(workers=2, queues=4) as h, open(self.folder / "mine.pcap", "wb") as file:
            flow = h.call("flow.create", device="trace")["flow"]
            h.call("flow.apply", flow=flow, function="GAP")
            h.call("flow.apply", files=[file.fileno()], flow=flow, function="TO_FILE",
                   args=["PCAP_NS", "mine", 0])
            h.call("flow.connect", flow=flow)
            self.finish(h, flow, 2)
            homard.until(lambda: not h.ledger()["files"], what="the file to be closed")
        self.whole(self.folder / "mine.pcap", self.packets)

    def test_homardctl_starts_a_capture_that_goes_on(self):
        with self.daemon() as h:
            homard.ctl(h, "flow", "add", "trace", "disk", "--to", str(self.out), "--priority", "40",
                       "--to", str(self.folder / "second.pcap"),
                       'TO_FILE pcap_ns "x-%n.pcap" 0 {"rotate_packets": 7000}', "PKT_COUNTER",
                       "TO_FILE pcap_ns second")
            self.finish(h, "disk", 3)
            homard.until(lambda: not h.ledger()["files"], what="the files to be closed")
            homard.ctl(h, "flow", "add", "trace", "none", "--to", "/no/such/folder/x", "PKT_COUNTER", code=1)
            homard.ctl(h, "flow", "add", "trace", "none", "--to", str(self.out), "PKT_COUNTER", code=1)
            homard.ctl(h, "flow", "add", "trace", "none", "--to", code=2)
        self.same([p for part, _ in self.parts() for p in part], self.packets)
        self.whole(self.folder / "second.pcap", self.packets)

    def refused(self, h, number, *arguments, files=()):
        flow = h.call("flow.create", device="trace")["flow"]
        with self.assertRaises(homard.RpcError) as refused:
            h.call("flow.apply", files=files, flow=flow, function="TO_FILE", args=list(arguments))
            h.call("flow.connect", flow=flow)
        self.assertEqual(refused.exception.mapi_errno, number, str(refused.exception))
        h.call("flow.close", flow=flow)

    def test_mistakes_have_their_numbers(self):
        with self.daemon() as h, open(self.folder / "mine", "wb") as file:
            fd = [file.fileno()]
            for format in (99, -1, "MFF_NONE", 3, "MFF_NAPATECH"):
                self.refused(h, 7006, format, "a")
            self.refused(h, 6155, 0)
            for name in ("", "/etc/x", "../x", "a/../../x", "%Q", 7):
                self.refused(h, 6155, 0, name)
            self.refused(h, 6155, 0, "no/such/folder")
            self.refused(h, 7003, 0, "a", -1)
            for options in ({"zstd": 20}, {"nothing": 1}, {"rotate_s": 0}, {"block_bytes": 5000},
                            {"sync": "often"}, {"script_s": 5}, {"rotate_packets": "5"},
                            {"buffer_bytes": 65536}, {"snaplen": 65536}, {"script": "relative"}):
                self.refused(h, 7004, 0, "a", 0, options)
            self.refused(h, 7004, 0, "a", 0, {"rotate_packets": 5}, files=fd)
            self.refused(h, 7004, 0, "a", 0, {"keep_s": 5}, files=fd)
            self.refused(h, 6156, 0, "a", files=fd * 2)
            with open(self.folder / "mine", "rb") as readable:
                self.refused(h, 6155, 0, "a", files=[readable.fileno()])
        self.assertEqual(list(self.out.iterdir()), [])

    def test_folder_of_the_configuration_stays_until_a_restart(self):
        with self.daemon() as h:
            h.config["capture"]["dir"] = str(self.folder)
            h.file.write_text(json.dumps(h.config))
            with self.assertRaisesRegex(homard.RpcError, "capture.dir differs"):
                h.call("config.reload")

    def test_check_tells_a_folder_that_is_not_there(self):
        code, words = homard.check({
            "devices": [{"name": "trace", "trace": str(self.trace)}], "capture": {"dir": "/no/such/folder"},
            "flows": [{"name": "disk", "device": "trace", "functions": [["TO_FILE", "PCAP", "a"]]}]})
        self.assertEqual(code, 2, words)
        self.assertIn("/no/such/folder", words)

    # --- when it goes wrong ---

    def test_full_disk_loses_what_the_ledger_says(self):
        prefix = ["unshare", "-m", "sh", "-c",
                  'mount -t tmpfs -o size=3m tmpfs "$0" && exec "$@"', str(self.out)]
        if homard.run([*prefix, "true"], stderr=subprocess.DEVNULL, timeout=homard.SLOW).returncode:
            self.skipTest("no mount namespace of its own")
        with self.daemon(prefix=prefix) as h:
            flow = h.flow("trace", ["TO_FILE", "PCAP_NS", "a.pcap", 0, {"buffer_bytes": 8 << 20}])
            h.call("device.start", device="trace")
            h.wait_finished(flow)
            line = homard.until(lambda: [line for line in h.ledger()["files"] if line["written"] > 1000],
                                what="the disk to be full")[0]
            h.assert_balanced()
            self.assertEqual(line["offered"], N)
            inside = pathlib.Path("/proc/%d/root%s/a.pcap" % (h.process.pid, self.out))
            h.call("flow.close", flow=flow)
            homard.until(lambda: h.ledger()["files"] == [], what="the flow to give up")
            packets, rest = packets_of(inside)
            self.assertEqual(rest, 0)  # it ends with a whole record
            self.same(packets, self.packets[:len(packets)])
            self.assertGreater(len(packets), 1000)

    def test_daemon_stops_though_its_disk_is_full(self):
        prefix = ["unshare", "-m", "sh", "-c",
                  'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"', str(self.out)]
        if homard.run([*prefix, "true"], stderr=subprocess.DEVNULL, timeout=homard.SLOW).returncode:
            self.skipTest("no mount namespace of its own")
        with self.daemon(prefix=prefix) as h:
            flow = h.flow("trace", ["TO_FILE", "PCAP_NS", "a.pcap"])
            h.call("device.start", device="trace")
            h.wait_finished(flow)
            line = homard.printed_ledger(h.stop())["files"][0]
        self.assertEqual(line["queued"], 0)
        self.assertEqual(line["dropped"]["disk_full"], N - line["written"])
        self.assertGreater(line["written"], 1000)

    def test_killed_daemon_leaves_a_file_of_whole_records(self):
        with self.daemon(pace="realtime", loop=0) as h:
            flow = h.flow("trace", ["TO_FILE", "PCAP_NS", "a.pcap"])
            h.call("device.start", device="trace")
            homard.until(lambda: h.read(flow, 1)["packets"] > N, what="more than a lap")
            h.process.send_signal(signal.SIGKILL)
            h.process.wait()
        packets, rest = packets_of(self.out / "a.pcap")
        self.assertGreater(len(packets), N)
        self.assertLess(rest, 70000)  # at most one record is cut
        self.same(packets[:N], self.packets)
        self.same([p[1:] for p in packets], [p[1:] for p in (self.packets * 20)[:len(packets)]])

    def test_client_that_dies_leaves_a_whole_file(self):
        with self.daemon(pace="realtime", loop=0) as h:
            with h.connect() as client, open(self.folder / "mine.pcap", "wb") as file:
                flow = client.call("flow.create", device="trace")["flow"]
                client.call("flow.apply", files=[file.fileno()], flow=flow, function="TO_FILE",
                            args=["PCAP_NS", "mine"])
                client.call("flow.connect", flow=flow)
                h.call("device.start", device="trace")
                homard.until(lambda: client.read(flow, 1)["packets"] > 1000, what="packets")
            homard.until(lambda: h.ledger()["files"] == [], what="the flow to end")
            h.assert_balanced()
        packets, rest = packets_of(self.folder / "mine.pcap")
        self.assertEqual(rest, 0)
        self.assertGreater(len(packets), 1000)
        self.same([p[1:] for p in packets], [p[1:] for p in (self.packets * 20)[:len(packets)]])

    def test_stop_of_the_daemon_writes_all_that_came(self):
        with self.daemon(pace="realtime", loop=0) as h:
            flow = h.flow("trace", ["TO_FILE", "PCAP_NS", "a.pcap"], name="f")
            h.call("device.start", device="trace")
            homard.until(lambda: h.read(flow, 1)["packets"] > 1000, what="packets")
            ledger = homard.printed_ledger(h.stop())
        line = ledger["files"][0]
        self.assertEqual(line["offered"], line["written"])
        packets, rest = packets_of(self.out / "a.pcap")
        self.assertEqual((len(packets), rest), (line["written"], 0))


if __name__ == "__main__":
    homard.main()
