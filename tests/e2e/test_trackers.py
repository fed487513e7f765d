#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Trackers pass exactly the packets of their protocol: of generated sessions with labels, all mixed, whatever the number of
workers; and tshark agrees."""
import ipaddress
import pathlib
import random
import shutil
import struct
import subprocess
import tempfile
import unittest

import homard
from homard import Homard

SEED = 21
SESSIONS = 60
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
# and how tshark says the same, if it does; to it a segment of FTP without data is TCP alone
TRACKERS = {"TRACK_FTP": "ftp || ftp-data", "TRACK_IPOVERIP": "ip.proto == 4 || ip.proto == 41 || ipv6.nxt == 4 || ipv6.nxt == 41",
            "TRACK_MAPI": "tcp.port == 2233 && tcp.len > 0",
            "TRACK_WEB": "(tcp.port == 80 || tcp.port == 443) && tcp.len > 0",
            "TRACK_SIP": 'sip || rtp.setup-method == "SDP"', "TRACK_RTSP": 'tcp.port == 554 || rtp.setup-method == "RTSP"',
            "TRACK_DC": None, "TRACK_EDONKEY": None, "TRACK_GNUTELLA": None, "TRACK_IRC": None, "TRACK_TORRENT": None}
# what each side says first; tshark knows these protocols by their ports, and dialects that trackers do not know
FIRST_WORDS = {
    "TRACK_DC": (b"$Lock EXTENDEDPROTOCOLabc Pk=def|", b"$Supports NoHello|$Key xyz|"),
    "TRACK_EDONKEY": (b"\xe3\x06\0\0\0\x01abcde", b"\xe3\x01\0\0\0\x4c"),
    "TRACK_GNUTELLA": (b"GNUTELLA CONNECT/0.6\r\nUser-Agent: x\r\n\r\n", b"GNUTELLA/0.6 200 OK\r\n\r\n"),
    "TRACK_IRC": (b":a!b@c PRIVMSG #d :hello\r\n", b":e!f@g PRIVMSG #d :hi\r\n"),
    "TRACK_TORRENT": (b"\x13BitTorrent protocol" + bytes(48), b"\x13BitTorrent protocol" + bytes(48)),
}


def checksum(data):
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def datagram(source, dest, protocol, body):
    """Ethernet and IP around it."""
    source, dest = ipaddress.ip_address(source), ipaddress.ip_address(dest)
    if source.version == 6:
        return (b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x86\xdd" +
                struct.pack(">IHBB", 0x60000000, len(body), protocol, 64) + source.packed + dest.packed + body)
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0x4000, 64, protocol, 0) + source.packed + dest.packed
    header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
    return b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0" + header + body


class Tcp:
    """A connection, whose packets go into a list with its label."""

    def __init__(self, client, server, label, packets):
        self.ends, self.label, self.packets = (client, server), label, packets
        self.next = [random.getrandbits(32), random.getrandbits(32)]
        self.send(0, b"", SYN)
        self.send(1, b"", SYN | ACK)
        self.send(0, b"", ACK)

    def send(self, side, data, flags=PSH | ACK):
        (source, sport), (dest, dport) = self.ends[side], self.ends[1 - side]
        header = struct.pack(">HHIIBBHHH", sport, dport, self.next[side], self.next[1 - side] if flags & ACK else 0, 0x50,
                             flags, 65535, 0, 0)
        self.packets.append((datagram(source, dest, 6, header + data), self.label))
        self.next[side] = (self.next[side] + len(data) + (1 if flags & (SYN | FIN) else 0)) % 2**32

    def close(self):
        self.send(0, b"", FIN | ACK)
        self.send(1, b"", FIN | ACK)
        self.send(0, b"", ACK)


def six_numbers(address, port):
    return "%s,%d,%d" % (str(address).replace(".", ","), port // 256, port % 256)


def ftp_session(number, packets):
    """One of the four ways to open a data connection, and one that nobody has announced."""
    way = number % 4
    net = "2001:db8:%x::" % number if way % 2 else "10.1.%d." % number
    client, server = net + "1", net + "2"
    control = Tcp((client, 40000 + number), (server, 21), "TRACK_FTP", packets)
    control.send(1, b"220 ready\r\n")
    for transfer in range(2):
        port = random.randrange(30000, 39999)
        control.send(0, b"TYPE I\r\n")
        if way == 0:
            control.send(0, ("PORT %s\r\n" % six_numbers(client, port)).encode())
            control.send(1, b"200 ok\r\n")
        elif way == 1:
            control.send(0, ("EPRT |2|%s|%d|\r\n" % (client, port)).encode())
            control.send(1, b"200 ok\r\n")
        elif way == 2:
            control.send(0, b"PASV\r\n")
            control.send(1, ("227 Entering Passive Mode (%s).\r\n" % six_numbers(server, port)).encode())
        else:
            control.send(0, b"EPSV\r\n")
            control.send(1, ("229 Entering Extended Passive Mode (|||%d|)\r\n" % port).encode())
        control.send(0, b"RETR file\r\n")
        active = way < 2
        ends = ((server, 20), (client, port)) if active else ((client, 50000 + transfer), (server, port))
        data = Tcp(*ends, "TRACK_FTP", packets)
        for _ in range(random.randrange(1, 6)):
            data.send(0 if active else 1, random.randbytes(random.randrange(1, 900)))
        data.close()
        control.send(1, b"226 done\r\n")
    other = Tcp((client, 60000), (server, random.randrange(20000, 29999)), None, packets)
    other.send(0, b"PORT 1,2,3,4,5,6\r\n")
    other.close()
    control.close()


def data_session(number, packets):
    """Of a protocol that is known by its port; only what carries data counts."""
    port, label = ((80, "TRACK_WEB"), (443, "TRACK_WEB"), (2233, "TRACK_MAPI"), (8080, None))[number % 4]
    net = "2001:db8:%x::" % number if number % 3 else "10.2.%d." % number
    connection = Tcp((net + "1", 40000 + number), (net + "2", port), None, packets)
    for turn in range(random.randrange(1, 6)):
        connection.label = label
        connection.send(turn % 2, random.randbytes(random.randrange(1, 900)))
        connection.label = None
        connection.send(1 - turn % 2, b"", ACK)
    connection.close()


def words_session(number, packets):
    """Of a protocol that is known by what it says; what comes before the first words does not count."""
    label = sorted(FIRST_WORDS)[number % len(FIRST_WORDS)]
    net = "2001:db8:%x::" % number if number % 2 else "10.4.%d." % number
    connection = Tcp((net + "1", 40000 + number), (net + "2", 5000 + number), None, packets)
    connection.send(0, b"xxxx")
    connection.label = label
    for side in (0, 1) if number % 3 else (1, 0):
        connection.send(side, FIRST_WORDS[label][side])
    for turn in range(random.randrange(1, 6)):
        connection.label = label
        connection.send(turn % 2, b"x" * random.randrange(1, 900))
        connection.label = None
        connection.send(1 - turn % 2, b"", ACK)
    connection.close()


def udp(source, dest, data):
    return datagram(source[0], dest[0], 17, struct.pack(">HHHH", source[1], dest[1], 8 + len(data), 0) + data)


def media(ends, label, packets, directions=2):
    """RTP from the first end, or both."""
    for turn in range(random.randrange(2, 8)):
        data = struct.pack(">BBHII", 0x80, 0, turn, turn * 160, 7) + random.randbytes(160)
        side = turn % directions
        packets.append((udp(ends[side], ends[1 - side], data), label))


def sip_session(number, packets):
    """A call, whose two sides announce where they listen, and RTP that nobody has announced."""
    version, net = (6, "2001:db8:5:%x::" % number) if number % 2 else (4, "10.5.%d." % number)
    ends = [(net + "1", 16384 + 4 * number), (net + "2", 20000 + 4 * number)]
    for side, first in enumerate(("INVITE sip:b@example.net SIP/2.0", "SIP/2.0 200 OK")):
        address, port = ends[side]
        sdp = ("v=0\r\no=- 1 1 IN IP%d %s\r\ns=-\r\nc=IN IP%d %s\r\nt=0 0\r\nm=audio %d RTP/AVP 0\r\n" %
               (version, address, version, address, port))
        text = ("%s\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK%d\r\nFrom: <sip:a@example.net>;tag=1\r\nTo: <sip:b@example.net>\r\n"
                "Call-ID: %d\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s" %
                (first, number, number, len(sdp), sdp))
        packets.append((udp((address, 5060), (ends[1 - side][0], 5060), text.encode()), "TRACK_SIP"))
    media(ends, "TRACK_SIP", packets)
    media([(net + "1", 30000), (net + "2", 30002)], None, packets)


def rtsp_session(number, packets):
    """A film, whose ports the header Transport names."""
    net = "2001:db8:6:%x::" % number if number % 2 else "10.6.%d." % number
    ports = 16384 + 4 * number, 20000 + 4 * number
    control = Tcp((net + "1", 40000 + number), (net + "2", 554), "TRACK_RTSP", packets)
    control.send(0, ("SETUP rtsp://example.net/film RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP;unicast;client_port=%d-%d\r\n\r\n" %
                     (ports[0], ports[0] + 1)).encode())
    control.send(1, ("RTSP/1.0 200 OK\r\nCSeq: 1\r\nSession: 1\r\nTransport: RTP/AVP;unicast;client_port=%d-%d;server_port=%d-%d\r\n"
                     "\r\n" % (ports[0], ports[0] + 1, ports[1], ports[1] + 1)).encode())
    media([(net + "2", ports[1]), (net + "1", ports[0])], "TRACK_RTSP", packets, directions=1)
    control.close()


def tunnel_session(number, packets):
    """UDP in IP in IP, of both versions, and UDP alone."""
    for _ in range(5):
        inner = datagram(*(("10.3.0.1", "10.3.0.2") if number % 2 else ("2001:db8::1", "2001:db8::2")), 17,
                         struct.pack(">HHHH", number, 9, 28, 0) + bytes(20))
        packets.append((inner, None))
        outer = ("192.0.2.1", "192.0.2.2") if number % 4 < 2 else ("2001:db8:1::1", "2001:db8:1::2")
        packets.append((datagram(*outer, 4 if number % 2 else 41, inner[14:]), "TRACK_IPOVERIP"))


def mixed(sessions):
    """All packets, those of each session in their order."""
    turns = [session for session in sessions for _ in session]
    random.shuffle(turns)
    iterators = {id(session): iter(session) for session in sessions}
    return [next(iterators[id(session)]) for session in turns]


def write_pcap(path, packets):
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        for i, data in enumerate(packets):
            out.write(struct.pack("<IIII", 1700000000 + i // 10000, i % 10000 * 100000, len(data), len(data)) + data)


def read_pcap(path):
    raw, at, packets = path.read_bytes(), 24, []
    while at < len(raw):
        caplen, = struct.unpack_from("<I", raw, at + 8)
        packets.append(raw[at + 16:at + 16 + caplen])
        at += 16 + caplen
    return packets


class Trackers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        random.seed(SEED)
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.trace = cls.folder / "sessions.pcap"
        sessions = []
        for number in range(SESSIONS):
            for make in (ftp_session, data_session, words_session, sip_session, rtsp_session, tunnel_session):
                sessions.append([])
                make(number, sessions[-1])
        cls.packets = mixed(sessions)
        write_pcap(cls.trace, [data for data, _ in cls.packets])

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def labelled(self, name):
        return [data for data, label in self.packets if label == name]

    def passed(self, workers, burst):
        """What each tracker passes."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        device = {"name": "trace", "trace": str(self.trace), "pace": "max", "burst": burst, "queues": workers}
        flows = [{"name": name, "device": "trace", "functions": [[name], ["TO_FILE", "PCAP_NS", name + ".pcap", 0]]}
                 for name in TRACKERS]
        # in the part of a flow that is ordered, and of copies
        flows += [{"name": "ordered", "device": "trace", "functions": [["SAMPLE", 1, 2], ["TRACK_IRC"], ["PKT_COUNTER"]]},
                  {"name": "copies", "device": "trace", "functions": [["ROT13"], ["ROT13"], ["TRACK_IRC"], ["PKT_COUNTER"]]}]
        with Homard({"devices": [device], "flows": flows, "capture": {"dir": str(folder)}}, workers=workers) as h:
            for name in TRACKERS:
                h.wait_finished(name)
            result = h.read("TRACK_FTP", 1)
            h.wait_finished("ordered")
            h.wait_finished("copies")
            self.assertEqual(h.read("ordered", 3), len(self.labelled("TRACK_IRC")))
            self.assertEqual(h.read("copies", 4), len(self.labelled("TRACK_IRC")))
            h.assert_balanced()
            h.stop()
        return {name: read_pcap(folder / (name + ".pcap")) for name in TRACKERS}, result

    def test_labelled_sessions_through_any_number_of_workers(self):
        for workers, burst in ((1, 64), (1, 7), (2, 64), (4, 64), (4, 3)):
            with self.subTest(workers=workers, burst=burst):
                passed, result = self.passed(workers, burst)
                for name in TRACKERS:
                    self.assertEqual(passed[name], self.labelled(name), name)
                self.assertEqual(result, {"announced": 2 * SESSIONS, "data_connections": 2 * SESSIONS, "forgotten": 0})

    def test_tshark_agrees(self):
        passed = self.passed(1, 64)[0]
        passed["TRACK_FTP"] = [data for data in passed["TRACK_FTP"] if len(data) > (74 if data[12] == 0x86 else 54)]
        for name, expression in TRACKERS.items():
            if expression is None:
                continue
            with self.subTest(name):
                lines = subprocess.run(["tshark", "-n", "-r", str(self.trace), "-Y", expression, "-T", "fields", "-e",
                                        "frame.number"], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                       text=True, timeout=homard.SLOW).stdout.split()
                ours, theirs = set(passed[name]), {self.packets[int(number) - 1][0] for number in lines}
                self.assertGreater(len(theirs), SESSIONS / 2)
                self.assertEqual((len(ours - theirs), len(theirs - ours)), (0, 0))


if __name__ == "__main__":
    homard.main()
