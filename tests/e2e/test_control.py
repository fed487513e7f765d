#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Control socket: what clients do wrong, one by one, and that nobody else notices."""
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import control
import homard

LINE = b'{"jsonrpc":"2.0","id":1,"method":"version"}\n'
OTHER_USER = 60001  # has no name anywhere


def raw(daemon):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.connect(daemon.socket_path)
    s.settimeout(homard.SLOW)
    return s


def drain(s):
    """Everything until the end of the stream."""
    data = b""
    try:
        while True:
            part = s.recv(1 << 16)
            if not part:
                return data
            data += part
    except ConnectionResetError:
        return data


def lines_of(data):
    return [json.loads(line) for line in data.splitlines()]


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = control.Daemon(control={"max_clients": 300, "max_flows_per_client": 50})
        cls.other = cls.daemon.connect()

    @classmethod
    def tearDownClass(cls):
        cls.other.close()
        cls.daemon.__exit__(None)

    def tearDown(self):
        # whatever a test did, others are served, and soon
        start = time.monotonic()
        self.assertIn("version", self.other.call("version"))
        self.assertLess(time.monotonic() - start, 5)

    def breaks(self, data, code):
        """Sends data; the last answer is an error `code` without id and the connection ends."""
        with raw(self.daemon) as s:
            sender = threading.Thread(target=self.send_quietly, args=(s, data))
            sender.start()
            answers = lines_of(drain(s))
            sender.join()
        self.assertEqual(answers[-1]["error"]["code"], code)
        self.assertIsNone(answers[-1]["id"])
        return answers

    @staticmethod
    def send_quietly(s, data):
        try:
            s.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def test_line_of_10_mb_is_refused(self):
        before = self.daemon.memory_kb()
        self.breaks(b'{"jsonrpc":"2.0","id":1,"method":"' + b"a" * (10 << 20) + b'"}\n', -32001)
        self.assertLess(self.daemon.memory_kb() - before, 4096 + 40000 * SANITIZED)

    def test_line_of_10_mb_without_end_is_refused(self):
        self.breaks(b"a" * (10 << 20), -32001)

    def test_line_just_within_the_limit_is_served(self):
        pad = b"a" * ((1 << 20) - len(LINE) - 100)
        with raw(self.daemon) as s:
            s.sendall(LINE[:-2] + b',"pad":"' + pad + b'"}\n' + LINE)
            s.shutdown(socket.SHUT_WR)
            answers = lines_of(drain(s))
        self.assertEqual([set(a) for a in answers], [{"jsonrpc", "id", "result"}] * 2)

    def test_deep_nesting_is_refused(self):
        self.breaks(b"[" * 100000 + b"\n", -32700)
        self.breaks(b'{"a":' * 5000 + b"\n", -32700)

    def test_broken_json_is_answered_and_forgiven(self):
        bad = [b"{", b"nonsense", b'{"jsonrpc":"2.0"', b"\x00\x01\x02", b'"\xff"', b"{'a':1}"]
        with raw(self.daemon) as s:
            s.sendall(b"\n".join(bad) + b"\n\n\n" + LINE)
            s.shutdown(socket.SHUT_WR)
            answers = lines_of(drain(s))
        self.assertEqual([a.get("error", {}).get("code") for a in answers],
                         [-32700] * len(bad) + [None])

    def test_wrong_types_everywhere_are_told(self):
        methods = self.other.call("method.list")
        values = [None, True, 1.5, [], {}, "x" * 200, -1, "\u0000".join("ab")]
        with self.daemon.connect() as client:
            for method in methods:
                if method["method"] in ("shutdown", "config.reload", "log.level"):
                    continue
                for name in list(method["params"]["properties"]) or ["x"]:
                    for value in values:
                        number = client.send(method["method"], {name: value})
                        answer = client.receive()
                        while answer.get("id") not in (number, None):
                            answer = client.receive()
                        if value in (None, True, 1.5):
                            self.assertIn("error", answer, (method, value)) \
                                if name != "persistent" else None

    def test_requests_byte_by_byte_are_served(self):
        with raw(self.daemon) as s:
            for byte in LINE + LINE:
                s.sendall(bytes([byte]))
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(len(lines_of(drain(s))), 2)

    def test_half_closed_client_gets_late_answers(self):
        with raw(self.daemon) as s:
            for method, params in (("flow.create", {"device": 1, "name": "slow-half"}),
                                   ("flow.connect", {"flow": "slow-half"})):
                s.sendall(json.dumps({"jsonrpc": "2.0", "id": method, "method": method,
                                      "params": params}).encode() + b"\n")
            s.shutdown(socket.SHUT_WR)
            answers = lines_of(drain(s))
        self.assertEqual(answers[1]["result"], {"status": "active"})
        self.gone("slow-half")

    def test_last_line_without_newline_is_served(self):
        with raw(self.daemon) as s:
            s.sendall(LINE[:-1])
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(len(lines_of(drain(s))), 1)

    def test_half_open_clients_do_no_harm(self):
        idle = [raw(self.daemon) for _ in range(50)]
        for s in idle[::2]:
            s.sendall(LINE[:20])
        self.assertIn("version", self.other.call("version"))
        for s in idle:
            s.close()

    def test_200_clients_at_once_are_served(self):
        clients = [self.daemon.connect() for _ in range(200)]
        numbers = [c.send("flow.create", {"device": "dag0"}) for c in clients]
        flows = {c.receive()["result"]["flow"] for c in clients}
        self.assertEqual(len(flows), 200)
        for client in clients:
            client.close()
        homard.until(lambda: not flows & {f["flow"] for f in self.other.call("flow.list")},
                     what="the flows to close")
        self.assertEqual(set(numbers), {1})

    def test_too_many_clients_are_refused(self):
        idle = [raw(self.daemon) for _ in range(300)]
        with raw(self.daemon) as s:
            answers = lines_of(drain(s))
        self.assertEqual(answers[-1]["error"]["code"], -32001)
        self.assertIn("max_clients", answers[-1]["error"]["message"])
        for s in idle:
            s.close()
        homard.until(self.accepted, what="a place for a client")

    def accepted(self):
        with self.daemon.connect() as client:
            try:
                return client.call("version")
            except (homard.RpcError, ConnectionError, OSError):
                return False

    def test_client_that_does_not_read_is_closed(self):
        with raw(self.daemon) as s:
            sender = threading.Thread(target=self.send_quietly, args=(
                s, b'{"jsonrpc":"2.0","id":1,"method":"method.list"}\n' * 20000))
            sender.start()
            time.sleep(0.5)
            self.assertIn("version", self.other.call("version"))  # nobody else notices
            answers = drain(s).splitlines()
            sender.join()
        self.assertEqual(json.loads(answers[-1])["error"]["code"], -32001)
        self.assertLess(sum(map(len, answers)), 40 << 20)
        self.assertLess(len(answers), 20000)

    def test_other_requests_are_served_while_connect_waits(self):
        with self.daemon.connect() as client:
            client.call("flow.create", device="dag0", name="slow-one")
            number = client.send("flow.connect", {"flow": "slow-one"})
            start = time.monotonic()
            other = client.send("version")
            self.assertEqual(client.receive()["id"], other)
            self.assertLess(time.monotonic() - start, 0.3)
            answer = client.receive()
            self.assertEqual((answer["id"], answer["result"]), (number, {"status": "active"}))
            self.assertGreater(time.monotonic() - start, 0.3)

    def gone(self, name):
        homard.until(lambda: name not in {f["name"] for f in self.other.call("flow.list")},
                     what="flow %s to close" % name)

    def test_disconnect_closes_its_flows_but_persistent_ones(self):
        with self.daemon.connect() as client:
            client.call("flow.create", device="dag0", name="mine")
            client.call("flow.create", device="dag0", name="never-mine")
            client.send("flow.connect", {"flow": "never-mine"})
            client.call("flow.create", device="dag0", name="stays", persistent=True)
        self.gone("mine")
        self.gone("never-mine")
        self.assertEqual(self.other.call("flow.info", flow="stays")["persistent"], True)
        self.other.call("flow.close", flow="stays")

    def test_buffer_descriptor_arrives(self):
        with self.daemon.connect() as client:
            client.call("flow.create", device="dag0", name="b")
            client.call("flow.apply", flow="b", function="TO_BUFFER")
            before = self.daemon.descriptors()
            for _ in range(20):
                result, fd = client.call_fd("flow.buffer", flow="b", function=1)
                self.assertEqual(result, {"fd": True})
                self.assertEqual(os.pread(fd, 7, 0), b"packets")
                os.close(fd)
            homard.until(lambda: self.daemon.descriptors() <= before, what="its copies to close")

    def test_nothing_leaks_over_many_connections(self):
        for _ in range(3):  # until the heap has seen as many at a time as it will
            self.many_connections(1500)
        before = self.daemon.memory_kb(), self.daemon.descriptors()
        self.many_connections(1500)
        homard.until(lambda: self.daemon.descriptors() <= before[1], what="descriptors to close")
        self.assertLess(self.daemon.memory_kb() - before[0], 2048 + 60000 * SANITIZED)

    def many_connections(self, n):
        for i in range(n):
            with raw(self.daemon) as s:
                s.sendall(b'{"jsonrpc":"2.0","id":1,"method":"flow.create",'
                          b'"params":{"device":"dag0"}}\n' + LINE[:i % 40])

    def test_flow_limit_is_per_connection(self):
        with self.daemon.connect() as client:
            for _ in range(50):
                client.call("flow.create", device="dag0")
            with self.assertRaises(homard.RpcError) as caught:
                client.call("flow.create", device="dag0")
            self.assertEqual(caught.exception.code, -32001)
            with self.daemon.connect() as second:
                second.call("flow.create", device="dag0")

    def test_thousand_pipelined_requests_are_answered_in_order(self):
        with raw(self.daemon) as s:
            s.sendall(b"".join(b'{"jsonrpc":"2.0","id":%d,"method":"version"}\n' % i
                               for i in range(1000)))
            s.shutdown(socket.SHUT_WR)
            self.assertEqual([a["id"] for a in lines_of(drain(s))], list(range(1000)))


class Life(unittest.TestCase):
    def test_socket_has_its_mode_and_goes_at_the_end(self):
        with control.Daemon(control={"mode": "0640"}) as daemon:
            mode = os.stat(daemon.socket_path).st_mode
            self.assertTrue(stat.S_ISSOCK(mode))
            self.assertEqual(stat.S_IMODE(mode), 0o640)
            folder = os.stat(os.path.dirname(daemon.socket_path))
            self.assertEqual(stat.S_IMODE(folder.st_mode) & 0o700, 0o700)
            self.assertEqual(daemon.stop(), 0)
            self.assertFalse(os.path.exists(daemon.socket_path))

    def start_second(self, daemon):
        return subprocess.run([str(control.PROGRAM), str(daemon.file)], capture_output=True,
                              timeout=homard.SLOW, check=False)

    def test_second_daemon_is_refused_and_harms_nothing(self):
        with control.Daemon() as daemon:
            second = self.start_second(daemon)
            self.assertEqual(second.returncode, 1)
            self.assertIn(b"another daemon answers there", second.stderr)
            with daemon.connect() as client:
                client.call("version")

    def test_stale_socket_is_replaced(self):
        with control.Daemon() as daemon:
            daemon.process.send_signal(signal.SIGKILL)
            daemon.process.wait()
            self.assertTrue(os.path.exists(daemon.socket_path))
            daemon.process = homard.popen([str(control.PROGRAM), str(daemon.file)],
                                          stderr=daemon.log)
            homard.until(lambda: self.answers(daemon), what="the second daemon")
            self.assertEqual(daemon.stop(), 0)

    @staticmethod
    def answers(daemon):
        try:
            with homard.Client(daemon.socket_path) as client:
                return client.call("version")
        except OSError:
            return False

    def test_file_in_the_way_is_left_alone(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "important")
            config = os.path.join(folder, "c.json")
            with open(path, "w", encoding="ascii") as file:
                file.write("data")
            with open(config, "w", encoding="ascii") as file:
                json.dump({"devices": control.DEVICES, "control": {"socket": path}}, file)
            done = subprocess.run([str(control.PROGRAM), config], capture_output=True,
                                  timeout=homard.SLOW, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"no socket", done.stderr)
            with open(path, encoding="ascii") as file:
                self.assertEqual(file.read(), "data")

    def test_signals_stop_cleanly_and_pipes_do_not(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with control.Daemon() as daemon, daemon.connect() as client:
                daemon.process.send_signal(signal.SIGPIPE)
                client.call("flow.create", device="dag0", name="never")
                client.send("flow.connect", {"flow": "never"})
                client.call("version")
                self.assertEqual(daemon.stop(number), 0)
                self.assertIn("ledger balanced=yes", daemon.output())

    def test_reload_changes_flows_and_tells_mistakes(self):
        with control.Daemon() as daemon, daemon.connect() as client:
            daemon.config["flows"] = [{"name": "new", "device": "dag0",
                                       "functions": [["PKT_COUNTER"]]}]
            daemon.write()
            self.assertEqual(client.call("config.reload")["status"], "reloaded")
            self.assertEqual(client.call("flow.info", flow="new")["name"], "new")
            for spoil in ({"flows": 3, "colour": 1}, {"devices": control.DEVICES[:1]},
                          {"control": {"socket": "/elsewhere"}},
                          {"control": {**daemon.config["control"], "readers": ["no-such-user"]}},
                          {"flows": [{"name": "x", "device": "dag0", "functions": [["NO"]]}]}):
                daemon.file.write_text(json.dumps({**daemon.config, **spoil}))
                with self.assertRaises(homard.RpcError) as caught:
                    client.call("config.reload")
                self.assertIn("not reloaded", str(caught.exception))
                self.assertEqual(len(client.call("flow.list")), 1)
            daemon.config["flows"] = []
            daemon.write()
            daemon.process.send_signal(signal.SIGHUP)
            homard.until(lambda: client.call("flow.list") == [], what="the reload by SIGHUP")

    def test_reload_of_a_client_that_goes_is_finished(self):
        with control.Daemon() as daemon:
            for _ in range(20):
                with raw(daemon) as s:
                    s.sendall(b'{"jsonrpc":"2.0","id":1,"method":"config.reload"}\n')
            with daemon.connect() as client:
                homard.until(lambda: self.reloads(client), what="a reload")

    @staticmethod
    def reloads(client):
        try:
            return client.call("config.reload")
        except homard.RpcError:
            return False

    def test_requests_while_stopping_are_refused_with_6140(self):
        with control.Daemon() as daemon, daemon.connect() as client:
            client.send("shutdown")
            number = client.send("flow.create", {"device": "dag0"})
            self.assertEqual(client.receive()["result"], {"status": "stopping"})
            answer = client.receive()
            self.assertEqual((answer["id"], answer["error"]["data"]), (number, {"mapi_errno": 6140}))
            self.assertEqual(daemon.process.wait(timeout=homard.SLOW), 0)

    def test_running_out_of_descriptors_refuses_and_recovers(self):
        with control.Daemon(control={"max_clients": 1000}) as daemon, daemon.connect() as client:
            subprocess.run(["prlimit", "--pid", str(daemon.process.pid),
                            "--nofile=%d:%d" % (daemon.descriptors() + 10, 4096)], check=True)
            idle = [raw(daemon) for _ in range(40)]
            self.assertIn("version", client.call("version"))
            for s in idle:
                s.close()
            homard.until(lambda: self.answers(daemon), what="a free descriptor")
            self.assertIn("no file descriptor left", daemon.output())


@unittest.skipIf(os.geteuid() != 0, "only root can be other users")
class Roles(unittest.TestCase):
    def as_user(self, daemon, uid, groups, *calls):
        """Calls [method, params] as another user; the answers."""
        program = (
            "import os, sys, json; sys.path.insert(0, %r)\n"
            "uid, groups, path, calls = json.loads(sys.argv[1])\n"
            "import homard\n"
            "os.setgroups(groups); os.setgid(uid); os.setuid(uid)\n"
            "c = homard.Client(path)\n"
            "out = []\n"
            "for method, params in calls:\n"
            "    try:\n"
            "        c.send(method, params)\n"
            "    except BrokenPipeError:\n"
            "        pass\n"  # refused already: the answer says why
            "    out.append(c.receive())\n"
            "print(json.dumps(out))\n" % os.path.dirname(os.path.abspath(__file__)))
        done = subprocess.run(
            [sys.executable, "-c", program,
             json.dumps([uid, groups, daemon.socket_path, calls])],
            stdout=subprocess.PIPE, timeout=homard.SLOW, check=True)
        return json.loads(done.stdout)

    def test_reader_sees_all_and_changes_only_its_own(self):
        with control.Daemon() as daemon, daemon.connect() as root:
            root.call("flow.create", device="dag0", name="roots")
            answers = self.as_user(
                daemon, OTHER_USER, [],
                ("hello", {"protocol": 1}), ("flow.list", {}), ("flow.info", {"flow": "roots"}),
                ("flow.create", {"device": "dag0", "name": "own"}), ("flow.close", {"flow": "own"}),
                ("flow.close", {"flow": "roots"}), ("flow.read", {"flow": "roots"}),
                ("flow.apply", {"flow": "roots", "function": "PKT_COUNTER"}),
                ("flow.connect", {"flow": "roots"}), ("shutdown", {}), ("config.reload", {}),
                ("log.level", {}), ("device.start", {"device": 1}), ("device.stop", {"device": 1}))
            self.assertEqual(answers[0]["result"]["role"], "reader")
            self.assertEqual(answers[0]["result"]["uid"], OTHER_USER)
            for answer in answers[:5]:
                self.assertIn("result", answer)
            for answer in answers[5:]:
                self.assertEqual(answer["error"]["code"], -32002, answer)
            for answer in answers[5:9]:  # what a flow of root's would have told or done
                self.assertEqual(answer["error"]["data"]["mapi_errno"], 3139, answer)

    def test_administrators_by_number_and_by_group(self):
        with control.Daemon(control={"administrators": ["60002", "@60009"]}) as daemon:
            for uid, groups, role in ((60002, [], "administrator"),
                                      (OTHER_USER, [60009, 60008], "administrator"),
                                      (OTHER_USER, [60008], "reader")):
                hello, = self.as_user(daemon, uid, groups, ("hello", {"protocol": 1}))
                self.assertEqual(hello["result"]["role"], role)

    def test_reload_changes_roles(self):
        with control.Daemon() as daemon, daemon.connect() as root:
            daemon.config["control"]["administrators"] = [str(OTHER_USER)]
            daemon.write()
            root.call("config.reload")
            hello, = self.as_user(daemon, OTHER_USER, [], ("hello", {"protocol": 1}))
            self.assertEqual(hello["result"]["role"], "administrator")

    def test_who_is_no_reader_is_refused(self):
        with control.Daemon(control={"readers": ["60003"]}) as daemon:
            answer, = self.as_user(daemon, 60003, [], ("version", {}))
            self.assertIn("result", answer)
            answer, = self.as_user(daemon, OTHER_USER, [], ("version", {}))
            self.assertEqual((answer["id"], answer["error"]["code"]), (None, -32002))


SANITIZED = b"__asan_init" in control.PROGRAM.read_bytes() if control.PROGRAM.exists() else 0


def apply_line(flow, name, more=""):
    return (json.dumps({"jsonrpc": "2.0", "id": name, "method": "flow.apply",
                        "params": {"flow": flow, "function": "TO_NAMED", "args": [name]}})
            + more).encode() + b"\n"


class Descriptors(unittest.TestCase):
    """What comes with a line belongs to that line, and nothing stays open that nobody wants. TO_NAMED of the
    fake engine writes its argument to what was passed for it."""

    @classmethod
    def setUpClass(cls):
        cls.daemon = control.Daemon()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.__exit__(None)

    def setUp(self):
        self.client = self.daemon.connect()
        self.flow = self.client.flow("dag0", connect=False)
        self.opened = self.open_files()

    def tearDown(self):
        self.client.close()

    def open_files(self):
        return homard.open_descriptors(self.daemon.process.pid)

    def assert_nothing_leaks(self):
        homard.until(lambda: self.open_files() <= self.opened, what="descriptors to be closed")

    def file(self):
        file = tempfile.TemporaryFile()
        self.addCleanup(file.close)
        return file

    def send(self, data, *files):
        sent = socket.send_fds(self.client.socket, [data], [f.fileno() for f in files])
        self.client.socket.sendall(data[sent:])

    @staticmethod
    def written(file):
        file.seek(0)
        return file.read()

    def test_each_line_gets_what_came_with_it(self):
        files = [self.file() for _ in range(3)]
        # lines without and with descriptors, most of them there before the daemon reads
        os.kill(self.daemon.process.pid, signal.SIGSTOP)
        self.client.socket.sendall(LINE * 3)
        self.send(apply_line(self.flow, "one"), files[0])
        self.send(apply_line(self.flow, "two"), files[1])
        self.client.socket.sendall(LINE + LINE[:10])
        self.client.socket.sendall(LINE[10:])
        os.kill(self.daemon.process.pid, signal.SIGCONT)
        self.send(apply_line(self.flow, "three", " " * 300000), files[2])  # in several pieces
        answers = [self.client.receive() for _ in range(8)]
        self.assertTrue(all("result" in a for a in answers), answers)
        self.assertEqual([self.written(f) for f in files], [b"one\n", b"two\n", b"three\n"])
        self.assert_nothing_leaks()

    def test_flow_create_gives_one_to_each_function_that_writes(self):
        files = [self.file() for _ in range(2)]
        request = {"jsonrpc": "2.0", "id": 1, "method": "flow.create", "params": {
            "device": "dag0", "functions": [["TO_NAMED", "a"], ["PKT_COUNTER"], ["TO_NAMED", "b"]]}}
        self.send(json.dumps(request).encode() + b"\n", *files)
        self.assertIn("result", self.client.receive())
        self.assertEqual([self.written(f) for f in files], [b"a\n", b"b\n"])
        request["params"]["functions"].pop()
        self.send(json.dumps(request).encode() + b"\n", *files)
        self.assertEqual(self.client.receive()["error"]["data"]["mapi_errno"], 6156)
        self.assert_nothing_leaks()

    def test_wrong_number_or_method_is_refused_and_closed(self):
        file = self.file()
        for line, n, code in [(apply_line(self.flow, "x"), 2, -32000),
                              (LINE, 1, -32600),
                              (b"[" + apply_line(self.flow, "x").strip() + b"]\n", 1, -32600),
                              (apply_line(self.flow + 1000, "x"), 1, -32000),
                              (apply_line(self.flow, 5), 1, None),
                              (b"{}\n", 1, -32600), (b"garbage\n", 1, -32700)]:
            self.send(line, *[file] * n)
            answer = self.client.receive()
            answer = answer[0] if isinstance(answer, list) else answer
            if code:
                self.assertEqual(answer["error"]["code"], code, line)
        self.send(b"\n", file)  # an empty line
        self.assertIn("version", self.client.call("version"))
        self.assert_nothing_leaks()

    def test_too_many_close_the_connection(self):
        file = self.file()
        for data, n in [(apply_line(self.flow, "x"), 9), (LINE[:5], 253)]:
            with raw(self.daemon) as s:
                socket.send_fds(s, [data], [file.fileno()] * n)
                answer = lines_of(drain(s))[-1]
            self.assertEqual(answer["error"]["code"], -32001)
        with raw(self.daemon) as s:  # one line, several messages
            for _ in range(9):
                socket.send_fds(s, [b" "], [file.fileno()])
            self.assertEqual(lines_of(drain(s))[-1]["error"]["code"], -32001)
        self.assert_nothing_leaks()

    def test_a_client_that_goes_leaves_nothing(self):
        file = self.file()
        for data in (LINE[:5], b"", apply_line(self.flow, "x").strip()):
            with raw(self.daemon) as s:
                if data:
                    socket.send_fds(s, [data], [file.fileno()] * 3)
        self.assert_nothing_leaks()


if __name__ == "__main__":
    homard.main()
