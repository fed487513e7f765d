#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""golden: each folder here is a flow over a generated trace, and the results that it must have.

    tests/golden/NAME/why             one line: why the case exists
    tests/golden/NAME/generator.json  homard-traffic's options; interfaces: packets by turns from so many
    tests/golden/NAME/flow.json       the list of functions
    tests/golden/NAME/expected.json   results by function number

`run.py --update [NAME ...]` rewrites the expectations; review the difference like code. What
tcpdump and Python can tell (filters, strings, regular expressions and the counters behind them) is
worked out by them, too, on every run: an expectation that is wrong is red, updated or not.
"""
import fractions
import functools
import ipaddress
import itertools
import json
import math
import pathlib
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import homard  # noqa: E402
import sampling  # noqa: E402
import talkers  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
CASES = sorted(path.parent for path in HERE.glob("*/flow.json"))
COUNTERS = {"PKT_COUNTER": lambda packets: len(packets),
            "BYTE_COUNTER": lambda packets: sum(wire for _, wire, _ in packets)}


def load(case, name):
    return json.loads((case / name).read_text())


def packets_of(path):
    """[(captured bytes, wire length, ns), ...] of a pcap that homard-traffic or tcpdump wrote."""
    raw = path.read_bytes()
    order = "<" if raw[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    unit = 1 if b"\x4d" in (raw[:1], raw[3:4]) else 1000
    packets, at = [], 24
    while at < len(raw):
        seconds, fraction, caplen, wirelen = struct.unpack_from(order + "IIII", raw, at)
        packets.append((raw[at + 16:at + 16 + caplen], wirelen, seconds * 10**9 + fraction * unit))
        at += 16 + caplen
    return packets


def write_pcap(path, packets):
    """Nanosecond Ethernet pcap."""
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        for data, wirelen, ns in packets:
            out.write(struct.pack("<IIII", *divmod(ns, 10**9), len(data), wirelen) + data)


def write_pcapng(path, packets, interfaces):
    """Packet i is of interface i modulo their number."""
    def block(kind, body):
        body += bytes(-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

    with open(path, "wb") as out:
        out.write(block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        for _ in range(interfaces):  # Ethernet, times in ns
            out.write(block(1, struct.pack("<HHIHHB3xHH", 1, 0, 262144, 9, 1, 9, 0, 0)))
        for i, (data, wirelen, ns) in enumerate(packets):
            out.write(block(6, struct.pack("<IIIII", i % interfaces, ns >> 32, ns % 2**32,
                                           len(data), wirelen) + data))


def tcpdump_filter(packets, expression):
    with tempfile.TemporaryDirectory(prefix="homard-") as folder:
        before, after = pathlib.Path(folder) / "in.pcap", pathlib.Path(folder) / "out.pcap"
        write_pcap(before, packets)
        subprocess.run(["tcpdump", "-Z", "root", "--nano", "-nr", before, "-w", after, expression],
                       stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        return packets_of(after)


def tcpdump_lines(packets):
    with tempfile.TemporaryDirectory(prefix="homard-") as folder:
        trace = pathlib.Path(folder) / "in.pcap"
        write_pcap(trace, packets)
        return subprocess.run(["tcpdump", "-Z", "root", "-qntr", trace], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True,
                              encoding="latin-1").stdout.splitlines()


def alternatives(text):
    """The byte strings of a Snort content: text, |hex|, backslash escapes, "||" between them."""
    found, now, at = [], b"", 0
    while at < len(text):
        if text.startswith("||", at):
            found.append(now)
            now, at = b"", at + 2
        elif text[at] == "|":
            end = text.index("|", at + 1)
            now, at = now + bytes.fromhex(text[at + 1:end]), end + 1
        else:
            at += text[at] == "\\"
            now, at = now + text[at].encode("latin-1"), at + 1
    return found + [now]


def search(packets, text, offset=0, depth=0):
    wanted = alternatives(text)
    end = offset + depth if depth else None
    return [p for p in packets if any(w in p[0][offset:end] for w in wanted)]


def gaps(packets):
    """Nanoseconds since the packet before, of each packet."""
    return [max(0, p[2] - packets[max(0, i - 1)][2]) for i, p in enumerate(packets)]


def mixed(n):
    """SplitMix64's output function: what SAMPLE takes for chance."""
    n = n * 0x9E3779B97F4A7C15 % 2**64
    n = (n ^ n >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    n = (n ^ n >> 27) * 0x94D049BB133111EB % 2**64
    return n ^ n >> 31


def sample(packets, number, value, mode):
    if mode == 2:
        return packets[max(value, 1) - 1::max(value, 1)]
    below = 2**64 if value >= 100 else (2**64 - 1) // 100 * max(value, 0)
    return [p for i, p in enumerate(packets, 1) if mixed((number << 48) + i) < below]


def nanoseconds(text):
    """A time with a unit."""
    number, unit = re.fullmatch(r"\+?([0-9.]+)([a-z]*)", text).groups()
    return int(fractions.Fraction(number) * {"": 1, "us": 10**3, "ms": 10**6, "s": 10**9}[unit])


def startstop(packets, start, stop):
    """(packets in the window, STARTSTOP's result); relative times only."""
    begin = packets[0][2] + nanoseconds(start)
    end = begin + nanoseconds(stop) if nanoseconds(stop) else 2**64
    inside = [p for p in packets if begin <= p[2] <= end]
    return inside, {"first": str(packets[0][2]), "first_processed": str(inside[0][2]),
                    "last": str(inside[-1][2])}


def pktinfo(packets, info):
    return [p[2] if info in (0, "PKT_TS") else p[1] for p in packets]


def number_of(text):
    """A field as tshark prints it: number, MAC address, IP address, nothing."""
    if not text:
        return 0
    if re.fullmatch("(..:){5}..", text):
        return int(text.replace(":", ""), 16)
    return int(ipaddress.ip_address(text)) if "." in text or ":" in text else int(text, 0)


DISSECTED = (
    "tcp.seq_raw tcp.ack_raw eth.src eth.type vlan.id vlan.priority ieee8021ad.id "
    "ieee8021ad.priority ip.hdr_len ip.dsfield ip.len ip.id ip.flags ip.ttl ip.proto ip.checksum "
    "ip.dst ipv6.flow ipv6.plen ipv6.nxt ipv6.src ipv6.dst tcp.dstport tcp.flags "
    "tcp.window_size_value udp.srcport udp.length udp.checksum ip.src ipv6.tclass ipv6.hlim "
    "tcp.srcport tcp.checksum tcp.urgent_pointer udp.dstport")


@functools.lru_cache(maxsize=2)
def dissect(packets):
    """[{field's name: text}, ...]; tshark is slow to start, so all fields at once."""
    names = DISSECTED.split()
    with tempfile.TemporaryDirectory(prefix="homard-") as folder:
        trace = pathlib.Path(folder) / "in.pcap"
        write_pcap(trace, packets)
        lines = subprocess.run(
            ["tshark", "-n", "-o", "ip.defragment:FALSE", "-r", trace, "-T", "fields", "-E", "occurrence=f",
             *itertools.chain(*(("-e", name) for name in names))],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            check=True, encoding="ascii").stdout.splitlines()
    assert len(lines) == len(packets)
    return [dict(zip(names, line.split("\t"))) for line in lines]


def protinfo(packets, field):
    """The field of each packet as tshark has it."""
    field = {1: "tcp.seq", 2: "tcp.ack"}.get(field, field)
    name, half = re.fullmatch(r"(.*?)(\.high|\.low)?", field).groups()
    name = {"tcp.seq": "tcp.seq_raw", "tcp.ack": "tcp.ack_raw"}.get(name, name)
    outer = name.replace("vlan.", "ieee8021ad.")  # an outer tag of 802.1ad is that to tshark
    values = [number_of(fields[outer] or fields[name]) for fields in dissect(tuple(packets))]
    return [v >> 64 if half == ".high" else v % 2**64 for v in values]


def from_layer(frame, layer):
    """The bytes that HASH takes, of an untagged frame with IPv4 or ARP."""
    if layer < 2:
        return frame[14 * layer:]
    if frame[12:14] == b"\x08\x06" and layer == 2:
        return frame[22:]  # ARP
    if frame[12:14] != b"\x08\0" or len(frame) < 34:
        return b""
    packet = frame[14:14 + int.from_bytes(frame[16:18], "big")]
    payload, protocol = packet[packet[0] % 16 * 4:], packet[9]
    if layer == 2:
        return payload
    least, header = {1: (8, 28), 6: (20, payload[12] // 16 * 4 if len(payload) > 12 else 0),
                     17: (8, 8)}.get(protocol, (0, len(payload)))
    return payload[header:] if len(payload) >= least else b""


def hashes(packets, layer=0):
    taken = [from_layer(p[0], layer) for p in packets]
    return [(len(part) + sum(part)) % 500009 for part in taken]


TELLERS = {"HASH": hashes, "GAP": gaps, "PKTINFO": pktinfo, "PKT_INFO": pktinfo,
           "PROTINFO": protinfo}  # their result is the last value


def values_of(packets, function, *arguments):
    """{packet's id: what STATS and DIST read of it}."""
    if function in TELLERS:
        values = TELLERS[function](packets, *arguments)
    else:
        values = itertools.accumulate(1 if function == "PKT_COUNTER" else p[1] for p in packets)
    return dict(zip(map(id, packets), values))


def by_interval(packets, values, counts, interval):
    """The value at the end of each whole interval; of a counter what it counted in it."""
    begin, ends = packets[0][2], {}
    for packet, value in zip(packets, values):
        ends[(packet[2] - begin) // interval] = value
    samples, last = [], 0
    for i in range(max(ends)):
        samples.append(ends[i] - (last if counts else 0) if i in ends else 0)
        last = ends.get(i, last)
    return samples


def unit_of(function, *arguments):
    if function in ("PKTINFO", "PKT_INFO"):
        return "bytes" if arguments[0] in (1, "PKT_SIZE") else "ns"
    return {"GAP": "ns", "PKT_COUNTER": "packets", "BYTE_COUNTER": "bytes"}.get(function, "")


def units_of(functions):
    """By function number: of BINOP the one that both sides have, else none."""
    units = {}
    for number, (name, *arguments) in enumerate(functions, 1):
        units[number] = unit_of(name, *arguments)
        if name == "BINOP":
            left, right = units[arguments[2]], units[arguments[4]]
            units[number] = left if left == right else ""
    return units


def binop(packets, values, kind, _, left, __, right):
    sign = 1 if kind in (0, "ADD") else -1
    return {id(p): (values[left][id(p)] + sign * values[right][id(p)]) % 2**64 for p in packets}


def statistics_of(packets, values, function, unit, ticks):
    values = [values[id(p)] for p in packets]
    if ticks in ("0", "1"):
        values = values[int(ticks):]
    else:
        values = by_interval(packets, values, function in COUNTERS, nanoseconds(ticks))
    return {"count": len(values), "sum": str(sum(values)),
            "sum2": str(sum(v * v for v in values)), "min": str(min(values)),
            "max": str(max(values)), "mean": statistics.fmean(values),
            "variance": float(statistics.pvariance(map(fractions.Fraction, values))), "unit": unit}


def buckets(packets, values, function, interval, reset=0):
    """BUCKET by interval: its entries, of a counter with what it had at each end."""
    step, values = nanoseconds(interval), [values[id(p)] for p in packets]
    grown = by_interval(packets, values, True, step)
    last = by_interval(packets, values, function != "GAP" and reset, step)
    data = [value if more or reset or function == "GAP" else 0 for value, more in zip(last, grown)]
    return {"published": len(data), "entries": [
        {"ts_ns": str(packets[0][2] + i * step), "data": str(value)}
        for i, value in enumerate(data)][-1000:]}


def threshold(packets, values, bound, limit):
    """THRESHOLD at every packet: how often, and when last."""
    values = [values[id(p)] for p in packets]
    if bound >= 4:
        values = [now - before for before, now in zip(values[:1] + values, values)]
    test = {0: int.__eq__, 1: int.__gt__, 2: int.__lt__, 4: int.__eq__, 8: int.__gt__,
            16: int.__lt__}[bound]
    hits = [p[2] for p, value in zip(packets, values) if test(value, limit)]
    return {"events": len(hits), "last_ns": str(hits[-1] if hits else 0)}


def histogram(values, low, high, width):
    low, high, width = [nanoseconds(t) for t in (low, high, width)]
    data = [0] * (-(-(high - low) // width) + 1)
    for value in values:
        data[-1 if value >= high else max(0, value - low) // width] += 1
    return {"data": data, "below": sum(v < low for v in values)}


def bursts(packets, low, high, step, iftime, late, early, mbps):
    """Trains of back-to-back packets; BURST's categories."""
    rows = [dict.fromkeys(("bytes", "packets", "bursts", "gap_bytes", "gaps"), 0)
            for _ in range((high - low) // step + 2)]

    def row(size):
        return rows[0 if size < low else min((size - low) // step + 1, len(rows) - 1)]

    train = [packets[0]]
    for packet in packets[1:]:
        gap = packet[2] - train[-1][2] - fractions.Fraction(train[-1][1] * 8000, mbps)
        if not iftime - early <= gap <= iftime + late:
            size = sum(p[1] for p in train)
            for key, n in (("bytes", size), ("packets", len(train)), ("bursts", 1)):
                row(size)[key] += n
            silence = max(0, gap * mbps // 8000)
            row(silence)["gaps"] += 1
            row(silence)["gap_bytes"] += silence
            train = []
        train.append(packet)
    return {"categories": rows}


def oracle(path, functions, interfaces):
    """Results by function number as far as others can tell them: up to the first other function."""
    packets, results, values, units = packets_of(path), {}, {}, units_of(functions)
    interface = {id(p): i % interfaces for i, p in enumerate(packets)}
    for number, (name, *arguments) in enumerate(functions, 1):
        if name in COUNTERS or name in TELLERS:
            values[number] = values_of(packets, name, *arguments)
        if name in COUNTERS:
            results[str(number)] = COUNTERS[name](packets)
        elif name == "BPF_FILTER":
            packets = tcpdump_filter(packets, arguments[0])
        elif name == "INTERFACE":
            packets = [p for p in packets if interface[id(p)] == arguments[0]]
        elif name == "STR_SEARCH":
            packets = search(packets, *arguments)
        elif name == "REGEXP":
            pattern = re.compile(arguments[0].encode("latin-1"))
            packets = [p for p in packets if pattern.search(p[0])]
        elif name in TELLERS:
            last = values[number][id(packets[-1])]
            results[str(number)] = last if name == "HASH" else str(last)
        elif name == "BINOP":
            values[number] = binop(packets, values, *arguments)
            results[str(number)] = str(values[number][id(packets[-1])])
        elif name == "SAMPLE":
            packets = sampling.by_hash(packets, *arguments) if arguments[1] == "HASH" else \
                sample(packets, number, *arguments)
        elif name == "HASHSAMP":
            packets, kept = sampling.hashsamp(packets, *arguments)
            if kept:
                results[str(number)] = kept
        elif name == "TOP":
            results[str(number)] = talkers.top(packets, dissect(tuple(packets)), *arguments)
        elif name == "EXPIRED_FLOWS":
            packets, results[str(number)] = talkers.expired_flows(
                packets, dissect(tuple(packets)), *arguments)
        elif name == "PRINT_PACKET":
            results[str(number)] = talkers.printed(packets, dissect(tuple(packets)), tcpdump_lines(packets),
                                                   **(arguments or [{}])[0])
        elif name == "STARTSTOP":
            packets, results[str(number)] = startstop(packets, *arguments)
        elif name == "STATS":
            read = arguments[1]
            results[str(number)] = statistics_of(packets, values[read], functions[read - 1][0],
                                                 units[read], arguments[2])
        elif name == "BUCKET":
            read = arguments[1]
            results[str(number)] = buckets(packets, values[read], functions[read - 1][0],
                                           *arguments[2:])
        elif name == "THRESHOLD" and arguments[0] == 2:
            results[str(number)] = threshold(packets, values[arguments[2]], *arguments[3:])
        elif name == "DIST":
            read = values[arguments[1]]
            results[str(number)] = histogram([read[id(p)] for p in packets], *arguments[2:])
        elif name == "BURST":
            results[str(number)] = bursts(packets, *arguments)
        else:
            break
    return results


def results_of(path, functions):
    """What homard says, by function number; functions without a result are left out."""
    with homard.Homard({
            "devices": [{"name": "trace", "trace": str(path), "pace": "max", "loop": 1}],
            "flows": [{"name": "golden", "device": "trace", "functions": functions}]}) as h:
        h.wait_finished("golden")
        h.assert_balanced()
        results = {}
        for number in range(1, len(functions) + 1):
            try:
                results[str(number)] = h.read("golden", number)
                if functions[number - 1][0] == "EXPIRED_FLOWS":  # who is handed out first is nobody's promise
                    results[str(number)]["records"].sort(key=talkers.order_of_records)
            except homard.RpcError as error:
                if error.mapi_errno != 6146:
                    raise
        return results


def run(case):
    """(what homard says, what others say)"""
    functions = load(case, "flow.json")
    with tempfile.TemporaryDirectory(prefix="homard-") as folder:
        trace = pathlib.Path(folder) / "input.pcap"
        options = load(case, "generator.json")
        interfaces = options.pop("interfaces", 1)
        homard.make_trace(trace, **options)
        truth = oracle(trace, functions, interfaces)
        if interfaces > 1:
            write_pcapng(trace, packets_of(trace), interfaces)
        return results_of(trace, functions), truth


def known(result, truth):
    """The part of a result of which the oracle says something; reals to 10 digits, the control socket has 12."""
    if not isinstance(result, dict) or not isinstance(truth, dict):
        return result
    return {key: truth[key] if isinstance(truth[key], float) and
            math.isclose(result[key], truth[key], rel_tol=1e-10) else result[key] for key in truth}


class Golden(unittest.TestCase):
    maxDiff = None


def add_test(case):
    def test(self):
        self.assertTrue((case / "why").read_text().strip(), "%s has no reason" % case.name)
        results, truth = run(case)
        self.assertEqual({n: known(results.get(n), truth[n]) for n in truth}, truth,
                         "homard and the oracle differ")
        self.assertEqual(results, load(case, "expected.json"))

    setattr(Golden, "test_" + case.name.replace("-", "_"), test)


def update(names):
    for case in CASES:
        if not names or case.name in names:
            results = run(case)[0]
            (case / "expected.json").write_text(json.dumps(results, indent=1) + "\n")
            print("updated %s: %s" % (case.name, results))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--update"]:
        update(sys.argv[2:])
    else:
        for folder in CASES:
            add_test(folder)
        homard.main()
