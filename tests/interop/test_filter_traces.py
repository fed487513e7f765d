#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The predicate index answers what libpcap's programs answer over all traces of ../shared/traces, for every
line of ../shared/tools/filters.txt.

usage: test_filter_traces.py FILTER_TRACES SHARED [PACKETS]      exit status 77 if SHARED has no traces
"""
import pathlib
import re
import subprocess
import sys

PACKETS = 25  # of each trace: ten thousand filters take their time in libpcap's interpreter


def main(tool, shared, packets=PACKETS):
    shared = pathlib.Path(shared)
    traces = sorted(path for folder in ("mix", "erf") for path in (shared / "traces" / folder).glob("*")
                    if path.is_file() and path.suffix != ".gz")
    if not traces:
        print("skipped: no traces in", shared)
        return 77
    filters = shared / "tools/filters.txt"
    lines = filters.read_text() if filters.exists() else ""
    done = subprocess.run([tool, str(packets), *map(str, traces)], input=lines, text=True, capture_output=True,
                          errors="replace", check=False)
    print(done.stdout, done.stderr)
    matches = sum(map(int, re.findall(r"(\d+) matches", done.stdout)))
    return done.returncode or (0 if matches > 10000 else 1)


sys.exit(main(*sys.argv[1:]))
