# SPDX-License-Identifier: BSD-3-Clause
"""Four exporters at once, each with a format of its own, say the same: the packets and bytes of all records are
those that were metered, records are equal one by one, sequence numbers have no gap.

usage: test_flow_report_totals.py [FOLDER [N]]      every N-th trace of FOLDER, exit status 77 if it is missing;
                                                    without it a generated trace
The reader of messages here was written from the RFCs.
"""
import gzip
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
from collections import Counter, namedtuple

BUILD = pathlib.Path(os.environ["HOMARD_BUILD"])
FEED = BUILD / "tests/interop/flow_report_feed"
TRAFFIC = BUILD / "src/homard-traffic"
REVERSE = 29305
EXPORTERS = {"ipfix": {"protocol": "ipfix"}, "biflow": {"protocol": "ipfix", "biflow": True, "mtu": 700},
             "netflow9": {"protocol": "netflow9", "template_packets": 3}, "netflow5": {"protocol": "netflow5"}}

Record = namedtuple("Record", "first_ms last_ms src dst sport dport proto packets octets flags tos")
Field = namedtuple("Field", "enterprise id length")


class Reader:
    """The data records of a file of messages."""

    def __init__(self, data):
        self.templates, self.records, self.expected, self.options = {}, [], 0, 0
        while data:
            version = struct.unpack_from("!H", data)[0]
            data = data[{10: self.ipfix, 9: self.netflow9, 5: self.netflow5}[version](data):]

    def count(self, sequence, step):
        assert sequence == self.expected, f"sequence number {sequence}, not {self.expected}"
        self.expected += step

    def ipfix(self, data):
        length, _, sequence, _ = struct.unpack_from("!HIII", data, 2)
        self.boot_ms = 0
        self.count(sequence, self.sets(data[16:length], 2, 3))
        return length

    def netflow9(self, data):
        """Its length is nowhere: sets are read until the count of records is reached."""
        count, uptime, seconds, sequence, _ = struct.unpack_from("!HIIII", data, 2)
        self.boot_ms = seconds * 1000 - uptime
        self.count(sequence, 1)
        at, found = 20, 0
        while found < count:
            length = struct.unpack_from("!H", data, at + 2)[0]
            assert length % 4 == 0
            self.new_templates = 0
            found += self.sets(data[at:at + length], 0, 1) + self.new_templates
            at += length
        assert found == count
        return at

    def netflow5(self, data):
        count, uptime, seconds, ns, sequence = struct.unpack_from("!HIIII", data, 2)
        boot_ms = seconds * 1000 + ns // 10**6 - uptime
        self.count(sequence, count)
        for i in range(count):
            src, dst, _, _, _, packets, octets, first, last, sport, dport, _, flags, proto, tos = struct.unpack_from(
                "!4s4sIHHIIIIHHBBBB", data, 24 + 48 * i)
            self.records.append(Record(boot_ms + first, boot_ms + last, src, dst, sport, dport, proto, packets, octets,
                                       flags, tos))
        return 24 + 48 * count

    def sets(self, data, template_set, options_set):
        """Data records in all sets."""
        n = 0
        while data:
            number, length = struct.unpack_from("!HH", data)
            assert 4 < length <= len(data)
            body, data = data[4:length], data[length:]
            if number in (template_set, options_set):
                self.learn(body, number == options_set, options_set == 1)
            else:
                n += self.read(number, body)
        return n

    def learn(self, body, options, in_bytes):
        while len(body) >= 4 and struct.unpack_from("!H", body)[0] >= 256:
            number, n = struct.unpack_from("!HH", body)
            at, fields = 4, []
            if options:
                scopes, at = struct.unpack_from("!H", body, 4)[0], 6
                n = (n + scopes) // 4 if in_bytes else n
            for _ in range(n):
                element, length = struct.unpack_from("!HH", body, at)
                at += 4
                enterprise = 0
                if element & 0x8000:
                    enterprise, at, element = struct.unpack_from("!I", body, at)[0], at + 4, element & 0x7fff
                fields.append(Field(enterprise, element, length))
            self.templates[number] = (options, fields)
            self.new_templates = getattr(self, "new_templates", 0) + 1
            body = body[at:]
        assert not any(body)  # padding

    def read(self, number, body):
        options, fields = self.templates[number]
        shortest = sum(1 if f.length == 65535 else f.length for f in fields)
        n = 0
        while len(body) >= shortest:
            values = {}
            for f in fields:
                length = f.length
                if length == 65535:
                    length, body = body[0], body[1:]
                values[(f.enterprise, f.id)], body = body[:length], body[length:]
            n += 1
            if options:
                self.options += 1
            else:
                self.add(values)
        assert not any(body) and len(body) < 4
        return n

    def add(self, values):
        number = lambda enterprise, element: int.from_bytes(values[enterprise, element], "big")
        source = values.get((0, 8)) or values[0, 27]
        destination = values.get((0, 12)) or values[0, 28]
        ends = [(source, number(0, 7)), (destination, number(0, 11))]
        for enterprise in (0, REVERSE):
            if (enterprise, 2) not in values:
                continue
            if (enterprise, 22) in values:
                times = [self.boot_ms + number(enterprise, e) for e in (22, 21)]
            else:
                times = [number(enterprise, e) for e in (152, 153)]
            self.records.append(Record(*times, ends[0][0], ends[1][0], ends[0][1], ends[1][1], number(0, 4),
                                       number(enterprise, 2), number(enterprise, 1), number(enterprise, 6),
                                       number(enterprise, 5)))
            ends.reverse()


def check(trace, folder):
    """None, or what is wrong."""
    exporters = [dict(e, transport="file", path=str(folder / name)) for name, e in EXPORTERS.items()]
    for e in exporters:
        pathlib.Path(e["path"]).unlink(missing_ok=True)
    options = {"active_timeout_s": 60, "inactive_timeout_s": 15, "cache_entries": 16384, "exporters": exporters}
    done = subprocess.run([FEED, trace, "64", json.dumps([options])], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False, timeout=120, text=True)
    if done.returncode == 1 and ("is not supported" in done.stderr or "is cut" in done.stderr):
        return None
    if done.returncode:
        return "ends with %d: %s" % (done.returncode, done.stderr)
    result, read = json.loads(done.stdout), {}
    if not result["ledger"]["balanced"] or result["ledger"]["queued"]:
        return "ledger: %s" % result["ledger"]
    for name in EXPORTERS:
        path = folder / name
        try:
            read[name] = Reader(path.read_bytes() if path.exists() else b"").records
        except (AssertionError, struct.error, KeyError, IndexError) as error:
            return "%s: %r" % (name, error)
    metered = result["packets"], result["bytes"]
    for name in ("ipfix", "biflow", "netflow9"):
        total = sum(r.packets for r in read[name]), sum(r.octets for r in read[name])
        if total != metered:
            return "%s: packets and bytes %s, metered %s" % (name, total, metered)
    every = Counter(read["ipfix"])
    for name, expected in (("biflow", every), ("netflow9", every),
                           ("netflow5", Counter(r for r in read["ipfix"] if len(r.src) == 4))):
        if Counter(read[name]) != expected:
            return "%s: %d records differ from IPFIX's" % (name, sum((expected - Counter(read[name])).values()))
    unsupported = sum(len(r.src) == 16 for r in read["ipfix"])
    if result["ledger"]["lost"]["unsupported"] != unsupported:
        return "unsupported: %d, not %d" % (result["ledger"]["lost"]["unsupported"], unsupported)
    return None


def unpacked(path, folder):
    if path.suffix != ".gz":
        return path
    plain = folder / path.stem
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    return plain


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if len(sys.argv) > 1:
            traces = pathlib.Path(sys.argv[1])
            if not traces.is_dir():
                print("skipped: there is no ../shared/traces")
                sys.exit(77)
            every = int(sys.argv[2]) if len(sys.argv) > 2 else 1
            files = [p for p in sorted(traces.rglob("*")) if p.is_file() and p.suffix != ".md"][::every]
        else:
            files = [folder / "trace.pcap"]
            subprocess.run([TRAFFIC, "--out", files[0], "--packets", "50000", "--flows", "900", "--rate", "3000"],
                           check=True, stdout=subprocess.DEVNULL)
        wrong = [(path, text) for path in files if (text := check(unpacked(path, folder), folder))]
        for path, text in wrong:
            print("%s: %s" % (path, text))
        print("%d traces, %d wrong" % (len(files), len(wrong)))
        sys.exit(1 if wrong or not files else 0)


if __name__ == "__main__":
    main()
