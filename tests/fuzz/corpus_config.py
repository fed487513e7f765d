#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""corpus_config: the samples of config/ and pieces of them, as seeds for fuzz_config.

usage: corpus_config.py FOLDER
"""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def seeds():
    samples = [file.read_bytes() for file in sorted((ROOT / "config").glob("*.json"))]
    yield from samples
    for sample in samples[:2]:
        yield from (sample[:n] for n in range(0, len(sample), max(1, len(sample) // 20)))
    yield from (b"", b"{}", b"[]", b"[" * 100, b'{"a":' * 40, b'{"devices":[{}]}', b"\xff\xfe",
                b'{"devices":[{"name":"d","vdev":"v"},{"name":"d","pci":"0000:00:00.0"}],'
                b'"flows":[{"name":"netflow0","device":"x","functions":[[1],["A",{"b":[null]}]]}],'
                b'"netflow":[{"device":"d","exporters":[{"host":"h","port":0}]}]}')


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for i, seed in enumerate(seeds()):
        (folder / ("%03d" % i)).write_bytes(seed)


if __name__ == "__main__":
    main()
