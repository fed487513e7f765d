#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""IPFIX over TLS and DTLS: both sides show certificates, what is wrong with them is told, new ones are taken without a
restart, and a peer that stalls delays nobody."""
import os
import pathlib
import shutil
import socket
import struct
import tempfile
import time
import unittest

import homard
import tls_peer
from homard import Homard


def messages(data):
    """IPFIX messages one behind the other; a session may end within one."""
    at, found = 0, []
    while at + 4 <= len(data):
        version, length = struct.unpack_from("!HH", data, at)
        assert version == 10 and length >= 16, "out of step at %d" % at
        if at + length > len(data):
            break
        found.append(bytes(data[at:at + length]))
        at += length
    return found


class NetflowTls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.trace = cls.folder / "trace.pcap"
        homard.make_trace(cls.trace, packets=20000, flows=300, seed=3, rate=40000)
        cls.authority = tls_peer.Authority(cls.folder)
        cls.collector_files = cls.authority.issue("collector")
        cls.exporter_files = cls.authority.exporter_files()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def config(self, exporter, tls=None, **device):
        exporter = {"host": "127.0.0.1", "tls": tls or self.exporter_files, **exporter}
        return {"devices": [dict(device, name="trace", trace=str(self.trace))],
                "netflow": [{"device": "trace", "inactive_timeout_s": 1, "active_timeout_s": 2,
                             "cache_entries": 16384, "exporters": [exporter]}]}

    def exporter(self, h):
        return h.call("netflow.stats")[0]["exporters"][0]

    def last_error(self, h):
        return homard.until(lambda: self.exporter(h)["last_error"], what="an error")

    def collector(self, **more):
        return tls_peer.TlsCollector(self.authority.ca, *(more.get("files") or self.collector_files))

    def test_all_records_arrive_and_both_sides_are_known(self):
        collector = self.collector()
        with Homard(self.config({"port": collector.port, "transport": "tls"}, pace="realtime")) as h:
            h.wait_finished("netflow0")
            ledger = homard.printed_ledger(h.stop())
        self.assertEqual(homard.imbalances(ledger), [])
        line = ledger["netflow"][0]
        self.assertGreater(line["made"], 300)
        self.assertEqual(line["exported"], line["made"])
        homard.until(lambda: homard.ipfix_records(messages(collector.sessions[0])) == line["made"])
        self.assertEqual(len(collector.serials), 1)
        found = messages(collector.sessions[0])
        self.assertEqual(struct.unpack_from("!H", found[0], 16)[0], 2)  # templates first
        self.assertEqual(sum(len(m) for m in found), len(collector.sessions[0]))
        collector.stop()

    def test_default_port_is_4740(self):
        for transport in ("tls", "dtls"):
            with Homard(self.config({"transport": transport})) as h:
                self.assertEqual(self.exporter(h)["port"], 4740)

    def test_collector_by_name(self):
        collector = self.collector(files=self.authority.issue("named", san="DNS:flows.example"))
        tls = dict(self.exporter_files, name="flows.example")
        with Homard(self.config({"port": collector.port, "transport": "tls"}, tls, loop=0, pace="realtime")) as h:
            homard.until(lambda: collector.bytes() > 1000)
            self.assertEqual(self.exporter(h)["state"], "up")
        collector.stop()

    def refused(self, files=None, tls=None):
        """The last error with such certificates; nothing may have been sent, nobody may have had to wait."""
        collector = self.collector(files=files)
        with Homard(self.config({"port": collector.port, "transport": "tls", "queue_messages": 16}, tls, loop=0,
                                pace="realtime")) as h:
            error = self.last_error(h)
            homard.until(lambda: self.exporter(h)["records"]["queued"] > 0)
            self.assertEqual(self.exporter(h)["records"]["exported"], 0)
            started = time.monotonic()
            h.assert_balanced()
            self.assertLess(time.monotonic() - started, 5)
        self.assertEqual(collector.bytes(), 0)
        collector.stop()
        return error

    def test_wrong_ca_is_told(self):
        other = tls_peer.Authority(self.folder, "other")
        self.assertIn("unable to get local issuer certificate", self.refused(files=other.issue("impostor")))

    def test_wrong_name_is_told(self):
        self.assertIn("IP address mismatch", self.refused(files=self.authority.issue("else", san="IP:192.0.2.1")))
        self.assertIn("hostname mismatch", self.refused(tls=dict(self.exporter_files, name="not.example")))

    def test_expired_certificate_is_told(self):
        old = self.authority.issue("expired", not_after="20200101000000Z")
        self.assertIn("certificate has expired", self.refused(files=old))

    def test_collector_refuses_an_unknown_exporter(self):
        stranger = tls_peer.Authority(self.folder, "stranger").exporter_files("stranger-exporter")
        self.assertIn("alert unknown ca", self.refused(tls=dict(stranger, ca=str(self.authority.ca))).lower())

    def test_bad_files_are_named(self):
        base = {"port": 4739, "transport": "tls"}
        key = self.folder / "open.key"
        shutil.copy(self.exporter_files["key"], key)
        key.chmod(0o644)
        for change, says in (({"key": str(key)}, "open.key\\\" has mode 0644: others may read or write it"),
                             ({"key": self.exporter_files["ca"]}, "has mode 0644"),
                             ({"key": str(self.collector_files[1])}, "key values mismatch"),
                             ({"ca": "/no/such"}, "ca \\\"/no/such\\\": No such file or directory"),
                             ({"ca": "here.pem"}, "must be a path from the root"),
                             ({"certificate": str(self.trace)}, "certificate \\\""),
                             ({"password": "x"}, "tls.password: unknown key; known here: ca, certificate"),
                             ({"lifetime_s": -1}, "tls.lifetime_s")):
            code, out = homard.check(self.config(base, {**self.exporter_files, **change}))
            self.assertNotEqual(code, 0, change)
            self.assertIn(says.replace("\\\"", "\""), out)
        code, out = homard.check(self.config({"port": 4739, "transport": "udp"}))
        self.assertIn("transport udp does not encrypt", out)
        code, out = homard.check(self.config({"transport": "dtls", "protocol": "netflow9"}))
        self.assertIn("netflow9 goes over udp or into a file only", out)

    def test_peer_that_stalls_in_the_handshake_delays_nobody(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            with Homard(self.config({"port": port, "transport": "tls"}, loop=0, pace="realtime")) as h:
                homard.until(lambda: self.exporter(h)["records"]["queued"] > 100)
                slowest = 0
                for _ in range(50):
                    started = time.monotonic()
                    h.call("version")
                    slowest = max(slowest, time.monotonic() - started)
                self.assertLess(slowest, 1)
                self.assertEqual(self.exporter(h)["records"]["exported"], 0)
                ledger = homard.printed_ledger(h.stop())
            self.assertEqual(homard.imbalances(ledger), [])
            self.assertGreater(ledger["netflow"][0]["lost"]["unreachable"], 0)

    def test_peer_that_speaks_no_tls_is_told(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            config = self.config({"port": server.getsockname()[1], "transport": "tls"}, loop=0, pace="realtime")
            with Homard(config) as h:
                for words in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x16\x03\x03\xff\xff" + bytes(70000), b""):
                    with server.accept()[0] as peer:
                        peer.sendall(words)
                    self.last_error(h)
                    h.assert_balanced()
                self.assertEqual(self.exporter(h)["records"]["exported"], 0)

    def assert_in_sequence(self, found):
        """No message of a session is missing: each says how many records were before it (RFC 7011 section 3.1)."""
        sizes = {}
        for message, following in zip(found, found[1:]):
            records, options = 0, False
            for set_id, body in homard.ipfix_sets(message):
                if set_id == 2:
                    sizes.update(homard.ipfix_templates(body))
                elif set_id > 255:
                    options |= set_id not in sizes
                    records += len(body) // sizes[set_id] if set_id in sizes else 0
            passed = struct.unpack_from("!I", following, 8)[0] - struct.unpack_from("!I", message, 8)[0]
            if options:  # of which nobody counts the records here
                self.assertGreater(passed, records)
            else:
                self.assertEqual(passed, records)

    def test_collector_that_comes_back_gets_templates_first(self):
        collector = self.collector()
        with Homard(self.config({"port": collector.port, "transport": "tls"}, loop=0, pace="realtime")) as h:
            for i in range(5):
                homard.until(lambda i=i: len(collector.sessions) > i and len(collector.sessions[i]) > 1000)
                collector.stop()
                h.assert_balanced()
                time.sleep(0.05)
                collector.start()
            homard.until(lambda: len(collector.sessions) > 5 and len(collector.sessions[-1]) > 1000)
            ledger = homard.printed_ledger(h.stop())
        self.assertEqual(homard.imbalances(ledger), [])
        received = 0
        for stream in collector.sessions:
            found = messages(stream)
            self.assertEqual(struct.unpack_from("!I", found[0], 8)[0], 0)
            self.assertEqual(struct.unpack_from("!H", found[0], 16)[0], 2)
            received += homard.ipfix_records(found)
            self.assert_in_sequence(found)
        line = ledger["netflow"][0]
        # what a collector had not read when it was stopped has gone with it: TCP says nothing of that
        self.assertLessEqual(received, line["exported"] + line["lost"]["refused"])
        self.assertGreater(received, 0)
        collector.stop()

    def test_new_certificate_is_taken_without_losing_a_record(self):
        collector = self.collector()
        tls = self.authority.exporter_files("rotating")
        with Homard(self.config({"port": collector.port, "transport": "tls"}, tls, loop=0, pace="realtime")) as h:
            homard.until(lambda: collector.bytes() > 1000)
            new = self.authority.exporter_files("rotated")
            os.replace(new["key"], tls["key"])  # for a moment they do not fit: the session goes on
            time.sleep(0.1)
            os.replace(new["certificate"], tls["certificate"])
            homard.until(lambda: len(collector.sessions) > 1 and len(collector.sessions[-1]) > 1000)
            ledger = homard.printed_ledger(h.stop())
        self.assertEqual(homard.imbalances(ledger), [])
        line = ledger["netflow"][0]
        self.assertEqual(line["exported"], line["made"])
        self.assertEqual(len(set(collector.serials)), 2)
        received = lambda: sum(homard.ipfix_records(messages(s)) for s in collector.sessions)
        homard.until(lambda: received() == line["made"], what="all records")
        collector.stop()

    def test_dtls_records_arrive_and_sessions_are_renewed(self):
        collector = tls_peer.DtlsCollector(self.authority.ca, *self.collector_files, self.folder)
        tls = dict(self.exporter_files, lifetime_s=1)
        exporter = {"port": collector.port, "transport": "dtls", "max_records_per_s": 20000}
        with Homard(self.config(exporter, tls, pace="realtime")) as h:
            h.wait_finished("netflow0")
            ledger = homard.printed_ledger(h.stop())
        line = ledger["netflow"][0]
        self.assertEqual(homard.imbalances(ledger), [])
        self.assertEqual(line["exported"], line["made"])
        homard.until(lambda: homard.ipfix_records(messages(collector.data())) >= line["made"] * 9 // 10)
        found = messages(collector.data())
        self.assertLess(max(map(len, found)), 1400 - 48 - 13)
        with Homard(self.config(exporter, tls, loop=0, pace="realtime")) as h:
            homard.until(lambda: self.exporter(h)["reconnects"] > 2)
            before = len(collector.data())
            homard.until(lambda: len(collector.data()) > before)
            h.assert_balanced()
            self.assertEqual(self.exporter(h)["records"]["lost"]["refused"], 0)
        collector.stop()

    def test_dtls_collector_without_our_authority_gets_nothing(self):
        other = tls_peer.Authority(self.folder, "other-dtls")
        collector = tls_peer.DtlsCollector(other.ca, *other.issue("dtls-impostor"), self.folder)
        with Homard(self.config({"port": collector.port, "transport": "dtls"}, loop=0, pace="realtime")) as h:
            self.assertIn("the collector's certificate: ", self.last_error(h))
            h.assert_balanced()
        self.assertEqual(collector.data(), b"")
        collector.stop()


if __name__ == "__main__":
    homard.main()
