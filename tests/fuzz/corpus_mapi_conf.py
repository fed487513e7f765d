#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""corpus_mapi_conf: files of the original MAPI, whole and cut, as seeds for fuzz_mapi_conf.

usage: corpus_mapi_conf.py FOLDER
"""
import pathlib
import sys

WHOLE = b"""libpath=/usr/local/share/mapi
libs=mapidstdflib.so:extraflib.so:mine.so
drvpath=.
dimapi_port=2233
local=1
; comment
[driver]
device=eth0
driver=mapinicdrv.so
description=outgoing
alias=one
link_speed=1000
mpls=1
vlan=0
trace_dir=/tmp
devgroup=1
[driver]
device=/dev/dag0:2
driver=dagdrv.so
[driver]
device=/dev/combosix/1
driver=combo6drv.so
[driver]
device=v
driver=vinddrv.so
[format]
format=MFF_NAPATECH
driver=napatechdrv.so
[ipfixflib]
idleTimeout=30
[dag]
disable_dsm=1
[else]
"""


def seeds():
    yield WHOLE
    yield WHOLE.replace(b"\n", b"\r\n")
    yield from (WHOLE[:n] for n in range(0, len(WHOLE), len(WHOLE) // 20))
    yield from (b"[driver]\ndevice=%s\ndriver=%s\n" % (device, driver)
                for device in (b"0", b"-", b"a,b", b"dag0", b"/dev/dag0:", b"x" * 63, b"x" * 64, b"\xff", b"a\0b")
                for driver in (b"nicdrv.so", b"dagdrv.so", b"combo6drv", b"x"))
    yield from (b"[", b"]", b"[]", b"=", b"a=\na=\n", b"libs=::a::", b"socket=local", b"local=2", b"k" * 2000,
                b"".join(b"[driver]\ndevice=e%d\ndriver=nicdrv\n" % i for i in range(40)))


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for i, seed in enumerate(seeds()):
        (folder / ("%03d" % i)).write_bytes(seed)


if __name__ == "__main__":
    main()
