# SPDX-License-Identifier: BSD-3-Clause
"""disk: what TO_FILE takes to a file that costs nothing, and to a disk, beside what dd takes there."""
import os
import re
import subprocess
import time

from appliance import Appliance

BLOCK = 1 << 20
BYTES = 8 << 30        # that a disk has to take at a time
BYTES_QUICK = 1 << 29
PATIENCE = 180         # seconds


def _mean_record(bench):
    return bench.trace.path.stat().st_size / bench.trace.packets


class _Capture:
    """A flow with TO_FILE as its only function, of a client that passes the file."""

    def __init__(self, running, path, count=0):
        client = running.daemon.client
        self.client, self.harness = client, running.harness
        self.flow = client.call("flow.create", device="big")["flow"]
        fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            client.call("flow.apply", files=[fd], flow=self.flow, function="TO_FILE",
                        args=["PCAP_NS", str(path), count, {"block_bytes": BLOCK}])
        finally:
            os.close(fd)
        client.call("flow.connect", flow=self.flow)
        client.call("device.start", device="big")

    def result(self):
        return self.client.read(self.flow, 1)

    def close(self):
        """Until the file is complete, and on its disk."""
        self.client.call("flow.close", flow=self.flow)
        self.harness.until(lambda: not self.client.call("ledger")["files"], PATIENCE, "the file")


def to_null(bench):
    """The worker's and the writer's part alone. The trace waits for them: nothing is dropped."""
    with Appliance(bench, []) as running:
        _Capture(running, "/dev/null")
        bench.isa = running.isa
        return running.measure(bench.seconds)


def to_disk(bench):
    """From the first packet to the last byte on the disk."""
    path, wanted = bench.folder / "capture.pcap", BYTES_QUICK if bench.quick else BYTES
    with Appliance(bench, []) as running:
        bench.isa = running.isa
        try:
            start = time.monotonic()
            capture = _Capture(running, path, int(wanted / _mean_record(bench)) + 1)
            running.harness.until(lambda: capture.result()["state"] == 0, PATIENCE, "the last packet")
            assert sum(capture.result()["dropped"].values()) == 0, "packets were dropped"
            capture.close()
            seconds = time.monotonic() - start
            assert path.stat().st_size >= 0.95 * wanted, "the file is too short"
            return {"mb_per_s": path.stat().st_size / seconds / 1e6}
        finally:
            path.unlink(missing_ok=True)


def dd(bench):
    path, wanted = bench.folder / "dd.bin", BYTES_QUICK if bench.quick else BYTES
    try:
        done = subprocess.run(["dd", "if=/dev/zero", "of=%s" % path, "bs=%d" % BLOCK, "count=%d" % (wanted // BLOCK),
                               "oflag=direct", "conv=fdatasync"], env={**os.environ, "LC_ALL": "C"},
                              stderr=subprocess.PIPE, text=True, check=True, timeout=PATIENCE)
    finally:
        path.unlink(missing_ok=True)
    seconds = float(re.search(r", ([0-9.e-]+) s, ", done.stderr).group(1))
    return {"mb_per_s": wanted / seconds / 1e6}
