# SPDX-License-Identifier: BSD-3-Clause
"""functions: cycles a packet of each function alone, as the appliance's own explain measures them.

Every function of the registry has a line in EXAMPLES; `functions.py --check` tells which one has not.
"""
import argparse
import json
import os
import pathlib
import statistics
import sys

import traffic

SOURCE = pathlib.Path(__file__).resolve().parents[1]
PACKETS = 100000  # of the trace, which goes round and round
WINDOWS, WINDOW = 101, 0.005  # looks, and seconds between two of them
WITHOUT_LIMIT = None

# The function, and where it has several a way to use it: what runs, the last function of which is measured; and the
# cycles a packet that it may cost. The flow's name is
# "measured"; files lie in a folder of the bench.
EXAMPLES = {
    "ANONYMIZE": ([["ANONYMIZE", "IP,SRC_IP,PREFIX_PRESERVING", "IP,DST_IP,PREFIX_PRESERVING", "TCP,PAYLOAD,STRIP,0",
                    "UDP,PAYLOAD,STRIP,0", {"keep_lengths": 1}]], WITHOUT_LIMIT),
    "ANONYMIZEIP": ([["ANONYMIZEIP", "0123456789abcdefghijklmnopqrstuv"]], WITHOUT_LIMIT),
    "BINOP": ([["PKT_COUNTER"], ["BYTE_COUNTER"], ["BINOP", "ADD", 0, 1, 0, 2]], 20),
    "BPF_FILTER": ([["BPF_FILTER", "tcp port 80"]], 20),
    "BUCKET": ([["PKT_COUNTER"], ["BUCKET", 0, 1, "1s"]], 20),
    "BURST": ([["BURST", 0, 15000, 1500, 96, 1000, 1000, 1000]], 20),
    "BYTE_COUNTER": ([["BYTE_COUNTER"]], 20),
    "COOKING": ([["COOKING", -1, -1, 1, 3, {"midstream": 1}]], WITHOUT_LIMIT),  # copies what is said
    "DEFRAG": ([["DEFRAG"]], WITHOUT_LIMIT),  # copies each packet
    "DIST": ([["GAP"], ["DIST", 0, 1, "0", "1ms", "10us"]], 20),
    "EXPIRED_FLOWS": ([["EXPIRED_FLOWS", 50000, 0, 0]], 90),
    "FLOW_REPORT": ([["FLOW_REPORT", "IPFIX", "127.0.0.1:9"]], 90),
    "GAP": ([["GAP"]], 20),
    "HASH": ([["HASH", 0]], WITHOUT_LIMIT),  # reads the payload
    "HASHSAMP": ([["HASHSAMP", 512, 0]], 20),
    "HEADERS": ([["HEADERS"]], WITHOUT_LIMIT),  # copies each packet's headers
    "INJECT": ([["INJECT", "out"]], WITHOUT_LIMIT),
    "INTERFACE": ([["INTERFACE", 0]], 20),
    "PKTINFO": ([["PKTINFO", "PKT_SIZE"]], 20),
    "PKTLOSS": ([["PKTLOSS"]], 20),
    "PKT_COUNTER": ([["PKT_COUNTER"]], 20),
    "PRINT_PACKET": ([["PRINT_PACKET"]], 20),
    "PROTINFO": ([["PROTINFO", "tcp.seq"]], 20),
    "REGEXP": ([["REGEXP", "lobster-[a-z]+"]], WITHOUT_LIMIT),
    "RES2FILE": ([["PKT_COUNTER"], ["RES2FILE", "1", "1", "packets", "rows", "1s"]], 20),
    "ROT13": ([["ROT13"]], WITHOUT_LIMIT),
    "SAMPLE": ([["SAMPLE", 30, "PROBABILISTIC"]], 20),
    "SAMPLE by hash": ([["SAMPLE", 3, "HASH"]], WITHOUT_LIMIT),  # reads the payload
    "STARTSTOP": ([["STARTSTOP", "+0", "0"]], 20),
    "STATS": ([["GAP"], ["STATS", 0, 1, "1"]], 20),
    "STR_SEARCH": ([["STR_SEARCH", "lobster", 0, 0]], WITHOUT_LIMIT),
    "SYNC": ([["SYNC", "measured"]], 20),
    "THRESHOLD": ([["GAP"], ["THRESHOLD", 2, 0, 1, 1, 1000000]], 20),
    "TO_FILE": ([["TO_FILE", "PCAP_NS", "cost-%n.pcap", 0, {"rotate_bytes": 100000000, "keep_bytes": 300000000}]],
                WITHOUT_LIMIT),
    "TOP": ([["TOP", 10, "TOPX_IP", "TOPX_IP_SRCIP"]], 60),
    "TOP as a sketch": ([["TOP", 10, "TOPX_TCP", "TOPX_TCP_SEQ", 0, 0, {"entries": 4096}]], WITHOUT_LIMIT),
    "TO_BUFFER": ([["TO_BUFFER", 0, {"preference": "fast"}]], WITHOUT_LIMIT),
    "TRACK": ([["TRACK", "HTTP"]], WITHOUT_LIMIT),  # nDPI looks at the begin of each connection
    "TRACK_DC": ([["TRACK_DC"]], 20),
    "TRACK_EDONKEY": ([["TRACK_EDONKEY"]], 20),
    "TRACK_FTP": ([["TRACK_FTP"]], 20),
    "TRACK_GNUTELLA": ([["TRACK_GNUTELLA"]], 20),
    "TRACK_GRID_FTP": ([["TRACK_GRID_FTP"]], 20),
    "TRACK_IPOVERIP": ([["TRACK_IPOVERIP"]], 20),
    "TRACK_IRC": ([["TRACK_IRC"]], 20),
    "TRACK_MAPI": ([["TRACK_MAPI"]], 20),
    "TRACK_RTSP": ([["TRACK_RTSP"]], 20),
    "TRACK_SIP": ([["TRACK_SIP"]], 20),
    "TRACK_SKYPE": ([["TRACK_SKYPE"]], WITHOUT_LIMIT),  # nDPI looks at the begin of each connection
    "TRACK_TORRENT": ([["TRACK_TORRENT"]], 20),
    "TRACK_WEB": ([["TRACK_WEB"]], 20),
    "UNCOOK": ([["UNCOOK"]], WITHOUT_LIMIT),  # copies each packet
}
OUT = {"name": "out", "vdev": "net_null0,no-rx=1", "inject": "administrators"}  # takes all that is sent
ROWS = {"function_" + name.replace(" ", "_"): name for name in EXAMPLES}
# Functions that look for signatures, besides which another flow has a pattern: the one scan is for all patterns, and is
# charged to whoever asks first.
SCANNED = {"TRACK_DC", "TRACK_EDONKEY", "TRACK_GNUTELLA", "TRACK_IRC", "TRACK_TORRENT"}
SCANS = {"name": "scans", "device": "made", "functions": [["STR_SEARCH", "lobster", 0, 0]]}
# what runs once for all flows, before the functions that want it
STAGES = {"BPF_FILTER": "filters", "STR_SEARCH": "patterns", "REGEXP": "patterns"}


def at_most():
    """The limits as rows of measures."""
    return [(row, "cycles_per_packet", EXAMPLES[name][1], None)
            for row, name in ROWS.items() if EXAMPLES[name][1] is not WITHOUT_LIMIT]


def _function(name):
    return name.split()[0]


def _homard(build):
    os.environ["HOMARD_BUILD"] = str(build)
    sys.path.insert(0, str(SOURCE / "tests/e2e"))
    import homard  # finds the programs by HOMARD_BUILD when it is loaded
    return homard


def _timed(device, name):
    """(cycles, packets) that were timed so far, of the last function and of its stage."""
    entry = device["entries"][-1]["measured"]
    spent = (entry["cycles_here"] or 0) * entry["packets"]
    for stage in device["stages"]:
        if stage["stage"] == STAGES.get(_function(name)):
            spent += (stage["cycles_here"] or 0) * stage["packets"]
    return spent, entry["packets"]


def measure(bench, name):
    """The lower quartile of many short windows: another program on this core can only make some slower."""
    homard = _homard(bench.build)
    functions = EXAMPLES[name][0]
    trace = traffic.generated(bench, PACKETS)
    config = {"eal": {"hugepages": "on" if bench.hugepages.available else "off"},
              "explain": {"sample_batches": 1},
              "devices": [{"name": "made", "trace": str(trace.path), "pace": "max", "loop": 0},
                          *([OUT] if _function(name) == "INJECT" else [])],
              "flows": [*([SCANS] if name in SCANNED else []), {"name": "measured", "device": "made", "functions": functions}]}
    with homard.tempfile.TemporaryDirectory(dir=bench.folder) as folder, \
            homard.Homard({**config, "capture": {"dir": folder}}) as h:
        bench.isa = h.call("version")["isa"]

        def look():
            return _timed(h.call("explain", flow="measured")["devices"][0], name)

        if functions[-1] == ["PKT_COUNTER"]:  # nothing runs
            return {"cycles_per_packet": 0.0}
        homard.until(lambda: look()[1] > 10 * PACKETS, what="timed packets")
        looks = [look()]
        while len(looks) < WINDOWS:
            homard.time.sleep(WINDOW)
            looks.append(look())
    for file in bench.folder.glob("cost-*.pcap"):
        file.unlink()
    windows = [(now[0] - before[0]) / (now[1] - before[1]) for before, now in zip(looks, looks[1:])
               if now[1] > before[1]]
    return {"cycles_per_packet": max(0.0, statistics.quantiles(windows, n=4)[0])}


def write_costs(path, result):
    """The page with the table of all functions."""
    lines = ["# What each function costs", "",
             "Cycles a packet of each function alone, in batches of 64 packets of generated traffic, on one worker: what",
             "[explain](../protocol.md#explain) measures of the entry, and of the index of filters or the scan for patterns",
             "that runs for it; of trackers of signatures what comes to the scan, which all patterns share. Written by `scripts/bench.sh --costs`; do not edit.", "",
             "Machine: %s, %s." % (result["machine"], result["isa"]), "",
             "| function | cycles a packet | wanted, at most | measured as |", "|---|---|---|---|"]
    for row in result["rows"]:
        functions, limit = EXAMPLES[ROWS[row["name"]]]
        lines.append("| [%s](%s.md) | %.3g | %s | `%s` |" % (
            ROWS[row["name"]], _function(ROWS[row["name"]]).lower(), row["cycles_per_packet"],
            "-" if limit is WITHOUT_LIMIT else limit,
            ", ".join(" ".join(word if isinstance(word, str) else json.dumps(word) for word in call)
                      for call in functions)))
    path.write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description="checks that every function has an example, and that each runs")
    parser.add_argument("--check", action="store_true", required=True)
    parser.add_argument("--build", default=SOURCE / "build")
    options = parser.parse_args()
    homard = _homard(pathlib.Path(options.build).resolve())
    with homard.tempfile.TemporaryDirectory(prefix="homard-") as folder:
        trace = pathlib.Path(folder) / "few.pcap"
        homard.make_trace(trace, packets=1000)
        with homard.Homard({"devices": [{"name": "few", "trace": str(trace)}, OUT], "capture": {"dir": folder}}) as h:
            known = {function["name"] for function in h.call("function.list")}
            wrong = ["%s %s" % (name, "has no example in bench/functions.py" if name in known
                                else "has an example, and is no function") for name in sorted(known ^ set(map(_function, EXAMPLES)))]
            if wrong:
                sys.exit("functions: " + "; ".join(wrong))
            for name, (functions, _) in EXAMPLES.items():
                flow = h.call("flow.create", device="few", name="measured", functions=functions, connect=True)["flow"]
                h.call("flow.close", flow=flow)
                assert (SOURCE / "docs/functions" / (_function(name).lower() + ".md")).is_file(), name + " has no page"


if __name__ == "__main__":
    main()
