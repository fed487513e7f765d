#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""libmapi when things end: the daemon, the program, a fork; many threads at once; files and long requests.

argv: the program of mapi_threads.c, and the one built with ThreadSanitizer, if there is one."""
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import homard
import libmapi
from homard import Homard

THREADS = [os.path.abspath(argument) for argument in sys.argv[1:] if os.path.isfile(argument)]
sys.argv[1:] = [argument for argument in sys.argv[1:] if not os.path.isfile(argument)]
MFF_PCAP = 0

# makes flows of all kinds, tells that it has, and waits
VICTIM = """
import os, sys, time
import libmapi
m = libmapi.Mapi()
live, _ = m.flow("live", ("BPF_FILTER", "port 80"), ("PKT_COUNTER",), ("STR_SEARCH", "pattern", 0, 0), ("TO_BUFFER", 0))
fd = m.create_offline_flow(sys.argv[1], 0)
buffer = m.apply(fd, "TO_BUFFER", 0)
m.apply(fd, "HASHSAMP", 1024, 1)
m.connect(fd)
m.get_next_pkt(fd, buffer)
device = m.create_offline_device(sys.argv[1], 0)
print("ready", flush=True)
while True:
    m.get_next_pkt(live, 4)
"""


class StrangeDaemon(threading.Thread):
    """Answers one connection: each method with its result; without one, with an error that says nothing more."""

    def __init__(self, path, **results):
        super().__init__(daemon=True)
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.server.bind(str(path))
        self.server.listen(1)
        self.results = {name.replace("_", "."): result for name, result in results.items()}
        self.start()

    def run(self):
        with self.server, self.server.accept()[0] as peer, peer.makefile("rw") as lines:
            for line in lines:
                request = json.loads(line)
                answer = {"jsonrpc": "2.0", "id": request["id"]}
                if request["method"] in self.results:
                    answer["result"] = self.results[request["method"]]
                else:
                    answer["error"] = {"code": -32000, "message": "no"}
                print(json.dumps(answer), file=lines, flush=True)


class Life(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.truth = homard.make_trace(cls.folder / "in.pcap", packets=20000, flows=100, seed=3)
        cls.mapi = libmapi.Mapi()

    def start(self, **more):
        h = Homard({"devices": [{"name": "live", "vdev": "net_null0"}], "flows": [], **more})
        self.addCleanup(h.__exit__, None)
        libmapi.use(h)
        self.addCleanup(self.mapi.close_all)
        return h

    def refused(self, number, call, *args):
        with self.assertRaises(libmapi.MapiError) as raised:
            call(*args)
        self.assertEqual(raised.exception.number, number, raised.exception.text)
        return raised.exception.text

    def test_answer_that_says_nothing_more(self):
        path = self.folder / "strange.sock"
        StrangeDaemon(path, hello={}, flow_create={"flow": 1})
        os.environ["HOMARD_SOCKET"] = str(path)
        self.addCleanup(self.mapi.close_all)
        fd = self.mapi.create_flow("any")
        self.refused(5121, self.mapi.connect, fd)

    def test_killed_program_leaves_nothing_and_disturbs_nobody(self):
        h = self.start()
        mine = h.flow("live", ("PKT_COUNTER",))

        def state():
            return (len(h.call("flow.list")), len(h.call("device.list")),
                    homard.open_descriptors(h.process.pid))
        memory = None
        before = state()
        for i in range(4):
            victim = homard.popen([sys.executable, "-c", VICTIM, str(self.folder / "in.pcap")],
                                  stdout=subprocess.PIPE, env=dict(os.environ, HOMARD_SOCKET=h.socket_path))
            self.addCleanup(victim.stdout.close)
            self.assertEqual(victim.stdout.readline(), b"ready\n")
            self.assertEqual(state()[:2], (before[0] + 2, before[1] + 2))
            counted = h.read(mine, 1)
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            homard.until(lambda: state() == before, what="everything of the program to go, %s" % (before,))
            homard.until(lambda: h.read(mine, 1) > counted)
            if i == 0:
                memory = h.call("memory")["heap"]["used_bytes"]
        self.assertLessEqual(h.call("memory")["heap"]["used_bytes"], memory + 65536)
        h.assert_balanced()

    def test_restarted_daemon_is_told_and_new_flows_work(self):
        h, m = self.start(), self.mapi
        fd, (packets, _, buffer) = m.flow("live", ("PKT_COUNTER",), ("BPF_FILTER", "port 1 and port 2"), ("TO_BUFFER", 0))
        lost = []
        waiting = threading.Thread(daemon=True, target=lambda: lost.append(
            (m.library.mapi_get_next_pkt(fd, buffer), m.error().number)))
        waiting.start()
        time.sleep(0.05)
        self.assertGreater(m.result(fd, packets), -1)
        h.process.kill()
        h.process.wait()
        waiting.join(homard.SLOW)
        self.assertEqual([(bool(packet), number) for packet, number in lost], [(False, 5123)])
        self.refused(5123, m.read_results, fd, packets)
        self.refused(5123, m.create_flow, "live")  # nobody is there
        again = self.start()
        self.refused(5123, m.read_results, fd, packets)  # that flow is gone for ever
        fresh, (counter,) = m.flow("live", ("PKT_COUNTER",))
        self.assertGreater(fresh, fd)
        homard.until(lambda: m.result(fresh, counter) > 0)
        m.close_flow(fd)
        self.refused(6145, m.read_results, fd, packets)
        self.assertGreater(m.result(fresh, counter), 0)
        self.assertEqual(len(again.call("flow.list")), 1)

    def test_restart_between_calls_is_no_error_of_the_next_flow(self):
        h, m = self.start(), self.mapi
        fd, (_, buffer) = m.flow("live", ("BPF_FILTER", "port 1 and port 2"), ("TO_BUFFER", 1))
        self.assertFalse(m.library.mapi_get_next_pkt(fd, buffer))
        self.assertEqual(m.error().number, 0)
        h.process.kill()
        h.process.wait()
        self.refused(5123, m.get_next_pkt, fd, buffer)  # though it does not wait
        self.start()
        fresh, (counter,) = m.flow("live", ("PKT_COUNTER",))
        homard.until(lambda: m.result(fresh, counter) > 0)

    def test_child_has_no_flows_and_does_not_hold_those_of_its_parent(self):
        h, m = self.start(), self.mapi
        fd, (packets,) = m.flow("live", ("PKT_COUNTER",))
        go, ready = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                try:
                    m.read_results(fd, packets)
                except libmapi.MapiError as error:
                    assert error.number == 6145
                own, (counter,) = m.flow("live", ("PKT_COUNTER",))
                assert own > fd
                assert m.result(own, counter) >= 0
                os.write(ready, b"x")
                time.sleep(60)
                status = 0
            finally:
                os._exit(status)
        self.addCleanup(os.waitpid, child, 0)
        self.addCleanup(os.kill, child, signal.SIGKILL)
        self.assertEqual(os.read(go, 1), b"x")
        os.close(go)
        os.close(ready)
        self.assertEqual(len(h.call("flow.list")), 2)
        homard.until(lambda: m.result(fd, packets) > 0)
        m.close_flow(fd)  # the last one: the parent's connection ends, though the child lives
        homard.until(lambda: len(h.call("flow.list")) == 1)

    def test_files_are_made_with_the_rights_of_the_program(self):
        m, path = self.mapi, self.folder / "out.pcap"
        self.start()
        fd = m.create_offline_flow(str(self.folder / "in.pcap"), MFF_PCAP)
        self.refused(6155, m.apply, fd, "TO_FILE", 0, None, 0)
        self.refused(6155, m.apply, fd, "TO_FILE", 0, str(self.folder / "nowhere" / "file"), 0)
        state = m.apply(fd, "TO_FILE", 0, str(path), 0)
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        m.connect(fd)
        info = libmapi.FlowInfo()
        homard.until(lambda: m.get_flow_info(fd, libmapi.ctypes.byref(info)) == 0 and info.status == 2)
        homard.until(lambda: m.result(fd, state, libmapi.ctypes.c_int) == 0, what="TO_FILE to have written all")
        m.close_flow(fd)
        wanted = (self.folder / "in.pcap").stat().st_size
        homard.until(lambda: path.stat().st_size == wanted, what="the file to be complete")
        self.assertIn(struct.unpack_from("<I", path.read_bytes())[0], (0xa1b2c3d4, 0xa1b23c4d))

    def test_long_request_is_refused_and_the_flows_stay(self):
        self.start(control={"max_line_bytes": 4096})
        fd, (packets,) = self.mapi.flow("live", ("PKT_COUNTER",))
        other = self.mapi.create_flow("live")
        self.assertIn("max_line_bytes", self.refused(7000, self.mapi.apply, other, "BPF_FILTER", "x" * 5000))
        self.assertGreaterEqual(self.mapi.result(fd, packets), 0)

    def test_many_flows_of_one_program(self):
        self.start(control={"max_flows_per_client": 300})
        flows = [self.mapi.flow("live", ("PKT_COUNTER",))[0] for _ in range(300)]
        self.assertEqual(len(set(flows)), 300)
        with self.assertRaises(libmapi.MapiError):
            self.mapi.create_flow("live")
        for fd in flows:
            self.assertGreaterEqual(self.mapi.result(fd, 1), 0)

    def test_threads(self):
        h = self.start()
        small = homard.make_trace(self.folder / "small.pcap", packets=2000)
        self.assertTrue(THREADS)
        for program in THREADS:
            with self.subTest(program=program):
                done = homard.run([program, str(self.folder / "small.pcap"), str(small["packets"])],
                                  env=dict(os.environ, HOMARD_SOCKET=h.socket_path, LD_PRELOAD="", ASAN_OPTIONS=""),
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=4 * homard.SLOW)
                self.assertEqual((done.returncode, done.stdout.decode()), (0, ""))
        homard.until(lambda: not h.call("flow.list"))
        h.assert_balanced()


if __name__ == "__main__":
    homard.main()
