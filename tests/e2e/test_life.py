#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Start, stop, restart: READY, SIGTERM and SIGINT under load, never SIGPIPE, quiet when idle."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import homard
from collectors import UdpCollector
from homard import Homard

COUNTER = [{"name": "all", "device": "trace", "functions": [["PKT_COUNTER"], ["BYTE_COUNTER"]]}]


def is_running(pid):
    try:
        state = pathlib.Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def netflow(port):
    return [{"device": "trace", "exporters": [
        {"protocol": "ipfix", "transport": "udp", "host": "127.0.0.1", "port": port}]}]


class Life(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.trace = cls.folder / "life.pcap"
        cls.truth = homard.make_trace(cls.trace, packets=20000, flows=500, seed=7)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def device(self, **more):
        return [dict({"name": "trace", "trace": str(self.trace), "pace": "max", "loop": 1}, **more)]

    def test_trace_is_counted_to_its_end(self):
        with Homard({"devices": self.device(), "flows": COUNTER}) as h:
            h.wait_finished("all")
            self.assertEqual(h.read("all", 1), self.truth["packets"])
            self.assertEqual(h.read("all", 2), self.truth["bytes"])
            h.assert_balanced()
            h.stop()

    def test_term_and_int_under_load_stop_cleanly(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number.name), \
                    Homard({"devices": self.device(loop=0), "flows": COUNTER}) as h:
                homard.until(lambda: h.read("all", 1) > 100000, what="packets")
                output = h.stop(number)
                self.assertEqual(homard.imbalances(homard.printed_ledger(output)), [])
                self.assertFalse(os.path.exists(h.socket_path), "the socket is left behind")

    def test_term_under_load_exports_all_flow_records(self):
        sink = UdpCollector()
        with Homard({"devices": self.device(loop=0), "flows": COUNTER,
                     "netflow": netflow(sink.port)}) as h:
            homard.until(lambda: h.read("all", 1) > 200000, what="packets")
            ledger = homard.printed_ledger(h.stop())
        self.assertEqual(homard.imbalances(ledger), [])
        messages = sink.close()
        made, exported = homard.flow_records(ledger)
        self.assertGreater(made, 0)
        self.assertEqual(exported, made)
        self.assertEqual(homard.ipfix_records(messages), exported)

    def test_term_while_a_flow_closes_exports_its_records(self):
        trace = self.folder / "many.pcap"
        homard.make_trace(trace, packets=60000, flows=20000, seed=8)
        sink = UdpCollector()
        with Homard({"devices": self.device(trace=str(trace), loop=0)}) as h:
            report = h.flow("trace", ["FLOW_REPORT", "IPFIX", "127.0.0.1:%d" % sink.port])
            h.call("device.start", device="trace")
            homard.until(lambda: h.read(report, 1)["packets"] > 60000, what="packets")
            h.call("device.stop", device="trace")
            time.sleep(0.2)  # the last batch
            held = h.read(report, 1)
            h.client.send("flow.close", {"flow": report})
            h.stop()
        self.assertGreater(held["entries"], 10000)
        self.assertGreaterEqual(homard.ipfix_records(sink.close()),
                                held["records"] + held["entries"])

    def test_restart_starts_anew_over_a_stale_socket(self):
        folder = tempfile.mkdtemp(prefix="homard-")
        try:
            with Homard({"devices": self.device(), "flows": COUNTER}, folder=folder) as h:
                h.send_signal(signal.SIGKILL)
                h.wait()
            os.unlink(pathlib.Path(folder) / "notify.sock")
            self.assertTrue((pathlib.Path(folder) / "control.sock").exists())
            with Homard({"devices": self.device(), "flows": COUNTER}, folder=folder) as h:
                h.wait_finished("all")
                self.assertEqual(h.read("all", 1), self.truth["packets"])
        finally:
            shutil.rmtree(folder)

    def test_second_daemon_leaves_the_first_ones_socket_alone(self):
        with Homard({"devices": self.device(), "flows": COUNTER}) as first:
            with self.assertRaises(AssertionError) as refusal:
                Homard({"devices": self.device(), "control": {"socket": first.socket_path}})
            self.assertIn(first.socket_path, str(refusal.exception))
            first.wait_finished("all")
            with first.connect() as client:
                self.assertEqual(client.read("all", 1), self.truth["packets"])

    def test_client_gone_before_its_answer_does_no_harm(self):
        with Homard({"devices": self.device(), "flows": COUNTER}) as h:
            for _ in range(200):
                client = h.connect()
                for _ in range(20):
                    client.send("ledger")
                client.close()
            h.send_signal(signal.SIGPIPE)
            h.wait_finished("all")
            self.assertEqual(h.read("all", 1), self.truth["packets"])

    def test_collector_that_disappears_costs_no_packet(self):
        sink = UdpCollector()
        with Homard({"devices": self.device(loop=0), "flows": COUNTER,
                     "netflow": netflow(sink.port)}) as h:
            homard.until(lambda: sink.messages, what="the first flow records")
            sink.close()
            seen = h.read("all", 1)
            homard.until(lambda: h.read("all", 1) > seen + 100000, what="packets without collector")
            h.assert_balanced()
            self.assertEqual(homard.imbalances(homard.printed_ledger(h.stop())), [])

    def test_shutdown_request_ends_it(self):
        with Homard({"devices": self.device(), "flows": COUNTER}) as h:
            h.call("shutdown")
            self.assertEqual(h.wait(), 0)

    def test_idle_adaptive_leaves_the_core_alone(self):
        with Homard({"devices": [{"name": "quiet", "vdev": "net_ring0", "idle": "adaptive"}],
                     "flows": [{"name": "none", "device": "quiet", "functions": [["PKT_COUNTER"]]}],
                     }) as h:
            time.sleep(0.5)
            before, seconds = h.cpu_seconds(), 2
            time.sleep(seconds)
            used = (h.cpu_seconds() - before) / seconds
            self.assertLess(used, 0.25, "an idle homardd takes %.0f %% of a core" % (used * 100))

    def test_killed_test_leaves_no_daemon(self):
        # meson kills a test that takes too long; what that started must not keep a core busy
        test = """import homard, time
with homard.Homard({"devices": [{"name": "quiet", "vdev": "net_ring0", "idle": "adaptive"}]},
                   folder="%s") as h:
    print(h.process.pid, flush=True)
    time.sleep(600)""" % self.folder
        with homard.popen([sys.executable, "-c", test], stdout=subprocess.PIPE) as process:
            daemon = int(process.stdout.readline())
            self.assertTrue(is_running(daemon))
            process.kill()
        homard.until(lambda: not is_running(daemon), what="homardd to end with its test")


if __name__ == "__main__":
    homard.main()
