#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Seeds of fuzz_parse: packets of every protocol and link type.

usage: corpus_parse.py FOLDER
"""
import pathlib
import subprocess
import sys

MAKE_PACKETS = pathlib.Path(__file__).resolve().parents[1] / "parse/make_packets.py"

sys.exit(subprocess.run([sys.executable, str(MAKE_PACKETS), "--fuzz", sys.argv[1]], check=False).returncode)
