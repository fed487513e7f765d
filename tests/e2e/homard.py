# SPDX-License-Identifier: BSD-3-Clause
"""homard: starts homardd for a test, talks to its control socket, stops it and looks at its books.

    with Homard({"devices": [...], "flows": [...]}) as h:
        h.wait_finished("web")
        value = h.read("web", 2)
        h.assert_balanced()

A test file is a set of unittest cases and ends with homard.main(): the exit code is 77 (skipped) if
every case was skipped. Where the programs are comes from HOMARD_BUILD, which meson sets.
"""
import array
import contextlib
import ctypes
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
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HOMARD_BUILD", SOURCE / "build")).resolve()


def program(name):
    """A program or library of ours, in build/src or a folder below it."""
    found = [path for path in (BUILD / "src").rglob(name) if path.is_file()]
    return found[0] if found else BUILD / "src" / name


HOMARDD = program("homardd")
HOMARDCTL = program("homardctl")
TRAFFIC = program("homard-traffic")
SLOW = float(os.environ.get("HOMARD_TEST_SECONDS", "30"))  # for anything to happen

PR_SET_PDEATHSIG = 1
TEST = os.getpid()
prctl = ctypes.CDLL(None).prctl


def die_with_the_test():
    """preexec_fn of every child: the kernel kills it when the test ends, also by a timeout's SIGKILL. The
    thread that starts the child must live as long as it."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != TEST:  # it has ended already
        os._exit(1)


def popen(command, **more):
    """A child that does not outlive the test."""
    return subprocess.Popen(command, preexec_fn=die_with_the_test, **more)


def run(command, **more):
    return subprocess.run(command, preexec_fn=die_with_the_test, check=False, **more)


class RpcError(Exception):
    """An error answer of the daemon."""

    def __init__(self, error):
        super().__init__("%s (%s)" % (error.get("message"), error.get("code")))
        self.code = error.get("code")
        self.data = error.get("data") or {}
        self.mapi_errno = self.data.get("mapi_errno")


class Client:
    """One connection to a control socket."""

    def __init__(self, path, timeout=SLOW):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self.buffer = b""
        self.fds = []
        self.last_id = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for fd in self.fds:
            os.close(fd)
        self.fds = []
        self.socket.close()

    def send(self, method, params=None, files=()):
        """Sends a request, with descriptors; returns its id; receive() gets the answers."""
        self.last_id += 1
        request = {"jsonrpc": "2.0", "id": self.last_id, "method": method}
        if params:
            request["params"] = params
        line = json.dumps(request).encode() + b"\n"
        if files:
            line = line[socket.send_fds(self.socket, [line], files):]
        self.socket.sendall(line)
        return self.last_id

    def receive(self):
        """The next line, as an object; descriptors that came with it are kept in self.fds."""
        while b"\n" not in self.buffer:
            data, ancillary, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(16))
            for level, kind, payload in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    fds = array.array("i")
                    fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
                    self.fds.extend(fds)
            if not data:
                raise ConnectionError("homardd closed the control connection")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def call(self, method, files=(), **params):
        wanted = self.send(method, params, files)
        while True:
            answer = self.receive()
            if answer.get("id") == wanted:
                break
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def call_fd(self, method, **params):
        """A call whose answer brings a descriptor: (result, fd); the caller closes it."""
        result = self.call(method, **params)
        return result, self.fds.pop(0)

    # the calls that most tests make

    def flow(self, device, *functions, name=None, connect=True, **more):
        """Makes a flow of ["NAME", argument ...] lists; returns its number."""
        params = dict(more, device=device)
        if name is not None:
            params["name"] = name
        flow = self.call("flow.create", **params)["flow"]
        for function in functions:
            self.call("flow.apply", flow=flow, function=function[0], args=list(function[1:]))
        if connect:
            self.call("flow.connect", flow=flow)
        return flow

    def read(self, flow, function):
        return self.call("flow.read", flow=flow, function=function)["value"]

    def wait_finished(self, flow, seconds=SLOW):
        """Until the last packet of the flow's trace has been counted."""
        until(lambda: self.call("flow.info", flow=flow)["status"] == "finished", seconds,
              "flow %s to finish" % flow)


def until(condition, seconds=SLOW, what="a condition", every=0.01):
    """Waits until condition() is true and returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("waited %.0f s in vain for %s" % (seconds, what))
        time.sleep(every)


def lcores(workers=1):
    """EAL's --lcores: one control core, `workers` workers, on the cores that this machine has."""
    cores = sorted(os.sched_getaffinity(0))
    last = cores[1] if len(cores) > 1 else cores[0]
    if workers == 1:
        return "0@%d,1@%d" % (cores[0], last)
    return "0@%d,(1-%d)@%d" % (cores[0], workers, last)


class Homard:
    """A running homardd with a configuration of its own in a temporary folder."""

    def __init__(self, config, workers=1, wait=True, env=None, folder=None, args=(), prefix=()):
        self.keep = folder is not None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="homard-"))
        self.config = dict(config)
        eal = {"lcores": lcores(workers), "memory_mb": 512, "hugepages": "off"}
        self.config["eal"] = {**eal, **config.get("eal", {})}
        control = {"socket": str(self.folder / "control.sock"), "mode": "0600"}
        self.config["control"] = {**control, **config.get("control", {})}
        self.socket_path = self.config["control"]["socket"]
        self.file = self.folder / "config.json"
        self.file.write_text(json.dumps(self.config, indent=1))
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(self.folder / "notify.sock"))
        self.output_file = open(self.folder / "output", "w+b")
        environment = dict(os.environ, NOTIFY_SOCKET=str(self.folder / "notify.sock"), **(env or {}))
        self.started = time.monotonic()
        self.process = popen(
            [*prefix, str(HOMARDD), "--config", str(self.file), *args], stdin=subprocess.DEVNULL,
            stdout=self.output_file, stderr=subprocess.STDOUT, env=environment)
        self.client = None
        try:
            if wait:
                self.wait_ready()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise

    def wait_ready(self, seconds=SLOW):
        """Until systemd would be told READY=1; then connects."""
        self.notify.settimeout(0.05)
        end = time.monotonic() + seconds
        while True:
            with contextlib.suppress(TimeoutError):
                if b"READY=1" in self.notify.recv(4096):
                    break
            if self.process.poll() is not None:
                raise AssertionError("homardd ended with %d before it was ready:\n%s"
                                     % (self.process.returncode, self.output()))
            if time.monotonic() > end:
                raise AssertionError("homardd is not ready after %.0f s:\n%s"
                                     % (seconds, self.output()))
        self.ready_after = time.monotonic() - self.started
        self.client = self.connect()
        for flow in self.config.get("flows", []):
            until(lambda name=flow["name"]: is_connected(self, name), seconds,
                  "flow %s to be connected" % flow["name"])

    def connect(self):
        return Client(self.socket_path)

    def output(self):
        self.output_file.flush()
        return (self.folder / "output").read_text(errors="replace")

    def __getattr__(self, name):
        """What a client can do, the daemon's own client can, too."""
        if name in ("call", "call_fd", "flow", "read", "wait_finished"):
            return getattr(self.client, name)
        raise AttributeError(name)

    def send_signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, seconds=SLOW):
        return self.process.wait(timeout=seconds)

    def stop(self, number=signal.SIGTERM, expect=0):
        """Ends it by a signal and returns what it printed."""
        self.send_signal(number)
        code = self.wait()
        if code != expect:
            raise AssertionError("homardd ended with %d:\n%s" % (code, self.output()))
        return self.output()

    def cpu_seconds(self):
        """CPU time of all its threads so far."""
        ticks = 0
        for task in pathlib.Path("/proc/%d/task" % self.process.pid).iterdir():
            fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def ledger(self):
        return self.call("ledger")

    def assert_balanced(self):
        problems = imbalances(self.ledger())
        if problems:
            raise AssertionError("the ledger does not balance:\n" + "\n".join(problems))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.client:
            self.client.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=SLOW)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                if kind is None:
                    raise AssertionError("homardd did not stop:\n" + self.output()) from None
        if kind is not None and self.client:
            sys.stderr.write("--- homardd printed:\n%s---\n" % self.output()[-8000:])
        self.notify.close()
        self.output_file.close()
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        if kind is None and self.process.returncode not in (0, -signal.SIGKILL):
            raise AssertionError("homardd ended with %d" % self.process.returncode)


def make_trace(path, **options):
    """Writes a generated trace (its format by the file's name); returns the generator's truth."""
    arguments = []
    for name, value in options.items():
        arguments += ["--" + name.replace("_", "-"), str(value)]
    done = run([str(TRAFFIC), *arguments, "--json", "--out", str(path)], stdin=subprocess.DEVNULL,
               stdout=subprocess.PIPE, timeout=SLOW)
    done.check_returncode()
    return json.loads(done.stdout)


def check(config, *args):
    """homardd --check on a configuration (an object, or text as it is): (exit code, output)."""
    with tempfile.TemporaryDirectory(prefix="homard-") as folder:
        file = pathlib.Path(folder) / "config.json"
        file.write_text(config if isinstance(config, str) else json.dumps(config, indent=1))
        done = run([str(HOMARDD), "--config", str(file), "--check", *args], stdin=subprocess.DEVNULL,
                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SLOW)
        return done.returncode, done.stdout.decode(errors="replace")


def open_descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def mapped(pid):
    """What a process has in its address space beside the heap of its C library, in bytes."""
    sizes = {"shared": 0, "private": 0}
    for line in pathlib.Path("/proc/%d/maps" % pid).read_text().splitlines():
        span, rights, _, _, _, *name = line.split(maxsplit=5)
        if name != ["[heap]"]:
            first, last = (int(at, 16) for at in span.split("-"))
            sizes["shared" if rights[3] == "s" else "private"] += last - first
    return sizes


def ctl(h, *args, code=0):
    """homardctl on the daemon's socket; returns what it printed."""
    done = run([str(HOMARDCTL), "--socket", h.socket_path, *args], stdin=subprocess.DEVNULL,
               stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=SLOW)
    if done.returncode != code:
        raise AssertionError("homardctl %s ended with %d: %s%s" % (
            " ".join(args), done.returncode, done.stdout.decode(), done.stderr.decode()))
    return done.stdout.decode()


# The books: design.md's sums, worked out here and not believed.


def total(terms):
    """A term that may be split by cause."""
    return sum(terms.values()) if isinstance(terms, dict) else terms


def imbalances(ledger):
    """What does not add up, one sentence each."""
    wrong = []

    def equal(line, left, right, what):
        if left != right:
            wrong.append("%s: %d != %d in %s" % (what, left, right, json.dumps(line)))

    for line in ledger["devices"]:
        equal(line, line["received"], line["parsed"] + total(line["rejected"]) + line["in_flight"],
              "received = parsed + rejected + in_flight")
        if line["at_rest"]:
            equal(line, line["wire"]["received"], line["received"], "the driver's count = received")
    for line in ledger["entries"]:
        equal(line, line["in"] + line["made"], line["out"] + line["filtered"] + total(line["dropped"]),
              "in + made = out + filtered + dropped")
    for line in ledger["readers"]:
        equal(line, line["offered"],
              line["delivered"] + line["overwritten"] + line["dropped"] + line["queued"],
              "offered = delivered + overwritten + dropped + queued")
    for line in ledger["netflow"]:
        equal(line, line["made"],
              line["exported"] + line["filtered"] + line["spooled"] + line["queued"] + total(line["lost"]),
              "made = exported + filtered + spooled + queued + lost")
    for line in ledger["files"]:
        equal(line, line["offered"], line["written"] + line["queued"] + total(line["dropped"]),
              "offered = written + queued + dropped")
    for line in ledger["held"]:
        equal(line, line["in"], line["passed"] + line["joined"] + line["held"] + total(line["dropped"]),
              "in = passed + joined + held + dropped")
    for line in ledger["order"]:
        equal(line, line["offered"], line["run"] + line["queued"] + total(line["dropped"]),
              "offered = run + queued + dropped")
    for line in ledger["inject"]:
        equal(line, line["offered"], line["sent"] + line["queued"] + total(line["dropped"]),
              "offered = sent + queued + dropped")
    if not ledger["balanced"]:
        wrong.append("homardd itself says that it does not balance")
    return wrong


def printed_ledger(output):
    """The ledger that homardd prints when it stops: the last line that is a JSON object."""
    for line in reversed(output.splitlines()):
        at = line.find('{"')
        if at >= 0 and '"balanced"' in line:
            return json.loads(line[at:])
    raise AssertionError("homardd printed no ledger:\n" + output)


def received(h, device):
    """Packets that workers have taken from a device so far."""
    return next(d["packets"] for d in h.call("device.list") if d["name"] == device)


def rejected(ledger, device):
    return next(d["rejected"] for d in ledger["devices"] if d["name"] == device)


def is_connected(h, flow):
    return h.call("flow.info", flow=flow)["status"] in ("active", "finished")


def flow_records(ledger):
    """(made, exported) of all FLOW_REPORTs together."""
    return (sum(line["made"] for line in ledger["netflow"]),
            sum(line["exported"] for line in ledger["netflow"]))


def records_exported(h):
    return flow_records(h.ledger())[1]


def ipfix_sets(message):
    """(set id, body) of each set of an IPFIX message; the lengths must fit."""
    version, length = struct.unpack_from("!HH", message)
    assert version == 10 and length == len(message), "not an IPFIX message"
    at = 16
    while at < length:
        set_id, set_length = struct.unpack_from("!HH", message, at)
        assert set_length >= 4 and at + set_length <= length, "a set leaves its message"
        yield set_id, message[at + 4:at + set_length]
        at += set_length


def ipfix_templates(body):
    """{template id: record length} of a template set; all fields must be of fixed length."""
    sizes, at = {}, 0
    while at + 4 <= len(body):
        template, fields = struct.unpack_from("!HH", body, at)
        at, size = at + 4, 0
        for _ in range(fields):
            element, length = struct.unpack_from("!HH", body, at)
            at += 8 if element & 0x8000 else 4
            assert length != 0xFFFF, "a field of variable length"
            size += length
        sizes[template] = size
    return sizes


def ipfix_records(messages):
    """How many data records the messages hold; each must come after its template."""
    sizes, options, records = {}, set(), 0
    for message in messages:
        for set_id, body in ipfix_sets(message):
            if set_id == 2:
                sizes.update(ipfix_templates(body))
            elif set_id == 3:
                options.add(struct.unpack_from("!H", body)[0])
            elif set_id in sizes:
                records += len(body) // sizes[set_id]
            else:
                assert set_id in options, "data of set %d before its template" % set_id
    return records


def main():
    """Runs the cases of the calling file; 77 if all were skipped."""
    program = unittest.main(module="__main__", exit=False, verbosity=2)
    result = program.result
    for case, reason in result.skipped:
        print("skipped %s: %s" % (case.id().split(".")[-1], reason))
    if not result.wasSuccessful():
        sys.exit(1)
    if result.testsRun == 0:
        print("no test was run")
        sys.exit(1)
    if len(result.skipped) == result.testsRun:
        sys.exit(77)
