#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes seeds for fuzz_filter into the folder it is given: link type, expression, a zero, packet."""
import pathlib
import re
import sys

IPV4 = bytes.fromhex("450000280001000040060000" "0a000001" "0a010203" "005001bb" "0000000000000000" "5002ffff00000000")
IPV6 = bytes.fromhex("6000000000081140" "20010db8000000000000000000000001" "20010db8000000000000000000000002"
                     "0035003500080000")
MACS = bytes.fromhex("020000000001" "001122334455")
PACKETS = [
    [MACS + b"\x08\x00" + IPV4, MACS + b"\x86\xdd" + IPV6, MACS + bytes.fromhex("810000010800") + IPV4,
     MACS + bytes.fromhex("884700010140") + IPV4, MACS + bytes.fromhex("8864110000010030" "0021") + IPV4,
     MACS + bytes.fromhex("0806000108000604000102000000000" "10a0000010000000000000a000002")],
    [IPV4, IPV6],
    [b"\xff\x03\x00\x21" + IPV4, b"\xff\x03\x00\x57" + IPV6],
    [b"\x02\0\0\0" + IPV4, b"\x1e\0\0\0" + IPV6],
    [bytes(14) + b"\x08\x00" + IPV4, bytes(14) + b"\x86\xdd" + IPV6],
]


def expressions(source):
    """The corner cases of the tests."""
    table = re.search(r"filter_corner_cases\[\] = \{(.*?)NULL\};", source.read_text(), re.DOTALL).group(1)
    return [text.replace("\\\\", "\\") for text in re.findall(r'"((?:[^"\\]|\\.)*)"', table)]


def main(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    source = pathlib.Path(__file__).resolve().parents[1] / "filter/filter_expressions.c"
    for number, expression in enumerate(expressions(source)):
        for link in (0, 1 + number % 4):
            packet = PACKETS[link][number % len(PACKETS[link])]
            (folder / f"{number:03}-{link}").write_bytes(bytes([link]) + expression.encode() + b"\0" + packet)


main(sys.argv[1])
