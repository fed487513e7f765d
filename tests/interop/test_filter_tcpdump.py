#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""BPF_FILTER's filters match exactly the packets that tcpdump matches.

    test_filter_tcpdump.py generated FILTER_COUNT    over generated packets of every link type
    test_filter_tcpdump.py traces FILTER_COUNT       over ../shared/traces, skipped where they are missing
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAKE_PACKETS = ROOT / "tests/parse/make_packets.py"
TRACES = ROOT.parent / "shared/traces"
EXPRESSIONS = [
    "ip", "ip6", "arp", "tcp", "udp", "sctp", "icmp", "icmp6", "not ip", "ip proto 50", "ip6 proto 44", "ip6 proto 59",
    "port 9999", "src port 40000", "dst portrange 8000-9000", "tcp port 8099 or udp port 9999", "tcp and not port 9999",
    "host 10.1.2.3", "src host 10.1.2.3", "dst host 10.1.2.3", "net 10.4.0.0/16", "ip6 net 2001:db8:1::/48",
    "host 2001:db8::1 and tcp", "ip[6:2] & 0x3fff != 0", "ip[6:2] & 0x1fff = 0", "ip[0] & 0xf > 5", "len > 80",
    "less 60", "greater 60", "tcp[tcpflags] & tcp-syn != 0", "tcp[tcpflags] & (tcp-push|tcp-ack) = tcp-push|tcp-ack",
    "udp[4:2] > 13", "ip broadcast or ip multicast", "udp and ip[8] < 65", "icmp[icmptype] = icmp-echo",
    "(tcp or udp) and (src port 40000 or dst port 9999) and not host 10.4.5.6", "port https or port domain",
    "portrange 1-1023", "ip protochain 17",
]
ETHERNET = ["vlan", "vlan 100", "vlan and ip", "vlan and vlan", "mpls", "mpls 16 and ip", "pppoes", "pppoes and ip6",
            "ether proto 0x88cc", "ether[0] & 1 != 0", "ether src 02:00:00:00:00:01", "ether multicast", "llc", "stp",
            "geneve", "vlan 9 and arp"]
FEW = ["tcp port 443 or udp port 53", "ip6 or len > 1000", "net 192.168.0.0/16 and not tcp[tcpflags] & tcp-ack != 0",
       "ip[6:2] & 0x3fff != 0 or vlan or icmp"]


def counts(filter_count, trace, expressions, batch=64):
    done = subprocess.run([filter_count, str(trace), str(batch)], input="\n".join(expressions), capture_output=True,
                          text=True, check=False)
    return done.returncode, done.stdout.splitlines()


def tcpdump_count(trace, expression):
    """The number as text, "error" if tcpdump does not take the expression."""
    done = subprocess.run(["tcpdump", "-n", "-r", str(trace), "--count", expression], capture_output=True, text=True,
                          check=False)
    found = re.search(r"^(\d+) packets?$", done.stdout, re.MULTILINE)
    return found.group(1) if found else "error"


class FiltersAndTcpdump(unittest.TestCase):
    filter_count = None

    def compare(self, trace, expressions, batch=64):
        status, ours = counts(self.filter_count, trace, expressions, batch)
        if status != 0:
            return 0  # a trace of several link types or a corrupt one: the reader's tests look at those
        for expression, mine in zip(expressions, ours, strict=True):
            theirs = tcpdump_count(trace, expression)
            self.assertEqual(mine.split()[0], theirs, f"{trace}: {expression}: {mine}")
        return sum(mine not in ("0",) and not mine.startswith("error") for mine in ours)


class Generated(FiltersAndTcpdump):
    def test_every_link_type(self):
        with tempfile.TemporaryDirectory(prefix="homard-") as folder:
            subprocess.run(["/usr/bin/python3", str(MAKE_PACKETS), folder], check=True)
            traces = sorted(pathlib.Path(folder).glob("*.pcap"))
            self.assertEqual(len(traces), 12)
            for i, trace in enumerate(traces):
                ethernet = trace.name in ("ethernet.pcap", "tunnels.pcap")
                with self.subTest(trace=trace.name):
                    expressions = EXPRESSIONS + (ETHERNET if ethernet else [])
                    # most expressions must match something, else they prove little
                    self.assertGreater(self.compare(trace, expressions, 1 + 7 * i % 64), len(EXPRESSIONS) // 4)


class Traces(FiltersAndTcpdump):
    def test_traces_at_hand(self):
        compared = 0
        for trace in sorted([*TRACES.glob("mix/*.pcap*"), *TRACES.glob("erf/*.pcap*")]):
            if trace.suffix == ".gz":
                continue
            with self.subTest(trace=trace.name):
                compared += self.compare(trace, FEW) > 0
        self.assertGreater(compared, 300)


if __name__ == "__main__":
    which, FiltersAndTcpdump.filter_count = sys.argv[1:3]
    if not shutil.which("tcpdump"):
        print("skipped: no tcpdump")
        sys.exit(77)
    if which == "traces" and not TRACES.is_dir():
        print(f"skipped: no traces in {TRACES}")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], "Generated" if which == "generated" else "Traces"])
