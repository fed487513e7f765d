# SPDX-License-Identifier: BSD-3-Clause
"""corpus_pktring: writes seeds for fuzz_pktring into a folder. What lies where in a ring is said
here once more, from src/core/pktring_layout.h, so that a change of the layout shows."""
import pathlib
import struct
import sys

PAGE, BYTES, SLOTS_BYTES = 4096, 8192, 4096  # slots: 8192 / 64 * 16 bytes, in whole pages
STRIDE = 2 * PAGE + SLOTS_BYTES + BYTES
WHOLE = 1 << 63


def patched(preference, *patches):
    """Byte offsets in the memory and the words to be written there."""
    words = [preference]
    for offset, value in patches:
        words += [offset // 8, value]
    return struct.pack("<%dQ" % len(words), *words)


def whole(preference=0, head=3, place=0, ended=1):
    """A ring of one writer with three packets of 8 bytes, all naming the same place."""
    memory = bytearray(PAGE + STRIDE)
    struct.pack_into("<QIIIIIIQ", memory, 0, 0x676e69726b70686d, 1, 1, BYTES, 256, 1, preference,
                     PAGE + STRIDE)
    struct.pack_into("<QQI", memory, PAGE, head, 0, ended)
    slots, packets = PAGE + 2 * PAGE, PAGE + 2 * PAGE + SLOTS_BYTES
    for i in range(3):
        struct.pack_into("<QQ", memory, slots + 16 * i, i, place << 32 | 8)
    struct.pack_into("<QHHII8s", memory, packets + place, 1 << 32, 0, 0, 8, 8, b"homardXX")
    return struct.pack("<Q", WHOLE) + bytes(memory)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    slots = 3 * PAGE
    everything = (1 << 64) - 1
    seeds = {
        "slow": patched(0, *[(0, 0)] * 130),
        "fast": patched(1, *[(0, 0)] * 130),
        "slow-head": patched(0, (PAGE, everything)),
        "slow-slot": patched(0, (slots + 8, everything), (slots + 24, 1 << 32)),
        "fast-slot": patched(1, (slots + 8, everything), (slots + 24, 1 << 32)),
        "fast-oldest": patched(1, (PAGE + 64, 5), (PAGE + 64, 64), (PAGE + 64, everything)),
        "reader-counts": patched(1, (2 * PAGE, everything), (2 * PAGE + 8, 7)),
        "whole-slow": whole(),
        "whole-fast": whole(preference=1),
        "whole-wait": whole(preference=2, ended=0),
        "whole-place": whole(place=BYTES - 32),
        "whole-head": whole(head=everything),
    }
    for name, seed in seeds.items():
        (folder / name).write_bytes(seed)


if __name__ == "__main__":
    main()
