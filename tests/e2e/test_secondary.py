# SPDX-License-Identifier: BSD-3-Clause
"""A secondary process reads the statistics of net_dag and net_combo6 in a primary, and harms nobody.

The primary is dpdk-testpmd on a simulated card, the secondary dpdk-proc-info. Both need hugepages,
which the test reserves for its time, and mounts in a mount namespace of its own.
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import homard
import test_testpmd_dag as card
from test_testpmd_dag import expect

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
from hugepages import Hugepages  # pylint: disable=wrong-import-position

PAGES = 64
SECONDS = 30  # for anything to happen
AGES = {"meta_age_ms"}  # rise with the clock, not with packets


def skip(reason):
    print(reason)
    sys.exit(77)


def counters(text):
    """The last list of extended statistics in an output."""
    listed = text.rsplit("NIC extended statistics for port 0", 1)[1]
    return {name: int(value) for name, value in re.findall(r"^(\w+): (\d+)$", listed, re.MULTILINE)}


class Primary:
    """dpdk-testpmd with one port, by its prompt."""

    def __init__(self, folder, driver, device):
        self.eal = ["-d", driver, "--no-pci", "--no-telemetry", "--file-prefix", "homard"]
        self.log = folder / "testpmd.log"
        with open(self.log, "wb") as log:
            self.process = homard.popen(
                ["stdbuf", "-oL", "dpdk-testpmd"] + self.eal + ["-l", "0,1", "--huge-dir", str(folder / "huge"), "--vdev", device] +
                ["--", "-i", "--forward-mode=rxonly", "--no-flush-rx", "--total-num-mbufs=8192", "--no-mlockall"],
                stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()

    def output(self):
        return self.log.read_text(errors="replace")

    def fail(self, what):
        print(self.output())
        sys.exit(what)

    def command(self, line, end):
        """Types a line, waits for `end`; what was printed since."""
        before = len(self.output())
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        late = time.monotonic() + SECONDS
        alive = True
        while time.monotonic() < late and alive:
            alive = self.process.poll() is None  # asked before the output: its last words count
            text = self.output()[before:]
            if re.search(end, text):
                return text
            time.sleep(0.02)
        return self.fail("no answer to '%s'" % line)

    def xstats(self, last):
        return counters(self.command("show port xstats 0", r"\n%s: \d+\n" % last))

    def wait_above(self, last, name, bound):
        late = time.monotonic() + SECONDS
        while time.monotonic() < late:
            now = self.xstats(last)
            if now[name] > bound:
                return now
            time.sleep(0.1)
        return self.fail("%s stays at %d" % (name, bound))

    def start(self):
        self.command("start", r"packets/burst=\d+")

    def stop(self):
        self.command("stop", r"\nDone\.\n")

    def secondary(self, question):
        """What a process reads that comes, asks one question and goes."""
        done = subprocess.run(["dpdk-proc-info"] + self.eal + ["--", "-p", "1", question],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=SECONDS, check=False)
        text = done.stdout.decode(errors="replace")
        if done.returncode != 0 or "statistics for port 0" not in text:
            print(text)
            self.fail("dpdk-proc-info %s ends with %d" % (question, done.returncode))
        return text


def check(folder, driver, device, last):
    """`last` is the last extended statistic of the driver."""
    name = device.split("0,", 1)[0]
    with Primary(folder, driver, device) as primary:
        primary.start()
        before = primary.wait_above(last, "rx_good_packets", 1000)
        read = counters(primary.secondary("--xstats"))
        after = primary.xstats(last)
        expect(name + ": names that only one sees", sorted(read.keys() ^ after.keys()), [], primary.output())
        wrong = [key for key in after if key not in AGES and not before[key] <= read[key] <= after[key]]
        expect(name + ": values out of range while packets flow", wrong, [], primary.output())

        # nobody polls for a while, so that packets are lost
        primary.stop()
        time.sleep(0.5)
        primary.start()
        primary.wait_above(last, "rx_missed_errors", 0)
        primary.stop()
        want = primary.xstats(last)
        read = counters(primary.secondary("--xstats"))
        wrong = {key: (read[key], want[key]) for key in want if key not in AGES and read[key] != want[key]}
        expect(name + ": values that differ at rest", wrong, {}, primary.output())
        text = primary.secondary("--stats")
        basic = re.search(r"RX-packets: (\d+)\s+RX-errors:\s+(\d+)\s+RX-bytes:\s+(\d+)", text)
        expect(name + ": basic statistics", [int(n) for n in basic.groups()],
               [want["rx_good_packets"], want["rx_errors"], want["rx_good_bytes"]], text)
        print("%s: %d packets, %d missed" % (name, want["rx_good_packets"], want["rx_missed_errors"]))

        primary.start()
        primary.wait_above(last, "rx_good_packets", want["rx_good_packets"])
        primary.stop()
        primary.command("quit", r"Bye\.\.\.")
        expect(name + ": end of the primary", primary.process.wait(timeout=SECONDS), 0, primary.output())


def inside(folder, net_dag, dag_sim, net_combo6, sze2_sim):
    """In a mount namespace, with hugepages reserved."""
    (folder / "huge").mkdir()
    subprocess.run(["mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "none", str(folder / "huge")], check=True)
    faults = [{"fault": "meta", "at": 100, "every": 5000}, {"fault": "pad", "at": 200, "every": 300},
              {"fault": "flags", "at": 300, "every": 700}, {"fault": "type", "at": 400, "every": 900, "value": 5}]
    (folder / "dag.json").write_text(json.dumps({
        "dag0": {"generator": {"packets": 0}, "rate_pps": 50000, "lossy": True, "buffer_mb": 1, "faults": faults}}))
    (folder / "sze2.json").write_text(json.dumps({
        # 1,000 arrive at once and the ring holds fewer
        "szedataII0": {"generator": {"packets": 100000}, "loop": 0, "ring_kb": 128, "arrive": 1000,
                       "label": "sequence"}}))
    os.environ.update(RUNTIME_DIRECTORY=str(folder), DAG_SIM_CARDS=str(folder / "dag.json"),
                      SZE2_SIM_CARDS=str(folder / "sze2.json"))
    check(folder, net_dag, "net_dag0,lib=%s,card=dag0" % dag_sim, "meta_age_ms")
    check(folder, net_combo6, "net_combo60,lib=%s,card=0,label=sequence" % sze2_sim, "rx_unlock_errors")


def main():
    # an end by signal is an end like any other: hugepages are given back
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    if sys.argv[1] == "--inside":
        inside(pathlib.Path(sys.argv[2]), *sys.argv[3:])
        return
    card.check_machine(sys.argv[1])
    if os.geteuid() != 0:
        skip("only root may reserve hugepages")
    if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        skip("no mount namespace can be made here")
    with tempfile.TemporaryDirectory() as folder, Hugepages(print, PAGES) as pages:
        if not pages.available:
            skip("hugepages: " + pages.sentence)
        sys.exit(subprocess.run(["unshare", "-m", sys.executable, __file__, "--inside", folder] + sys.argv[1:],
                                check=False).returncode)


if __name__ == "__main__":
    main()
