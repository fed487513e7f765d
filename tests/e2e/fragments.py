# SPDX-License-Identifier: BSD-3-Clause
"""Ethernet frames with IPv4 and IPv6 datagrams, and their fragments, for tests and fuzzing."""
import struct

MACS = b"\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02"


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Datagram:
    """payload: what is behind the IP header, and is cut into fragments."""

    def __init__(self, version, proto, source, destination, ident, payload, options=b""):
        self.version, self.proto, self.ident, self.payload, self.options = version, proto, ident, payload, options
        self.addresses = source + destination

    def ipv4(self, payload, flags=0):
        header = bytearray(struct.pack("!BBHHHBBH8s", 0x45 + len(self.options) // 4, 0, 20 + len(self.options) + len(payload),
                                       self.ident & 0xffff, flags, 64, self.proto, 0, self.addresses) + self.options)
        header[10:12] = struct.pack("!H", checksum(bytes(header)))
        return MACS + b"\x08\x00" + header + payload

    def ipv6(self, payload, proto=None):
        return MACS + b"\x86\xdd" + struct.pack("!IHBB32s", 6 << 28, len(payload), self.proto if proto is None else proto,
                                                64, self.addresses) + payload

    def whole(self):
        return self.ipv4(self.payload) if self.version == 4 else self.ipv6(self.payload)

    def fragment(self, at, size, more=True):
        """Bytes that the datagram has not are zero."""
        part = self.payload[at:at + size].ljust(size, b"\0")
        if self.version == 4:
            return self.ipv4(part, more << 13 | at // 8)
        return self.ipv6(struct.pack("!BBHI", self.proto, 0, at | more, self.ident) + part, 44)

    def fragments(self, places):
        """Cut at these places, the first of which is 0."""
        ends = [*places[1:], len(self.payload)]
        return [self.fragment(at, end - at, end < len(self.payload)) for at, end in zip(places, ends)]


def udp(version, ident, data, ports=(1234, 53), host=1):
    """The checksum is right for both: IPv6 has none without."""
    width = 4 if version == 4 else 16
    source, destination = (b"\x0a".ljust(width - 2, b"\0") + struct.pack("!H", h) for h in (host, 0xffff))
    header = struct.pack("!HHH", *ports, 8 + len(data))
    padded = data + bytes(len(data) % 2)
    value = checksum(source + destination + struct.pack("!IHBB", 8 + len(data), 0, 0, 17) + header + b"\0\0" + padded)
    return Datagram(version, 17, source, destination, ident, header + struct.pack("!H", value or 0xffff) + data)


def tcp(version, ident, data, ports=(1234, 80), host=1, sequence=1):
    width = 4 if version == 4 else 16
    source, destination = (b"\x0a".ljust(width - 2, b"\0") + struct.pack("!H", h) for h in (host, 0xffff))
    header = struct.pack("!HHIIBBH", *ports, sequence, 1, 0x50, 0x18, 9000)
    size = 20 + len(data)
    padded = data + bytes(len(data) % 2)
    value = checksum(source + destination + struct.pack("!IHBB", size, 0, 0, 6) + header + bytes(4) + padded)
    return Datagram(version, 6, source, destination, ident, header + struct.pack("!HH", value, 0) + data)
