# SPDX-License-Identifier: BSD-3-Clause
"""dpdk-testpmd loads librte_net_dag.so by -d and counts the packets of simulated cards."""
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

PACKETS = 3000


def write_trace(path):
    frame = bytes(range(6)) * 2 + b"\x08\x00" + bytes([0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17]) + bytes(36)
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for i in range(PACKETS):
            data = frame[:26] + struct.pack(">II", 0x0a000000 + i % 100, 0x0b000000 + i % 7) + frame[34:]
            out.write(struct.pack("<IIII", 1700000000, i, len(data), len(data)) + data)


def testpmd(driver, library, folder, devices, queues=1, timeout=3, vdev="net_dag", cards="DAG_SIM_CARDS"):
    """Runs until the packets have passed; its output."""
    command = ["dpdk-testpmd", "-d", driver, "--no-huge", "-m", "256", "--no-pci", "--no-telemetry", "-l", "0,1",
               "--file-prefix", "homard-test", "--no-shconf"]
    for i, arguments in enumerate(devices):
        command += ["--vdev", "%s%d,lib=%s,%s" % (vdev, i, library, arguments)]
    command += ["--", "--forward-mode=rxonly", "--no-flush-rx", "--total-num-mbufs=8192", "--rxq=%d" % queues,
                "--txq=%d" % queues, "--stats-period=1", "--no-mlockall"]
    environment = dict(os.environ, **{cards: str(folder / "cards.json")})
    # it has no other way to end with its statistics told
    done = subprocess.run(["timeout", "-s", "INT", str(timeout)] + command, env=environment, timeout=60,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout.decode(errors="replace")


def received(output):
    counts = re.search(r"Accumulated forward.*?RX-packets: *(\d+)", output, re.DOTALL)
    return int(counts.group(1)) if counts else None


def expect(what, got, want, output):
    if got != want:
        print(output)
        sys.exit("%s: %s, expected %s" % (what, got, want))
    print("%s: %s" % (what, got))


def check_machine(driver):
    """Ends the test as skipped where testpmd or the driver cannot run."""
    if not shutil.which("dpdk-testpmd"):
        print("dpdk-testpmd is not installed")
        sys.exit(77)
    open_to_all = [str(p) for p in pathlib.Path(driver).resolve().parents if p.stat().st_mode & 0o002]
    if open_to_all:
        print("EAL loads no driver from below a folder that everybody may write to: " + open_to_all[0])
        sys.exit(77)
    if len(os.sched_getaffinity(0)) < 2:
        print("testpmd wants a second core")
        sys.exit(77)


def main():
    driver, library = sys.argv[1:3]
    check_machine(driver)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_trace(folder / "a.pcap")
        (folder / "cards.json").write_text(json.dumps({
            "dag0": {"trace": "a.pcap", "pace": "max", "loop": 5, "streams": 1},
            "dag1": {"trace": "a.pcap", "pace": "max", "loop": 2, "streams": 2, "preload_mb": 0, "buffer_mb": 1},
        }))
        output = testpmd(driver, library, folder, ["card=dag0"])
        expect("packets of a loaded card", received(output), 5 * PACKETS, output)
        output = testpmd(driver, library, folder, ["card=dag1"], queues=2)
        expect("packets of a fed card with two queues", received(output), 2 * PACKETS, output)
        output = testpmd(driver, library, folder, ["card=dag0", "card=dag7"])
        expect("ports with an unknown card", output.count("Configuring Port"), 1, output)
        expect("the reason is told", "card=dag7: No such file" in output, True, output)


if __name__ == "__main__":
    main()
