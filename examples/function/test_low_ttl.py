#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""LOW_TTL in a running homardd counts what tcpdump counts.

usage: test_low_ttl.py LIBRARY          homardd, homardctl, homard-traffic and tcpdump are found in PATH
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

BELOW = 60
EXPRESSIONS = {"ipv4": "ip and ip[8] < %d" % BELOW, "ipv6": "ip6 and ip6[7] < %d" % BELOW}
SECONDS = 60  # for anything to happen


def main(library):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        trace, config, sock = folder / "trace.pcap", folder / "homard.json", folder / "control.sock"
        # homardd loads no library that others could change, and a build folder may be one
        mine = pathlib.Path(shutil.copy(library, folder))
        mine.chmod(0o644)
        subprocess.run(["homard-traffic", "--out", trace, "--packets", "20000", "--vlan", "0", "--mpls", "0"],
                       stdout=subprocess.DEVNULL, check=True)
        config.write_text(json.dumps({
            "libraries": [str(mine)],
            "eal": {"lcores": "0@0,1@0", "memory_mb": 256, "hugepages": "off"},
            "control": {"socket": str(sock)},
            "devices": [{"name": "trace", "trace": str(trace)}],
            "flows": [{"name": "low", "device": "trace", "functions": [["LOW_TTL", BELOW], ["PKT_COUNTER"]]}]}))
        got = run_homardd(config, sock)
        want = {name: count_with_tcpdump(trace, expression) for name, expression in EXPRESSIONS.items()}
    print("homardd %s, tcpdump %s" % (got, want))
    assert got["LOW_TTL"] == want, "LOW_TTL counts wrong"
    assert got["PKT_COUNTER"] == sum(want.values()), "LOW_TTL passes others than it counts"
    assert all(want.values()), "the trace has no such packets"


def run_homardd(config, sock):
    """What both functions have counted when the trace has ended."""
    def ctl(*args):
        done = subprocess.run(["homardctl", "--socket", sock, "--json", *args], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    daemon = subprocess.Popen(["homardd", "--config", config], stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + SECONDS
        while ctl("flow", "info", "low").get("status") != "finished":
            assert daemon.poll() is None, "homardd has ended with %d" % daemon.returncode
            assert time.monotonic() < end, "the trace does not come to its end"
            time.sleep(0.05)
        return {name: ctl("flow", "read", "low", name)["value"] for name in ("LOW_TTL", "PKT_COUNTER")}
    finally:
        daemon.terminate()
        daemon.wait()


def count_with_tcpdump(trace, expression):
    done = subprocess.run(["tcpdump", "-nr", trace, "--count", expression], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=True)
    return int(done.stdout.split()[0])


if __name__ == "__main__":
    main(sys.argv[1])
