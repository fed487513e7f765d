#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""AS numbers, prefix lengths and next hops from a file of prefixes: what nfdump reads is what Python's longest
match says of each address, in every format; a file that changes is read again, and a wrong one changes nothing."""
import ipaddress
import pathlib
import random
import shutil
import subprocess
import tempfile
import unittest

import homard
from homard import Homard
from nfcapd import Nfcapd, free_port

HOP = {4: "198.51.100.7", 6: "2001:db8:ffff::7"}


class Table:
    """Prefixes with numbers; the longest that covers an address counts."""

    def __init__(self, prefixes):
        self.prefixes = prefixes

    def text(self):
        return "".join(f"{net} {number} {HOP[net.version]}\n" for net, number in self.prefixes.items())

    def find(self, address):
        address = ipaddress.ip_address(address)
        best = None
        for net in self.prefixes:
            if net.version == address.version and address in net and (not best or net.prefixlen > best.prefixlen):
                best = net
        return (self.prefixes[best], best.prefixlen) if best else (0, 0)


def around(addresses, seed):
    """Prefixes of any length around half of the addresses, small and large AS numbers."""
    rng, prefixes = random.Random(seed), {}
    for address in sorted(addresses, key=str):
        address = ipaddress.ip_address(address)
        if rng.random() < 0.5:
            net = ipaddress.ip_network((address, rng.randrange(8, address.max_prefixlen + 1)), strict=False)
            prefixes[net] = rng.choice((rng.randrange(1, 65535), rng.randrange(65536, 1 << 32)))
    return Table(prefixes)


class Routes(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="hm-routes-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.file = self.folder / "routes.txt"

    def trace(self):
        path = self.folder / "a.pcap"
        subprocess.run([homard.TRAFFIC, "--out", path, "--packets", "20000", "--flows", "300", "--rate", "5000"],
                       check=True, stdout=subprocess.DEVNULL)
        return str(path)

    def config(self, **exporter):
        return {"devices": [{"name": "t", "trace": self.trace()}],
                "netflow": [{"device": "t", "name": "nf", "routes": str(self.file), "exporters": [exporter]}]}

    def exported(self, protocol):
        """Records as nfdump reads them, and the table that they were made with."""
        folder = self.folder / protocol
        for name in ("plain", "again"):
            (folder / name).mkdir(parents=True)
        self.file.write_text("192.0.2.0/24 1\n")
        self.export(folder / "plain", protocol)
        addresses = {r[side] for r in self.seen for side in ("src4_addr", "src6_addr") if side in r}
        table = around(addresses, protocol)
        self.file.write_text(table.text())
        self.export(folder / "again", protocol)
        return self.seen, table

    def export(self, folder, protocol):
        collector = Nfcapd(folder)
        with Homard(self.config(protocol=protocol, host="127.0.0.1", port=collector.port,
                                max_records_per_s=100000)) as h:
            h.wait_finished("nf")
            h.assert_balanced()
            stats = h.call("flow.read", flow="nf", function=1)["value"]
            self.assertEqual(stats["routes"]["state"], "ready")
        self.seen = collector.records()

    def check(self, protocol):
        records, table = self.exported(protocol)
        self.assertGreater(len(records), 100)
        hits = 0
        for r in records:
            six = "src6_addr" in r
            ends = [table.find(r[f"{side}{6 if six else 4}_addr"]) for side in ("src", "dst")]
            numbers = [n for n, _ in ends]
            if protocol == "netflow5":
                numbers = [23456 if n > 65535 else n for n in numbers]
            self.assertEqual([r.get("src_as", 0), r.get("dst_as", 0)], numbers, r)
            if protocol != "netflow5":  # whose prefix lengths nfcapd does not keep
                self.assertEqual([r.get("src_mask", 0), r.get("dst_mask", 0)], [length for _, length in ends], r)
            hop = r.get("ip6_next_hop" if six else "ip4_next_hop", "::" if six else "0.0.0.0")
            self.assertEqual(hop, (HOP[6 if six else 4] if numbers[1] else ("::" if six else "0.0.0.0")), r)
            hits += any(numbers)
        self.assertGreater(hits, 50)

    def test_ipfix(self):
        self.check("ipfix")

    def test_netflow9(self):
        self.check("netflow9")

    def test_netflow5(self):
        self.check("netflow5")

    def test_a_file_that_changes(self):
        self.file.write_text("10.0.0.0/8 1\n")
        config = self.config(host="127.0.0.1", port=free_port())
        with Homard(config) as h:
            routes = lambda: h.call("flow.read", flow="nf", function=1)["value"]["routes"]
            homard.until(lambda: routes()["state"] == "ready")
            self.assertEqual(routes()["ipv4"], 1)
            self.file.write_text("10.0.0.0/8 1\n11.0.0.0/8 2\n2001:db8::/32 3\n")
            homard.until(lambda: routes()["ipv4"] == 2)
            self.assertEqual(routes()["ipv6"], 1)
            self.file.write_text("10.0.0.0/8 1\n10.0.0.0/99 1\n")
            homard.until(lambda: "error" in routes())
            now = routes()
            self.assertIn("routes.txt: line 2: \"99\": want a prefix length of 0-32", now["error"])
            self.assertEqual((now["state"], now["ipv4"], now["ipv6"], now["read"]), ("ready", 2, 1, 2))
            self.file.unlink()
            homard.until(lambda: "No such file" in routes().get("error", ""))
            self.file.write_text("10.0.0.0/8 9\n")
            homard.until(lambda: "error" not in routes())
            self.assertEqual(routes()["ipv4"], 1)

    def test_a_file_that_is_wrong_from_the_start(self):
        self.file.write_text("nonsense\n")
        with Homard(self.config(host="127.0.0.1", port=free_port())) as h:
            h.wait_finished("nf")  # records are sent without AS numbers, and the result says why
            routes = h.call("flow.read", flow="nf", function=1)["value"]["routes"]
            self.assertEqual(routes["state"], "failed")
            self.assertIn("line 1: \"nonsense\"", routes["error"])
            h.assert_balanced()


if __name__ == "__main__":
    homard.main()
