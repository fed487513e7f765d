#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""homardctl capture: what comes out is, packet by packet, what tcpdump finds in the trace."""
import pathlib
import shutil
import signal
import subprocess
import tempfile
import unittest

import homard
from homard import Homard

SNAPLEN = 80


def tcpdump(trace, *more):
    """The packets of a trace as tcpdump prints them, times in nanoseconds and all bytes in hex."""
    done = subprocess.run(["tcpdump", "--nano", "-tt", "-nn", "-xx", "-S", "-r", str(trace), *more],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=homard.SLOW,
                          check=True)
    return done.stdout.decode()


@unittest.skipUnless(shutil.which("tcpdump"), "needs tcpdump")
class Capture(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.trace = cls.folder / "in.pcap"
        cls.truth = homard.make_trace(cls.trace, packets=20000, flows=200, seed=7)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def daemon(self, **more):
        return Homard({"devices": [dict({"name": "trace", "trace": str(self.trace), "pace": "max",
                                         "loop": 1}, **more)], "flows": []})

    def count(self, expression):
        """How many packets of the trace match, says tcpdump."""
        return tcpdump(self.trace, expression).count("\n\t0x0000:")

    def capture(self, h, *args, **more):
        """A running homardctl capture, its flow connected."""
        before = len(h.call("flow.list"))
        process = homard.popen(
            [str(homard.HOMARDCTL), "--socket", h.socket_path, "capture", *map(str, args)],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, **more)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.kill)

        def connected():
            flows = h.call("flow.list")
            return process.poll() is not None or \
                (len(flows) > before and flows[-1]["status"] != "init"
                 and flows[-1]["status"] != "connecting")
        homard.until(connected, what="capture to connect its flow")
        return process

    def finish(self, process, code=0):
        """Its last words."""
        process.wait(timeout=homard.SLOW)
        words = process.stderr.read().decode()
        self.assertEqual(process.returncode, code, words)
        return words

    def test_filtered_flow_is_captured_whole_and_in_order(self):
        out = self.folder / "tcp.pcapng"
        with self.daemon() as h, open(out, "wb") as file:
            h.flow("trace", ["BPF_FILTER", "tcp"], ["PKT_COUNTER"], name="web")
            process = self.capture(h, "web", "-w", "-", stdout=file)
            h.call("device.start", device="trace")
            n = self.count("tcp")
            self.assertGreater(n, 10000)
            self.assertEqual(self.finish(process), "%d packets captured, 0 dropped\n" % n)
            self.assertEqual(h.read("web", 2), n)
            self.assertEqual([f["name"] for f in h.call("flow.list")], ["web"])
            h.assert_balanced()
        self.assertEqual(tcpdump(out), tcpdump(self.trace, "tcp"))

    def test_device_with_count_and_snaplen_makes_a_pcap_file(self):
        out = self.folder / "some.pcap"
        with self.daemon() as h:
            process = self.capture(h, "--device", "trace", "-c", 100, "-s", SNAPLEN, "-w", out,
                                   "--format", "pcap", 'BPF_FILTER "udp"')
            h.call("device.start", device="trace")
            self.assertTrue(self.finish(process).startswith("100 packets captured, "))
        self.assertEqual(out.read_bytes()[:4], b"\x4d\x3c\xb2\xa1")  # nanoseconds
        cut = self.folder / "cut.pcap"
        subprocess.run(["editcap", "-F", "nsecpcap", "-s", str(SNAPLEN), str(self.trace), str(cut)],
                       check=True, timeout=homard.SLOW)
        self.assertEqual(tcpdump(out), tcpdump(cut, "-c", "100", "udp"))

    def test_two_workers_capture_every_packet(self):
        out = self.folder / "two.pcapng"
        config = {"devices": [{"name": "trace", "trace": str(self.trace), "pace": "max", "loop": 1,
                               "queues": 2}], "flows": []}
        with Homard(config, workers=2) as h:
            process = self.capture(h, "--device", "trace", "-w", out)
            h.call("device.start", device="trace")
            self.assertEqual(self.finish(process),
                             "%d packets captured, 0 dropped\n" % self.truth["packets"])
        def packets(file):  # each begins a line with its time
            return sorted(("\n" + tcpdump(file, "-q").rstrip("\n")).split("\n1"))

        self.assertEqual(packets(out), packets(self.trace))

    def test_packets_reach_tcpdump_at_once(self):
        with self.daemon(pace="x0.01", loop=0) as h:  # 1,000 packets a second
            capture = self.capture(h, "--device", "trace", "-w", "-", stdout=subprocess.PIPE)
            reader = homard.popen(["tcpdump", "-nn", "-c", "5", "-r", "-"],
                                  stdin=capture.stdout, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL)
            capture.stdout.close()
            h.call("device.start", device="trace")
            printed, _ = reader.communicate(timeout=homard.SLOW)
            self.assertEqual(len(printed.decode().strip().split("\n")), 5)
            self.finish(capture)  # its pipe is gone, which is no error
            homard.until(lambda: not h.call("flow.list"), what="the capture's flow to go")

    def test_interrupted_capture_leaves_a_whole_file_and_no_flow(self):
        out = self.folder / "interrupted.pcapng"
        with self.daemon(pace="x0.1", loop=0) as h:
            capture = self.capture(h, "--device", "trace", "--fast", "-w", out)
            h.call("device.start", device="trace")
            homard.until(lambda: homard.received(h, "trace") > 1000, what="packets")
            capture.send_signal(signal.SIGINT)
            words = self.finish(capture)
            self.assertRegex(words, r"^[1-9]\d* packets captured, \d+ dropped\n$")
            self.assertEqual(tcpdump(out).count("\n\t0x0000:"), int(words.split()[0]))
            homard.until(lambda: not h.call("flow.list"), what="the capture's flow to go")
            h.assert_balanced()

    def test_killed_capture_holds_nobody_up(self):
        trace = self.folder / "big.pcap"
        truth = homard.make_trace(trace, packets=100000, flows=200, seed=8)
        with self.daemon(trace=str(trace)) as h:
            h.flow("trace", ["PKT_COUNTER"], name="all")
            # stopped, it lets its ring fill up: the trace waits for it
            capture = self.capture(h, "--device", "trace", "-w", "/dev/null")
            capture.send_signal(signal.SIGSTOP)
            h.call("device.start", device="trace")
            homard.until(lambda: h.ledger()["readers"][0]["queued"] > 1000, what="a full ring")
            self.assertLess(h.read("all", 1), truth["packets"])
            with h.connect() as other:  # whose flow needs the worker's attention
                other.flow("trace", ["PKT_COUNTER"])
            capture.kill()
            capture.wait()
            h.wait_finished("all")
            self.assertEqual(h.read("all", 1), truth["packets"])
            h.assert_balanced()

    def test_printed_packets_are_lines(self):
        with self.daemon() as h:
            process = self.capture(h, "--device", "trace", "-c", 50, 'BPF_FILTER "tcp and ip"',
                                   stdout=subprocess.PIPE)
            h.call("device.start", device="trace")
            printed, words = process.communicate(timeout=homard.SLOW)
            self.assertTrue(words.startswith(b"50 packets captured"))
            lines = printed.decode().splitlines()
            self.assertEqual(len(lines), 50)
            for line in lines:
                self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z IP "
                                       r"[\d.]+ > [\d.]+: TCP.*, length \d+")

    def test_wrong_use_says_what_is_right(self):
        with self.daemon() as h:
            for args, code, says in [
                    (["nowhere"], 1, "nowhere"),
                    (["--device", "nowhere"], 1, "nowhere"),
                    (["--device", "trace", 'BPF_FILTER "prot 80"'], 1, "prot 80"),
                    (["--device", "trace", "NONSENSE"], 1, "NONSENSE"),
                    (["one", "two"], 2, "name one flow"),
                    (["-c", "0", "web"], 2, "at least 1"),
                    (["-s", "-1", "web"], 2, "between 0 and 262144"),
                    (["--format", "erf", "web"], 2, "pcapng or pcap"),
                    (["-w", "-", "--print", "web"], 2, "standard output"),
                    (["--device", "trace", "-w", "/nonexistent/file"], 1, "/nonexistent/file")]:
                with self.subTest(args=args):
                    self.assertIn(says, self.finish(self.capture(h, *args), code))
            homard.until(lambda: not h.call("flow.list"), what="the flows of failed captures to go")


if __name__ == "__main__":
    homard.main()
