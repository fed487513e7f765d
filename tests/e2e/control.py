# SPDX-License-Identifier: BSD-3-Clause
"""control: starts the control core on the fake engine (tests/unit/control_daemon.c) for a test.

    with control.Daemon() as d:
        client = d.connect()      # homard.Client
        client.call("version")
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import homard

PROGRAM = homard.BUILD / "tests" / "unit" / "control_daemon"
DEVICES = [{"name": "dag0", "vdev": "net_null0"}, {"name": "monday", "trace": "monday.pcap"}]


class Daemon:
    def __init__(self, env=None, program=PROGRAM, **config):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-control-"))
        os.chmod(self.folder, 0o755)  # other users connect, too
        self.socket_path = str(self.folder / "run" / "control.sock")
        control = {"socket": self.socket_path, "mode": "0666", **config.pop("control", {})}
        self.config = {"devices": DEVICES, **config, "control": control}
        self.file = self.folder / "homard.json"
        self.write()
        self.log = open(self.folder / "log", "w+b")
        self.process = homard.popen([str(program), str(self.file)], stdin=subprocess.DEVNULL,
                                    stdout=self.log, stderr=subprocess.STDOUT,
                                    env={**os.environ, **(env or {})})
        try:
            homard.until(lambda: os.path.exists(self.socket_path)
                         or self.process.poll() is not None, homard.SLOW, "the socket")
            self.connect().close()
        except BaseException:
            self.__exit__(True)
            raise

    def write(self):
        self.file.write_text(json.dumps(self.config))

    def connect(self):
        for _ in range(100):  # between bind and listen
            try:
                return homard.Client(self.socket_path)
            except ConnectionRefusedError:
                time.sleep(0.01)
        return homard.Client(self.socket_path)

    def output(self):
        return (self.folder / "log").read_text(errors="replace")

    def memory_kb(self):
        for line in open("/proc/%d/status" % self.process.pid, encoding="ascii"):
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        return 0

    def descriptors(self):
        return homard.open_descriptors(self.process.pid)

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(timeout=homard.SLOW)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        code = 0
        if self.process.poll() is None:
            self.process.terminate()
        try:
            code = self.process.wait(timeout=homard.SLOW)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        if kind is not None or code != 0:
            sys.stderr.write(self.output()[-8000:])
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if kind is None and code != 0:
            raise AssertionError("control_daemon ended with %d" % code)
