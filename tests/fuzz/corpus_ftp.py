#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""corpus_ftp: lines of FTP's control connections, good and bad, as seeds for fuzz_ftp.

usage: corpus_ftp.py FOLDER
"""
import pathlib
import sys

COMMANDS = ["PORT 192,0,2,1,5,6", "port 1,2,3,4,5", "PORT 256,1,1,1,1,1", "PORT 99999999999,1", "PORT", "EPRT |1|192.0.2.1|6275|",
            "EPRT |2|1080::8:800:200C:417A|5282|", "EPRT !2!" + "f" * 80 + "!1!", "EPRT |||", "EPRT |1|" + "1" * 44 + "|1|",
            "USER x", "", "PASV", "EPSV ALL", "\xff\xf4\xff\xf2ABOR"]
REPLIES = ["227 Entering Passive Mode (192,0,2,1,5,6).", "227 =1,2,3,4,5,6", "227-1,2,3,4,5,6", "227 " + "x" * 100 + "(1,2,3,4,5,6)",
           "229 Entering Extended Passive Mode (|||6446|)", "229 (|||0|)", "229 (|||99999|)", "229 (" + "|" * 80, "220 hello", "227 1,2"]


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    seeds = [bytes([side + 2 * cut]) + line.encode("latin-1") + end
             for side, lines in ((0, COMMANDS), (1, REPLIES)) for line in lines
             for cut in (0, 6, 127) for end in (b"\r\n", b"\n" + line.encode("latin-1") + b"\r\n", b"")]
    for side, lines in ((0, COMMANDS), (1, REPLIES)):
        seeds.append(bytes([side + 2]) + "\r\n".join(lines + lines).encode("latin-1") + b"\r\n")
    for i, seed in enumerate(seeds + [b"", b"\0"]):
        (folder / ("%03d" % i)).write_bytes(seed)


if __name__ == "__main__":
    main()
