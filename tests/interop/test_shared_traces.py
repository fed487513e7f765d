#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every file of ../shared/traces: the same packets as libpcap (tcpdump) sees, or tshark for ERF.

usage: test_shared_traces.py TRACE_LIST FOLDER      exit status 77 if FOLDER is missing
"""
import gzip
import pathlib
import shutil
import subprocess
import sys
import tempfile

# a microsecond field over 2^31, which is no fraction of a second, is negative to libpcap
SIGNED_FRACTION = 2 ** 32 * 1000


def run(*command):
    return subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")


def packets(text):
    """(link line, packet rows)"""
    lines = text.splitlines()
    return lines[:1], [line.split() for line in lines[1:]]


def same_row(a, b):
    return a[1:] == b[1:] and abs(int(a[0]) - int(b[0])) in (0, SIGNED_FRACTION)


def compare_libpcap(ours, theirs):
    """None, or what is wrong."""
    if "is not supported" in ours.stderr:
        name = ours.stderr.split("link type ")[1].split()[0]
        if "several link types" in ours.stderr:
            return None if "different from the type" in theirs.stderr else "libpcap reads it: " + ours.stderr
        known = theirs.stdout.startswith("link ") and name.isupper()
        return None if known and not ours.stdout else "refused: " + ours.stderr
    (link_a, rows_a), (link_b, rows_b) = packets(ours.stdout), packets(theirs.stdout)
    if ours.returncode != theirs.returncode:
        return "ours: %s theirs: %s" % (ours.stderr, theirs.stderr)
    if link_a != link_b or len(rows_a) != len(rows_b):
        return "%s with %d packets, libpcap: %s with %d" % (link_a, len(rows_a), link_b, len(rows_b))
    wrong = [i for i, (a, b) in enumerate(zip(rows_a, rows_b)) if not same_row(a, b)]
    return "packet %d: %s, libpcap: %s" % (wrong[0], rows_a[wrong[0]], rows_b[wrong[0]]) if wrong else None


def compare_erf(ours, path):
    """tshark's lengths hold the FCS; META records are no packets of ours."""
    theirs = run("tshark", "-n", "-r", path, "-Y", "eth", "-T", "fields", "-e", "frame.time_epoch",
                 "-e", "frame.cap_len", "-e", "frame.len")
    wanted = []
    for line in theirs.stdout.splitlines():
        ts, captured, wire = line.split()
        wire = max(int(wire) - 4, 0)
        wanted.append([ts.replace(".", ""), str(min(int(captured), wire)), str(wire)])
    rows = [row[:3] for row in packets(ours.stdout)[1]]
    if ours.returncode or theirs.returncode or rows != wanted:
        return "%d packets, tshark: %d; %s %s" % (len(rows), len(wanted), ours.stderr, theirs.stderr)
    return None


def check(trace_list, path):
    ours = run(trace_list, path)
    if path.suffix == ".gz":
        if "gzip" not in ours.stderr or not ours.returncode:
            return "a compressed trace is not refused: " + ours.stderr
        with tempfile.TemporaryDirectory(prefix="homard-") as folder:
            plain = pathlib.Path(folder) / path.stem
            plain.write_bytes(gzip.decompress(path.read_bytes()))
            return check(trace_list, plain)
    if path.suffix == ".erf":
        return compare_erf(ours, path) if shutil.which("tshark") else None
    return compare_libpcap(ours, run(trace_list, "--libpcap", path))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[2])
    if not folder.is_dir():
        print("skipped: there is no ../shared/traces")
        sys.exit(77)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".md"]
    wrong = [(path, text) for path in files if (text := check(sys.argv[1], path))]
    for path, text in wrong:
        print("%s: %s" % (path, text))
    print("%d traces, %d wrong" % (len(files), len(wrong)))
    sys.exit(1 if wrong or not files else 0)


if __name__ == "__main__":
    main()
