# SPDX-License-Identifier: BSD-3-Clause
"""sink: starts bench/udp_sink, which receives flow records and counts them."""
import json
import signal
import subprocess


class UdpSink:
    """A context; `port` is where it listens, stop() returns how many records came."""

    def __init__(self, bench):
        self.process = subprocess.Popen([bench.build / "bench/udp_sink"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE)
        self.port = json.loads(self.process.stdout.readline())["port"]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        output = self.process.communicate(timeout=30)[0]
        return json.loads(output.decode().splitlines()[-1])["records"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.communicate(timeout=30)
