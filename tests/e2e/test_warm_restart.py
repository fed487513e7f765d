#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A restart under load keeps the flow cache: what the daemons before and after it export adds up to what all of
them received, no record twice, and sequence numbers go on. A killed one, damaged files, other sizes and keys."""
import json
import pathlib
import shutil
import signal
import struct
import tempfile
import unittest

import homard
from collectors import UdpCollector
from homard import Homard


def sizes_in(templates):
    """Bytes of a data record, by template, of a set of templates whose elements are all IANA's and of fixed length."""
    at, sizes = 0, {}
    while at < len(templates):
        number, fields = struct.unpack_from("!HH", templates, at)
        sizes[number] = sum(struct.unpack_from("!H", templates, at + 6 + 4 * i)[0] for i in range(fields))
        at += 4 + 4 * fields
    return sizes


def packets_of(messages):
    """Sum of packetDeltaCount of all flow records, by the basic templates: behind two times and the octets."""
    total, sizes = 0, {}
    for message in messages:
        at = 16
        while at < len(message):
            number, length = struct.unpack_from("!HH", message, at)
            if number == 2:
                sizes.update(sizes_in(message[at + 4:at + length]))
            size = sizes.get(number)
            for record in range(at + 4, at + length - (size or length) + 1, size or length):
                total += struct.unpack_from("!Q", message, record + 24)[0] if size else 0
            at += length
    return total


RECORD = 8 + 8 + 8 + 8 + 2 + 2 + 4 + 4 + 2  # of the basic template, without addresses


class WarmRestart(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.trace = self.folder / "trace.pcap"
        self.file = self.folder / "flows"
        self.collector = UdpCollector()
        self.addCleanup(lambda: self.collector.is_alive() and self.collector.close())
        homard.make_trace(self.trace, packets=20000, flows=2000, seed=3, rate=40000)
        self.metered = 0

    def config(self, loop=0, **netflow):
        return {"devices": [{"name": "trace", "trace": str(self.trace), "loop": loop,
                             "pace": "x4" if loop == 0 else "max"}],
                "netflow": [{"device": "trace", "inactive_timeout_s": 600, "active_timeout_s": 3000,
                             "cache_entries": 16384, "warm_file": str(self.file),
                             "exporters": [{"host": "127.0.0.1", "port": self.collector.port,
                                            "options": []}], **netflow}]}

    def start(self, workers=1, **more):
        return Homard(self.config(**more), workers=workers)

    @staticmethod
    def stats(h):
        return h.call("netflow.stats")[0]

    def count_metered(self, ledger):
        packets = ledger["netflow"][0]["packets"]
        received = next(d["received"] for d in ledger["devices"] if d["name"] == "trace")
        self.assertEqual(sum(packets.values()), received)
        self.metered += packets["metered"]

    def run_a_while(self, packets=40000, workers=1, **more):
        """Until so many packets have come, and an orderly stop in the midst of more. The last statistics."""
        with self.start(workers=workers, **more) as h:
            homard.until(lambda: homard.received(h, "trace") >= packets, what="packets")
            last = self.stats(h)
            h.assert_balanced()
            ledger = homard.printed_ledger(h.stop())
            self.assertEqual(homard.imbalances(ledger), [])
            self.count_metered(ledger)
        return last

    def run_to_the_end(self, workers=1, **more):
        """A trace that ends: all that is open is exported."""
        with self.start(loop=1, workers=workers, **more) as h:
            h.wait_finished("netflow0")
            made = homard.until(lambda: (lambda l: l["made"] if l["made"] == l["exported"] + homard.total(l["lost"])
                                         else None)(self.stats(h)["ledger"]), what="the last record")
            last = self.stats(h)
            self.count_metered(h.ledger())
            h.assert_balanced()
            self.assertGreater(made, 0)
            self.assertEqual(last["cache"].get("refused"), 0)
        return last

    def assert_totals(self):
        messages = self.collector.close()
        self.assertEqual(packets_of(messages), self.metered)
        return messages

    def assert_no_gap(self, messages):
        """Every data record has its number, over all restarts (RFC 7011, section 3.1)."""
        expected = 0
        for message in messages:
            self.assertEqual(struct.unpack_from("!I", message, 8)[0], expected)
            at = 16
            while at < len(message):
                number, length = struct.unpack_from("!HH", message, at)
                if number >= 256:
                    expected += (length - 4) // (RECORD + (8 if number == 256 else 32))
                at += length

    def test_three_restarts_lose_nothing_and_export_nothing_twice(self):
        first = self.run_a_while()
        self.assertEqual(first["warm"]["restored"], 0)
        self.assertEqual(first["warm"]["cold"], "")
        for _ in range(2):
            again = self.run_a_while()
            self.assertGreater(again["warm"]["restored"], 100)
            self.assertEqual(again["warm"]["bad"], 0)
            self.assertGreater(int(again["ledger"]["gap"]["from_ns"]), 0)
        last = self.run_to_the_end()
        self.assertGreater(last["warm"]["restored"], 100)
        self.assertEqual(last["ledger"]["lost"]["restart"], 0)
        self.assert_no_gap(self.assert_totals())

    def test_other_workers_size_and_key_take_over_all(self):
        self.run_a_while(workers=2)
        last = self.run_a_while(workers=1, cache_entries=65536, flow_key=["vlan", "tos"])
        self.assertGreater(last["warm"]["restored"], 100)
        self.assertEqual(last["warm"]["bad"], 0)
        self.run_to_the_end(workers=2)
        self.assert_totals()

    def test_mac_addresses_and_labels_go_on(self):
        keys = (["mac"], ["mpls_label", "mac"], ["mpls_label", "mac"], [])
        for key, workers in zip(keys, (1, 2, 1, 2)):
            again = self.run_a_while(workers=workers, flow_key=key)
            self.assertEqual(again["warm"]["bad"], 0)
            self.assertEqual(again["warm"]["cold"], "")
        self.assertGreater(again["warm"]["restored"], 100)
        self.run_to_the_end(flow_key=["mac"])
        self.assert_totals()

    def test_killed_daemon_loses_only_what_was_under_way(self):
        with self.start() as h:
            homard.until(lambda: homard.received(h, "trace") >= 40000, what="packets")
            before = self.stats(h)
            entries = h.read("netflow0", 1)["entries"]
            h.process.kill()
            h.wait()
        last = self.run_to_the_end()
        self.assertGreaterEqual(last["warm"]["restored"], entries // 2)
        self.assertLessEqual(last["warm"]["bad"], 1)
        self.assertEqual(last["warm"]["cold"], "")
        self.assertLess(last["ledger"]["lost"]["restart"], before["ledger"]["made"] + 5000)
        total = packets_of(self.collector.close())
        self.assertGreater(total, self.metered)  # what the killed one had, too

    def test_damaged_files_start_cold_and_say_why(self):
        damages = {
            "no file of flow records": (0, b"X"),
            "another version's layout": (8, b"\x63"),
            "header is damaged": (16, b"\x77\x77"),
            "they are damaged": ((2 << 20) + 128 * 40, b"\xff" * 128),
        }
        for says, (at, damage) in damages.items():
            with self.subTest(says):
                self.run_a_while(20000)
                with open(self.file, "r+b") as file:
                    file.seek(at)
                    file.write(damage)
                with self.start() as h:
                    self.assertIn(says, h.output())
                    self.assertEqual(self.stats(h)["warm"]["restored"], 0)
                    homard.until(lambda: homard.received(h, "trace") >= 1000, what="packets")
                    h.assert_balanced()
        for size in (0, 100, 5 << 20):
            with self.subTest(size), open(self.file, "r+b") as file:
                file.truncate(size)
                with self.start() as h:
                    self.assertIn("are not taken over", h.output())
        self.file.unlink()
        with self.start() as h:
            self.assertEqual(self.stats(h)["warm"]["cold"], "")

    def test_file_of_another_process_or_user_is_refused(self):
        with self.start():
            other = Homard(self.config(), wait=False)
            self.assertNotEqual(other.wait(), 0)
            self.assertIn("another process has it", other.output())
            other.process.returncode = 0
            other.__exit__(None)
        self.file.chmod(0o666)
        other = Homard(self.config(), wait=False)
        self.assertNotEqual(other.wait(), 0)
        self.assertIn("may write", other.output())
        other.process.returncode = 0
        other.__exit__(None)

    def test_flow_that_is_taken_out_takes_its_file_along(self):
        with self.start() as h:
            homard.until(lambda: homard.received(h, "trace") >= 1000, what="packets")
            self.assertTrue(self.file.exists())
            without = {key: value for key, value in h.config.items() if key != "netflow"}
            h.file.write_text(json.dumps(without))
            h.send_signal(signal.SIGHUP)
            homard.until(lambda: not self.file.exists(), what="the file to go")


if __name__ == "__main__":
    homard.main()
