# SPDX-License-Identifier: BSD-3-Clause
"""appliance: one homardd under measurement: the trace in a loop for ever, one worker."""
import os
import pathlib
import sys
import time

from sink import UdpSink

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/e2e"))


class Appliance:
    """homardd with the flows of one row; measure() reads its counters twice."""

    def __init__(self, bench, flows, netflow=False, trace=None):
        os.environ["HOMARD_BUILD"] = str(bench.build)
        import homard  # finds the programs by HOMARD_BUILD when it is loaded

        self.harness = homard
        config = {
            "eal": {"memory_mb": 1024, "hugepages": "on" if bench.hugepages.available else "off"},
            "devices": [{"name": "big", "trace": str((trace or bench.trace).path), "pace": "max", "loop": 0}],
            "flows": [{"name": "row%d" % i, "device": "big", "functions": functions}
                      for i, functions in enumerate(flows)],
        }
        self.sink = UdpSink(bench) if netflow else None
        if self.sink:
            config["netflow"] = [{"device": "big", "exporters": [
                {"protocol": "ipfix", "transport": "udp", "host": "127.0.0.1", "port": self.sink.port}]}]
        self.daemon = homard.Homard(config)
        self.isa = self.daemon.call("version")["isa"]

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.daemon.__exit__(*exception)
        if self.sink:
            self.sink.__exit__()

    def _look(self):
        """Time, packets received, CPU seconds, flow records exported; all so far."""
        return (time.monotonic(), self.harness.received(self.daemon, "big"),
                self.daemon.cpu_seconds(), self.harness.records_exported(self.daemon))

    def wait_for_packets(self):
        start = self._look()[1]
        self.harness.until(lambda: self.harness.received(self.daemon, "big") > start,
                           what="the first packets")

    def memory_mb(self):
        """What it has allocated; the trace that the simulated card holds is not in it."""
        memory = self.daemon.call("memory")
        return (memory["heap"]["used_bytes"] + memory["malloc_bytes"]) / 1e6

    def measure(self, seconds):
        self.wait_for_packets()
        time.sleep(1)  # caches, flow table and Hyperscan's database are then in place
        before = self._look()
        time.sleep(seconds)
        after = self._look()
        elapsed, packets, cpu, records = (b - a for a, b in zip(before, after))
        point = {"mpps": packets / elapsed / 1e6, "mpps_cpu": packets / cpu / 1e6,
                 "memory_mb": self.memory_mb()}
        if self.sink:
            point["records_per_s"] = records / elapsed
        return point
