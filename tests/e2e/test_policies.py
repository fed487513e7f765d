#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Policies: a user that has one tries in many ways to see what it is not to see. Whatever the daemon has ever sent to it is
kept, and searched for true addresses and payload in the end."""
import contextlib
import ipaddress
import json
import mmap
import os
import pathlib
import shutil
import socket
import struct
import tempfile
import unittest

import homard
from homard import RpcError

USER, OTHER, GROUP = 60101, 60102, 60111
SECRET = b"TOP-SECRET-PAYLOAD"
SOURCES = ["10.77.%d.%d" % (i // 200, 1 + i % 200) for i in range(40)]
SERVER = "192.0.2.53"
PACKETS = 2000
HEAD = [["ANONYMIZE", "IP,SRC_IP,PREFIX_PRESERVING", "IP,DST_IP,PREFIX_PRESERVING", "IP,EMBEDDED_IP,PREFIX_PRESERVING",
         "ETH,SRC_MAC,ZERO", "ETH,DST_MAC,ZERO", {"keep_lengths": 1}]]
NO_RIGHTS = 3139


def checksum(data):
    value = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while value >> 16:
        value = (value & 0xffff) + (value >> 16)
    return ~value & 0xffff


def packet(i):
    source, server = ipaddress.ip_address(SOURCES[i % len(SOURCES)]).packed, ipaddress.ip_address(SERVER).packed
    payload = SECRET + b"-%06d" % i
    ends = (source, server) if i % 3 else (server, source)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 40 + len(payload), i, 0, 64, 6, 0) + ends[0] + ends[1]
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    tcp = struct.pack("!HHIIBBHHH", 1024 + i % 50, 80, i, 0, 0x50, 0x18, 99, 0, 0)
    return b"\x02\xee\xee\xee\xee\x01\x02\xee\xee\xee\xee\x02\x08\x00" + ip + tcp + payload


def write_trace(path):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for i in range(PACKETS):
            data = packet(i)
            file.write(struct.pack("<IIII", 1700000000 + i // 1000, i % 1000 * 1000, len(data), len(data)) + data)


class User(homard.Client):
    """A connection of another user, which remembers all that it was told."""

    def __init__(self, path, uid, groups=()):  # pylint: disable=super-init-not-called
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                os.setgroups(list(groups))
                os.setgid(uid)
                os.setuid(uid)
                s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                s.connect(str(path))
                socket.send_fds(there, [b"x"], [s.fileno()])
            os._exit(0)
        _, fds, _, _ = socket.recv_fds(here, 1, 1)
        os.waitpid(child, 0)
        here.close()
        there.close()
        self.socket = socket.socket(fileno=fds[0])
        self.socket.settimeout(homard.SLOW)
        self.buffer, self.fds, self.last_id = b"", [], 0
        self.told = b""

    def receive(self):
        answer = super().receive()
        self.told += json.dumps(answer).encode()
        return answer


@unittest.skipIf(os.geteuid() != 0, "only root can be other users")
class Policies(unittest.TestCase):
    policy = {"name": "research", "users": [str(USER), "@%d" % GROUP], "functions": HEAD, "payload": False,
              "devices": ["trace", "second"], "refuse": ["PKTLOSS"], "max_keep_s": 600}

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        self.folder.chmod(0o755)
        write_trace(self.folder / "truth.pcap")
        # with one key in 150 Crypto-PAn leaves these addresses' network as it is (docs/privacy.md); not with this one
        self.key = self.folder / "anonymize.key"
        self.key.write_bytes(bytes(range(32)))
        self.key.chmod(0o600)
        self.users = []

    def tearDown(self):
        for user in self.users:
            user.close()
        shutil.rmtree(self.folder)

    def daemon(self, *policies, **more):
        device = {"trace": str(self.folder / "truth.pcap"), "pace": "max", "loop": 1}
        config = {"devices": [{"name": name, **device} for name in ("trace", "second", "private")],
                  "policies": list(policies) or [self.policy], "anonymize": {"key_file": str(self.key)}, **more}
        h = homard.Homard({**config, "control": {"socket": str(self.folder / "control.sock"), "mode": "0666"}})
        h.flow("trace", ["BPF_FILTER", "host 10.77.0.1"], ["TOP", 5, "TOPX_IP", "TOPX_IP_SRCIP"], ["PKT_COUNTER"], name="roots")
        return h

    def user(self, h, uid=USER, groups=()):
        user = User(h.socket_path, uid, groups)
        self.users.append(user)
        return user

    def play(self, h, device="trace"):
        with contextlib.suppress(RpcError):
            h.call("device.start", device=device)
        homard.until(lambda: next(d for d in h.call("device.list") if d["name"] == device)["state"] == "finished",
                     what="the trace to end")

    def refused(self, user, words, method, number=NO_RIGHTS, **params):
        with self.assertRaises(RpcError) as raised:
            user.call(method, **params)
        self.assertEqual(raised.exception.mapi_errno, number, raised.exception)
        self.assertIn(words, str(raised.exception))

    def assert_blind(self, *texts):
        """Nothing that is true is in what the users were told."""
        for text in [*texts, *(user.told for user in self.users)]:
            self.assertNotIn(SECRET, text)
            for address in [*SOURCES, SERVER]:
                packed = ipaddress.ip_address(address).packed
                self.assertNotIn(packed, text)
                self.assertNotIn(address.encode() + b'"', text)
                self.assertNotIn(address.encode() + b" ", text)
            self.assertNotIn(b"\x02\xee\xee\xee\xee", text)
            self.assertNotIn(b"\\u0002\\u00ee", text)

    def test_results_know_pseudonyms_only(self):
        """1 to 9: filters are no oracle; top talkers, printed packets, expired flows, the ring, distributions, values."""
        with self.daemon() as h:
            user = self.user(h)
            flows = {
                "all": user.flow("trace", ["PKT_COUNTER"], ["BYTE_COUNTER"]),
                "oracle": user.flow("trace", ["BPF_FILTER", "host 10.77.0.1"], ["PKT_COUNTER"]),
                "subnet": user.flow("trace", ["BPF_FILTER", "net 10.77.0.0/16"], ["PKT_COUNTER"]),
                "mac": user.flow("trace", ["BPF_FILTER", "ether host 02:ee:ee:ee:ee:01"], ["PKT_COUNTER"]),
                "bytes": user.flow("trace", ["BPF_FILTER", "tcp[20:4] = 0x544f502d"], ["PKT_COUNTER"]),
                "longer": user.flow("trace", ["BPF_FILTER", "greater 70"], ["PKT_COUNTER"]),
                "top": user.flow("trace", ["TOP", 20, "TOPX_IP", "TOPX_IP_SRCIP"]),
                "print": user.flow("trace", ["PRINT_PACKET"]),
                "expired": user.flow("trace", ["EXPIRED_FLOWS", 1000, 1000, 1]),
                "hash": user.flow("trace", ["HASH", 3]),
                "ring": user.flow("trace", ["TO_BUFFER"]),
            }
            _, ring = user.call_fd("flow.buffer", flow=flows["ring"], function=1)
            self.play(h)
            self.assertEqual(user.read(flows["all"], 1), PACKETS)
            self.assertEqual(user.read(flows["all"], 2), sum(len(packet(i)) for i in range(PACKETS)))
            for name in ("oracle", "subnet", "mac", "bytes"):
                self.assertEqual(user.read(flows[name], 2), 0, name)
            self.assertEqual(user.read(flows["longer"], 2), PACKETS)  # lengths are not hidden
            top = user.call("flow.read", flow=flows["top"], function=1)["value"]
            self.assertGreater(len(json.dumps(top)), 100)
            lines = user.call("flow.read", flow=flows["print"], function=1, records=1000)
            self.assertGreater(len(json.dumps(lines)), 500)
            records = []

            def expired():
                records.extend(user.call("flow.read", flow=flows["expired"], function=1, records=1000)["value"]["records"])
                return len(records) > 20
            homard.until(expired, what="flow records")
            user.call("flow.read", flow=flows["hash"])
            self.assertEqual(h.read("roots", 3), sum(1 for i in range(PACKETS) if i % 40 == 0))
            with mmap.mmap(ring, 0, prot=mmap.PROT_READ) as memory:
                self.assert_blind(memory[:])
            os.close(ring)
            h.assert_balanced()

    def test_what_is_refused(self):
        """10 to 24, each with a reason."""
        with self.daemon() as h:
            user, unrestricted = self.user(h), self.user(h, OTHER)
            theirs = unrestricted.flow("trace", ["TO_BUFFER"], ["PKT_COUNTER"], name="theirs")
            own = user.flow("trace", ["PKT_COUNTER"], connect=False)
            for function in (["STR_SEARCH", "SECRET", 0, 0], ["REGEXP", "SECRET"], ["COOKING"], ["TRACK_FTP"], ["TRACK_IRC"],
                             ["TRACK_SIP"], ["TRACK_RTSP"], ["TRACK_SKYPE"], ["TRACK", "HTTP"]):
                self.refused(user, "headers only", "flow.apply", flow=own, function=function[0], args=function[1:])
            self.refused(user, "does not allow PKTLOSS", "flow.apply", flow=own, function="pktloss", args=[])
            self.refused(user, "must be named", "flow.apply", flow=own, function="INJECT", args=["trace"])
            for args in (["PCAP", "x-%n.pcap"], ["PCAP", "x-%n.pcap", {"keep_s": 601}]):
                self.refused(user, "600 s at most", "flow.apply", flow=own, function="TO_FILE", args=args)
            self.refused(user, "does not have device private", "flow.create", device="private")
            for method in ("flow.info", "flow.read", "flow.close", "flow.connect", "explain"):
                for flow in (theirs, "roots"):
                    self.refused(user, "only that user", method, flow=flow)
            self.refused(user, "only that user", "flow.buffer", flow=theirs, function=1)
            self.refused(user, "name one", "explain")
            for method in ("netflow.stats", "memory", "search.stats", "config.reload", "shutdown", "policy.list", "log.level"):
                self.refused(user, "does not allow " + method, method)
            for function, args in (("STATS", [theirs, 2, 1]), ("BINOP", [1, theirs, 2, 0, 1]), ("SYNC", [str(theirs)])):
                with self.assertRaises(RpcError) as raised:
                    user.call("flow.apply", flow=own, function=function, args=args)
                self.assertIn("another user", str(raised.exception))
            self.assertEqual([f["flow"] for f in user.call("flow.list")], [own])
            self.assertEqual([d["name"] for d in user.call("device.list")], ["trace", "second"])
            self.assertEqual(len(unrestricted.call("device.list")), 3)
            text = json.dumps(user.call("ledger"))
            for word in ("private", "theirs", "roots"):
                self.assertNotIn(word, text)
            self.assert_blind()

    def test_the_head_is_not_to_be_seen(self):
        with self.daemon() as h:
            user = self.user(h)
            flow = user.flow("trace", ["BPF_FILTER", "tcp"], ["PKT_COUNTER"], name="mine")
            info = user.call("flow.info", flow=flow)
            self.assertEqual([(f["number"], f["name"]) for f in info["functions"]], [(1, "BPF_FILTER"), (2, "PKT_COUNTER")])
            self.assertNotIn("policy", info)
            for number in (0, -1, 3):
                with self.assertRaises(RpcError):
                    user.call("flow.read", flow=flow, function=number)
            for name in ("ANONYMIZE", "HEADERS"):
                with self.assertRaises(RpcError) as raised:
                    user.call("flow.read", flow=flow, function=name)
                self.assertEqual(raised.exception.mapi_errno, 6147)
            told = json.dumps([user.call("explain", flow=flow), user.call("ledger"), user.call("flow.list")])
            self.assertNotIn("ANONYMIZE", told)
            self.assertNotIn("research", told)
            self.play(h)
            self.assertEqual(user.read(flow, "PKT_COUNTER"), PACKETS)
            self.assertTrue(user.call("ledger")["balanced"])
            # administrators see all of it
            self.assertEqual(h.call("flow.info", flow="mine")["policy"], "research")
            self.assertIn("HEADERS", json.dumps(h.call("explain", flow="mine")))
            listed, = h.call("policy.list")
            self.assertEqual((listed["connections"], listed["flows"]), (1, 1))
            self.assertIn("research", homard.ctl(h, "policies"))
            h.assert_balanced()

    def test_files_and_records_are_anonymous(self):
        with self.daemon() as h, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
            collector.bind(("127.0.0.1", 0))
            collector.settimeout(homard.SLOW)
            user = self.user(h)
            shelf = self.folder / "shelf"
            shelf.mkdir()
            os.chown(shelf, USER, USER)
            fd = os.open(shelf, os.O_RDONLY | os.O_DIRECTORY)
            flow = user.call("flow.create", files=[fd], device="trace", connect=True, functions=[
                ["TO_FILE", "PCAP", "part-%n.pcap", {"keep_s": 600, "rotate_packets": 1000}]])["flow"]
            report = user.flow("trace", ["FLOW_REPORT", "IPFIX", "127.0.0.1:%d" % collector.getsockname()[1]])
            self.play(h)
            homard.until(lambda: user.read(flow, 1)["queued"] == 0, what="all to be written")
            user.call("flow.close", flow=flow, wait=True)
            os.close(fd)
            user.call("flow.close", flow=report, wait=True)
            files = sorted(shelf.iterdir())
            self.assertEqual(len(files), 2)
            data = b"".join(file.read_bytes() for file in files)
            self.assertGreater(len(data), PACKETS * 54)
            self.assert_blind(data)
            messages = b""
            collector.settimeout(1)
            with contextlib.suppress(TimeoutError):
                while True:
                    messages += collector.recv(65536)
            self.assertGreater(len(messages), 1000)
            self.assert_blind(messages)

    def test_payload_that_is_searched_is_the_changed_one(self):
        policy = {"name": "mask", "users": ["*"], "functions": HEAD + [["ANONYMIZE", "TCP,PAYLOAD,PATTERN_FILL,STR,abc"]]}
        with self.daemon(policy) as h:
            user = self.user(h, OTHER)
            secret = user.flow("trace", ["STR_SEARCH", "TOP-SECRET", 0, 0], ["PKT_COUNTER"])
            changed = user.flow("trace", ["STR_SEARCH", "abcabc", 0, 0], ["PKT_COUNTER"])
            self.play(h)
            self.assertEqual((user.read(secret, 2), user.read(changed, 2)), (0, PACKETS))
            self.assert_blind()

    def test_whose_policy(self):
        wide = {"name": "wide", "users": ["*"], "functions": []}
        with self.daemon(self.policy, wide) as h:
            for uid, groups, policy in ((USER, (), "research"), (OTHER, (GROUP,), "research"), (OTHER, (), "wide")):
                user = self.user(h, uid, groups)
                self.assertEqual(user.call("hello", protocol=1)["role"], "restricted")
                flow = user.flow("second", ["PKT_COUNTER"])
                self.assertEqual(h.call("flow.info", flow=flow)["policy"], policy)
            # the same user without the group has seen less or more: not the same flows
            first = self.user(h, OTHER, (GROUP,))
            flow = first.flow("second", ["PKT_COUNTER"])
            self.refused(self.users[2], "another policy", "flow.read", flow=flow, function=1)
            self.assertNotIn("policy", h.call("flow.info", flow=h.flow("trace", ["PKT_COUNTER"])))

    def test_reload_never_leaves_a_moment_without(self):
        with self.daemon() as h:
            user, other = self.user(h), self.user(h, OTHER)
            flow, kept = user.flow("trace", ["PKT_COUNTER"]), other.flow("trace", ["PKT_COUNTER"])
            forever = other.flow("second", ["PKT_COUNTER"], persistent=True)

            def load(*policies):
                h.file.write_text(json.dumps({**h.config, "policies": list(policies)}))
                h.call("config.reload")

            load(self.policy)  # the same: nothing happens
            self.assertEqual(user.read(flow, 1), 0)
            self.assertEqual(other.read(forever, 1), 0)
            load({**self.policy, "payload": True})
            self.refused(user, "policy has changed", "flow.read", number=6145, flow=flow, function=1)
            self.assertEqual(other.read(kept, 1), 0)
            with self.assertRaises(RpcError):
                h.call("flow.info", flow=forever)
            again = user.flow("trace", ["STR_SEARCH", "SECRET", 0, 0], ["PKT_COUNTER"])
            load({**self.policy, "users": [str(OTHER)]})  # now it is the other's
            self.assertEqual(other.call("hello", protocol=1)["role"], "restricted")
            self.refused(other, "policy has changed", "flow.read", number=6145, flow=kept, function=1)
            self.refused(user, "policy has changed", "flow.read", number=6145, flow=again, function=2)
            hidden = other.flow("trace", ["BPF_FILTER", "host 10.77.0.1"], ["PKT_COUNTER"])
            shown = user.flow("trace", ["BPF_FILTER", "host 10.77.0.1"], ["PKT_COUNTER"])
            self.play(h)
            self.assertEqual((other.read(hidden, 2), user.read(shown, 2)),
                             (0, sum(1 for i in range(PACKETS) if i % 40 == 0)))
            h.assert_balanced()

    def test_a_policy_that_cannot_be_applied_lets_nobody_in(self):
        key = self.folder / "key"
        key.write_bytes(b"k" * 32)
        key.chmod(0o600)
        policy = {**self.policy, "functions": [["ANONYMIZEIP", "file:%s" % key]]}
        with self.daemon(policy) as h:
            user = self.user(h)
            user.flow("trace", ["PKT_COUNTER"])
            key.unlink()
            self.refused(user, "cannot be applied", "flow.create", device="trace")
            self.assertNotIn(str(key).encode(), user.told)
            self.assertEqual(len(user.call("flow.list")), 1)
            self.assertIn(str(key), h.output())

    def test_policies_of_the_documentation(self):
        docs = pathlib.Path(__file__).resolve().parents[2] / "docs"
        blocks = (docs / "privacy.md").read_text().split("```json\n")[1:]
        policies = {p["name"]: p for p in (json.loads(block.split("```")[0]) for block in blocks)}
        self.assertEqual(sorted(policies), ["demonstration", "operators", "research"])
        for policy in policies.values():
            with self.daemon({**policy, "users": [str(USER)]}) as h:
                user = self.user(h)
                seen = user.flow("trace", ["PKT_COUNTER"])
                found = user.flow("trace", ["BPF_FILTER", "host 10.77.0.1 or host 10.77.0.2"], ["PKT_COUNTER"])
                self.play(h)
                self.assertEqual(user.read(seen, 1), PACKETS)
                true = sum(1 for i in range(PACKETS) if i % 40 < 2)
                self.assertEqual(user.read(found, 2), true if policy["name"] == "operators" else 0)
                h.assert_balanced()

    def test_mistakes_in_policies(self):
        device = {"name": "trace", "trace": str(self.folder / "truth.pcap")}
        for wrong, words in (({"allow": ["NONE"]}, "policies[0].allow[0]"),
                             ({"devices": ["nowhere"]}, "policies[0].devices[0]"), ({"payload": "no"}, "policies[0].payload"),
                             ({"functions": [["ANONYMIZE", "IP,NONE,ZERO"]]}, "policies[0].functions[0] (ANONYMIZE)"),
                             ({"max_keep_s": -1}, "policies[0].max_keep_s"), ({"users": None}, "policies[0].users")):
            code, text = homard.check({"devices": [device], "policies": [{"name": "p", "users": [str(USER)], **wrong}]})
            self.assertNotEqual(code, 0, wrong)
            self.assertIn(words, text)
        with self.daemon() as h:
            h.file.write_text(json.dumps({**h.config, "policies": [{**self.policy, "users": ["no-such-user"]}]}))
            with self.assertRaisesRegex(RpcError, "not reloaded") as raised:
                h.call("config.reload")
            self.assertIn("policies[0].users[0]: there is no user", json.dumps(raised.exception.data))
            self.assertEqual(self.user(h).call("hello", protocol=1)["role"], "restricted")


if __name__ == "__main__":
    homard.main()
