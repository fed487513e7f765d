#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Seeds of fuzz_parse: a packet of every protocol and link type. Usage: corpus_parse.py FOLDER"""
import pathlib
import runpy
import sys

sys.argv = ["make_packets.py", "--fuzz", sys.argv[1]]
runpy.run_path(str(pathlib.Path(__file__).parent.parent / "parse/make_packets.py"), run_name="__main__")
