# SPDX-License-Identifier: BSD-3-Clause
"""traffic: the one trace that all rows read, and what is filtered and searched in it."""
import itertools
import json
import pathlib
import re
import socket
import struct
import subprocess
import sys

GENERATED_PACKETS = 3000000
LISTED = 10000  # filters and strings of the longest rows
HITS = 1000     # strings that occur in the trace
HIT = re.compile(rb"[!-~]{6,15}")


class Trace:
    """A pcap file with the number of its packets."""

    def __init__(self, path, name):
        self.path = path
        self.name = name
        self.packets = sum(1 for _ in records(path))


def records(path):
    """(offset, length) of each packet's bytes in a little-endian pcap file, as both generators write it."""
    with open(path, "rb", buffering=1 << 20) as file:
        magic = struct.unpack("<I", file.read(24)[:4])[0]
        if magic not in (0xA1B2C3D4, 0xA1B23C4D):
            raise SystemExit("bench: %s is not a little-endian pcap file" % path)
        at = 24
        while len(header := file.read(16)) == 16:
            length = struct.unpack_from("<I", header, 8)[0]
            file.seek(length, 1)
            at += 16 + length
            yield at - length, length


def _from_real_captures(bench):
    """The big trace of the shared tools: 30 copies of many small captures in a minute."""
    out, tool = bench.folder / "bench.pcap", bench.folder / "mktrace"
    if not out.exists():
        print("bench: building the big trace (1 GB) in %s" % out, file=sys.stderr)
        subprocess.run(["cc", "-O2", "-o", tool, bench.shared / "tools/mktrace.c", "-lpcap"], check=True)
        captures = sorted((bench.shared / "traces/mix").iterdir())
        partial = out.with_suffix(".partial")
        subprocess.run([tool, partial, "30", "60", *captures], check=True, stderr=subprocess.DEVNULL)
        partial.rename(out)
    return Trace(out, "real captures, 30 copies in 60 s")


def generated(bench, packets):
    out = bench.folder / ("generated-%d.pcap" % packets)
    if not out.exists():
        partial = out.with_suffix(".partial")
        generate(bench.build, partial, format="pcap", packets=packets,
                 flows=min(100000, max(100, packets // 30)))
        partial.rename(out)
    return Trace(out, "generated")


def smallest(bench, packets=200000):
    """Packets of 64 bytes on the wire, of which a card keeps 60."""
    out = bench.folder / ("smallest-%d.pcap" % packets)
    if not out.exists():
        with open(out.with_suffix(".partial"), "wb") as file:
            file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
            for i in range(packets):
                ip = struct.pack("!BBHHHBBHII", 0x45, 0, 46, i & 0xFFFF, 0, 64, 17, 0, 0x0A000001, 0x0A000002)
                udp = struct.pack("!HHHH", 1000 + i % 50000, 53, 26, 0)
                frame = bytes(12) + b"\x08\x00" + ip + udp + bytes(18)
                file.write(struct.pack("<IIII", 1147651200 + i // 10**6, i % 10**6 * 1000, 60, 60) + frame)
        out.with_suffix(".partial").rename(out)
    return Trace(out, "64-byte packets")


def generate(build, path, **options):
    """Makes a trace with homard-traffic; options as it has them. Returns its truth."""
    tool = pathlib.Path(build) / "src/homard-traffic"
    arguments = []
    for name, value in options.items():
        arguments += ["--" + name.replace("_", "-"), str(value)]
    done = subprocess.run([tool, *arguments, "--json", "--out", path], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def prepare(bench, packets):
    if bench.shared and (bench.shared / "traces/mix").is_dir() and \
            (bench.shared / "tools/mktrace.c").is_file():
        return _from_real_captures(bench)
    return generated(bench, packets or GENERATED_PACKETS)


# --- lists: what is filtered and searched, one a line, since the naive loops read them, too ---


class Missing(Exception):
    """This row cannot be measured here, and why."""


class List:
    def __init__(self, path):
        self.path = path
        self.lines = path.read_text(encoding="latin-1").splitlines()

    def first(self, n):
        if n > len(self.lines):
            raise Missing("%s has %d lines" % (self.path.name, len(self.lines)))
        return self.lines[:n]


def _listed(bench, name, make):
    """The shared list of that name, or the one that make() returns for this trace."""
    shared = bench.shared / "tools" / name if bench.shared else None
    return List(shared) if shared and shared.is_file() else _made(bench, name, make)


def _made(bench, name, make):
    out = bench.folder / ("%s.%s" % (bench.trace.path.stem, name))
    if not out.exists():
        partial = out.with_suffix(".partial")
        partial.write_bytes(b"\n".join(make()) + b"\n")
        partial.rename(out)
    return List(out)


def samples(trace, n):
    """The bytes of about n packets from everywhere in the trace."""
    with open(trace.path, "rb") as file:
        for at, length in itertools.islice(records(trace.path), 0, None, max(1, trace.packets // n)):
            file.seek(at)
            yield file.read(length)


def filters(bench):
    """Different filters over hosts and ports that are in the trace."""
    def make():
        made = {}
        for frame in samples(bench.trace, 6 * LISTED):
            if frame[12:15] != b"\x08\x00\x45" or len(frame) < 38 or len(made) == LISTED:
                continue
            src, dst = (socket.inet_ntoa(frame[at:at + 4]) for at in (26, 30))
            port, other = struct.unpack_from("!HH", frame, 34)
            made[("host %s and not port %d" % (src, other), "src port %d or dst host %s" % (port, src),
                  "tcp dst portrange %d-%d" % (other, min(65535, other + 50)), "src net %s.0/24" % dst.rsplit(".", 1)[0],
                  "udp port %d or host %s" % (port, dst))[len(made) % 5]] = True
        return [text.encode() for text in made]
    return _listed(bench, "filters.txt", make)


def strings(bench):
    return _listed(bench, "strings.txt", lambda: [b"homard-%05d" % i for i in range(LISTED)])


def hits(bench):
    """Strings that all occur, out of packets from everywhere in the trace."""
    def make():
        matches = (HIT.search(frame, 54) for frame in samples(bench.trace, 20 * HITS))
        found = list(dict.fromkeys(match[0] for match in matches if match))
        return found[::max(1, len(found) // HITS)][:HITS]
    return _made(bench, "hits.txt", make)


def literal(text):
    """Text in Snort syntax: what has a meaning there is written in hex."""
    return "".join(c if c.isalnum() or c in " -_/." else "|%02X|" % ord(c) for c in text)
