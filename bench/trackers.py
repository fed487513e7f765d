#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""trackers: how far the trackers and tshark agree on traces, as a table in Markdown.

usage: trackers.py BUILD TRACE...

BUILD is the folder of the build. Each line is one tracker: the connections (both ends and the protocol) that tshark finds in all the traces,
those that the tracker finds, and of the tracker's how many tshark finds, too (precision), of tshark's how many the tracker finds
(recall). tshark knows more by the port, and has its own mistakes: a line that differs is a reason to look, not a proof.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

# the tracker's arguments, and tshark's names of the same
TRACKERS = [
    (["TRACK_FTP"], {"ftp", "ftp-data"}),
    (["TRACK_SIP"], {"sip", "media by SDP"}),
    (["TRACK_RTSP"], {"rtsp", "media by RTSP"}),
    (["TRACK_IRC"], {"irc"}),
    (["TRACK_TORRENT"], {"bittorrent", "bt-dht", "bt-utp"}),
    (["TRACK_GNUTELLA"], {"gnutella"}),
    (["TRACK_EDONKEY"], {"edonkey"}),
    (["TRACK", "DNS"], {"dns"}),
    (["TRACK", "FTP_CONTROL"], {"ftp"}),
    (["TRACK", "HTTP"], {"http"}),
    (["TRACK", "QUIC"], {"quic", "gquic"}),
    (["TRACK", "RTP"], {"rtp"}),
    (["TRACK", "RTSP"], {"rtsp"}),
    (["TRACK", "SIP"], {"sip"}),
    (["TRACK", "SSH"], {"ssh"}),
    (["TRACK", "TLS"], {"tls"}),
]
FIELDS = ["ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport", "rtp.setup-method",
          "rtcp.setup-method", "frame.protocols"]
EMPTY = 24  # bytes of a pcap file without packets


def connections(trace):
    """tshark's names of all that each connection carries, by the outermost headers of tunnels."""
    command = ["tshark", "-n", "-r", str(trace), "-Y", "(tcp || udp) && !icmp && !icmpv6", "-T", "fields", "-E", "occurrence=f"]
    for field in FIELDS:
        command += ["-e", field]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.splitlines()
    found = {}
    for line in lines:
        ip_src, ip_dst, ip6_src, ip6_dst, tcp_src, tcp_dst, udp_src, udp_dst, rtp, rtcp, names = line.split("\t")
        ends = [(ip_src or ip6_src, tcp_src or udp_src), (ip_dst or ip6_dst, tcp_dst or udp_dst)]
        names = set(names.split(":")) | {"media by " + (rtp or rtcp)}
        if "quic" in names:  # whose handshake is TLS, too
            names.discard("tls")
        found.setdefault(("tcp" if tcp_src else "udp", *sorted(ends)), set()).update(names)
    return found


def tracked(homard, trace, folder):
    """What each tracker passes of the trace."""
    flows = [{"name": "t%d" % i, "device": "trace", "functions": [tracker, ["TO_FILE", "PCAP_NS", "t%d.pcap" % i, 0]]}
             for i, (tracker, _) in enumerate(TRACKERS)]
    device = {"name": "trace", "trace": str(trace.resolve()), "pace": "max"}
    with homard.Homard({"devices": [device], "flows": flows, "capture": {"dir": folder}}) as h:
        for flow in flows:
            h.wait_finished(flow["name"])
        h.stop()
    files = [pathlib.Path(folder) / ("t%d.pcap" % i) for i in range(len(TRACKERS))]
    return [set(connections(file)) if file.stat().st_size > EMPTY else set() for file in files]


def share(part, whole):
    return "%.3f" % (part / whole) if whole else "-"


def main():
    if len(sys.argv) < 3 or "-h" in sys.argv[1:] or "--help" in sys.argv[1:]:
        print(__doc__.strip())
        return 0 if len(sys.argv) > 1 and sys.argv[1] in ("-h", "--help") else 2
    os.environ["HOMARD_BUILD"] = sys.argv[1]
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/e2e"))
    import homard  # finds the programs by HOMARD_BUILD when it is loaded

    sums = [[0, 0, 0] for _ in TRACKERS]
    for name in sys.argv[2:]:
        trace = pathlib.Path(name)
        if not trace.is_file():
            sys.exit("trackers.py: %s: there is no such trace" % trace)
        with tempfile.TemporaryDirectory(prefix="homard-") as folder:
            ours = tracked(homard, trace, folder)
        seen = connections(trace)
        for line, mine, (_, names) in zip(sums, ours, TRACKERS):
            theirs = {key for key, carried in seen.items() if carried & names}
            for i, found in enumerate((theirs, mine, theirs & mine)):
                line[i] += len(found)
    print("| tracker | tshark | tracker | both | precision | recall |\n|---|---|---|---|---|---|")
    for (tracker, _), (theirs, mine, both) in zip(TRACKERS, sums):
        print("| `%s` | %d | %d | %d | %s | %s |" % (" ".join(tracker), theirs, mine, both, share(both, mine), share(both, theirs)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
