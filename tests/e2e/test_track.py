#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""TRACK passes connections of the protocol that it is asked for: generated sessions with labels on ports that tell nothing, all
mixed, whatever the number of workers and batches; and it stays within its memory."""
import pathlib
import random
import shutil
import struct
import tempfile
import unittest

import homard
from homard import Homard, RpcError
from test_trackers import Tcp, datagram, mixed, read_pcap, write_pcap

SESSIONS = 12  # of each protocol
SIP = (b"INVITE sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK77\r\nMax-Forwards: 70\r\n"
       b"To: Bob <sip:bob@example.org>\r\nFrom: Anna <sip:anna@example.org>;tag=1\r\nCall-ID: a84b4c76e66710\r\n"
       b"CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n")
TCP = {
    "HTTP": (b"GET /index.html HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n\r\n",
             b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello"),
    "SSH": (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", b"SSH-2.0-OpenSSH_8.9p1 Ubuntu\r\n"),
    "RTSP": (b"OPTIONS rtsp://media.example.org/film RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: player\r\n\r\n",
             b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: DESCRIBE, SETUP, PLAY\r\n\r\n"),
    "BitTorrent": (b"\x13BitTorrent protocol" + bytes(8) + b"h" * 20 + b"-TR2940-abcdefghijkl",
                   b"\x13BitTorrent protocol" + bytes(8) + b"h" * 20 + b"-TR2940-mnopqrstuvwx"),
    None: (b"\x01\x02nothing that anybody knows", b"\x03\x04and neither is this"),
}
UDP = {"SkypeCall": (b"\x71\x35\x02" + bytes(range(0x30, 0x60)), b"\x82\x46\x02" + bytes(range(0x40, 0x70))), "SIP": (SIP, b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.1:5060\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"),
       "SSDP": (b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: ssdp:all\r\n\r\n",
                b"NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNT: x\r\nNTS: ssdp:alive\r\n\r\n")}
PROTOCOLS = [name for name in (*TCP, *UDP) if name]


def ends(number):
    net = "2001:db8:%x::" % number if number % 2 else "10.%d.%d." % (number // 200, number % 200)
    return (net + "1", 40000 + number), (net + "2", 20000 + number)


def tcp_session(number, name, packets):
    connection = Tcp(*ends(number), number, packets)
    for turn in range(6):
        connection.send(turn % 2, TCP[name][turn % 2] if turn < 2 else b"x" * random.randrange(1, 300))
        if turn == 0:
            packets.append(packets[1])  # the SYN with ACK once more, as its answer was late
    connection.close()


def udp_session(number, name, packets):
    for turn in range(6):
        (source, sport), (dest, dport) = ends(number)[::1 - 2 * (turn % 2)]
        data = UDP[name][turn % 2]
        packets.append((datagram(source, dest, 17, struct.pack(">HHHH", sport, dport, 8 + len(data), 0) + data), number))


class Track(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        random.seed(7)
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.trace = cls.folder / "sessions.pcap"
        sessions, cls.labels = [], {}
        for number in range(SESSIONS * (len(TCP) + len(UDP))):
            name = [*TCP, *UDP][number % (len(TCP) + len(UDP))]
            cls.labels[number] = name
            sessions.append([])
            (tcp_session if name in TCP else udp_session)(number, name, sessions[-1])
        cls.packets = mixed(sessions)
        cls.session_of = dict(cls.packets)
        write_pcap(cls.trace, [data for data, _ in cls.packets])

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def run_all(self, workers, burst, options):
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        device = {"name": "trace", "trace": str(self.trace), "pace": "max", "burst": burst, "queues": workers}
        flows = [{"name": "of" + name, "device": "trace", "functions": [
            ["TRACK", name.lower(), options], ["TO_FILE", "PCAP_NS", name + ".pcap", 0]]} for name in PROTOCOLS]
        flows.append({"name": "skype", "device": "trace", "functions": [["TRACK_SKYPE", options]]})
        with Homard({"devices": [device], "flows": flows, "capture": {"dir": str(folder)}}, workers=workers) as h:
            for name in PROTOCOLS:
                h.wait_finished("of" + name)
            results = {name: h.read("of" + name, 1) for name in PROTOCOLS}
            h.wait_finished("skype")
            self.assertEqual(h.read("skype", 1), results["SkypeCall"])
            h.assert_balanced()
            h.stop()
        return {name: read_pcap(folder / (name + ".pcap")) for name in PROTOCOLS}, results

    def test_labelled_sessions_through_any_number_of_workers(self):
        first = None
        for workers, burst in ((1, 64), (1, 3), (2, 64), (4, 7)):
            with self.subTest(workers=workers, burst=burst):
                passed, results = self.run_all(workers, burst, {})
                for name in PROTOCOLS:
                    wanted = {number for number, label in self.labels.items() if label == name}
                    self.assertEqual({self.session_of[data] for data in passed[name]}, wanted, name)
                    self.assertEqual(results[name]["connections"], SESSIONS, name)
                    self.assertEqual((results[name]["forgotten"], results[name]["lost"]), (0, 0), name)
                first = first or passed
                self.assertEqual(passed, first)

    def test_bounded_memory_loses_and_counts(self):
        _, results = self.run_all(1, 64, {"examined": 16, "memory_kib": 256, "connections": 64})
        for result in results.values():
            self.assertGreater(result["lost"] + result["forgotten"], 0)

    def test_names(self):
        with Homard({"devices": [{"name": "trace", "trace": str(self.trace)}]}) as h:
            for name, words in (("no such thing", "knows no protocol"), ("", "knows no protocol"), ("SIPP", "near it are IPP, SIP")):
                with self.assertRaises(RpcError) as raised:
                    h.flow("trace", ["TRACK", name])
                self.assertEqual(raised.exception.mapi_errno, 7001)
                self.assertIn(words, str(raised.exception))
            with self.assertRaises(RpcError) as raised:
                h.flow("trace", ["TRACK", "HTTP", {"packets": 0}])
            self.assertEqual(raised.exception.mapi_errno, 7002)
            self.assertIn("SkypeCall", homard.ctl(h, "functions", "TRACK"))


if __name__ == "__main__":
    homard.main()
