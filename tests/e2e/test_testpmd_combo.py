# SPDX-License-Identifier: BSD-3-Clause
"""dpdk-testpmd loads librte_net_combo6.so by -d and counts the packets of simulated COMBO cards."""
import json
import pathlib
import re
import sys
import tempfile

import test_testpmd_dag as card
from test_testpmd_dag import PACKETS, expect, received


def testpmd(*args, **more):
    return card.testpmd(*args, vdev="net_combo6", cards="SZE2_SIM_CARDS", **more)


def main():
    driver, library = sys.argv[1:3]
    card.check_machine(driver)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        card.write_trace(folder / "a.pcap")
        (folder / "cards.json").write_text(json.dumps({
            "szedataII0": {"trace": "a.pcap", "loop": 5},
            "szedataII1": {"trace": "a.pcap", "loop": 2, "channels": 2, "ring_kb": 16},
            # 1,000 arrive at once and the ring holds fewer; the last 200 find room
            "szedataII2": {"generator": {"packets": 100200}, "ring_kb": 128, "arrive": 1000, "label": "sequence"},
        }))
        output = testpmd(driver, library, folder, ["card=0"])
        expect("packets of one channel", received(output), 5 * PACKETS, output)
        output = testpmd(driver, library, folder, ["card=/dev/szedataII1"], queues=2)
        expect("packets of two channels", received(output), 2 * PACKETS, output)
        output = testpmd(driver, library, folder, ["card=2,label=sequence"])
        dropped = re.search(r"RX-packets: *(\d+) +RX-dropped: *(\d+) +RX-total: *(\d+)", output)
        expect("received and dropped of a card that loses", dropped and int(dropped.group(3)), 100200, output)
        expect("some were dropped", int(dropped.group(2)) > 0, True, output)
        output = testpmd(driver, library, folder, ["card=0", "card=7"])
        expect("ports with an unknown card", output.count("Configuring Port"), 1, output)
        expect("the reason is told", "card=/dev/szedataII7: No such file" in output, True, output)


main()
