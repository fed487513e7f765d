#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Reconfiguration under full load: whatever comes, goes or dies, the flows that stay count every packet
once, and memory stays flat.

The trace is repeated for ever at full rate. Now and then the device is stopped for a moment: then every
flow that has been there since the last stop must have counted exactly what libpcap and Python find in the
packets received meanwhile.
"""
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import tempfile
import time
import unittest

import homard
from homard import Homard
from oracle import LIBPCAP, Oracle

STEPS = int(os.environ.get("HOMARD_RECONFIGURE_STEPS", "1000"))
SANITIZED = "HOMARD_SANITIZED" in os.environ  # then the C library does not know what is allocated
SEED = int(os.environ.get("HOMARD_TEST_SEED", "3"))
MIB = 1 << 20

# What is freed then stays in [heap] or leaves the address space: no arena of a thread grows with chance.
ONE_ARENA = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": str(MIB)}

FILTERS = ["tcp", "udp", "icmp", "ip6", "tcp port 80", "udp port 53", "greater 500", "not tcp",
           "net 10.0.0.0/9", "tcp[tcpflags] & tcp-syn != 0", "src portrange 1024-30000 and not ip6",
           "ether[0] & 1 != 0 or len < 80"]
STRINGS = ["attack-at-dawn", "HTTP", "GET /", "Host", "no-such-thing", "\x20\x20", "com"]
REGEXPS = ["HTTP/1\\.[01]", "Host: [a-z]+", "[0-9]{4}[a-f]{2}", "at.dawn$"]
COUNTERS = [["PKT_COUNTER"], ["BYTE_COUNTER"]]


class Flow:
    """What the test knows of a flow."""

    def __init__(self, functions):
        self.functions = functions
        self.since = None  # packets received and what it had counted at the last stop


class Reconfigure(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.trace = cls.folder / "trace.pcap"
        # libpcap does not look behind tags
        homard.make_trace(cls.trace, packets=20000, flows=500, seed=SEED, vlan=0, mpls=0,
                          plant="attack-at-dawn", plant_every=7)
        cls.oracle = Oracle(cls.trace) if LIBPCAP else None

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def setUp(self):
        if not LIBPCAP:
            self.skipTest("needs libpcap")

    def daemon(self, workers=1):
        return Homard({"devices": [{"name": "trace", "trace": str(self.trace), "pace": "max", "loop": 0,
                                    "queues": workers}], "flows": []}, workers=workers, env=ONE_ARENA)

    # --- at rest ---

    def stop_device(self, h):
        """Until no packet moves; returns how many have been received."""
        h.call("device.stop", device="trace")
        # answered when every worker has come round: then each has finished its last batch
        h.call("flow.close", flow=h.flow("trace", ["PKT_COUNTER"]))
        return homard.received(h, "trace")

    def check(self, h, name, flow, received):
        """Compares both counters with the oracle."""
        n = len(flow.functions)
        values = [h.read(name, n - 1), h.read(name, n)]
        asked = flow.functions[:-2]
        if flow.since:
            before, counted = flow.since
            expected = [counted[0] + self.oracle.count(asked, received) - self.oracle.count(asked, before),
                        counted[1] + self.oracle.bytes(asked, received) - self.oracle.bytes(asked, before)]
            self.assertEqual(values, expected, "%s %s after %d packets (seed %d)"
                             % (name, flow.functions, received, SEED))
        flow.since = (received, values)

    def check_all(self, h, flows):
        received = self.stop_device(h)
        for name, flow in flows.items():
            self.check(h, name, flow, received)
        h.assert_balanced()
        wire = h.ledger()["devices"][0]["wire"]
        self.assertEqual(wire["dropped"], {"missed": 0, "errors": 0})
        self.assertEqual(wire["received"], received)
        h.call("device.start", device="trace")

    @staticmethod
    def memory(h):
        """What is allocated, mapped and open when everything that was closed has gone."""
        seen = None
        while True:
            now = h.call("memory")
            now = {"heap": now["heap"]["used_bytes"], "malloc": now["malloc_bytes"],
                   **homard.mapped(h.process.pid), "descriptors": homard.open_descriptors(h.process.pid)}
            if seen == now:
                return now
            seen = now
            time.sleep(0.1)

    def assert_flat(self, before, after):
        """No resident set: what is freed stays in it, and its high water is chance."""
        grown = {name: after[name] - before[name] for name in after}
        self.assertLess(grown["heap"], MIB, grown)
        self.assertLessEqual(grown["shared"], 0, grown)
        self.assertLessEqual(grown["descriptors"], 0, grown)
        if not SANITIZED:
            self.assertLess(grown["malloc"], MIB, grown)
            self.assertLess(grown["private"], 16 * MIB, grown)

    def start_controls(self, h):
        """Flows that stay from the first packet on."""
        controls = {"whole": [], "tcp": [["BPF_FILTER", "tcp"]],
                    "rest": [["BPF_FILTER", "not tcp"]], "dawn": [["STR_SEARCH", "attack-at-dawn", 0, 0]],
                    "hosts": [["BPF_FILTER", "tcp port 80"], ["REGEXP", "Host: [a-z]+"]]}
        flows = {name: Flow(asked + COUNTERS) for name, asked in controls.items()}
        for name, flow in flows.items():
            h.flow("trace", *flow.functions, name=name)
            flow.since = (0, [0, 0])
        h.call("device.start", device="trace")
        return flows

    # --- the steps ---

    def test_random_steps_lose_nothing_and_count_nothing_twice(self):
        with self.daemon() as h, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
            collector.bind(("127.0.0.1", 0))
            controls = self.start_controls(h)
            churn = Churn(h, random.Random(SEED), collector.getsockname()[1])
            every = max(1, STEPS // 20)
            for step in range(STEPS):
                churn.step()
                if step % every == every - 1:
                    self.check_all(h, {**controls, **churn.mine, **churn.configured})
                if step == STEPS // 4:
                    churn.clear()
                    before = self.memory(h)
            churn.clear()
            self.check_all(h, controls)
            self.assertEqual(len(h.call("flow.list")), len(controls))
            self.assert_flat(before, self.memory(h))
            print("%d steps %s, %d packets" % (STEPS, churn.done, homard.received(h, "trace")))

    def test_two_workers_count_each_packet_once_between_them(self):
        """How far each has come is chance: the sums must hold."""
        with self.daemon(workers=2) as h:
            controls = self.start_controls(h)
            churn = Churn(h, random.Random(SEED + 1), 9)
            for step in range(STEPS // 4):
                churn.step()
                if step % 20 == 19:
                    received = self.stop_device(h)
                    packets, octets = ({name: h.read(name, len(flow.functions) - i)
                                        for name, flow in controls.items()} for i in (1, 0))
                    self.assertEqual(packets["whole"], received)
                    self.assertEqual(packets["tcp"] + packets["rest"], received)
                    self.assertEqual(octets["tcp"] + octets["rest"], octets["whole"])
                    self.assertEqual(octets["whole"], h.ledger()["devices"][0]["bytes"])
                    h.assert_balanced()
                    h.call("device.start", device="trace")

    def test_clients_killed_while_they_connect_leave_nothing(self):
        rng = random.Random(SEED)
        with self.daemon() as h:
            controls = self.start_controls(h)
            before = None
            for turn in range(max(20, STEPS // 10)):
                children = [fork_client(h.socket_path) for _ in range(2)]
                time.sleep(rng.uniform(0, 0.04))
                for child in children:
                    os.kill(child, signal.SIGKILL)
                    os.waitpid(child, 0)
                if turn % 10 == 0:
                    homard.until(lambda: len(h.call("flow.list")) == len(controls), what="flows to go")
                    self.check_all(h, controls)
                    before = before or self.memory(h)
            homard.until(lambda: len(h.call("flow.list")) == len(controls), what="flows to go")
            self.check_all(h, controls)
            self.assert_flat(before, self.memory(h))

    def test_client_that_reads_nothing_hurts_only_itself(self):
        with self.daemon() as h, h.connect() as deaf, h.connect() as other:
            controls = self.start_controls(h)
            ring = deaf.flow("trace", ["TO_BUFFER", 1, {"preference": "slow"}], ["PKT_COUNTER"])
            deaf.call_fd("flow.buffer", flow=ring, function=1)
            asked = b'{"jsonrpc":"2.0","id":1,"method":"function.list"}\n' * 500
            deaf.socket.setblocking(False)
            slowest = 0
            for _ in range(40):
                try:
                    deaf.socket.send(asked)  # and never reads an answer
                except (BlockingIOError, ConnectionError):
                    pass
                started = time.monotonic()
                flow = other.flow("trace", ["BPF_FILTER", "udp"], ["PKT_COUNTER"])
                other.call("flow.close", flow=flow)
                slowest = max(slowest, time.monotonic() - started)
            self.assertLess(slowest, homard.SLOW / 10)
            self.stop_device(h)
            line = next(line for line in h.ledger()["readers"] if line["flow"] == ring)
            self.assertEqual(line["offered"], h.read(ring, 2))
            self.assertGreater(line["dropped"], 0)
            self.assertEqual(line["delivered"], 0)
            self.assertEqual(line["offered"], line["dropped"] + line["queued"])
            h.call("device.start", device="trace")
            self.check_all(h, controls)


def fork_client(path):
    """A process that makes and closes flows until it is killed, waiting for few answers."""
    child = os.fork()
    if child:
        return child
    try:
        with homard.Client(path) as client:
            for i in range(1 << 30):
                client.send("flow.create", {"device": "trace", "connect": True, "functions": [
                    ["BPF_FILTER", FILTERS[i % len(FILTERS)]], ["STR_SEARCH", "killed-%d" % (i % 5), 0, 0],
                    *COUNTERS]})
                if i % 3 == 2:
                    client.send("flow.close", {"flow": client.receive().get("result", {}).get("flow", 0)})
    finally:
        os._exit(1)


class Churn:
    """Flows that come, go and change: those of a client, and those of the configuration."""

    def __init__(self, h, rng, collector):
        self.h, self.rng, self.collector = h, rng, collector
        self.mine, self.configured = {}, {}
        self.done = {}
        self.last = 0

    def functions(self):
        rng = self.rng
        asked = []
        if rng.random() < 0.7:
            asked.append(["BPF_FILTER", rng.choice(FILTERS)])
        if rng.random() < 0.4:
            asked.append(["STR_SEARCH", rng.choice(STRINGS + ["fresh-%d" % rng.randrange(1000)]), 0, 0])
        if rng.random() < 0.2:
            asked.append(["REGEXP", rng.choice(REGEXPS)])
        if rng.random() < 0.2:
            asked.append(["PKT_COUNTER"])
        if rng.random() < 0.1:
            asked.append(["TO_BUFFER", 1, {"preference": rng.choice(["slow", "fast"])}])
        if rng.random() < 0.1:
            asked.append(["FLOW_REPORT", {"cache_entries": 4096, "exporters": [
                {"host": "127.0.0.1", "port": self.collector}]}])
        return asked + COUNTERS

    def step(self):
        steps = [(self.add, 30), (self.remove, 30), (self.modify, 20), (self.reset, 5),
                 (self.reload, 10), (self.hang_up, 5)]
        chosen = self.rng.choices([s for s, _ in steps], [w for _, w in steps])[0]
        if chosen in (self.remove, self.modify, self.reset) and not self.mine or \
                chosen == self.remove and len(self.mine) < 8:
            chosen = self.add
        elif chosen == self.add and len(self.mine) > 40:
            chosen = self.remove
        self.done[chosen.__name__] = self.done.get(chosen.__name__, 0) + 1
        chosen()

    def add(self):
        self.last += 1
        name = "mine%d" % self.last
        flow = Flow(self.functions())
        if self.rng.random() < 0.5:
            self.h.flow("trace", *flow.functions, name=name)
        else:
            self.h.call("flow.create", device="trace", name=name, functions=flow.functions, connect=True)
        self.mine[name] = flow

    def remove(self):
        name = self.rng.choice(list(self.mine))
        del self.mine[name]
        self.h.call("flow.close", flow=name)

    def modify(self):
        """The same name with other functions, without a pause between old and new."""
        name = self.rng.choice(list(self.mine))
        flow = self.mine[name] = Flow(self.functions())
        client = self.h.client
        wanted = [client.send("flow.close", {"flow": name}),
                  client.send("flow.create", {"device": "trace", "name": name, "connect": True,
                                              "functions": flow.functions})]
        for _ in wanted:
            answer = client.receive()
            assert answer["id"] in wanted and "result" in answer, answer

    def reset(self):
        name = self.rng.choice(list(self.mine))
        flow = self.mine[name]
        flow.since = None
        self.h.call("flow.reset", flow=name, function=len(flow.functions))

    def _change_file(self):
        """Keeps some of the configured flows, drops some, changes some, adds some."""
        flows = {}
        for name, flow in self.configured.items():
            if self.rng.random() < 0.7:
                flows[name] = flow if self.rng.random() < 0.7 else Flow(self.functions())
        for _ in range(self.rng.randrange(4)):
            self.last += 1
            flows["file%d" % self.last] = Flow(self.functions())
        self._write(flows)

    def _write(self, flows):
        self.configured = flows
        self.h.file.write_text(json.dumps({**self.h.config, "flows": [
            {"name": name, "device": "trace", "functions": flow.functions} for name, flow in flows.items()]}))

    def _wait_reloaded(self):
        """As systemd waits: READY=1 comes behind RELOADING=1."""
        self.h.notify.settimeout(homard.SLOW)
        while b"READY=1" not in self.h.notify.recv(4096):
            pass

    def reload(self):
        self._change_file()
        self.h.call("config.reload")
        self._wait_reloaded()

    def hang_up(self):
        self._change_file()
        self.h.send_signal(signal.SIGHUP)
        self._wait_reloaded()
        names = {flow.get("name") for flow in self.h.call("flow.list")}
        assert set(self.configured) <= names, "SIGHUP did not reload"

    def clear(self):
        for name in self.mine:
            self.h.call("flow.close", flow=name)
        self.mine = {}
        self._write({})
        self.h.call("config.reload")
        self._wait_reloaded()


if __name__ == "__main__":
    homard.main()
