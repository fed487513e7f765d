#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""netflow_conformance: every test that docs/netflow-conformance.md names is there."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/netflow-conformance.md").read_text()
INTEROP = (ROOT / "tests/interop/meson.build").read_text()


def main():
    rows = [line.rsplit("|", 2)[1] for line in PAGE.splitlines() if line.startswith("|") and ("unit/" in line or "e2e/" in line)]
    named, missing = 0, []
    for row in rows:
        for file, cases in re.findall(r"unit/(\w+): ([\w, ]+?)(?=;|$|\(|  )", re.sub(r" \([^)]*\)", "", row.strip())):
            source = (ROOT / f"tests/unit/test_{file}.c").read_text()
            for case in re.findall(r"\w+", cases):
                named += 1
                if not re.search(rf"\btest_{case}\)|\(test_{case}\b", source):
                    missing.append(f"unit/{file}: {case}")
    for row in rows:
        for file, cases in re.findall(r"e2e/(\w+): ([\w, ]+)", row):
            source = (ROOT / f"tests/e2e/test_{file}.py").read_text()
            for case in re.findall(r"\w+", cases):
                named += 1
                if f"def test_{case}(" not in source:
                    missing.append(f"e2e/{file}: {case}")
    for collectors in re.findall(r"interop/([\w, ]+) (?:ipfix|netflow[59])", PAGE):
        for collector in re.findall(r"\w+", collectors):
            named += 1
            if f"'{collector}'" not in INTEROP:
                missing.append(f"interop/{collector}")
    print("\n".join(missing) or f"{named} tests are there")
    sys.exit(1 if missing or named < 40 else 0)


if __name__ == "__main__":
    main()
