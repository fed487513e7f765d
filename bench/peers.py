# SPDX-License-Identifier: BSD-3-Clause
"""peers: what homard is measured against: loops that do nothing else, and other people's probes."""
import json
import os
import re
import resource
import shutil
import subprocess
import tempfile
import time

from sink import UdpSink
from traffic import Missing

FAULTY_PACKETS = 1000000000
FAULTS_PATIENCE = 3600  # seconds for all of them
PATIENCE = 120  # seconds that a program may take for one reading of the trace


def program(name):
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin")
    if not path:
        raise Missing("%s is not installed (scripts/setup.sh --group bench)" % name)
    return path


def worker_core():
    """The core that workers run on, here and in the appliance's rows."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[min(1, len(cores) - 1)]


def on_worker_core():
    os.sched_setaffinity(0, {worker_core()})


def json_line(arguments, row, several_cores=False):
    """Runs a loop of ours and returns the JSON object that it prints for the row."""
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          preexec_fn=None if several_cores else on_worker_core, timeout=PATIENCE, check=True)
    for line in done.stdout.decode().splitlines():
        if line.startswith("{"):
            point = json.loads(line)
            if point.get("name", row) == row:
                return point
    raise SystemExit("bench: %s printed no result for %s" % (arguments[0], row))


def bare_loop(bench):
    """The shared tools' loop where they are, so that ratios compare with what others measured."""
    loop = bench.build / "bench/bare_loop"
    shared = bench.shared / "tools/bareloop.c" if bench.shared else None
    if shared and shared.is_file():
        loop = bench.folder / "bareloop-shared"
        if not loop.exists():
            subprocess.run(["cc", "-O3", "-march=native", "-o", loop, shared, "-lpcap"], check=True)
    return json_line([loop, bench.trace.path, str(bench.seconds)], "bare_loop")


def dag_loop(bench, row, frames=None):
    """A row of dag_loop over the trace, or over frames of its own ("-": of 64 bytes)."""
    loop = bench.build / "bench/dag_loop"
    if not loop.is_file():
        raise Missing("%s is not built" % loop.name)
    return json_line([loop, row, frames or bench.trace.path, str(bench.seconds)], row,
                     several_cores=row == "dag_two")


def over_list(bench, loop, listed, n):
    """A loop of ours over the first n lines of a list."""
    listed.first(n)
    point = json_line([bench.build / "bench" / loop, bench.trace.path, listed.path, str(n),
                       str(bench.seconds)], loop)
    return {field: point[field] for field in ("mpps", "mpps_cpu", "cycles_per_packet")}


def flow_cache(bench, entries):
    """The flow cache alone, over 64-byte packets of about so many flow records at a time."""
    done = subprocess.run([bench.build / "bench/flow_bench", str(entries), str(bench.seconds)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, preexec_fn=on_worker_core, timeout=5 * PATIENCE, check=True)
    rows = {row["name"]: row for row in map(json.loads, done.stdout.decode().splitlines())}
    cache = rows["cache"]
    return {"mpps": cache["mpps"], "mpps_cpu": cache["mpps"], "cycles_per_packet": cache["cycles_per_packet"],
            "records_per_s": cache["records_per_s"], "memory_mb": rows["memory"]["mb"]}


def combo_loop(bench, row):
    loop = bench.build / "bench/combo_loop"
    if not loop.is_file():
        raise Missing("%s is not built" % loop.name)
    return json_line([loop, row, "64", str(bench.seconds)], row)


def dag_faults(bench):
    """A billion packets with random faults from a fed card through net_dag: is the ledger exact?"""
    program_file = bench.build / "tests/unit/test_dag_loss"
    if not program_file.is_file():
        raise Missing("%s is not built" % program_file.name)
    started = time.monotonic()
    done = subprocess.run([program_file, str(FAULTY_PACKETS)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          timeout=FAULTS_PATIENCE, check=False)
    elapsed = time.monotonic() - started
    told = [line for line in done.stdout.decode().splitlines() if line.startswith("{")]
    if not told:
        raise SystemExit("bench: %s printed no ledger" % program_file.name)
    ledger = json.loads(told[0])
    lost = ledger["sent"] - ledger["received"] - ledger["dropped"] - ledger["spoiled"]
    return {"mpps": ledger["sent"] / elapsed / 1e6, "sent": ledger["sent"], "unaccounted": abs(lost),
            "violations": ledger["violations"], "failed": int(done.returncode != 0)}


def net_null(bench):
    """testpmd receiving from DPDK's null device: what a burst costs that carries nothing."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise Missing("testpmd wants a second core")
    memory = ["--in-memory"] if bench.hugepages.available else ["--no-huge"]
    with subprocess.Popen(
            ["stdbuf", "-oL", program("dpdk-testpmd"), "--lcores", "0@%d,1@%d" % (cores[0], cores[1]), "-m", "512", *memory,
             "--no-pci", "--no-telemetry", "--file-prefix", "homardbench%d" % os.getpid(),
             "--vdev", "net_null0,size=64", "--", "--forward-mode=rxonly", "--total-num-mbufs=16384"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as testpmd:
        # it forwards until Enter is pressed, and then tells how many packets there were
        output = b""
        while b"Press enter" not in output:
            line = testpmd.stdout.read1(4096)
            if not line:
                raise SystemExit("bench: testpmd ended:\n%s" % output.decode(errors="replace"))
            output += line
        started = time.monotonic()
        time.sleep(bench.seconds)
        elapsed = time.monotonic() - started
        output += testpmd.communicate(b"\n", timeout=60)[0]
    received = re.search(rb"Accumulated forward.*?RX-packets: *(\d+)", output, re.DOTALL)
    if not received:
        raise SystemExit("bench: testpmd counted nothing:\n%s" % output.decode(errors="replace"))
    return {"mpps": int(received.group(1)) / elapsed / 1e6}


def read_trace(bench, make_arguments):
    """Lets a probe read the trace as often as it takes to be busy long enough."""
    packets = wall = cpu = 0.0
    while wall < bench.seconds:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.monotonic()
        subprocess.run(make_arguments(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, preexec_fn=on_worker_core, timeout=PATIENCE, check=True)
        wall += time.monotonic() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu += after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        packets += bench.trace.packets
    return {"mpps": packets / wall / 1e6, "mpps_cpu": packets / cpu / 1e6}, wall


def softflowd(bench):
    """IPFIX to a counting sink; a table that holds all flows, since the default of 8,192 thrashes."""
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder, UdpSink(bench) as sink:
        point, wall = read_trace(bench, lambda: [
            program("softflowd"), "-r", bench.trace.path, "-n", "127.0.0.1:%d" % sink.port,
            "-v", "10", "-m", "1048576", "-d", "-p", folder + "/pid", "-c", "none"])
        records = sink.stop()
    if records is not None:
        point["records_per_s"] = records / wall
    return point


def pseudonyms(bench, row):
    """Crypto-PAn alone, of addresses that do not repeat or, "_cached", of the trace's."""
    return json_line([bench.build / "bench/pseudonyms_bench", row, bench.trace.path, str(bench.seconds)], row)


def traceanon(bench):
    """libtrace's: both addresses by Crypto-PAn, checksums zeroed or adjusted as it likes, all written to /dev/null."""
    return read_trace(bench, lambda: [
        program("traceanon"), "-s", "-d", "--cryptopan=lobster-thermidor-with-a-32-byte",
        "pcapfile:%s" % bench.trace.path, "pcapfile:/dev/null"])[0]


def nfpcapd(bench):
    """Writes nfdump files into the build folder, which is what it does by default."""
    def arguments():
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        return [program("nfpcapd"), "-r", bench.trace.path, "-w", out]

    out = bench.folder / "nfpcapd"
    try:
        return read_trace(bench, arguments)[0]
    finally:
        shutil.rmtree(out, ignore_errors=True)
