#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What waits on disk while a collector is away: all of it arrives, in order, after a restart and after a kill, with other
templates than now; and what is lost when the spool is full is counted."""
import os
import pathlib
import shutil
import signal
import socket
import struct
import tempfile
import time
import unittest

import homard
from homard import Homard
from collectors import TcpCollector, UdpCollector, closed_port


class NetflowSpool(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.trace = cls.folder / "trace.pcap"
        homard.make_trace(cls.trace, packets=20000, flows=300, seed=3, rate=40000)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def setUp(self):
        self.spool = self.folder / self.id().split(".")[-1]
        self.spool.mkdir(mode=0o700)

    def config(self, exporter, **device):
        exporter = {"host": "127.0.0.1", "queue_messages": 16, "spool": {"dir": str(self.spool)}, **exporter}
        return {"devices": [dict(device, name="trace", trace=str(self.trace))],
                "netflow": [{"device": "trace", "inactive_timeout_s": 1, "active_timeout_s": 2,
                             "cache_entries": 16384, "exporters": [exporter]}]}

    def exporter(self, h):
        return h.call("netflow.stats")[0]["exporters"][0]

    def records(self, h):
        return self.exporter(h)["records"]

    def check(self, ledger, **terms):
        self.assertEqual(homard.imbalances(ledger), [])
        line = ledger["netflow"][0]
        for name, value in terms.items():
            self.assertEqual(line.get(name, line["lost"].get(name)), value, (name, line))
        return line

    @staticmethod
    def first_times(messages):
        """flowStartMilliseconds of the first record of each message: the basic template has it first."""
        times = []
        for message in messages:
            at = 16
            while at + 4 <= len(message):
                set_id, length = struct.unpack_from("!HH", message, at)
                if set_id in (256, 257):
                    times.append(struct.unpack_from("!Q", message, at + 4)[0])
                    break
                at += length
        return times

    def test_collector_that_was_away_gets_all_in_order(self):
        port = closed_port(socket.SOCK_STREAM)
        with Homard(self.config({"port": port, "transport": "tcp"})) as h:  # as fast as the trace can be read
            h.wait_finished("netflow0")
            made = homard.until(lambda: self.records(h)["offered"])
            homard.until(lambda: self.records(h)["spooled"] == made, what="everything on disk")
            h.assert_balanced()
            collector = TcpCollector(port)
            homard.until(lambda: self.records(h)["exported"] == made)
            self.assertEqual(self.records(h)["spooled"], 0)
            self.check(homard.printed_ledger(h.stop()), exported=made, spooled=0)
        found = [m for stream in collector.messages() for m in stream]
        self.assertEqual(homard.ipfix_records(found), made)
        self.assertEqual(struct.unpack_from("!H", found[0], 16)[0], 2)  # templates first
        collector.kill()

    def test_spool_survives_restarts(self):
        config = self.config({"port": closed_port(socket.SOCK_DGRAM)})
        made = 0
        for _ in range(3):
            with Homard(config) as h:
                h.wait_finished("netflow0")
                line = self.check(homard.printed_ledger(h.stop()), exported=0)
                self.assertEqual(line["recovered"], made)
                self.assertEqual(line["spooled"], line["made"])
                made = line["made"]
        self.assertGreater(made, 1000)
        collector = UdpCollector()
        config["netflow"][0]["exporters"][0].update(port=collector.port, max_records_per_s=200000)
        with Homard(config) as h:
            h.wait_finished("netflow0")
            homard.until(lambda: self.records(h)["spooled"] == 0)
            line = self.check(homard.printed_ledger(h.stop()), spooled=0, recovered=made)
        found = collector.close()
        self.assertEqual(homard.ipfix_records(found), line["exported"])
        self.assertEqual(line["exported"], line["made"])
        self.assertEqual(list(self.spool.iterdir()), [])

    def test_killed_daemon_loses_only_what_was_in_memory(self):
        port = closed_port(socket.SOCK_STREAM)
        with Homard(self.config({"port": port, "transport": "tcp"}, loop=0, pace="realtime")) as h:
            homard.until(lambda: self.records(h)["spooled"] > 2000)
            on_disk = self.records(h)["spooled"]
            time.sleep(0.5)  # what was on the way then is written
            h.process.send_signal(signal.SIGKILL)
            h.process.wait()
        collector = TcpCollector(port)
        with Homard(self.config({"port": port, "transport": "tcp"}, pace="realtime")) as h:
            h.wait_finished("netflow0")
            homard.until(lambda: self.records(h)["spooled"] == 0)
            line = self.check(homard.printed_ledger(h.stop()), spool_failed=0)
        self.assertGreaterEqual(line["recovered"], on_disk)
        self.assertEqual(line["exported"], line["made"])
        found = [m for stream in collector.messages() for m in stream]
        self.assertEqual(homard.ipfix_records(found), line["made"])
        times = self.first_times(found)
        self.assertGreater(len(times), 50)
        collector.kill()

    def test_records_of_an_earlier_configuration_keep_their_templates(self):
        for transport, kind in (("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)):
            port = closed_port(kind)
            old = self.config({"port": port, "transport": transport,
                               "template": ["octetDeltaCount", "sourceIPv4Address", "sourceIPv6Address"]})
            with Homard(old) as h:
                h.wait_finished("netflow0")
                made = self.check(homard.printed_ledger(h.stop()), exported=0)["spooled"]
            collector = TcpCollector(port) if transport == "tcp" else UdpCollector(port)
            with Homard(self.config({"port": port, "transport": transport, "max_records_per_s": 200000})) as h:
                h.wait_finished("netflow0")
                homard.until(lambda h=h: self.records(h)["spooled"] == 0)
                line = self.check(homard.printed_ledger(h.stop()), spool_failed=0)
            if transport == "tcp":
                found = [m for stream in collector.messages() for m in stream]
                collector.kill()
            else:
                found = collector.close()
            self.assertEqual(homard.ipfix_records(found), line["exported"])
            sets = {set_id for m in found for set_id, _ in homard.ipfix_sets(m)}
            self.assertTrue({256, 1280} <= sets, sets)
            self.assertGreater(line["exported"], made)

    def test_changed_exporter_takes_the_spool_over(self):
        port = closed_port(socket.SOCK_STREAM)
        config = self.config({"port": port, "transport": "tcp"}, loop=0, pace="realtime")
        with Homard(config) as h:
            exporter = config["netflow"][0]["exporters"][0]
            for domain in (1, 2, 3):
                homard.until(lambda: self.records(h)["spooled"] > 300 and self.exporter(h)["spool"]["ready"])
                h.call("netflow.set", flow="netflow0", exporters=[{**exporter, "observation_domain": domain}])
                for _ in range(20):
                    h.assert_balanced()
            spooled = homard.until(lambda: self.records(h)["recovered"] and self.records(h)["spooled"])
            self.assertGreater(spooled, 900)
            collector = TcpCollector(port)
            homard.until(lambda: self.records(h)["spooled"] == 0)
            h.assert_balanced()
            line = self.check(homard.printed_ledger(h.stop()), spool_failed=0, unreachable=0, queue_full=0, recovered=0)
        found = [m for stream in collector.messages() for m in stream]
        self.assertEqual(homard.ipfix_records(found), line["exported"] + line["lost"]["refused"])
        domains = [struct.unpack_from("!I", m, 12)[0] for m in found]
        data = [d for m, d in zip(found, domains) if struct.unpack_from("!H", m, 16)[0] in (256, 257)]
        self.assertEqual(sorted(data), data)  # in order: the oldest configuration first
        self.assertEqual(set(data), {0, 1, 2, 3})
        collector.kill()

    def test_full_spool_drops_the_oldest_and_says_so(self):
        config = self.config({"port": closed_port(socket.SOCK_DGRAM), "spool": {"dir": str(self.spool), "max_mb": 1}},
                             loop=400)
        with Homard(config) as h:
            homard.until(lambda: self.records(h)["lost"]["spool_full"] > 1000, 60)
            h.assert_balanced()
            self.assertLessEqual(self.exporter(h)["spool"]["bytes"], 1 << 20)
            self.assertIn("spooled", homard.ctl(h, "ledger"))
            self.check(homard.printed_ledger(h.stop()))
        self.assertLessEqual(sum(f.stat().st_size for f in self.spool.iterdir()), 1 << 20)

    def test_collector_that_is_slow_makes_no_one_lose(self):
        collector = UdpCollector()
        config = self.config({"port": collector.port, "max_records_per_s": 2000}, loop=0, pace="realtime")
        with Homard(config) as h:
            homard.until(lambda: self.records(h)["spooled"] > 500)
            h.assert_balanced()
            line = self.check(homard.printed_ledger(h.stop()), queue_full=0, spool_full=0, unreachable=0)
            self.assertGreater(line["spooled"], 500)
        self.assertEqual(homard.ipfix_records(collector.close()), line["exported"])

    def test_folder_that_is_in_the_way_is_named(self):
        other = self.spool / "file"
        other.write_text("")
        for where, says in (("/no/such/folder", "No such file"), (str(other), "is not a folder"),
                            ("here", "must be a path from the root")):
            code, out = homard.check(self.config({"port": 4739, "spool": {"dir": where}}))
            self.assertNotEqual(code, 0)
            self.assertIn(says, out)
        os.chmod(self.spool, 0o777)
        code, out = homard.check(self.config({"port": 4739}))
        self.assertIn("mode 0777", out)
        os.chmod(self.spool, 0o700)

    def test_folder_that_goes_away_is_counted(self):
        port = closed_port(socket.SOCK_DGRAM)
        with Homard(self.config({"port": port}, loop=0, pace="realtime")) as h:
            homard.until(lambda: self.records(h)["spooled"] > 100)
            for file in self.spool.iterdir():
                file.unlink()
            collector = UdpCollector(port)  # what was in the files cannot be read any more
            homard.until(lambda: self.records(h)["lost"]["spool_failed"] > 0)
            homard.until(lambda: self.records(h)["exported"] > 0)
            h.assert_balanced()
            self.check(homard.printed_ledger(h.stop()))
        collector.close()


if __name__ == "__main__":
    homard.main()
