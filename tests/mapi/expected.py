# SPDX-License-Identifier: BSD-3-Clause
"""expected: what the programs must print of these packets, without a look at homard: counts by tcpdump, the rest by
the golden tests' reference and by Python. A float is what may differ in the last digits."""
import ipaddress
import itertools
import math

import mapi  # noqa: F401  finds the other tests' modules
import homard
import run as golden


def units(ns):
    """Nanoseconds as MAPI's 2^-32 s, rounded to the nearest."""
    return (ns * 2**32 + 5 * 10**8) // 10**9


def sums(values):
    return [len(values), float(sum(values)), float(sum(v * v for v in values)), float(min(values)),
            float(max(values))]


def counters(packets):
    udp = golden.tcpdump_filter(packets, "udp")
    total, some = sum(p[1] for p in packets), sum(p[1] for p in udp)
    return {"packets": [len(packets)], "bytes": [total], "packets_by_another_name": [len(packets)],
            "before_a_filter": [len(packets)], "behind_a_filter": [len(udp)], "by_an_array": [some],
            "by_a_full_name": [len(udp)],
            "by_an_address": [sum(p[0].find(b"pattern", 100, 400) >= 0 for p in packets), 8]}


def filters(packets):
    window = [p for p in packets if p[0].find(b"pattern", 100, 400) >= 0]
    left = {"bpf_filter": golden.tcpdump_filter(packets, "tcp and src port 1234"), "interface": packets,
            "regexp": [p for p in packets if b"pattern" in p[0]],
            "str_search": [p for p in packets if b"pattern" in p[0][:1500]], "str_search_in_a_window": window,
            "sample_periodic": packets[6::7], "sample_probabilistic": golden.sample(packets, 1, 30, 3),
            "startstop": golden.startstop(packets, "20ms", "100ms")[0],
            "startstop_without_end": golden.startstop(packets, "20ms", "0")[0]}
    return {name: [len(some)] for name, some in left.items()}


def fields(packets):
    tcp = golden.tcpdump_filter(packets, "tcp")[-1][0]
    ip = golden.tcpdump_filter(packets, "ip")[-1][0]
    udp = golden.tcpdump_filter(packets, "udp and not vlan")
    return {"timestamp": [units(packets[-1][2])], "size": [packets[-1][1]],
            "gap": [units(packets[-1][2] - packets[-2][2])],
            "tcp_sequence": [int.from_bytes(tcp[38:42], "big")],
            "tcp_acknowledgement": [int.from_bytes(tcp[42:46], "big")], "time_to_live": [ip[22]], "lost": [0],
            "hash": [golden.hashes(packets)[-1]], "hash_of_payload": [hash_of_udp(udp[-1][0])]}


def hash_of_udp(frame):
    data = frame[14 + (40 if frame[12:14] == b"\x86\xdd" else 20) + 8:]
    return (len(data) + sum(data)) % 500009


def statistics(packets):
    sizes, gaps = [p[1] for p in packets], golden.gaps(packets)
    intervals = golden.by_interval(packets, list(itertools.accumulate(sizes)), True, 20 * 10**6)
    long_gaps = [gap * 2**32 / 10**9 for gap in gaps[1:]]
    of_sizes = golden.histogram(sizes, "0", "1500", "100")
    of_gaps = golden.histogram(gaps, "1us", "2ms", "250us")
    return {"stats_of_gaps": sums(long_gaps), "stats_of_sizes": sums(sizes), "stats_by_interval": sums(intervals),
            "dist_of_sizes": [0, 1500, 15, *of_sizes["data"]],
            "dist_of_gaps": [float(units(1000)), float(units(2 * 10**6)), 8, *of_gaps["data"]],
            "burst": [category[key] for category in golden.bursts(packets, 0, 6000, 2000, 96, 3000, 3000, 1000)[
                "categories"] for key in ("bytes", "packets", "bursts", "gap_bytes", "gaps")]}


def events(packets):
    n = len(packets)
    return {"bucket_at_every_packet": [n, n * (n + 1) // 2, units(packets[-1][2])], "threshold": [5, 3, 105]}


def checksum(packets):
    value = 0
    for data, _, ns in packets:
        for byte in data:
            value = (value * 31 + byte) % 2**64
        value = (value * 31 + units(ns)) % 2**64
    return value


def packets(some):
    line = [len(some), sum(p[1] for p in some), "%x" % checksum(some)]
    return {"next": line, "until_none": line, "loop": line}


def jhash(a, b, c):
    """Linux 2.6's jhash_3words with HASHSAMP's start value."""
    golden_ratio = 0x9E3779B9
    a, b, c = (a + golden_ratio) % 2**32, (b + golden_ratio) % 2**32, (c + 6564987) % 2**32
    for shifts in ((13, -8, 13), (12, -16, 5), (3, -10, 15)):
        a = (a - b - c) % 2**32 ^ c >> shifts[0]
        b = ((b - c - a) % 2**32 ^ a << -shifts[1]) % 2**32
        c = (c - a - b) % 2**32 ^ b >> shifts[2]
    return c


def sampled(packets):
    """Of half of all connections; the fields as a little-endian machine finds them in memory."""
    for packet in golden.tcpdump_filter(packets, "ip and (tcp or udp)"):
        ip = packet[0][14:]
        source, destination, ports = (int.from_bytes(ip[at:at + 4], "little") for at in (12, 16, 20))
        if jhash(source, destination ^ ip[9], ports) % 1024 < 512:
            yield packet


def flows_of(packets):
    """{(addresses, protocol, ports): [packets, bytes]}, each direction a flow."""
    flows = {}
    for data, wire, _ in golden.tcpdump_filter(packets, "ip or ip6"):
        at, protocol = (54, data[20]) if data[12] == 0x86 else (34, data[23])
        ends = data[at:at + 4] if protocol in (6, 17) else bytes(4)
        flow = flows.setdefault((data[at - 32 if data[12] == 0x86 else 26:at], protocol, ends), [0, 0])
        flow[0] += 1
        flow[1] += wire
    return flows


def records(packets, live):
    some = list(sampled(packets))
    ports = sum(int.from_bytes(p[0][at:at + 2], "big") for p in some for at in (34, 36))
    tcp = [p[0] for p in some if p[0][23] == 6]
    bits = {0x02: 1, 0x10: 2, 0x04: 4, 0x01: 8, 0x08: 16}
    flags = sum(mine for frame in tcp for wire, mine in bits.items() if frame[47] & wire)
    sequences = sum(int.from_bytes(frame[38:42], "big") for frame in tcp) % 2**32
    flows = flows_of(packets)
    n, of_ip, of_bytes = len(flows), sum(f[0] for f in flows.values()), sum(f[1] for f in flows.values())
    both = sum(int.from_bytes(ends[:2], "big") + int.from_bytes(ends[2:], "big") for _, _, ends in flows)
    return {"begun": [n, of_ip], "expired": [0] * 5 if live else [n, n, of_ip, of_bytes, both],
            "hashsamp": [len(some), len(tcp), ports, sequences, flags, units(some[-1][2])],
            "hashsamp_as_filter": [len(some)], "print_packet": [6146, len(packets)]}


def busiest(packets, n, value, order):
    """TOP: value, packets and bytes behind the link header of the n busiest, flat."""
    counts = {}
    for data, wire, _ in packets:
        row = counts.setdefault(value(data), [0, 0])
        row[0] += 1
        row[1] += wire - 14
    best = sorted(counts.items(), key=lambda item: -item[1][order])[:n]
    return [word for key, row in best for word in (key, *row)]


def top(packets, by_bytes):
    return {"ports": busiest(golden.tcpdump_filter(packets, "tcp"), 3,
                             lambda frame: int.from_bytes(frame[36:38], "big"), 0),
            "addresses_by_bytes": busiest(golden.tcpdump_filter(packets, "ip"), 4,
                                          lambda frame: str(ipaddress.ip_address(frame[26:30])), by_bytes),
            "addresses_of_ipv6": busiest(golden.tcpdump_filter(packets, "ip6"), 4,
                                         lambda frame: str(ipaddress.ip_address(frame[38:54])), 0)}


def several(packets):
    udp, tcp = (len(golden.tcpdump_filter(packets, what)) for what in ("udp", "tcp"))
    return {"sum": [udp + tcp], "difference": [len(packets) - udp],
            "difference_with_the_type_last": [len(packets) - udp], "sync": [2 * len(packets)]}


def files(packets, live):
    """0: the file is full, or the trace at its end."""
    writes = [11 if live else 0]
    return {"to_file": writes, "to_file_ten": [0], "to_file_erf": writes, "flow_report": [len(packets)],
            "flow_report_to_us": [0 if live else 1, 0], "res2file": [len(packets)]}


def wrong_files(folder, packets, live):
    """What is wrong in the files that were written, a sentence each."""
    as_written = {"udp.pcap": golden.tcpdump_filter(packets, "udp"), "ten.pcap": packets[:10]}
    for name, wanted in as_written.items():
        got = golden.packets_of(folder / name)
        if [(data, wire, ns // 1000 * 1000) for data, wire, ns in wanted] != got:
            yield "%s has %d packets, and not %d, or other ones" % (name, len(got), len(wanted))
    got = list(erf_packets((folder / "all.erf").read_bytes()))
    if [(data, wire) for data, wire, _ in packets] != got:
        yield "all.erf has other packets"
    header, *rows = (folder / "rows.txt").read_text().splitlines()
    wanted = [[n, gap / 10**9] for n, gap in enumerate(golden.gaps(packets), 1)]
    got = [list(map(float, row.split())) for row in rows]
    if header.rstrip() != "Count Gap" or len(got) != len(wanted) or not all(
            a[0] == b[0] and math.isclose(a[1], b[1], abs_tol=1e-9) for a, b in zip(got, wanted)):
        yield "rows.txt has other rows: %s and so on" % got[:3]
    for name in ["flows.ipfix"] + ([] if live else ["memory.ipfix"]):
        records = homard.ipfix_records(ipfix_messages((folder / name).read_bytes()))
        if records != len(flows_of(packets)):
            yield "%s has %d records, and not %d" % (name, records, len(flows_of(packets)))


def erf_packets(raw):
    """(bytes, wire length without FCS) of the Ethernet records of an ERF file."""
    at = 0
    while at < len(raw):
        length, wire = int.from_bytes(raw[at + 10:at + 12], "big"), int.from_bytes(raw[at + 14:at + 16], "big") - 4
        assert raw[at + 8] & 0x7F == 2, "no Ethernet record"
        yield raw[at + 18:at + 18 + min(wire, length - 18)], wire
        at += length


def ipfix_messages(raw):
    at = 0
    while at < len(raw):
        length = int.from_bytes(raw[at + 2:at + 4], "big")
        yield raw[at:at + length]
        at += length


TOPICS = {"counters": counters, "filters": filters, "fields": fields, "statistics": statistics, "packets": packets,
          "events": events, "files": files, "records": records, "several": several, "top": top}
# The dialects of those that do not run in all of them.
ON_TRACES = {"several": ["mapi2"]}


def differences(job, of, printed, live):
    """What a program printed of these packets and should not have, a sentence each."""
    source, _, dialect = job
    more = {"top": [dialect == "mapi2"], "records": [live], "files": [live]}.get(source.stem, [])
    wanted, got = TOPICS[source.stem](of, *more), {}
    for line in printed.splitlines():
        name, _, rest = line.partition(" ")
        got[name] = rest
    found = ["%s is missing" % name for name in wanted if name not in got]
    for name, text in got.items():
        words, values = text.split(), wanted.get(name, [])
        if len(words) != len(values) or not all(map(same, values, words)):
            found.append("%s: %s, and not %s" % (name, text, values))
    return found


def same(value, word):
    if isinstance(value, float) and word[0].isdigit():
        return math.isclose(float(word), value, rel_tol=1e-9, abs_tol=1)
    return word == str(value)
