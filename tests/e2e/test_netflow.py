#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Exporters of the whole appliance: several formats at once, collectors that are dead, that are killed and come
back, that keep the line and read nothing. The ledger of flow records always balances, and nobody waits."""
import json
import pathlib
import select
import shutil
import socket
import struct
import tempfile
import time
import unittest

import homard
from collectors import TcpCollector, UdpCollector, closed_port
from homard import Homard

KILLS = 100


def flow_records(message):
    """Data records by the header of NetFlow 9 and 5, templates among them; by sets in IPFIX."""
    version, count = struct.unpack_from("!HH", message)
    return count if version in (5, 9) else None


class Netflow(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.trace = cls.folder / "trace.pcap"
        homard.make_trace(cls.trace, packets=20000, flows=300, seed=3, rate=40000)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def config(self, exporters, **device):
        return {"devices": [dict(device, name="trace", trace=str(self.trace))],
                "netflow": [{"device": "trace", "inactive_timeout_s": 1, "active_timeout_s": 2,
                             "cache_entries": 16384, "exporters": exporters}]}

    def records(self, h, number):
        return h.call("netflow.stats")[0]["exporters"][number]["records"]

    def test_others_are_answered_while_a_large_cache_is_made(self):
        with Homard({"devices": [{"name": "trace", "trace": str(self.trace)}]}) as h:
            with h.connect() as client:
                flow = client.flow("trace", ["FLOW_REPORT", {"cache_entries": 3000000, "exporters": [
                    {"host": "127.0.0.1", "port": closed_port(socket.SOCK_DGRAM)}]}], connect=False)
                client.send("flow.connect", {"flow": flow})
                answers = 0
                while not select.select([client.socket], [], [], 0)[0]:
                    h.call("version")
                    answers += 1
                self.assertIn("result", client.receive())
                self.assertGreater(answers, 3)

    def test_all_formats_at_once_and_two_dead_collectors(self):
        alive = {name: UdpCollector() for name in ("ipfix", "netflow9", "netflow5")}
        exporters = [{"protocol": name, "host": "127.0.0.1", "port": c.port, "max_records_per_s": 200000}
                     for name, c in alive.items()]
        exporters += [{"host": "127.0.0.1", "port": closed_port(socket.SOCK_DGRAM)},
                      {"host": "127.0.0.1", "port": closed_port(socket.SOCK_STREAM), "transport": "tcp"},
                      {"transport": "file", "path": str(self.folder / "all.ipfix")}]
        with Homard(self.config(exporters)) as h:
            h.wait_finished("netflow0")
            h.assert_balanced()
            made = self.records(h, 0)["offered"]
            for number in (0, 1, 5):
                homard.until(lambda number=number: self.records(h, number)["exported"] == made)
            self.assertEqual(self.records(h, 3)["exported"], 0)
            self.assertEqual(self.records(h, 4)["exported"], 0)
            h.assert_balanced()
            ipv6 = self.records(h, 2)["lost"]["unsupported"]
            ledger = homard.printed_ledger(h.stop())
        self.assertEqual(homard.imbalances(ledger), [])
        self.assertGreater(made, 1000)
        self.assertEqual(homard.ipfix_records(alive["ipfix"].close()), made)
        self.assertEqual(sum(map(flow_records, alive["netflow5"].close())), made - ipv6)
        self.assertGreater(sum(map(flow_records, alive["netflow9"].close())), made)
        self.assertEqual(homard.ipfix_records(self.file_messages()), made)

    def file_messages(self):
        data, at = (self.folder / "all.ipfix").read_bytes(), 0
        while at < len(data):
            length = struct.unpack_from("!H", data, at + 2)[0]
            yield data[at:at + length]
            at += length

    def test_what_the_configuration_says_of_every_report(self):
        """A flow_report's keys hold where a flow says nothing: for an entry, and for MAPI's four strings."""
        collector = UdpCollector()
        self.addCleanup(collector.close)
        where = {"host": "127.0.0.1", "port": collector.port}
        entry = {"device": "trace", "active_timeout_s": 7, "exporters": [where, {**where, "observation_domain": 5}]}
        common = {"active_timeout_s": 60, "inactive_timeout_s": 9, "cache_entries": 4096, "observation_domain": 70000}
        with Homard({"devices": [{"name": "trace", "trace": str(self.trace)}], "netflow": [entry],
                     "flow_report": common}) as h:
            h.flow("trace", ["FLOW_REPORT", "IPFIX", "127.0.0.1:%d" % collector.port, "", ""])
            with self.assertRaisesRegex(homard.RpcError, "observation_domain is 70000; must be from 0 to 65535"):
                h.flow("trace", ["FLOW_REPORT", "NETFLOW_V5", "127.0.0.1:9", "", ""])
            for report, active, domains in zip(h.call("netflow.stats"), (7, 60), ([70000, 5], [70000])):
                self.assertEqual((report["cache"]["active_timeout_s"], report["cache"]["inactive_timeout_s"],
                                  report["cache"]["capacity"]), (active, 9, 4096))
                self.assertEqual([x["observation_domain"] for x in report["exporters"]], domains)
            h.file.write_text(json.dumps({**h.config, "flow_report": {}}))
            with self.assertRaisesRegex(homard.RpcError, "flow_report differs"):
                h.call("config.reload")
            h.stop()

    def test_open_records_are_shown(self):
        collector = UdpCollector()
        exporters = [{"host": "127.0.0.1", "port": collector.port}]
        config = self.config(exporters, loop=0, pace="realtime")
        config["netflow"][0].update(active_timeout_s=600, inactive_timeout_s=600)
        for workers in (1, 2):
            config["devices"][0]["queues"] = workers
            with Homard(config, workers=workers) as h:
                homard.until(lambda: h.call("netflow.stats")[0]["entries"] > 100)
                cache = h.call("netflow.cache", flow="netflow0", top=7, by="packets")
                weights = [sum(r["packets"]) for r in cache["top"]]
                self.assertEqual(len(weights), 7)
                self.assertEqual(weights, sorted(weights, reverse=True))
                self.assertGreater(weights[0], 1)
                self.assertEqual(sum(cache["ages"]), cache["records"])
                self.assertEqual(sum(cache["idle"]), cache["records"])
                self.assertLessEqual(cache["records"], h.call("netflow.stats")[0]["entries"])
                self.assertGreater(cache["records"], 100)
                out = homard.ctl(h, "flows", "top", "netflow0", "--top", "3")
                self.assertEqual(len(out.splitlines()), 5, out)
                shown = json.loads(homard.ctl(h, "--json", "flows", "top", "--by", "packets", "--top", "1"))
                self.assertGreaterEqual(sum(shown[0]["top"][0]["packets"]), weights[0])
                out = homard.ctl(h, "netflow", "--interval", "0.2")
                self.assertRegex(out, r"[0-9.]+ k?packets/s, [0-9.]+ [kM]?bit/s, .*of 16384 records")
                self.assertIn("udp 127.0.0.1:%d" % collector.port, out)
                homard.ctl(h, "flows", "top", "nobody", code=1)
                homard.ctl(h, "flows", "top", "--top", "0", code=2)
        collector.close()

    def test_collector_that_missed_the_templates_gets_them_again(self):
        collector = UdpCollector()
        exporters = [{"host": "127.0.0.1", "port": collector.port, "template_packets": 5, "max_records_per_s": 50000}]
        with Homard(self.config(exporters, loop=0, pace="realtime")) as h:
            homard.until(lambda: len(collector.messages) > 100)
            h.assert_balanced()
        found = collector.close()
        is_template = [struct.unpack_from("!H", m, 16)[0] == 2 for m in found]
        for lost in range(50):  # it begins to listen in the middle: the next templates are near
            after = is_template[lost:].index(True)
            self.assertLessEqual(after, 6)
            homard.ipfix_records(found[lost + after:])  # all from there on can be read

    def test_tcp_collector_killed_and_restarted_again_and_again(self):
        collector = TcpCollector()
        exporters = [{"host": "127.0.0.1", "port": collector.port, "transport": "tcp", "template_packets": 3}]
        with Homard(self.config(exporters, loop=0, pace="realtime")) as h:
            for _ in range(KILLS):
                before = len(collector.streams)
                homard.until(lambda: sum(map(len, collector.streams[before - 1:])) > 2000 or before == 0)
                collector.kill()
                h.assert_balanced()
                time.sleep(0.02)
                collector.start()
                homard.until(lambda before=before: len(collector.streams) > before)
            exporter = h.call("netflow.stats")[0]["exporters"][0]
            self.assertGreaterEqual(exporter["reconnects"], KILLS)
            h.assert_balanced()
            ledger = homard.printed_ledger(h.stop())
        self.assertEqual(homard.imbalances(ledger), [])
        received = 0
        for found in collector.messages():
            # templates come first in each connection, and sequence numbers begin anew
            if found:
                self.assertEqual(struct.unpack_from("!I", found[0], 8)[0], 0)
                self.assertEqual(struct.unpack_from("!H", found[0], 16)[0], 2)
                received += homard.ipfix_records(found)
        self.assertGreater(received, 100)
        line = ledger["netflow"][0]
        self.assertGreater(line["lost"]["refused"], 0)  # what was under way when it was killed
        self.assertLessEqual(received, line["exported"] + line["lost"]["refused"])

    def test_tcp_collector_that_reads_nothing_stops_nobody(self):
        collector = TcpCollector()
        collector.reads = False
        good = UdpCollector()
        exporters = [{"host": "127.0.0.1", "port": collector.port, "transport": "tcp", "queue_messages": 16},
                     {"host": "127.0.0.1", "port": good.port, "max_records_per_s": 100000}]
        with Homard(self.config(exporters, loop=0, pace="realtime")) as h:
            homard.until(lambda: self.records(h, 1)["exported"] > 3000)
            started = time.monotonic()
            h.assert_balanced()
            self.assertLess(time.monotonic() - started, 2)
            started = time.monotonic()
            ledger = homard.printed_ledger(h.stop())
            self.assertLess(time.monotonic() - started, 10)
        self.assertEqual(homard.imbalances(ledger), [])
        self.assertGreater(homard.ipfix_records(good.close()), 3000)
        collector.kill()


if __name__ == "__main__":
    homard.main()
