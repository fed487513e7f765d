#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""bench: homard and its peers over one trace, on one worker core, side by side in one run.

Every row is measured several times, the rows taking turns so that a slow minute of the machine hits
all of them; the median is what is shown. `mpps` is million packets a second of one worker core,
`mpps_cpu` million packets a CPU second of all threads of all processes that the row needs. Writes
nothing outside the build folder. docs/testing.md tells how to read the rows.
"""
import argparse
import functools
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys

import clients
import connect
import disk
import functions
import measures
import peers
import traffic
from appliance import Appliance
from hugepages import Hugepages

SOURCE = pathlib.Path(__file__).resolve().parents[1]

# A policy of headers only: pseudonyms, no payload, lengths and checksums that fit.
HEADERS_ONLY = ["ANONYMIZE", "IP,SRC_IP,PREFIX_PRESERVING", "IP,DST_IP,PREFIX_PRESERVING", "TCP,PAYLOAD,STRIP,0",
                "UDP,PAYLOAD,STRIP,0", "ICMP,PAYLOAD,STRIP,0", "IP,CHECKSUM,CHECKSUM_ADJUST"]
FIELDS = ["mpps", "mpps_cpu", "cycles_per_packet", "records_per_s", "memory_mb", "mb_per_s", "connect_ms",
          "connect_ms_max", "connect_s", "maddr_per_s", "sent", "unaccounted", "violations", "failed"]
ONCE = {"dag_faults", "flows_10m"}  # take minutes
ON_REQUEST = ONCE | {"dd", "to_file_dd"}  # only if --rows says so; the last two write 8 GB each time
CURVE = [1, 10, 100, 1000, 10000]  # flows
RECORDS = {"flows_100k": 100000, "flows_1m": 1000000, "flows_10m": 10000000}


def rows_of(bench):
    """Name and measuring function of every row, in the order shown."""
    counted = ["PKT_COUNTER"]
    rows = {
        "bare_loop": lambda: peers.bare_loop(bench),
        "dag_minimal": lambda: peers.dag_loop(bench, "dag_minimal"),
        "dag_rx": lambda: peers.dag_loop(bench, "dag_rx"),
        "combo_walk": lambda: peers.combo_loop(bench, "combo_walk"),
        "combo_rx": lambda: peers.combo_loop(bench, "combo_rx"),
        "dag_minimal_64": lambda: peers.dag_loop(bench, "dag_minimal", "-"),
        "dag_rx_64": lambda: peers.dag_loop(bench, "dag_rx", "-"),
        "dag_copy_64": lambda: peers.dag_loop(bench, "dag_copy", "-"),
        "dag_numbered_64": lambda: peers.dag_loop(bench, "dag_numbered", "-"),
        "dag_two_64": lambda: peers.dag_loop(bench, "dag_two", "-"),
        "dag_faults": lambda: peers.dag_faults(bench),
        "net_null": lambda: peers.net_null(bench),
        "pkt_counter": lambda: bench.appliance([[counted]]),
        "bpf_counters": lambda: bench.appliance([[counted, ["BPF_FILTER", "tcp port 80"], counted]]),
        "ipfix_export": lambda: bench.appliance([], netflow=True),
        "softflowd": lambda: peers.softflowd(bench),
        "nfpcapd": lambda: peers.nfpcapd(bench),
    }
    for name in ("cryptopan_ipv4", "cryptopan_ipv6", "cryptopan_ipv4_cached", "cryptopan_ipv6_cached"):
        rows[name] = lambda name=name: peers.pseudonyms(bench, name)
    rows["anonymize_headers"] = lambda: bench.appliance([[HEADERS_ONLY, counted]])
    rows["traceanon"] = lambda: peers.traceanon(bench)
    rows["cooking"] = lambda: bench.appliance([[["COOKING"], counted]])
    rows["cooking_midstream"] = lambda: bench.appliance([[["COOKING", -1, -1, 1, 3, {"midstream": 1}], counted]])
    rows["to_file_null"] = lambda: disk.to_null(bench)
    rows["dd"] = lambda: disk.dd(bench)
    rows["to_file_dd"] = lambda: disk.to_disk(bench)
    rows["to_buffer_64"] = lambda: clients.to_buffer(bench)
    for name, entries in RECORDS.items():
        rows[name] = lambda entries=entries: peers.flow_cache(bench, entries)
    for n in CURVE:
        rows["filters_%d" % n] = lambda n=n: bench.appliance(bench.filter_flows(n))
    rows["naive_filters_1000"] = lambda: peers.over_list(bench, "naive_filters", bench.filters, 1000)
    for n in CURVE:
        rows["strings_%d" % n] = lambda n=n: bench.appliance(bench.string_flows(bench.strings, n))
    rows["bare_hs_1000"] = lambda: peers.over_list(bench, "bare_hs", bench.strings, 1000)
    rows["strings_hit_1000"] = lambda: bench.appliance(bench.string_flows(bench.hits, 1000))
    rows["bare_hs_hit_1000"] = lambda: peers.over_list(bench, "bare_hs", bench.hits, 1000)
    for row, name in functions.ROWS.items():
        rows[row] = lambda name=name: functions.measure(bench, name)
    rows["connect_among_1000"] = lambda: connect.among(
        bench, bench.filter_flows(1000), lambda i: bench.filter_flows(1001 + i)[-1])
    for n in (1000, 10000):
        rows["connect_pattern_among_%d" % n] = lambda n=n: connect.among(
            bench, bench.string_flows(bench.strings, n), connect.unheard_of)
    rows["connect_10000"] = lambda: connect.many(bench, bench.filter_flows(10000), whole=False)
    rows["connect_10000_whole"] = lambda: connect.many(bench, bench.filter_flows(10000), whole=True)
    return rows


class Bench:
    """What all rows share: where things are, how long a point takes, the trace."""

    def __init__(self, options):
        self.build = pathlib.Path(options.build).resolve()
        self.folder = self.build / "bench"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.quick = options.quick
        self.seconds = 2 if options.quick else 5
        self.runs = 1 if options.quick else options.runs
        self.shared = None if options.generated else SOURCE.parent / "shared"
        self.trace = traffic.prepare(self, options.generated)
        self.isa = "unknown"
        self.hugepages = None

    @functools.cached_property
    def filters(self):
        return traffic.filters(self)

    @functools.cached_property
    def strings(self):
        return traffic.strings(self)

    @functools.cached_property
    def hits(self):
        return traffic.hits(self)

    def filter_flows(self, n):
        return [[["BPF_FILTER", text], ["PKT_COUNTER"], ["BYTE_COUNTER"]] for text in self.filters.first(n)]

    @staticmethod
    def string_flows(listed, n):
        return [[["STR_SEARCH", traffic.literal(text), 0, 0], ["PKT_COUNTER"]] for text in listed.first(n)]

    def appliance(self, flows, netflow=False):
        with Appliance(self, flows, netflow) as running:
            self.isa = running.isa
            return running.measure(self.seconds)


def say(text):
    print("bench: " + text, file=sys.stderr, flush=True)


def measure_all(bench, names):
    """{name: [measurement, ...]}; a row that cannot be measured here is left out, with the reason."""
    rows, points = rows_of(bench), {name: [] for name in names}
    for turn in range(bench.runs):
        for name in names:
            if points[name] is None or name in ONCE and turn > 0:
                continue
            try:
                point = rows[name]()
            except (traffic.Missing, subprocess.SubprocessError, AssertionError) as reason:
                say("%s is left out: %s" % (name, reason))
                points[name] = None
                continue
            points[name].append(point)
            say("%d/%d %s: %s" % (turn + 1, bench.runs, name, ", ".join(
                "%.4g %s" % (point[field], field) for field in FIELDS if point.get(field) is not None)))
    return {name: measured for name, measured in points.items() if measured}


def median_rows(points):
    rows = []
    for name, measured in points.items():
        row = {"name": name}
        for field in FIELDS:
            values = [m[field] for m in measured if m.get(field) is not None]
            if values:
                row[field] = float("%.4g" % statistics.median(values))
        row["runs"] = len(measured)
        rows.append(row)
    return rows


def add_cycles(bench, rows):
    """Cycles a packet of every row, by the clock that a loop of ours has read while it ran."""
    timed = next((row for row in rows if {"mpps", "cycles_per_packet"} <= row.keys()), None) or peers.bare_loop(bench)
    mega_cycles = timed["mpps"] * timed["cycles_per_packet"]
    for row in rows:
        if "mpps" in row:
            row.setdefault("cycles_per_packet", float("%.4g" % (mega_cycles / row["mpps"])))


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:
        for line in cpuinfo:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return "%s, %d cores" % (model, len(os.sched_getaffinity(0)))


def print_table(result):
    by_name = {row["name"]: row for row in result["rows"]}
    peers_shown = [name for name in ("bare_loop", "softflowd", "nfpcapd") if name in by_name]
    print("machine    %s\nisa        %s\nhugepages  %s\ntrace      %s\n" % (
        result["machine"], result["isa"], result["hugepages"], result["trace"]))
    print("%-27s %9s %9s %9s %11s %9s" % ("row", "mpps", "mpps_cpu", "cycles", "records/s", "MB") +
          "".join(" %12s" % ("x " + name) for name in peers_shown))
    for row in result["rows"]:
        if "mpps" not in row:
            continue
        line = "%-27s" % row["name"]
        for field, width in zip(FIELDS, (9, 9, 9, 11, 9)):
            line += " %*s" % (width, "%.4g" % row[field] if field in row else "-")
        for name in peers_shown:
            field = "mpps" if name == "bare_loop" else "mpps_cpu"
            ratio = row.get(field, 0) / by_name[name][field]
            line += " %12s" % ("%.2f" % ratio if field in row else "-")
        print(line)
    for row in result["rows"]:
        if row["name"] in functions.ROWS:
            print("%-27s %40.3g cycles a packet" % (row["name"], row["cycles_per_packet"]))
        if "maddr_per_s" in row:
            print("%-27s %.4g million addresses a second" % (row["name"], row["maddr_per_s"]))
        if "mb_per_s" in row:
            print("%-27s %.4g MB a second" % (row["name"], row["mb_per_s"]))
        if "connect_ms" in row:
            print("%-27s %.3g ms, at most %.3g ms" % (row["name"], row["connect_ms"], row["connect_ms_max"]))
        elif "connect_s" in row:
            print("%-27s %.3g s, then %.4g MB" % (row["name"], row["connect_s"], row["memory_mb"]))
    print("\nx bare_loop compares mpps, the others mpps_cpu.")
    for measure in result["measures"]:
        print("%s  %s" % ("holds " if measure["holds"] else "misses", measure["measure"]))


def parse_options():
    parser = argparse.ArgumentParser(prog="scripts/bench.sh", description=__doc__.split("\n\n", 1)[1],
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="each row once, for 2 seconds")
    parser.add_argument("--runs", type=int, default=5, help="measurements a row (default 5)")
    parser.add_argument("--costs", action="store_true",
                        help="only the rows of functions; writes docs/functions/costs.md")
    parser.add_argument("--rows", help="only these rows, separated by commas")
    parser.add_argument("--generated", type=int, metavar="PACKETS",
                        help="a generated trace of so many packets, whatever else is there")
    parser.add_argument("--build", default=SOURCE / "build", help="the build folder")
    options = parser.parse_args()
    if options.runs < 1 or (options.generated is not None and options.generated < 1000):
        parser.error("--runs is at least 1, --generated at least 1000")
    return parser, options


def main():
    # an end by signal is an end like any other: programs are stopped, hugepages given back
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    parser, options = parse_options()
    if options.costs:
        options.rows, options.generated = ",".join(functions.ROWS), functions.PACKETS
    bench = Bench(options)
    known = list(rows_of(bench))
    names = options.rows.split(",") if options.rows else [name for name in known if name not in ON_REQUEST]
    for name in names:
        if name not in known:
            parser.error("no row '%s'; there are %s" % (name, ", ".join(known)))
    with Hugepages(say) as bench.hugepages:
        rows = median_rows(measure_all(bench, names))
    if not options.costs:
        add_cycles(bench, rows)
    result = {
        "machine": machine(), "isa": bench.isa, "hugepages": bench.hugepages.sentence,
        "trace": "%s, %d packets" % (bench.trace.name, bench.trace.packets), "rows": rows,
        "measures": [{"measure": text, "holds": holds} for text, holds in measures.judge(rows)],
    }
    if options.costs:
        functions.write_costs(SOURCE / "docs/functions/costs.md", result)
    if options.json:
        print(json.dumps(result))
    else:
        print_table(result)
    sys.exit(0 if rows else 1)


if __name__ == "__main__":
    main()
