#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Several exporters of one FLOW_REPORT: each with a filter of its own, groups that share the flows, and changes while
records come."""
import json
import pathlib
import shutil
import socket
import struct
import tempfile
import unittest
from collections import Counter, defaultdict

import homard
from homard import Homard
from collectors import UdpCollector, closed_port

# the basic template: start, end, octets, packets, then addresses, ports, protocol
ADDRESSES = {256: (32, 4), 257: (32, 16)}


def flows(messages):
    """How many data records each (addresses, ports, protocol), both directions as one, has."""
    found, sizes = Counter(), {}
    for message in messages:
        for set_id, body in homard.ipfix_sets(message):
            if set_id == 2:
                sizes.update(homard.ipfix_templates(body))
            elif set_id in ADDRESSES:
                at, width = ADDRESSES[set_id]
                for start in range(0, len(body) // sizes[set_id] * sizes[set_id], sizes[set_id]):
                    record = body[start:start + sizes[set_id]]
                    source, destination = record[at:at + width], record[at + width:at + 2 * width]
                    ports = struct.unpack_from("!HH", record, at + 2 * width)
                    ends = sorted([(source, ports[0]), (destination, ports[1])])
                    found[(tuple(ends), record[at + 2 * width + 4])] += 1
    return found


class NetflowMany(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.trace = cls.folder / "trace.pcap"
        homard.make_trace(cls.trace, packets=20000, flows=300, seed=3, rate=40000)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def config(self, exporters, **device):
        exporters = [{"host": "127.0.0.1", "max_records_per_s": 100000, **x} for x in exporters]
        return {"devices": [dict(device, name="trace", trace=str(self.trace))],
                "netflow": [{"device": "trace", "inactive_timeout_s": 1, "active_timeout_s": 2,
                             "cache_entries": 16384, "exporters": exporters}]}

    def run_all(self, exporters):
        with Homard(self.config(exporters)) as h:
            h.wait_finished("netflow0")
            stats = homard.until(lambda: (s := h.call("netflow.stats")[0])["ledger"]["queued"] == 0 and s)
            h.assert_balanced()
            ledger = homard.printed_ledger(h.stop())
        self.assertEqual(homard.imbalances(ledger), [])
        return stats["exporters"], ledger["netflow"][0]

    def test_each_exporter_has_its_own_filter(self):
        collectors = [UdpCollector() for _ in range(4)]
        filters = ["", "tcp", "not tcp", "src net 10.0.0.0/8 and udp"]
        stats, line = self.run_all([{"port": c.port, "filter": f} for c, f in zip(collectors, filters)])
        found = [c.close() for c in collectors]
        counts = [homard.ipfix_records(m) for m in found]
        self.assertEqual([x["records"]["exported"] for x in stats], counts)
        self.assertEqual(counts[1] + counts[2], counts[0])
        self.assertGreater(min(counts[1:3]), 50)
        self.assertEqual({proto for _, proto in flows(found[1])}, {6})
        self.assertNotIn(6, {proto for _, proto in flows(found[2])})
        self.assertEqual(line["made"], 4 * counts[0])
        self.assertEqual(line["filtered"], line["made"] - sum(counts))

    def test_a_group_shares_the_flows_and_others_get_all(self):
        collectors = [UdpCollector() for _ in range(4)]
        exporters = [{"port": c.port, "balance": "cluster"} for c in collectors[:3]] + [{"port": collectors[3].port}]
        self.run_all(exporters)
        found = [flows(c.close()) for c in collectors]
        members = defaultdict(set)
        for i, records in enumerate(found[:3]):
            for flow in records:
                members[flow].add(i)
        self.assertEqual({len(m) for m in members.values()}, {1})  # one flow, one collector
        self.assertEqual(sum(found[:3], Counter()), found[3])
        share = [len(records) / len(found[3]) for records in found[:3]]
        self.assertGreater(min(share), 0.2, share)

    def test_flows_of_a_lost_member_go_to_the_others_who_keep_theirs(self):
        alive = [UdpCollector() for _ in range(2)]
        dead = closed_port(socket.SOCK_DGRAM)
        exporters = [{"port": p, "balance": "cluster"} for p in (alive[0].port, dead, alive[1].port)]
        with Homard(self.config(exporters, loop=0, pace="realtime")) as h:
            of = lambda i, key: h.call("netflow.stats")[0]["exporters"][i]["records"][key]
            homard.until(lambda: of(1, "lost")["unreachable"] > 0)
            before = [flows(list(c.messages)) for c in alive]
            offered = of(1, "offered")
            seen = [len(c.messages) for c in alive]
            homard.until(lambda: all(of(i, "exported") > sum(before[k].values()) + 2000 for k, i in enumerate((0, 2))))
            self.assertLess(of(1, "offered") - offered, 200)  # it gets no more
            h.assert_balanced()
            ledger = homard.printed_ledger(h.stop())
        self.assertEqual(homard.imbalances(ledger), [])
        # templates of the basic layout, then what came after the loss
        after = [flows(c.messages[:1] + c.messages[n:]) for c, n in zip(alive, seen)]
        self.assertEqual(set(before[0]) & set(after[1]), set())
        self.assertEqual(set(before[1]) & set(after[0]), set())
        self.assertGreater(len(set(after[0]) - set(before[0])), 20)
        for c in alive:
            c.close()

    def test_exporters_change_while_records_come_and_none_is_lost(self):
        collectors = [UdpCollector() for _ in range(4)]
        stays = {"host": "127.0.0.1", "port": collectors[0].port, "max_records_per_s": 100000}
        lists = [[{"host": "127.0.0.1", "port": c.port, "max_records_per_s": 100000}] for c in collectors[1:]]
        lists[1][0]["template"] = ["octetDeltaCount", "sourceIPv4Address", "sourceIPv6Address"]
        with Homard(self.config([stays, lists[0][0]], loop=0, pace="realtime")) as h:
            offered = lambda: h.call("netflow.stats")[0]["exporters"][1]["records"]["exported"]
            for more in lists[1:] + lists + [[]]:
                homard.until(lambda: offered() > 500)
                h.call("netflow.set", flow="netflow0", exporters=[stays] + more)
                h.assert_balanced()
            exporters = h.call("netflow.stats")[0]["exporters"]
            self.assertEqual([x["port"] for x in exporters], [collectors[0].port])
            made = exporters[0]["records"]["offered"]
            homard.until(lambda: h.call("netflow.stats")[0]["exporters"][0]["records"]["offered"] > made)
            homard.ctl(h, "netflow", "set", "netflow0", json.dumps({"exporters": [stays] + lists[0]}))
            homard.ctl(h, "netflow", "set", "netflow0", '{"cache_entries": 64}', code=1)
            frames = {**stays, "template": ["octetDeltaCount", "sourceMacAddress"]}
            homard.ctl(h, "netflow", "set", "netflow0", json.dumps({"exporters": [frames]}), code=1)
            homard.ctl(h, "netflow", "set", "netflow0", "7", code=2)
            h.call("netflow.set", flow="netflow0", exporters=[stays])
            ledger = homard.printed_ledger(h.stop())
        self.assertEqual(homard.imbalances(ledger), [])
        self.assertEqual({k: v for k, v in ledger["netflow"][0]["lost"].items() if v and k != "refused"}, {})
        found = [homard.ipfix_records(c.close()) for c in collectors]
        # every record went to the first one and to one of the others, until there was none
        self.assertGreater(min(found), 500)
        self.assertEqual(sum(found), ledger["netflow"][0]["exported"])
        self.assertLessEqual(sum(found[1:]), found[0])

    def test_timeouts_change_while_flows_are_open(self):
        collector = UdpCollector()
        config = self.config([{"port": collector.port}], loop=0, pace="realtime")
        config["netflow"][0].update(active_timeout_s=600, inactive_timeout_s=600)
        with Homard(config) as h:
            ended = lambda: h.call("netflow.stats")[0]["ended"]
            homard.until(lambda: h.call("netflow.stats")[0]["entries"] > 200)
            self.assertEqual(ended()["active"], 0)
            h.call("netflow.set", flow="netflow0", active_timeout_s=1)
            homard.until(lambda: ended()["active"] > 100)
            self.assertEqual(h.call("netflow.stats")[0]["cache"]["active_timeout_s"], 1)
            h.assert_balanced()
        collector.close()

    def test_reload_changes_exporters_and_timeouts_in_place(self):
        collectors = [UdpCollector() for _ in range(3)]
        config = self.config([{"port": collectors[0].port}, {"port": collectors[1].port}], loop=0, pace="realtime")
        config["netflow"][0]["active_timeout_s"] = 600
        with Homard(config) as h:
            stats = lambda: h.call("netflow.stats")[0]
            homard.until(lambda: stats()["exporters"][1]["records"]["exported"] > 500)
            before = stats()
            config["netflow"][0].update(active_timeout_s=1)
            config["netflow"][0]["exporters"][1]["port"] = collectors[2].port
            h.file.write_text(json.dumps({**h.config, "netflow": config["netflow"]}))
            self.assertEqual(h.call("config.reload")["status"], "reloaded")
            after = stats()
            self.assertEqual(after["flow"], before["flow"])  # the flow and its cache are the same
            self.assertGreaterEqual(after["cache"]["created"], before["cache"]["created"])
            self.assertEqual(after["cache"]["active_timeout_s"], 1)
            self.assertGreaterEqual(after["exporters"][0]["records"]["offered"],
                                    before["exporters"][0]["records"]["offered"])
            homard.until(lambda: stats()["exporters"][1]["records"]["exported"] > 500)
            homard.until(lambda: stats()["ended"]["active"] > 100)
            config["netflow"][0]["cache_entries"] = 8192  # needs a cache of its own: made anew
            h.file.write_text(json.dumps({**h.config, "netflow": config["netflow"]}))
            h.call("config.reload")
            homard.until(lambda: stats()["flow"] != before["flow"])  # the old one sends what it has
            h.assert_balanced()
            ledger = homard.printed_ledger(h.stop())
        self.assertEqual(homard.imbalances(ledger), [])
        for c in collectors:
            self.assertGreater(homard.ipfix_records(c.close()), 500)

    def test_bad_filters_and_groups_are_named(self):
        for change, says in (({"filter": "port"}, "exporters[0].filter: "),
                             ({"filter": "host www.example"}, "www.example"),
                             ({"balance": "x" * 40}, "exporters[0].balance")):
            code, out = homard.check(self.config([{"port": 4739, **change}]))
            self.assertNotEqual(code, 0)
            self.assertIn(says, out)


if __name__ == "__main__":
    homard.main()
