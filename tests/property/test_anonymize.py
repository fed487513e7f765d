#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""ANONYMIZE: for each protocol, field and function that go together a packet in and the exact packet out, as written
down here a second time; for all others their error number; and tshark, which must find every length and checksum
right."""
import hashlib
import hmac
import ipaddress
import itertools
import json
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest
import zlib

import homard

FEED = os.environ["ANONYMIZE_FEED"]
KEY = b"lobster-thermidor-with-a-32-byte"
STAMP = 1700000000123456789

# --- packets -----------------------------------------------------------------------------------------------------

MACS = bytes.fromhex("02005e0010010200c0a80102")
REQUEST = (b"GET /private/index.html?name=anna HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0 (X11)\r\n"
           b"Cookie: id=4711; b=2\r\nReferer: http://a.example/x\r\nContent-Length: 4\r\n\r\nbody"
           b"HEAD /second HTTP/1.0\r\ncookie:   folded\r\n  over two lines\r\nAccept-Language: de\r\n\r\n")
REPLY = (b"HTTP/1.1 404 Not Found\r\nServer: nginx/1.2\r\nSet-Cookie: s=1\r\nDate: Mon, 1 Jan 2024\r\n\r\n<html>gone</html>")
COMMANDS = b"USER anna\r\nPASS secret.txt\r\nCWD /home/anna\r\nQUIT\r\n"
REPLIES = b"220-welcome\r\n here\r\n220 ready.now\r\n331 password\r\n"
TEXTS = {
    57: (b"HTTP/1.1", None), 58: (b"GET", None), 59: (b"/private/index.html?name=anna", None),
}


def total(data):
    data += b"\0" * (len(data) % 2)
    value = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while value >> 16:
        value = (value & 0xffff) + (value >> 16)
    return value


def checksum(data):
    return ~total(data) & 0xffff


class Packet:
    """The pieces of a packet; bytes() puts them together, with lengths and checksums that are right."""

    def __init__(self, v6=False, kind="tcp", payload=b"", ports=(40000, 4242), options=b"", tcp_options=b"", vlan=False):
        self.v6, self.kind = v6, kind
        self.macs = bytearray(MACS)
        self.tags = bytearray(b"\x81\x00\xa0\x64" if vlan else b"")
        self.payload = bytearray(payload)
        self.options, self.tcp_options = bytearray(options), bytearray(tcp_options)
        self.ext = bytearray(b"\x3c\x00\x05\x02\0\0\x01\x00" + b"\0\0\x01\x04abcd" if v6 and options else b"")
        proto = {"tcp": 6, "udp": 17, "icmp": 58 if v6 else 1}[kind]
        if v6:
            self.ip = bytearray(struct.pack("!IHBB", 0x60a12345, 0, 0 if self.ext else proto, 63) +
                                ipaddress.ip_address("2001:db8:1:2:3:4:5:6").packed +
                                ipaddress.ip_address("2001:db8:1:ffff::2").packed)
            if self.ext:
                self.ext[8] = proto
        else:
            self.ip = bytearray(struct.pack("!BBHHHBBH", 0x45, 0x2e, 0, 0xbeef, 0x4000, 61, proto, 0) +
                                ipaddress.ip_address("10.1.2.3").packed + ipaddress.ip_address("10.1.99.4").packed)
        self.proto = proto
        self.l4 = bytearray({"tcp": struct.pack("!HHIIBBHHH", *ports, 0x01020304, 0x0a0b0c0d, 0x50, 0x18, 1234, 0, 77),
                             "udp": struct.pack("!HHHH", *ports, 0, 0),
                             "icmp": struct.pack("!BBHHH", 8 if not v6 else 128, 0, 0, 5, 6)}[kind])
        self.given = {}  # checksums that are not summed up, by "ip" or "l4"

    def copy(self):
        other = object.__new__(Packet)
        other.__dict__.update({k: type(v)(v) if isinstance(v, (bytearray, dict)) else v for k, v in self.__dict__.items()})
        return other

    def where(self, protocol, field):
        """[(piece, offset, bytes, mask)] of a field that has a fixed size, or None where it has not."""
        ip = {"SRC_IP": (12, 4, 8, 16), "DST_IP": (16, 4, 24, 16), "TTL": (8, 1, 7, 1), "IP_PROTO": (9, 1, 6, 1),
              "PACKET_LENGTH": (2, 2, 4, 2), "TOS": (1, 1, 0, 2), "ID": (4, 2, None, 0), "FRAGMENT_OFFSET": (6, 2, None, 0),
              "FLOW": (None, 0, 0, 4), "SRC_IID": (None, 0, 16, 8), "DST_IID": (None, 0, 32, 8)}
        masks = {("TOS", True): 0x0ff0, ("FRAGMENT_OFFSET", False): 0x1fff, ("FLOW", True): 0xfffff}
        l4 = {"tcp": {"SRC_PORT": (0, 2), "DST_PORT": (2, 2), "SEQUENCE_NUMBER": (4, 4), "ACK_NUMBER": (8, 4),
                      "OFFSET_AND_RESERVED": (12, 1), "FLAGS": (13, 1), "WINDOW": (14, 2), "URGENT_POINTER": (18, 2)},
              "udp": {"SRC_PORT": (0, 2), "DST_PORT": (2, 2), "UDP_DATAGRAM_LENGTH": (4, 2)},
              "icmp": {"TYPE": (0, 1), "CODE": (1, 1)}}
        if protocol == "ETH":
            return {"SRC_MAC": [("macs", 6, 6, 0)], "DST_MAC": [("macs", 0, 6, 0)], "SRC_NIC": [("macs", 9, 3, 0)],
                    "DST_NIC": [("macs", 3, 3, 0)], "VLAN_ID": [("tags", 2, 2, 0xfff)] if self.tags else []}[field]
        if field in ip:
            at, n = ip[field][2:] if self.v6 else ip[field][:2]
            return [] if at is None else [("ip", at, n, masks.get((field, self.v6), 0))]
        if field in l4[self.kind] and protocol != "IP":
            return [("l4", *l4[self.kind][field], 0)]
        return []

    def bytes(self):
        return self.put_together()[0]

    def put_together(self):
        ip, l4 = bytearray(self.ip), bytearray(self.l4)
        lengths = self.__dict__.get("lengths", {})
        body = len(self.l4) + len(self.tcp_options) + len(self.payload)
        if self.kind == "tcp" and "offset" not in lengths:
            l4[12] = l4[12] & 15 | (20 + len(self.tcp_options)) // 4 << 4
        if self.kind == "udp":
            l4[4:6] = struct.pack("!H", lengths.get("udp", body) & 0xffff)
        if self.v6:
            ip[4:6] = struct.pack("!H", lengths.get("ip", body + len(self.ext)))
        else:
            ip[0] = 0x40 | (20 + len(self.options)) // 4
            ip[2:4] = struct.pack("!H", lengths.get("ip", 20 + len(self.options) + body))
        at = {"tcp": 16, "udp": 6, "icmp": 2}[self.kind]
        l4[at:at + 2] = b"\0\0"
        length = lengths.get("ip", None)
        if length is None:
            length = body
        else:
            length -= len(self.ext) if self.v6 else 20 + len(self.options)
        length = length if length >= 0 else length + 0xffff  # of a length that a rule has made nonsense
        pseudo = bytes(ip[8:40] if self.v6 else ip[12:20]) + struct.pack("!II", length, self.proto)
        if self.kind == "icmp" and not self.v6:
            pseudo = b""
        value = checksum(pseudo + bytes(l4 + self.tcp_options + self.payload))
        if self.kind == "udp" and value == 0:
            value = 0xffff
        l4[at:at + 2] = struct.pack("!H", self.given.get("l4", value))
        if not self.v6:
            ip[10:12] = b"\0\0"
            ip[10:12] = struct.pack("!H", self.given.get("ip", checksum(bytes(ip + self.options))))
        start = bytes(self.macs + self.tags) + (b"\x86\xdd" if self.v6 else b"\x08\x00")
        middle = bytes(ip) + bytes(self.ext if self.v6 else self.options)
        whole = start + middle + bytes(l4 + self.tcp_options + self.payload)
        return whole, len(start), len(start) + len(middle)


def packets():
    """{name: packet}, of each kind."""
    noop = b"\x94\x04\0\0"
    ts = b"\x01\x01\x08\x0aabcdefgh"
    made = {}
    for v6 in (False, True):
        six = "6" if v6 else ""
        made["tcp" + six] = Packet(v6, "tcp", b"some payload.of this", options=noop, tcp_options=ts, vlan=True)
        made["udp" + six] = Packet(v6, "udp", b"datagram 12.txt", options=noop)
        made["icmp" + six] = Packet(v6, "icmp", b"echo echo echo")
        made["http" + six] = Packet(v6, "tcp", REQUEST, (40000, 80), tcp_options=ts)
        made["ftp" + six] = Packet(v6, "tcp", COMMANDS, (40001, 21))
    made["reply"] = Packet(False, "tcp", REPLY, (80, 40000))
    made["replies"] = Packet(False, "tcp", REPLIES, (21, 40001))
    return made


# --- what MAPI's manual says -----------------------------------------------------------------------------------------

IP = ("PAYLOAD CHECKSUM SRC_IP DST_IP TTL TOS ID VERSION OPTIONS PACKET_LENGTH IP_PROTO IHL FRAGMENT_OFFSET").split()
PORTS = ["SRC_PORT", "DST_PORT"]
TCP = PORTS + "SEQUENCE_NUMBER OFFSET_AND_RESERVED ACK_NUMBER FLAGS URGENT_POINTER WINDOW TCP_OPTIONS".split()
HTTP = """HTTP_VERSION METHOD URI USER_AGENT ACCEPT ACCEPT_CHARSET ACCEPT_ENCODING ACCEPT_LANGUAGE ACCEPT_RANGES AGE ALLOW
    AUTHORIZATION CACHE_CONTROL CONNECTION_TYPE CONTENT_TYPE CONTENT_LENGTH CONTENT_LOCATION CONTENT_MD5 CONTENT_RANGE COOKIE
    ETAG EXPECT EXPIRES FROM HOST IF_MATCH IF_MODIFIED_SINCE IF_NONE_MATCH IF_RANGE IF_UNMODIFIED_SINCE LAST_MODIFIED
    MAX_FORWRDS PRAGMA PROXY_AUTHENTICATE PROXY_AUTHORIZATION RANGE REFERRER RETRY_AFTER SET_COOKIE SERVER TE TRAILER
    TRANSFER_ENCODING UPGRADE VIA WARNING WWW_AUTHENTICATE X_POWERED_BY RESPONSE_CODE RESP_CODE_DESCR VARY DATE
    CONTENT_ENCODING KEEP_ALIVE LOCATION CONTENT_LANGUAGE DERIVED_FROM ALLOWED MIME_VERSION TITLE REFRESH HTTP_PAYLOAD""".split()
FTP = """USER PASS ACCT FTP_TYPE STRU MODE CWD PWD CDUP PASV RETR REST PORT LIST NLST QUIT SYST STAT HELP NOOP STOR APPE STOU
    ALLO MKD RMD DELE RNFR RNTO SITE FTP_RESPONSE_CODE FTP_RESPONSE_ARG""".split()
OWN = {"PACKET": ["TIMESTAMP"], "ETH": ["SRC_MAC", "DST_MAC", "SRC_NIC", "DST_NIC", "VLAN_ID"],
       "ARP": ["SRC_IP", "DST_IP", "SRC_MAC", "DST_MAC"], "DNS": ["EMBEDDED_IP"], "DHCP": ["EMBEDDED_IP", "CLIENT_MAC"]}
FIELDS = {"IP": IP + ["FLOW", "SRC_IID", "DST_IID", "EMBEDDED_IP"], "TCP": IP + TCP, "UDP": IP + PORTS + ["UDP_DATAGRAM_LENGTH"],
          "ICMP": IP + ["TYPE", "CODE", "EMBEDDED_IP"], "HTTP": IP + TCP + HTTP, "FTP": IP + TCP + FTP, **OWN}
ALL_FIELDS = sorted({name for names in FIELDS.values() for name in names})
TEXT = set(HTTP + FTP)
VARYING = TEXT | {"PAYLOAD", "OPTIONS", "TCP_OPTIONS"}
ADDRESSES = {"SRC_IP", "DST_IP", "EMBEDDED_IP"}
LONG = {"SRC_MAC", "DST_MAC", "CLIENT_MAC", "SRC_IID", "DST_IID"}
NUMBERS = set(ALL_FIELDS) - VARYING - ADDRESSES - LONG - {"TIMESTAMP", "VERSION", "IHL"}
PARAMETERS = {"UNCHANGED": [""], "MAP": [""], "MAP_DISTRIBUTION": [",UNIFORM,1,100", ",GAUSSIAN,50,9"], "STRIP": [",0", ",3"],
              "RANDOM": [""], "HASHED": [",%s,%s" % pair for pair in itertools.product(
                  ("SHA", "MD5", "CRC32", "SHA_2", "HMAC", "AES", "DES", "TRIPLEDES"), ("PAD_WITH_ZERO", "STRIP_REST"))],
              "PATTERN_FILL": [",INTEGER,7", ",STR,TEST"], "ZERO": [""], "REPLACE": [",instead of", ",a,b"],
              "PREFIX_PRESERVING": [""], "PREFIX_PRESERVING_MAP": [""], "CHECKSUM_ADJUST": [""], "FILENAME_RANDOM": [""],
              "REGEXP": [",(a)[^x]*(e),2,NULL,xyz"], "COARSEN": [",10"], "RANGES": [",3,70,200"], "OFFSET": [",-1s"]}


def legal(function, field):
    if field in ("VERSION", "IHL"):
        return False
    return {"UNCHANGED": True, "OFFSET": field == "TIMESTAMP", "COARSEN": field == "TIMESTAMP" or field in NUMBERS,
            "RANGES": field in NUMBERS, "PREFIX_PRESERVING": field in ADDRESSES, "PREFIX_PRESERVING_MAP": field in ADDRESSES,
            "MAP": field in NUMBERS | ADDRESSES | LONG, "MAP_DISTRIBUTION": field in NUMBERS | ADDRESSES | LONG,
            "STRIP": field in VARYING, "REPLACE": field in TEXT | {"PAYLOAD"}, "CHECKSUM_ADJUST": field == "CHECKSUM",
            }.get(function, field != "TIMESTAMP")


def belongs(packet_name, protocol):
    return {"IP": True, "TCP": packet_name.rstrip("6") in ("tcp", "http", "ftp", "reply", "replies"),
            "UDP": packet_name.startswith("udp"), "ICMP": packet_name.startswith("icmp"),
            "HTTP": packet_name.rstrip("6") in ("http", "reply"), "FTP": packet_name.rstrip("6") in ("ftp", "replies"),
            "ETH": True}.get(protocol, False)


# --- what functions make of values ---------------------------------------------------------------------------------

def digest(name, data):
    return {"SHA": lambda: hashlib.sha1(data).digest(), "MD5": lambda: hashlib.md5(data).digest(),
            "SHA_2": lambda: hashlib.sha256(data).digest(), "CRC32": lambda: struct.pack("!I", zlib.crc32(data)),
            "HMAC": lambda: hmac.new(KEY, data, "sha256").digest()}[name]()


def encrypted(name, data):
    size = 16 if name == "AES" else 8
    key = hmac.new(KEY, name.encode(), "sha256").digest()
    key = {"AES": key, "DES": key[:8] * 3, "TRIPLEDES": key[:24]}[name]
    cipher = {"AES": "aes-256-ecb"}.get(name, "des-ede3")
    padded = data + b"\0" * (-len(data) % size)
    if not padded:
        return b""
    done = subprocess.run(["openssl", "enc", "-" + cipher, "-nopad", "-K", key.hex()], input=padded,
                          stdout=subprocess.PIPE, check=True, timeout=homard.SLOW)
    return done.stdout[:len(data)]


CIPHERED = {}


def new_bytes(function, parameters, data):
    """Of a field that has no fixed size."""
    words = parameters.split(",")[1:]
    if function == "STRIP":
        return data[:int(words[0])]
    if function == "ZERO":
        return bytes(len(data))
    if function == "PATTERN_FILL":
        pattern = bytes([int(words[1])]) if words[0] == "INTEGER" else words[1].encode()
        return (pattern * len(data))[:len(data)]
    if function == "REPLACE":
        return parameters[1:].split(" ")[0].encode()
    if function == "REGEXP":
        first = data.lower().find(b"a")
        while first >= 0:
            last = data.lower().rfind(b"e")
            stop = data.lower().find(b"x", first)
            last = data.lower().rfind(b"e", first + 1, stop if stop >= 0 else len(data))
            if last > first:
                return data[:last] + b"xyz" + data[last + 1:]
            first = data.lower().find(b"a", first + 1)
        return data
    if function == "HASHED":
        if words[0] in ("AES", "DES", "TRIPLEDES"):
            key = (words[0], bytes(data))
            if key not in CIPHERED:
                CIPHERED[key] = encrypted(*key)
            return CIPHERED[key]
        made = digest(words[0], bytes(data))
        if len(made) >= len(data) or words[1] == "STRIP_REST":
            return made
        return made + b"0" * (len(data) - len(made))
    return data


def new_fixed(function, parameters, data, mask, field, state):
    """Of a field of fixed size; None where chance decides."""
    n = len(data)
    full = mask or (1 << 8 * n) - 1
    shift = (full & -full).bit_length() - 1
    number = (int.from_bytes(data, "big") & full) >> shift
    own = number.to_bytes(((full >> shift).bit_length() + 7) // 8, "big") if field in NUMBERS else bytes(data)
    if function == "MAP":
        made = state.setdefault(own, len(state) + 1)
        if n == 16:
            made |= 0x20010db8 << 96
        elif n == 6:
            made |= 2 << 40
    elif function == "COARSEN":
        made = number // 10 * 10
    elif function == "RANGES":
        made = max(low for low in (0, 3, 70, 200) if low <= number)
    elif function in ("MAP_DISTRIBUTION", "RANDOM", "FILENAME_RANDOM", "PREFIX_PRESERVING", "PREFIX_PRESERVING_MAP"):
        return None
    else:
        made = int.from_bytes((new_bytes(function, parameters, own) + bytes(n))[:len(own)], "big")
    return (int.from_bytes(data, "big") & ~full | made << shift & full).to_bytes(n, "big")


# --- where text is ---------------------------------------------------------------------------------------------------

def spans(name, field):
    """[(line, value, end of value, end of line)] in the payload of the packet of that name, found by searching."""
    text = {"http": REQUEST, "reply": REPLY, "ftp": COMMANDS, "replies": REPLIES}[name.rstrip("6")]
    wanted = {
        "http": {"METHOD": [b"GET", b"HEAD"], "URI": [b"/private/index.html?name=anna", b"/second"],
                 "HTTP_VERSION": [b"HTTP/1.1", b"HTTP/1.0"], "HTTP_PAYLOAD": [b"body"]},
        "reply": {"HTTP_VERSION": [b"HTTP/1.1"], "RESPONSE_CODE": [b"404"], "RESP_CODE_DESCR": [b"Not Found"],
                  "HTTP_PAYLOAD": [b"<html>gone</html>"]},
        "ftp": {}, "replies": {}}[name.rstrip("6")].get(field)
    if wanted:
        return [(text.index(word), text.index(word), text.index(word) + len(word), text.index(word) + len(word))
                for word in wanted]
    lines = {
        "http": {"HOST": [(b"Host: ", b"www.example.org")], "USER_AGENT": [(b"User-Agent: ", b"Mozilla/5.0 (X11)")],
                 "COOKIE": [(b"Cookie: ", b"id=4711; b=2"), (b"cookie:   ", b"folded\r\n  over two lines")],
                 "REFERRER": [(b"Referer: ", b"http://a.example/x")], "CONTENT_LENGTH": [(b"Content-Length: ", b"4")],
                 "ACCEPT_LANGUAGE": [(b"Accept-Language: ", b"de")]},
        "reply": {"SERVER": [(b"Server: ", b"nginx/1.2")], "SET_COOKIE": [(b"Set-Cookie: ", b"s=1")],
                  "DATE": [(b"Date: ", b"Mon, 1 Jan 2024")]},
        "ftp": {"USER": [(b"USER ", b"anna")], "PASS": [(b"PASS ", b"secret.txt")], "CWD": [(b"CWD ", b"/home/anna")],
                "QUIT": [(b"", b"QUIT")]},
        "replies": {"FTP_RESPONSE_CODE": [(b"", b"220-welcome", 3), (b"", b"220 ready.now", 3), (b"", b"331 password", 3)],
                    "FTP_RESPONSE_ARG": [(b"220-", b"welcome"), (b"", b" here"), (b"220 ", b"ready.now"),
                                         (b"331 ", b"password")]}}
    found = []
    for line in lines[name.rstrip("6")].get(field, []):
        at = text.index(line[0] + line[1])
        value = at + len(line[0])
        end = value + (line[2] if len(line) > 2 else len(line[1]))
        found.append((at, value, end, text.index(b"\r\n", value + len(line[1])) + 2))
    return found


class Reference:
    """What must come out of one rule."""

    def __init__(self, protocol, field, function, parameters):
        self.protocol, self.field, self.function, self.parameters = protocol, field, function, parameters
        self.state = {}

    def text(self, packet, name):
        payload = bytes(packet.payload)
        for line, value, end, line_end in reversed(spans(name, self.field)):
            if self.function == "STRIP" and self.parameters == ",0":
                payload = payload[:line] + payload[line_end:]
            else:
                made = self.chance or new_bytes(self.function, self.parameters, payload[value:end])
                payload = payload[:value] + made + payload[end:]
        packet.payload = bytearray(payload)

    def options(self, packet, name):
        data = bytes(packet.__dict__[name])
        if data:
            made = new_bytes(self.function, self.parameters, data)[:40]
            packet.__dict__[name] = bytearray(made + bytes(-len(made) % 4))

    def options6(self, packet):
        for at in (0, 8) if packet.ext else ():
            data = bytes(packet.ext[at + 2:at + 8])
            made = new_bytes(self.function, self.parameters, data)[:6]
            if self.function == "STRIP":
                made = made + bytes([1, 4 - len(made)]) if len(made) <= 4 else made
            packet.ext[at + 2:at + 8] = made + bytes(6 - len(made))

    def payload(self, packet):
        if self.protocol != "IP":
            packet.payload = bytearray(new_bytes(self.function, self.parameters, bytes(packet.payload)))
            return packet.bytes()
        whole, _, body = packet.put_together()
        data = new_bytes(self.function, self.parameters, whole[body:])
        return None if len(data) < 20 else whole[:body] + data  # the rest is checked as text below

    def expect(self, packet, name):
        """The bytes, or None where this reference does not know."""
        packet = packet.copy()
        if self.function in ("UNCHANGED", "CHECKSUM_ADJUST") or not belongs(name, self.protocol):
            return packet.bytes()
        if self.function in ("RANDOM", "FILENAME_RANDOM", "MAP_DISTRIBUTION", "PREFIX_PRESERVING", "PREFIX_PRESERVING_MAP"):
            return None
        if self.field == "CHECKSUM":
            return self.expect_checksum(packet)
        if self.field in TEXT:
            self.chance = None
            self.text(packet, name)
        elif self.field == "OPTIONS":
            if packet.v6:
                self.options6(packet)
            else:
                self.options(packet, "options")
        elif self.field == "TCP_OPTIONS":
            self.options(packet, "tcp_options")
        elif self.field == "PAYLOAD":
            return None if self.protocol == "IP" else self.payload(packet)
        elif self.field == "EMBEDDED_IP":
            return packet.bytes()  # none of these has one
        else:
            return self.expect_fixed(packet)
        return packet.bytes()

    def expect_checksum(self, packet):
        which = "ip" if self.protocol == "IP" else "l4"
        if which == "ip" and packet.v6:
            return packet.bytes()
        whole, l3, body = packet.put_together()
        at = l3 + 10 if which == "ip" else body + {"tcp": 16, "udp": 6, "icmp": 2}[packet.kind]
        made = new_fixed(self.function, self.parameters, whole[at:at + 2], 0, "CHECKSUM", self.state)
        packet.given[which] = int.from_bytes(made, "big")
        return packet.bytes()

    def expect_fixed(self, packet):
        whole, l3, body = packet.put_together()
        start = {"macs": 0, "tags": 12, "ip": l3, "l4": body}
        lengths = {}
        for piece, at, n, mask in packet.where(self.protocol, self.field):
            at_whole = start[piece] + at
            made = new_fixed(self.function, self.parameters, whole[at_whole:at_whole + n], mask, self.field, self.state)
            packet.__dict__[piece][at:at + n] = made
            if self.field == "PACKET_LENGTH":
                lengths["ip"] = int.from_bytes(made, "big")
            if self.field == "UDP_DATAGRAM_LENGTH":
                lengths["udp"] = int.from_bytes(made, "big")
            if self.field == "OFFSET_AND_RESERVED":
                lengths["offset"] = True
        if lengths:
            packet.lengths = lengths
        return packet.bytes()


def write_pcap(path, frames):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for i, frame in enumerate(frames):
            file.write(struct.pack("<IIII", 1700000000 + i, 0, len(frame), len(frame)) + frame)


class Anonymize(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.key = cls.folder / "key"
        cls.key.write_bytes(KEY)
        cls.key.chmod(0o600)
        cls.feed = subprocess.Popen([FEED, "64", str(cls.key)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @classmethod
    def tearDownClass(cls):
        cls.feed.stdin.close()
        assert cls.feed.wait(timeout=homard.SLOW) == 0
        cls.feed.stdout.close()
        shutil.rmtree(cls.folder)

    def ask(self, *args, frames=(), **more):
        print(json.dumps({"args": args, "packets": [bytes(frame).hex() for frame in frames], **more}),
              file=self.feed.stdin, flush=True)
        answer = json.loads(self.feed.stdout.readline())
        if "packets" in answer:
            answer["packets"] = [bytes.fromhex(text) for text in answer["packets"]]
        return answer

    def triples(self):
        for protocol, fields in FIELDS.items():
            for field in fields:
                for function, parameters in PARAMETERS.items():
                    for words in parameters:
                        yield protocol, field, function, words

    def test_each_legal_rule_makes_the_exact_packet(self):
        made, checked = packets(), 0
        frames = [packet.bytes() for packet in made.values()]
        for protocol, field, function, words in self.triples():
            if not legal(function, field):
                continue
            if field == "FRAGMENT_OFFSET" and function == "MAP":
                words = ""
            rule = "%s,%s,%s%s" % (protocol, field, function, words)
            if function in ("COARSEN",) and field == "TIMESTAMP":
                rule = "%s,%s,COARSEN,10ns" % (protocol, field)
            answer = self.ask(rule, frames=frames)
            self.assertNotIn("error", answer, rule)
            self.assertEqual(len(answer["packets"]), len(frames), rule)
            if field == "TIMESTAMP":
                continue
            reference = Reference(protocol, field, function, words)
            for (name, packet), got in zip(made.items(), answer["packets"]):
                wanted = reference.expect(packet, name)
                if wanted is not None:
                    self.assertEqual(got.hex(), wanted.hex(), "%s on %s" % (rule, name))
                    checked += 1
        self.assertGreater(checked, 20000)

    def test_each_illegal_rule_has_its_error(self):
        refused = 0
        for protocol, function in itertools.product(FIELDS, PARAMETERS):
            for field in ALL_FIELDS:
                answer = self.ask("%s,%s,%s%s" % (protocol, field, function, PARAMETERS[function][0]), frames=[])
                good = field in FIELDS[protocol] and legal(function, field)
                self.assertEqual(answer.get("error"), None if good else 7002, (protocol, field, function, answer))
                refused += not good
        self.assertGreater(refused, 10000)

    def test_wrong_rules(self):
        for rule, number, word in [
                ("IP", 7001, "IP"), ("", 7001, "PROTOCOL"), ("XP,TTL,ZERO", 7001, "XP"), ("ip,TTL,ZERO", 7001, "ip"),
                ("IP,TTL", 7002, "TTL"), ("IP,NONE,ZERO", 7002, "NONE"), ("UDP,TCP_OPTIONS,ZERO", 7002, "TCP_OPTIONS"),
                ("IP,TTL,NONE", 7003, "NONE"), ("IP,TTL,", 7003, "function"), ("IP,TTL,STRIP,1", 7002, "STRIP"),
                ("IP,PAYLOAD,STRIP", 7004, "STRIP"), ("IP,PAYLOAD,STRIP,-1", 7004, "-1"), ("IP,PAYLOAD,STRIP,x", 7004, "x"),
                ("IP,PAYLOAD,STRIP,65536", 7004, "65536"), ("IP,ID,MAP_DISTRIBUTION", 7004, "UNIFORM"),
                ("IP,ID,MAP_DISTRIBUTION,UNIFORM,1", 7004, "1 to 65535"), ("IP,ID,MAP_DISTRIBUTION,UNIFORM,5,4", 7004, "4"),
                ("IP,TTL,MAP_DISTRIBUTION,UNIFORM,1,256", 7004, "256"), ("IP,ID,HASHED", 7004, "SHA"),
                ("IP,ID,HASHED,SHA", 7004, "STRIP_REST"), ("IP,ID,HASHED,SHA,NONE", 7004, "NONE"),
                ("IP,ID,PATTERN_FILL", 7004, "INTEGER"), ("IP,ID,PATTERN_FILL,INTEGER,256", 7004, "256"),
                ("IP,PAYLOAD,REPLACE", 7004, "REPLACE"), ("IP,PAYLOAD,REPLACE," + "x" * 1025, 7004, "1024"),
                ("IP,PAYLOAD,REGEXP", 7004, "pattern"), ("IP,PAYLOAD,REGEXP,(a,1,b", 7004, "REGEXP"),
                ("IP,PAYLOAD,REGEXP,(a),2,b,c", 7004, "1 groups"), ("IP,PAYLOAD,REGEXP,(a),1", 7004, "1 groups"),
                ("IP,PAYLOAD,REGEXP,(a),1,b,c", 7004, "groups"), ("IP,TTL,COARSEN,0", 7004, "1 to 255"),
                ("TCP,DST_PORT,RANGES,5,5", 7004, "higher"), ("PACKET,TIMESTAMP,OFFSET,later", 7004, "later"),
                ("PACKET,TIMESTAMP,COARSEN,0", 7004, "1 or more"), ("IP,PAYLOAD,REPLACE," + "x" * 5000, 7004, "4096")]:
            answer = self.ask(rule)
            self.assertEqual(answer.get("error"), number, (rule, answer))
            self.assertIn(word, answer["text"], rule)
        self.assertEqual(self.ask(" IP , TTL , ZERO ").get("error"), None)
        self.assertEqual(self.ask("IP,TTL,ZERO", "IP,NONE,ZERO")["error"], 7002)
        self.assertIn("rule 2", self.ask("IP,TTL,ZERO", "IP,NONE,ZERO")["text"])

    def test_chance_changes_the_field_alone(self):
        for function in ("RANDOM", "FILENAME_RANDOM", "MAP_DISTRIBUTION", "PREFIX_PRESERVING", "PREFIX_PRESERVING_MAP"):
            for protocol, field in [(p, f) for p in ("IP", "TCP", "UDP", "ICMP", "ETH") for f in FIELDS[p]]:
                if field in VARYING or field in ("CHECKSUM", "EMBEDDED_IP", "PACKET_LENGTH", "UDP_DATAGRAM_LENGTH",
                                                 "OFFSET_AND_RESERVED", "IP_PROTO") or not legal(function, field):
                    continue
                made = packets()
                rule = "%s,%s,%s%s" % (protocol, field, function, PARAMETERS[function][0])
                answer = self.ask(rule, frames=[packet.bytes() for packet in made.values()])
                for (name, packet), got in zip(made.items(), answer["packets"]):
                    wanted = packet.copy()
                    whole, l3, body = packet.put_together()
                    start = {"macs": 0, "tags": 12, "ip": l3, "l4": body}
                    for piece, at, n, mask in packet.where(protocol, field) if belongs(name, protocol) else ():
                        old = wanted.__dict__[piece][at:at + n]
                        new = got[start[piece] + at:start[piece] + at + n]
                        if mask:
                            self.assertEqual(int.from_bytes(old, "big") & ~mask, int.from_bytes(new, "big") & ~mask, rule)
                        if function == "MAP_DISTRIBUTION" and field in NUMBERS:
                            full = mask or (1 << 8 * n) - 1
                            number = (int.from_bytes(new, "big") & full) // (full & -full)
                            self.assertTrue(1 <= number <= 100, rule)
                        wanted.__dict__[piece][at:at + n] = new
                    self.assertEqual(got.hex(), wanted.bytes().hex(), "%s on %s" % (rule, name))

    def test_random_differs_and_map_repeats(self):
        frame = packets()["tcp"].bytes()
        once = self.ask("TCP,PAYLOAD,RANDOM", frames=[frame] * 64)["packets"]
        self.assertEqual(len(set(once)), 64)
        names = self.ask("TCP,PAYLOAD,FILENAME_RANDOM", frames=[frame] * 512)["packets"]
        self.assertTrue(all(got.endswith(b".of this") for got in names))
        letters = {byte for got in names for byte in got[-20:-8]}
        self.assertEqual((min(letters), max(letters), len(letters)), (33, 125, 93))
        frames = [Packet(payload=b"x", ports=(port, 4242)).bytes() for port in (9, 7, 9, 8, 7)]
        got = self.ask("TCP,SRC_PORT,MAP", "TCP,DST_PORT,MAP", frames=frames)["packets"]
        self.assertEqual([struct.unpack("!HH", frame[34:38]) for frame in got], [(1, 2), (3, 2), (1, 2), (4, 2), (3, 2)])

    def test_one_table_of_map_for_both_addresses(self):
        one, other = Packet(), Packet()
        other.ip[12:16], other.ip[16:20] = one.ip[16:20], one.ip[12:16]
        got = self.ask("IP,SRC_IP,MAP", "IP,DST_IP,MAP", {"map_values": 2}, frames=[one.bytes(), other.bytes()])
        sources = [frame[26:30] for frame in got["packets"]]
        self.assertEqual(sources, [b"\0\0\0\1", b"\0\0\0\2"])
        self.assertEqual([frame[30:34] for frame in got["packets"]], [b"\0\0\0\2", b"\0\0\0\1"])
        third = Packet()
        third.ip[12:16] = b"\x7f\0\0\1"
        full = self.ask("IP,SRC_IP,MAP", {"map_values": 1}, frames=[one.bytes(), third.bytes()])
        self.assertEqual(full["packets"][1][26:30], b"\0\0\0\0")
        self.assertEqual(full["unknown"], 1)

    def test_gaussian_and_uniform_draw_as_they_say(self):
        frames = [Packet(ports=(port, 1)).bytes() for port in range(1, 4001)]
        for words, low, high, mean in ((",UNIFORM,1000,1999", 1000, 1999, 1499.5), (",GAUSSIAN,5000,100", 4000, 6000, 5000)):
            got = self.ask("TCP,SRC_PORT,MAP_DISTRIBUTION" + words, frames=frames)["packets"]
            again = self.ask("TCP,SRC_PORT,MAP_DISTRIBUTION" + words, frames=frames, batch=7)["packets"]
            self.assertEqual(got, again)
            ports = [struct.unpack("!H", frame[34:36])[0] for frame in got]
            self.assertTrue(low <= min(ports) and max(ports) <= high)
            self.assertAlmostEqual(sum(ports) / len(ports), mean, delta=20)
            deviation = (sum((port - mean) ** 2 for port in ports) / len(ports)) ** 0.5
            self.assertAlmostEqual(deviation, 1000 / 12 ** 0.5 if "UNIFORM" in words else 100, delta=12)

    def test_odd_batches_make_the_same(self):
        frames = [packet.bytes() for packet in packets().values()] * 3 + [Packet(ports=(port, 90 - port)).bytes() for port in range(80)]
        rules = ("IP,SRC_IP,PREFIX_PRESERVING", "IP,DST_IP,PREFIX_PRESERVING", "TCP,SRC_PORT,MAP", "TCP,DST_PORT,MAP", "HTTP,COOKIE,REPLACE,no",
                 "FTP,PASS,STRIP,0", "UDP,PAYLOAD,HASHED,SHA,STRIP_REST")
        whole = self.ask(*rules, frames=frames)["packets"]
        for batch in (1, 2, 3, 31, 63):
            self.assertEqual(self.ask(*rules, frames=frames, batch=batch)["packets"], whole)

    def test_cut_at_every_byte(self):
        """What is cut has neither addresses nor payload in it that are not to be seen, and nothing crashes."""
        rules = ("IP,SRC_IP,ZERO", "IP,DST_IP,ZERO", "TCP,PAYLOAD,ZERO", "UDP,PAYLOAD,PATTERN_FILL,INTEGER,0",
                 "ICMP,PAYLOAD,STRIP,0", "TCP,TCP_OPTIONS,ZERO", "HTTP,COOKIE,REPLACE,none", "FTP,PASS,HASHED,SHA,STRIP_REST")
        for name, packet in packets().items():
            frame, l3, body = packet.put_together()
            cuts = [frame[:n] for n in range(len(frame) + 1)]
            answer = self.ask(*rules, frames=cuts, wire=[len(frame)] * len(cuts))
            self.assertEqual(answer["dropped"], 0)
            for got in answer["packets"]:
                self.assertNotIn(b"\x0a\x01", got[l3 + 12:l3 + 20] if not packet.v6 else b"")
                self.assertNotIn(b"\x20\x01\x0d\xb8", got)
                for secret in (b"some payload", b"datagram", b"echo", b"4711", b"secret"):
                    self.assertNotIn(secret, got, name)

    def test_what_cannot_be_read_goes_no_further(self):
        frame, l3, body = packets()["tcp"].put_together()
        cuts = [frame[:l3 + 10], frame[:body + 10], frame]
        self.assertEqual(len(self.ask("IP,TTL,ZERO", frames=cuts, wire=[200] * 3)["packets"]), 2)
        self.assertEqual(len(self.ask("TCP,SRC_PORT,ZERO", frames=cuts, wire=[200] * 3)["packets"]), 1)
        self.assertEqual(self.ask("TCP,SRC_PORT,ZERO", frames=cuts, wire=[200] * 3)["unreadable"], 2)
        self.assertEqual(len(self.ask("ETH,SRC_MAC,ZERO", frames=cuts, wire=[200] * 3)["packets"]), 3)
        self.assertEqual(len(self.ask("TCP,SRC_PORT,ZERO", {"pass_unreadable": 1}, frames=cuts)["packets"]), 3)

    def test_lengths_that_stay(self):
        packet = packets()["tcp"]
        frame, l3, body = packet.put_together()
        answer = self.ask("TCP,PAYLOAD,STRIP,0", {"keep_lengths": 1}, frames=[frame + b"pad"])
        self.assertEqual(answer["packets"][0], frame[:-len(packet.payload)])
        self.assertEqual(answer["wire"], [len(frame) + 3])
        answer = self.ask("TCP,PAYLOAD,STRIP,4", frames=[frame + b"pad"])
        shorter = packet.copy()
        shorter.payload = packet.payload[:4]
        self.assertEqual(answer["packets"][0], shorter.bytes())
        self.assertEqual(answer["wire"], [len(shorter.bytes())])

    def test_snapped_packets_lose_what_was_not_captured(self):
        packet = packets()["udp"]
        frame = packet.bytes()
        shorter = packet.copy()
        shorter.payload = packet.payload[:2]
        got = self.ask("UDP,PAYLOAD,STRIP,2", frames=[frame[:-5]], wire=[len(frame)])
        self.assertEqual(got["packets"][0][:40], shorter.bytes()[:40])  # up to the checksum, which cannot be right
        self.assertEqual(got["wire"], [len(shorter.bytes())])

    def test_growth_is_bounded(self):
        packet = Packet(kind="udp", payload=b"x")
        got = self.ask("UDP,PAYLOAD,REPLACE," + "y" * 1024, frames=[packet.bytes()])["packets"][0]
        packet.payload = bytearray(b"y" * 1024)
        self.assertEqual(got, packet.bytes())
        big = Packet(kind="udp", payload=b"z" * 3000 + REQUEST, ports=(1, 2))
        many = Packet(payload=b"".join(b"GET / HTTP/1.1\r\nCookie: %d\r\n\r\n" % i for i in range(90)), ports=(9, 80))
        answer = self.ask("UDP,PAYLOAD,HASHED,SHA,PAD_WITH_ZERO", "HTTP,COOKIE,REPLACE," + "y" * 1000,
                          frames=[big.bytes(), many.bytes()])
        self.assertGreater(answer["cut"], 0)
        self.assertTrue(all(len(frame) <= 4096 for frame in answer["packets"]))
        self.assertEqual(len(big.bytes()), len(answer["packets"][0]))

    def test_empty_pool_drops_and_counts(self):
        frame = packets()["tcp"].bytes()
        feed = subprocess.run([FEED, "3"], input=json.dumps({"args": ["IP,TTL,ZERO"], "packets": [frame.hex()] * 10}),
                              stdout=subprocess.PIPE, text=True, check=True, timeout=homard.SLOW)
        answer = json.loads(feed.stdout)
        self.assertEqual((len(answer["packets"]), answer["dropped"], answer["unreadable"]), (3, 7, 0))

    def test_keys_with_rights_only(self):
        loose = self.folder / "loose"
        loose.write_bytes(KEY)
        loose.chmod(0o644)
        question = json.dumps({"args": ["IP,SRC_IP,PREFIX_PRESERVING"], "packets": []})
        for path, word in ((loose, "others may read"), (self.folder / "none", "No such file")):
            done = subprocess.run([FEED, "3", str(path)], input=question, stdout=subprocess.PIPE, text=True,
                                  timeout=homard.SLOW)
            answer = json.loads(done.stdout)
            self.assertEqual(answer["error"], 7004)
            self.assertIn(word, answer["text"])
            self.assertNotIn(KEY.decode(), done.stdout)

    def test_times(self):
        frames = [packets()["tcp"].bytes()] * 3
        self.assertEqual(self.ask("PACKET,TIMESTAMP,COARSEN,1ms", frames=frames)["ts"], [STAMP - STAMP % 10 ** 6] * 3)
        self.assertEqual(self.ask("PACKET,TIMESTAMP,OFFSET,-1s", frames=frames)["ts"],
                         [STAMP - 10 ** 9 + i for i in range(3)])
        self.assertEqual(self.ask("PACKET,TIMESTAMP,OFFSET,2500", frames=frames)["ts"], [STAMP + 2500 + i for i in range(3)])

    def test_addresses_within_messages(self):
        from scapy.all import (ARP, BOOTP, DHCP, DNS, DNSQR, DNSRR, Ether, ICMP, ICMPv6DestUnreach, IP as IP4, IPv6, UDP)
        link = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
        inner = IP4(src="10.9.9.9", dst="10.8.8.8") / UDP(sport=53, dport=4000) / b"answer"
        inner6 = IPv6(src="2001:db8::9", dst="2001:db8::8") / UDP(sport=53, dport=4000) / b"answer"
        answers = DNSRR(rrname="a.example", type="A", rdata="10.7.7.7") / DNSRR(rrname="a.example", type="AAAA",
                                                                                rdata="2001:db8::7")
        ends = {"src": "192.0.2.1", "dst": "192.0.2.2"}
        frames = [bytes(frame) for frame in (
            link / IP4(**ends) / ICMP(type=3, code=1) / inner,
            link / IPv6(src="fe80::1", dst="fe80::2") / ICMPv6DestUnreach() / inner6,
            link / IP4(**ends) / UDP(sport=53, dport=4000) / DNS(qr=1, qd=DNSQR(qname="a.example"), an=answers, ancount=2),
            link / IP4(**ends) / UDP(sport=67, dport=68) / BOOTP(op=2, yiaddr="10.6.6.6", chaddr=b"\2\0\0\0\7\7") /
            DHCP(options=[("message-type", "ack"), ("router", "10.5.5.5"), ("server_id", "10.4.4.4"), "end"]),
            link / ARP(hwsrc="02:00:00:00:09:09", psrc="10.3.3.3", hwdst="02:00:00:00:08:08", pdst="10.2.2.2"))]
        secrets = [bytes([10, n, n, n]) for n in range(2, 10)] + [b"\x20\x01\x0d\xb8" + bytes(11) + bytes([n]) for n in (7, 8, 9)]
        macs = [b"\2\0\0\0\7\7", b"\2\0\0\0\x09\x09", b"\2\0\0\0\x08\x08"]
        self.assertTrue(all(any(secret in frame for frame in frames) for secret in secrets + macs))
        for function in ("ZERO", "MAP", "PREFIX_PRESERVING", "RANDOM", "HASHED,HMAC,PAD_WITH_ZERO"):
            answer = self.ask("IP,EMBEDDED_IP," + function, "ARP,SRC_IP," + function, "ARP,DST_IP," + function,
                              "DHCP,CLIENT_MAC,ZERO", "ARP,SRC_MAC,ZERO", "ARP,DST_MAC,ZERO", frames=frames)
            for frame, got in zip(frames, answer["packets"]):
                for secret in secrets + macs:
                    self.assertNotIn(secret, got, function)
                self.assertEqual(len(frame), len(got))
            self.assertEqual(self.wrong(answer["packets"]), [])

    def test_tunnels_outside_and_inside(self):
        from scapy.all import Ether, GRE, IP as IP4, TCP as TCP4, UDP, VXLAN
        inner = IP4(src="10.9.9.9", dst="10.8.8.8") / TCP4(sport=5, dport=6) / b"inner secret"
        link = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
        frames = [bytes(frame) for frame in (
            link / IP4(src="10.7.7.7", dst="10.6.6.6") / UDP(sport=4, dport=4789) / VXLAN(flags="Instance", vni=7) / link / inner,
            link / IP4(src="10.7.7.7", dst="10.6.6.6") / GRE(chksum_present=1) / inner,
            link / IP4(src="10.7.7.7", dst="10.6.6.6") / inner)]
        for rules in (("IP,SRC_IP,PREFIX_PRESERVING", "IP,DST_IP,PREFIX_PRESERVING", "TCP,PAYLOAD,ZERO"),
                      ("IP,SRC_IP,ZERO", "IP,DST_IP,MAP", "TCP,PAYLOAD,REPLACE,longer-than-it-was-before")):
            answer = self.ask(*rules, frames=frames, tunnels=0x3f)
            for frame, got in zip(frames, answer["packets"]):
                self.assertEqual(len(frame), len(got))
                for secret in [bytes([10, n, n, n]) for n in range(6, 10)] + [b"inner secret"]:
                    self.assertNotIn(secret, got)
            self.assertEqual(self.wrong(answer["packets"]), [])
        answer = self.ask("TCP,PAYLOAD,STRIP,0", frames=frames, tunnels=0x3f)
        self.assertEqual([len(got) for got in answer["packets"]], [len(frame) - 12 for frame in frames])
        self.assertEqual(answer["wire"], [len(frame) for frame in frames])

    def test_fragments(self):
        first = Packet(kind="udp", payload=b"first part of it")
        first.ip[6:8] = b"\x20\0"
        later = bytearray(Packet(kind="udp", payload=b"later part of it", ports=(1, 2)).bytes())
        later[20:22] = b"\0\3"
        later[24:26] = b"\0\0"
        later[24:26] = struct.pack("!H", checksum(bytes(later[14:34])))
        answer = self.ask("UDP,PAYLOAD,ZERO", frames=[first.bytes(), later])
        self.assertEqual(answer["packets"][0][42:], bytes(16))
        self.assertEqual(answer["packets"][1][34:], bytes(24))
        self.assertEqual([len(got) for got in answer["packets"]], [len(first.bytes()), len(later)])

    def wrong(self, frames):
        """Numbers of frames in which tshark finds a length or a checksum wrong."""
        path = self.folder / "out.pcap"
        write_pcap(path, frames)
        checks = [word for name in ("ip", "tcp", "udp") for word in ("-o", name + ".check_checksum:TRUE")]
        shown = " || ".join(name + ".checksum.status == 0" for name in ("ip", "tcp", "udp", "icmp", "icmpv6")) + \
            " || _ws.malformed || ip.bogus_ip_length || udp.length.bad"
        done = homard.run(["tshark", "-n", "-r", str(path), "-o", "ip.defragment:FALSE", *checks, "-Y", shown, "-T", "fields",
                           "-e", "frame.number"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=4 * homard.SLOW)
        self.assertEqual(done.returncode, 0)
        return [int(number) for number in done.stdout.split()]

    @unittest.skipUnless(shutil.which("tshark"), "not installed: tshark")
    def test_tshark_finds_lengths_and_checksums_right(self):
        made = [packet.bytes() for packet in packets().values()]
        self.assertEqual(self.wrong(made), [])
        frames, rules = [], []
        for protocol, field, function, words in self.triples():
            breaks = {"CHECKSUM", "PACKET_LENGTH", "UDP_DATAGRAM_LENGTH", "OFFSET_AND_RESERVED", "IP_PROTO", "OPTIONS",
                      "TCP_OPTIONS", "FRAGMENT_OFFSET", "TYPE", "VLAN_ID", "ID"}
            if not legal(function, field) or protocol not in ("IP", "TCP", "UDP", "ICMP", "HTTP", "FTP") or field in breaks or \
                    (protocol == "IP" and field == "PAYLOAD") or (protocol, field) == ("ICMP", "CODE"):
                continue
            rule = "%s,%s,%s%s" % (protocol, field, function, words)
            got = self.ask(rule, frames=made)["packets"]
            for frame in got:
                if frame not in made:
                    frames.append(frame)
                    rules.append(rule)
        self.assertGreater(len(frames), 5000)
        ports_of_others = ("SRC_PORT", "DST_PORT")  # these make other protocols of the same payload
        wrong = [rules[number - 1] for number in self.wrong(frames)]
        self.assertEqual([rule for rule in wrong if not any(word in rule for word in ports_of_others)], [])


if __name__ == "__main__":
    homard.main()
