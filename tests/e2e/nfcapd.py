# SPDX-License-Identifier: BSD-3-Clause
"""nfcapd: a collector of other people, and what nfdump reads of what it got."""
import json
import os
import pathlib
import socket
import subprocess
import time

import homard


def foreign_env():
    """For nfcapd: memory as it comes. meson has malloc() fill what it gives, and nfcapd then loses records."""
    return {k: v for k, v in os.environ.items() if k != "MALLOC_PERTURB_"}


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Nfcapd:
    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.process = homard.popen(["nfcapd", "-w", str(folder), "-b", "127.0.0.1", "-p", str(self.port), "-B",
                                     "4000000", "-t", "3600"], env=foreign_env(),
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        homard.until(lambda: f":{self.port:04X} " in pathlib.Path("/proc/net/udp").read_text())

    def records(self):
        time.sleep(0.5)
        self.process.terminate()
        self.process.wait(timeout=30)
        text = subprocess.run(["nfdump", "-R", str(self.folder), "-o", "json"], env=foreign_env(), check=True,
                              stdout=subprocess.PIPE).stdout
        return json.loads(text)
