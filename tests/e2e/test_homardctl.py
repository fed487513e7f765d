#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""homardctl: every command, its output for people and as JSON, and its exit codes, on the fake engine."""
import json
import os
import re
import signal
import subprocess
import unittest

import control
import homard

PAGE = homard.SOURCE / "docs" / "homardctl.md"


def ctl(socket_path, *args, env=None):
    """(exit code, standard output, standard error)"""
    environment = {k: v for k, v in os.environ.items() if k != "HOMARD_SOCKET"}
    where = ["--socket", socket_path] if socket_path else []
    done = subprocess.run([str(homard.HOMARDCTL), *where, *args], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**environment, **(env or {})}, timeout=homard.SLOW, check=False)
    return done.returncode, done.stdout, done.stderr


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = control.Daemon(netflow=[{"device": "dag0", "exporters": [{"host": "::1"}]}])

    @classmethod
    def tearDownClass(cls):
        cls.daemon.__exit__(None)

    def ok(self, *args):
        code, out, err = ctl(self.daemon.socket_path, *args)
        self.assertEqual((code, err), (0, ""), args)
        return out

    def fails(self, expected, *args):
        code, out, err = ctl(self.daemon.socket_path, *args)
        self.assertEqual(code, expected, (args, out, err))
        self.assertTrue(err.startswith("homardctl: "), err)
        return err

    def json(self, *args):
        return json.loads(self.ok("--json", *args))

    def test_version_and_devices(self):
        self.assertRegex(self.ok("version"), r"version +\d+\.\d+")
        out = self.ok("devices").splitlines()
        self.assertRegex(out[0], "DEVICE +NAME")
        self.assertRegex(out[1], " 1 +dag0")
        self.assertEqual(self.json("devices")[1]["name"], "monday")

    def test_flow_from_add_to_close(self):
        self.assertIn("active", self.ok("flow", "add", "dag0", "web", 'BPF_FILTER "tcp port 80"',
                                        "PKT_COUNTER", "byte_counter"))
        info = self.json("flow", "info", "web")
        self.assertEqual(info["persistent"], True)
        self.assertEqual([(f["name"], f["args"]) for f in info["functions"]],
                         [("BPF_FILTER", ["tcp port 80"]), ("PKT_COUNTER", []),
                          ("BYTE_COUNTER", [])])
        self.assertRegex(self.ok("read", "web"), r"2 +PKT_COUNTER +\d+")
        self.assertIsInstance(self.json("read", "web", "PKT_COUNTER")["value"], int)
        self.assertIsInstance(self.json("flow", "read", str(info["flow"]), "2")["value"], int)
        self.assertEqual(self.ok("flow", "reset", "web", "2"), "done\n")
        self.assertIn("web", self.ok("flow", "list"))
        self.assertEqual(self.ok("flow", "close", "web"), "done\n")
        self.assertNotIn("web", self.ok("flows"))

    def test_flow_step_by_step(self):
        flow = str(self.json("flow", "create", "dag0", "steps")["flow"])
        self.assertEqual(self.json("flow", "apply", "steps", "BPF_FILTER", "port 80")["function"], 1)
        self.assertEqual(self.json("flow", "apply", flow, "PKT_COUNTER")["function"], 2)
        self.assertEqual(self.json("flow", "connect", "steps")["status"], "active")
        self.ok("flow", "close", flow)

    def test_quoting_of_functions(self):
        self.ok("flow", "add", "dag0", "quotes", r"""BPF_FILTER "a \"b\" |0d 0a| \\" 'it' 7""",
                """BPF_FILTER x {"k": [1, 2]}""")
        args = [f["args"] for f in self.json("flow", "info", "quotes")["functions"]]
        self.ok("flow", "close", "quotes")
        self.assertEqual(args, [['a "b" |0d 0a| \\\\', "it", "7"], ["x", {"k": [1, 2]}]])
        self.fails(2, "flow", "add", "dag0", "quotes", 'BPF_FILTER "open')
        self.fails(2, "flow", "add", "dag0", "quotes", 'BPF_FILTER {"a":')
        self.fails(2, "flow", "add", "dag0", "quotes", " ")

    def test_add_that_fails_leaves_nothing(self):
        self.assertIn("7001", self.fails(1, "flow", "add", "dag0", "half", "PKT_COUNTER",
                                         "BPF_FILTER"))
        self.assertNotIn("half", self.ok("flow", "list"))

    def test_watch_shows_rates_with_units(self):
        self.ok("flow", "add", "dag0", "rates", "PKT_COUNTER", "BYTE_COUNTER")
        out = self.ok("watch", "rates", "--interval", "0.2", "--count", "2").splitlines()
        self.assertEqual(len(out), 6)
        self.assertRegex(out[4], r"1 +PKT_COUNTER +\d+ +[\d.]+ k?packets/s$")
        self.assertRegex(out[5], r"2 +BYTE_COUNTER +\d+ +[\d.]+ k?bit/s$")
        rate = re.search(r"([\d.]+) (k?)packets/s", out[4])
        per_s = float(rate[1]) * (1000 if rate[2] else 1)
        self.assertTrue(50 < per_s < 1100, per_s)  # one a poll, a poll a millisecond
        self.ok("flow", "close", "rates")
        self.fails(2, "watch", "rates", "--interval", "0")
        self.fails(2, "watch", "rates", "--interval", "nan")
        self.fails(2, "watch", "rates", "--count")
        self.fails(2, "watch", "rates", "--sideways", "3")
        self.fails(1, "watch", "no-such-flow", "--count", "1")

    def test_ledger_balances(self):
        out = self.ok("ledger")
        self.assertRegex(out, r"device dag0: received +1000 +"
                              r"= parsed 990 \+ rejected:l3_short 10 \+ in_flight 0 +balanced")
        self.assertRegex(out, r"= run 60 \+ queued 7 \+ dropped:no_room 3 +balanced")
        self.assertRegex(out, r"= written 80 \+ queued 8 \+ dropped:disk_full 2 +balanced")
        self.assertTrue(out.endswith("\nbalanced\n"))
        self.assertEqual(self.json("ledger")["balanced"], True)

    def test_ledger_that_does_not_balance_says_by_how_much(self):
        with control.Daemon(env={"FAKE_ENGINE_LOSES": "7"}) as daemon:
            code, out, _ = ctl(daemon.socket_path, "ledger")
            self.assertEqual(code, 1)
            self.assertIn("NOT BALANCED by 7", out)
            code, out, _ = ctl(daemon.socket_path, "--json", "ledger")
            self.assertEqual((code, json.loads(out)["balanced"]), (1, False))

    def test_functions_netflow_log_methods_call(self):
        self.assertIn("PKT_COUNTER", self.ok("functions"))
        self.assertIn("packets", self.ok("functions", "pkt_counter"))
        self.assertIn("netflow0", self.ok("netflow"))
        self.assertIn("homard.server", self.ok("log"))
        self.assertRegex(self.ok("log", "homard.server", "debug"), "homard.server +debug")
        self.fails(1, "log", "loud")
        self.assertIn("flow.create", self.ok("methods"))
        self.assertIn('"protocol": 1', self.ok("call", "hello", '{"protocol": 1}'))
        self.fails(2, "call", "hello", "{")
        self.fails(1, "call", "nothing")

    def test_reload_and_devices(self):
        self.assertIn("reloaded", self.ok("reload"))
        self.ok("device", "start", "monday")
        self.assertIn("runs already", self.fails(1, "device", "start", "2"))
        self.ok("device", "stop", "monday")
        self.assertIn("3200", self.fails(1, "device", "start", "nowhere"))

    def test_usage_mistakes_are_2(self):
        for args in ((), ("nonsense",), ("flow",), ("flow", "create"), ("version", "x"),
                     ("--nonsense",), ("--timeout", "soon", "version"), ("flow", "add", "dag0")):
            code, _, err = ctl(self.daemon.socket_path, *args)
            self.assertEqual(code, 2, args)
            self.assertTrue(err)

    def test_nobody_there_is_3_with_advice(self):
        for path, words in (("/nowhere/s.sock", "start homardd"), ("/etc/passwd", "homardd"),
                            ("/" + "x" * 200, "longer than")):
            code, _, err = ctl(path, "version")
            self.assertEqual(code, 3)
            self.assertIn(words, err)

    def test_daemon_that_dies_meanwhile_is_3(self):
        with control.Daemon() as daemon:
            ctl(daemon.socket_path, "flow", "add", "dag0", "w", "PKT_COUNTER")
            watch = homard.popen([str(homard.HOMARDCTL), "--socket", daemon.socket_path,
                                  "watch", "w", "--interval", "0.1"],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            watch.stdout.readline()
            daemon.stop(signal.SIGTERM)
            _, err = watch.communicate(timeout=homard.SLOW)
            self.assertEqual(watch.returncode, 3)
            self.assertIn(b"closed the connection", err)

    def test_socket_from_environment(self):
        code, out, _ = ctl(None, "version", env={"HOMARD_SOCKET": self.daemon.socket_path})
        self.assertEqual(code, 0)
        self.assertIn("protocol", out)

    def test_full_disk_is_an_error(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([str(homard.HOMARDCTL), "--socket", self.daemon.socket_path,
                                   "ledger"], stdout=full, stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"cannot write", done.stderr)

    def test_timeout_ends_a_call(self):
        self.ok("flow", "create", "dag0", "never-timeout")
        self.assertIn("no answer in time",
                      self.fails(3, "--timeout", "1", "flow", "connect", "never-timeout"))
        self.ok("flow", "close", "never-timeout")

    def test_shutdown_ends_the_daemon(self):
        with control.Daemon() as daemon:
            self.assertEqual(ctl(daemon.socket_path, "shutdown")[0], 0)
            self.assertEqual(daemon.process.wait(timeout=homard.SLOW), 0)


class Help(unittest.TestCase):
    def commands(self):
        code, out, _ = ctl(None, "--help")
        self.assertEqual(code, 0)
        listed = out.split("\ncommands:\n")[1].split("\n\n")[0]
        return [re.match(r"  ([a-z]+(?: [a-z]+)*)", line)[1] for line in listed.splitlines()]

    def test_every_command_has_help(self):
        self.assertGreater(len(self.commands()), 20)
        for command in self.commands():
            for words in (["help", *command.split()], [*command.split(), "--help"]):
                code, out, _ = ctl(None, *words)
                self.assertEqual(code, 0, words)
                self.assertIn("usage: homardctl [OPTIONS] " + command, out)

    def test_every_command_is_on_the_page(self):
        page = PAGE.read_text()
        for command in self.commands():
            self.assertIn("`" + command, page)

    def test_version_needs_no_daemon(self):
        code, out, _ = ctl("/nowhere", "--version")
        self.assertEqual(code, 0)
        self.assertRegex(out, r"^homardctl \d+\.\d+\.\d+\n$")


if __name__ == "__main__":
    homard.main()
