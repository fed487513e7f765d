# SPDX-License-Identifier: BSD-3-Clause
"""traffic: the one trace that all rows read, and the strings that are searched in it."""
import json
import pathlib
import struct
import subprocess
import sys

GENERATED_PACKETS = 3000000


class Trace:
    """A pcap file with the number of its packets."""

    def __init__(self, path, name):
        self.path = path
        self.name = name
        self.packets = count_packets(path)


def count_packets(path):
    """Walks the record headers of a little-endian pcap file, as both generators here write it."""
    packets = 0
    with open(path, "rb", buffering=1 << 20) as file:
        magic = struct.unpack("<I", file.read(24)[:4])[0]
        if magic not in (0xA1B2C3D4, 0xA1B23C4D):
            raise SystemExit("bench: %s is not a little-endian pcap file" % path)
        while len(header := file.read(16)) == 16:
            file.seek(struct.unpack_from("<I", header, 8)[0], 1)
            packets += 1
    return packets


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


def _generated(bench, packets):
    out = bench.folder / ("generated-%d.pcap" % packets)
    if not out.exists():
        partial = out.with_suffix(".partial")
        generate(bench.build, partial, format="pcap", packets=packets,
                 flows=min(100000, max(100, packets // 30)))
        partial.rename(out)
    return Trace(out, "generated")


def generate(build, path, **options):
    """Makes a trace with homard-traffic; options as it has them. Returns its truth."""
    tool = pathlib.Path(build) / "src/homard-traffic"
    arguments = []
    for name, value in options.items():
        arguments += ["--" + name.replace("_", "-"), str(value)]
    done = subprocess.run([tool, *arguments, "--json", "--out", path], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def prepare(bench, generated):
    if bench.shared and (bench.shared / "traces/mix").is_dir() and \
            (bench.shared / "tools/mktrace.c").is_file():
        return _from_real_captures(bench)
    return _generated(bench, generated or GENERATED_PACKETS)


def strings(bench):
    """At least 100 literals in STR_SEARCH's syntax."""
    listed = bench.shared / "tools/strings.txt" if bench.shared else None
    if listed and listed.is_file():
        lines = listed.read_text(encoding="latin-1").splitlines()
        return [literal(line) for line in lines[:1000] if line]
    return ["homard-%03d" % i for i in range(100)]


def literal(text):
    """Text in Snort syntax: what has a meaning there is written in hex."""
    return "".join(c if c.isalnum() or c in " -_/." else "|%02X|" % ord(c) for c in text)
