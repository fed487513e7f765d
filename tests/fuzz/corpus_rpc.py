#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""corpus_rpc: the examples of docs/protocol.md, one by one and as one conversation, and lines that break
each rule, as seeds for fuzz_rpc.

usage: corpus_rpc.py FOLDER
"""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def seeds():
    page = (ROOT / "docs" / "protocol.md").read_text().splitlines()
    asked = [line[8:].encode() for line in page if line.startswith("    --> ")]
    yield b"\n".join(asked)
    yield from asked
    yield from (b"", b"{}", b"3", b"[]", b"[{}]", b"[" * 100, b'{"id":1,"jsonrpc":"2.0"}',
                b'{"jsonrpc":"2.0","method":"flow.create","params":{"device":1}}\n'
                b'{"jsonrpc":"2.0","id":{},"method":"flow.connect","params":[1]}\n'
                b'[{"jsonrpc":"2.0","id":2,"method":"flow.connect","params":[1]},3]\n')


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for i, seed in enumerate(seeds()):
        (folder / ("%03d" % i)).write_bytes(seed)


if __name__ == "__main__":
    main()
