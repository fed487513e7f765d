#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""needs: what has to be built for some unit tests only.

usage: needs.py FOLDER REGEX names|targets

FOLDER is a configured build folder, REGEX what the beginning of a unit test's name matches. Prints the tests' names,
or the files that they run, as ninja's targets.
"""
import json
import pathlib
import re
import sys

folder, wanted, what = pathlib.Path(sys.argv[1]).resolve(), re.compile(sys.argv[2]), sys.argv[3]
info = folder / "meson-info"
tests = [t for t in json.loads((info / "intro-tests.json").read_text())
         if any(s.endswith("unit") for s in t["suite"]) and wanted.match(t["name"])]
if what == "names":
    print(*(t["name"] for t in tests))
else:
    files = {t["id"]: t["filename"] for t in json.loads((info / "intro-targets.json").read_text())}
    needed = {file for t in tests for target in t["depends"] for file in files.get(target, [])}
    print(*(pathlib.Path(file).relative_to(folder) for file in sorted(needed)))
