#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""outcomes: reads meson's testlog.json and prints a line a test: outcome, name, why.

usage: outcomes.py RUN TESTLOG FAILED

FAILED is 1 if meson test itself failed: a run that failed without a failed test is one failure more.
"""
import json
import sys

OUTCOME = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}


def why(result):
    """The last line that a test that did not pass has printed."""
    lines = (result.get("stdout", "") + "\n" + result.get("stderr", "")).strip().splitlines()
    last = lines[-1].strip() if lines else "exit code %s" % result.get("returncode")
    return last.replace("\t", " ")[:200]


def main():
    run, path, run_failed = sys.argv[1], sys.argv[2], sys.argv[3] == "1"
    failures = 0
    try:
        with open(path, encoding="utf-8") as log:
            results = [json.loads(line) for line in log if line.strip()]
    except FileNotFoundError:
        results = []
    for result in results:
        outcome = OUTCOME.get(result["result"], "failed")
        failures += outcome == "failed"
        suite, name = result["name"].split(" / ", 1)  # "homard:unit / args"
        suite = suite.split(":")[-1]
        reason = "" if outcome == "passed" else "%s: %s" % (result["result"], why(result))
        print("%s\t%s/%s/%s\t%s" % (outcome, run, suite, name, reason))
    if run_failed and failures == 0:
        print("failed\t%s\tmeson test failed, and no test of it did" % run)


if __name__ == "__main__":
    main()
