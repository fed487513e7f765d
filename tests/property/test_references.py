#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Functions that read others, of their own flow and of other flows of the device: whatever the order in which flows
are connected and the number of queues, workers and packets a batch, they give what a plain loop over the packets
gives, in which each function holds its newest value.
"""
import itertools
import pathlib
import random
import shutil
import struct
import tempfile
import unittest

import homard
from homard import Homard

SEED = 20061126
MASK = 2**64 - 1

# (flow, function ...) in the order of applying; "x/2" is function 2 of flow x
CALLS = [
    ("snd", "BPF_FILTER", "tcp"),
    ("rec", "BPF_FILTER", "udp"),
    ("snd", "PKT_COUNTER"),
    ("rec", "PKTINFO", 0),
    ("all", "PKTINFO", 0),
    ("rec", "BYTE_COUNTER"),
    ("snd", "BINOP", 1, "all/1", "rec/2"),   # time since the last UDP packet, at each TCP packet
    ("snd", "STATS", "snd/3", "1"),
    ("all", "BINOP", 0, "rec/3", "snd/2"),   # UDP's bytes and TCP's packets
    ("rec", "SAMPLE", 3, 2),
    ("rec", "BINOP", 1, "all/2", "rec/3"),   # reads one that reads; and a counter before a filter
    ("snd", "BINOP", 0, "rec/5", "snd/3"),   # flows that read each other
    ("late", "BPF_FILTER", "udp"),           # shares its beginning with "rec"
    ("late", "GAP"),
    ("late", "BINOP", 1, "snd/5", "late/2"),
    ("late", "PKT_COUNTER"),
    ("all", "STATS", "late/3", "0"),
    ("all", "PKT_COUNTER"),
    ("all", "SAMPLE", 2, 2),
    ("all", "STATS", "all/4", "0"),          # counts more than it samples
]


def packets_of(path):
    """[(frame, ns)] of a pcap file with ns times, as the generator makes them."""
    raw, at, packets = path.read_bytes(), 24, []
    while at < len(raw):
        seconds, fraction, caplen, wirelen = struct.unpack_from("<IIII", raw, at)
        packets.append((raw[at + 16:at + 16 + caplen], wirelen, seconds * 10**9 + fraction))
        at += 16 + caplen
    return packets


def protocol(frame):
    ethertype = frame[12:14]
    if ethertype == b"\x08\x00":
        return frame[23]
    if ethertype != b"\x86\xdd":
        return None
    return frame[54] if frame[20] == 44 else frame[20]  # in the fragment header


class Sums:
    def __init__(self, skip):
        self.skip, self.values = skip, []

    def add(self, value):
        if self.skip:
            self.skip -= 1
        else:
            self.values.append(value)

    def result(self):
        return {"count": len(self.values), "sum": str(sum(self.values)),
                "sum2": str(sum(v * v for v in self.values)),
                "min": str(min(self.values, default=0)), "max": str(max(self.values, default=0))}


def oracle(packets, calls, connected):
    """{"flow/number": result}, packet by packet, in the order of applying."""
    number, held, state, last = {}, {}, {}, {}
    names = []
    for flow, *call in calls:
        number[flow] = number.get(flow, 0) + 1
        names.append(("%s/%d" % (flow, number[flow]), flow, call))
    for frame, wirelen, ns in packets:
        goes_on = {flow: flow in connected for flow in number}
        for name, flow, (function, *args) in names:
            if not goes_on[flow]:
                continue
            value = held.get(name, 0)
            if function == "BPF_FILTER":
                goes_on[flow] = protocol(frame) == {"tcp": 6, "udp": 17}[args[0]]
            elif function == "SAMPLE":
                state[name] = state.get(name, 0) + 1
                goes_on[flow] = state[name] % args[0] == 0
            elif function == "PKT_COUNTER":
                value += 1
            elif function == "BYTE_COUNTER":
                value += wirelen
            elif function == "PKTINFO":
                value = ns
            elif function == "GAP":
                value, last[name] = ns - last.get(name, ns), ns
            elif function == "BINOP":
                left, right = held.get(args[1], 0), held.get(args[2], 0)
                value = (left - right if args[0] else left + right) & MASK
            else:
                state.setdefault(name, Sums(int(args[1]))).add(held.get(args[0], 0))
            held[name] = value
    results = {}
    for name, flow, (function, *args) in names:
        if flow in connected and function not in ("BPF_FILTER", "SAMPLE"):
            results[name] = (state.get(name, Sums(0)).result() if function == "STATS"
                             else held.get(name, 0))
    return results


class References(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.trace = cls.folder / "in.pcap"
        homard.make_trace(cls.trace, packets=3001, flows=50, seed=SEED)
        cls.packets = packets_of(cls.trace)
        cls.flows = list(dict.fromkeys(call[0] for call in CALLS))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    @staticmethod
    def references(flows, arguments):
        """"x/2" as flow and function."""
        for a in arguments:
            if isinstance(a, str) and "/" in a:
                flow, number = a.split("/")
                yield from (flows[flow], int(number))
            else:
                yield a

    def run_calls(self, order, queues=1, workers=1, burst=64):
        """Connects the flows in that order, and runs the trace."""
        device = {"name": "trace", "trace": str(self.trace), "pace": "max", "loop": 1, "burst": burst,
                  "queues": queues}
        with Homard({"devices": [device]}, workers=workers) as h:
            flows = {f: h.call("flow.create", device="trace", name=f)["flow"] for f in self.flows}
            names = []
            for flow, function, *arguments in CALLS:
                answer = h.call("flow.apply", flow=flow, function=function,
                                args=list(self.references(flows, arguments)))
                if function not in ("BPF_FILTER", "SAMPLE"):
                    names.append((flow, answer["function"]))
            for flow in order:
                h.call("flow.connect", flow=flow)
            h.call("device.start", device="trace")
            results = {}
            for flow, number in names:
                if flow not in order:
                    continue
                h.wait_finished(flow)
                value = h.read(flow, number)
                if isinstance(value, dict):
                    value = {k: value[k] for k in ("count", "sum", "sum2", "min", "max")}
                results["%s/%d" % (flow, number)] = value if isinstance(value, dict) else int(value)
            h.assert_balanced()
            h.stop()
        return results

    def test_every_order_of_connecting_gives_what_a_plain_loop_gives(self):
        truth = oracle(self.packets, CALLS, self.flows)
        self.assertGreater(truth["snd/3"], 0)
        for i, order in enumerate(itertools.permutations(self.flows)):
            if i % 3:
                continue
            with self.subTest(order=order):
                self.assertEqual(self.run_calls(order), truth)

    def test_any_number_of_queues_and_workers_gives_the_same(self):
        truth, chance = oracle(self.packets, CALLS, self.flows), random.Random(SEED)
        for queues, workers, burst in ((1, 1, 7), (2, 2, 64), (4, 4, 64), (4, 2, 5), (4, 1, 64)):
            order = chance.sample(self.flows, len(self.flows))
            with self.subTest(queues=queues, workers=workers, burst=burst, order=order):
                self.assertEqual(self.run_calls(order, queues, workers, burst), truth)

    def test_flow_that_is_never_connected_holds_0(self):
        for queues in (1, 4):
            order = [f for f in self.flows if f != "rec"]
            self.assertEqual(self.run_calls(order, queues, 2 if queues > 1 else 1),
                             oracle(self.packets, CALLS, order))


if __name__ == "__main__":
    homard.main()
