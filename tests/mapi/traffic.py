# SPDX-License-Identifier: BSD-3-Clause
"""traffic: what the programs of this folder look at. A conversation over TCP, a worm, and a little of everything
else; some 350 packets, short enough for a link of 1,500 bytes, and few enough that a kernel's ring holds them."""
import random
import socket
import struct

MAC = bytes.fromhex("020000000002020000000001")
START_NS = 1147651200 * 10**9 + 123456789


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source, destination, protocol, payload, ttl=64, tag=b""):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0x4000, ttl, protocol, 0,
                         socket.inet_aton(source), socket.inet_aton(destination))
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return MAC + tag + b"\x08\x00" + header + payload


def udp(source, destination, sport, dport, data, **more):
    return ipv4(source, destination, 17, struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data, **more)


def tcp(source, destination, sport, dport, seq, ack, flags, data=b"", **more):
    header = struct.pack("!HHIIBBHHH", sport, dport, seq % 2**32, ack % 2**32, 0x50, flags, 8192, 0x1234, 0)
    return ipv4(source, destination, 6, header + data, **more)


def conversation(rng, seq=4294960000, ack=77):
    """A sender whose window grows: segments in bursts, each burst acknowledged once. Its sequence numbers wrap."""
    a, b = ("10.1.0.1", 40000), ("10.1.0.2", 80)
    yield tcp(a[0], b[0], a[1], b[1], seq, 0, 0x02)
    yield tcp(b[0], a[0], b[1], a[1], ack, seq + 1, 0x12)
    seq += 1
    for window in range(1, 12):
        for _ in range(window):
            data = rng.randbytes(rng.randrange(100, 1400))
            yield tcp(a[0], b[0], a[1], b[1], seq, ack + 1, 0x18, data)
            seq += len(data)
        yield tcp(b[0], a[0], b[1], a[1], ack + 1, seq, 0x10)
    yield tcp(a[0], b[0], a[1], b[1], seq, ack + 1, 0x11)


def worm(rng):
    """From port 1234; the pattern is before, in and behind the window of 300 bytes from 100, or not there."""
    for i in range(120):
        data = bytearray(rng.choices(b"abcdefgh", k=rng.randrange(450, 600)))
        at = [0, 60, 200, 340, 352, 353, 400, None][i % 8]  # in the payload
        if at is not None:
            data[at:at + 7] = b"pattern"
        make = [lambda d: udp("10.2.0.1", "10.2.0.2", 1234, 5000 + i, d),
                lambda d: tcp("10.2.0.3", "10.2.0.2", 1234, 445, 1000 * i, 5, 0x18, d)][i % 2]
        yield make(bytes(data))


def others(rng):
    for i in range(60):
        yield udp("192.0.2.%d" % (i % 5 + 1), "192.0.2.53", 1024 + i, 53, rng.randbytes(30 + i), ttl=10 + i)
    for i in range(40):
        yield ipv4("192.0.2.1", "192.0.2.2", 1, bytes([8, 0, 1, 2, 0, 7, 0, i]) + rng.randbytes(48))
    for i in range(40):
        header = struct.pack("!IHBB16s16s", 6 << 28 | i, 28, 17, 60, socket.inet_pton(socket.AF_INET6, "2001:db8::1"),
                             socket.inet_pton(socket.AF_INET6, "2001:db8::%x" % (i % 3 + 2)))
        yield MAC + b"\x86\xdd" + header + struct.pack("!HHHH", 500, 600 + i % 4, 28, 0xBEEF) + rng.randbytes(20)
    for i in range(12):
        yield MAC[6:] + MAC[6:] + b"\x08\x06" + bytes.fromhex("0001080006040001") + rng.randbytes(20)


def packets():
    """[(ns, frame)]: the parts mixed, each in its own order, now and then back to back."""
    rng = random.Random(4)
    parts = [list(part(rng)) for part in (conversation, worm, others)]
    order = [i for i, part in enumerate(parts) for _ in part]
    rng.shuffle(order)
    now, mixed = START_NS, []
    for i in order:
        frame = parts[i].pop(0)
        mixed.append((now, frame))
        now += len(frame) * 8 + 96 + rng.randrange(2000) if rng.random() < 0.3 else rng.randrange(1000, 2500000)
    return mixed


def slow_conversation():
    """The conversation alone, over some seconds; its sequence numbers do not wrap."""
    rng, now = random.Random(5), START_NS
    for frame in conversation(rng, 1000):
        yield now, frame
        now += rng.randrange(5 * 10**6, 80 * 10**6)


def write(path, some=None):
    """As pcap with nanoseconds."""
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
        for time, frame in some or packets():
            out.write(struct.pack("<IIII", *divmod(time, 10**9), len(frame), len(frame)) + frame)
