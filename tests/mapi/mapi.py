# SPDX-License-Identifier: BSD-3-Clause
"""mapi: what a user of libmapi does: installs homard, compiles programs against it, runs them."""
import concurrent.futures
import contextlib
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE.parent / "golden")]

import homard  # noqa: E402

PROGRAMS = HERE / "programs"
DIALECTS = {"tutorial": 0, "mapi1": 1, "mapi2": 2}
LANGUAGES = {"c": ["gcc"], "c++": ["g++", "-x", "c++"]}
SANITIZERS = ["-fsanitize=address,undefined"] if os.environ.get("HOMARD_SANITIZED") else []


class Installed:
    """homard in a folder of its own, and programs compiled with the help of its pkg-config file only."""

    def __init__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="homard-")  # goes with us, whatever happens
        self.folder = pathlib.Path(self.temporary.name)
        self.root = self.folder / "root"
        subprocess.run(["meson", "install", "-C", homard.BUILD, "--no-rebuild", "--quiet", "--destdir", self.root],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, timeout=homard.SLOW)
        found = list(self.root.rglob("mapi.pc"))
        assert len(found) == 1, "no pkg-config file, or several: %s" % found
        environment = {**os.environ, "PKG_CONFIG_PATH": str(found[0].parent), "PKG_CONFIG_SYSROOT_DIR": str(self.root)}
        self.cflags, self.libs = (
            shlex.split(subprocess.run(["pkg-config", what, "mapi"], env=environment, check=True,
                                       capture_output=True, text=True).stdout) for what in ("--cflags", "--libs"))
        self.environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(
            flag[2:] for flag in self.libs if flag.startswith("-L"))}

    def remove(self):
        self.temporary.cleanup()

    def compile(self, source, language="c", dialect=None, flags=(), more=()):
        """The program, with more sources if need be; a warning is an error."""
        out = self.folder / ("%s-%s-%s" % (source.stem, language, dialect))
        defines = ["-DDIALECT=%d" % DIALECTS[dialect]] if dialect else []
        subprocess.run([*LANGUAGES[language], "-Wall", "-Wextra", "-Werror", "-O1", "-g", *SANITIZERS, *defines, *flags,
                        *self.cflags, source, *more, "-o", out, "-x", "none", *self.libs],
                       stdin=subprocess.DEVNULL, check=True, timeout=4 * homard.SLOW)
        return out

    def compile_all(self, jobs):
        """{job: program}; a job is what compile() takes."""
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            return dict(zip(jobs, pool.map(lambda job: self.compile(*job), jobs)))

    @contextlib.contextmanager
    def started(self, h, program, *args, **more):
        """The program as a process that asks daemon h, once it has said that it is ready."""
        process = self.start(h, program, *args, **more)
        with process:
            try:
                line = process.stdout.readline()
                if line != "ready\n":
                    raise AssertionError("%s is not ready: %s" % (program, line + process.stdout.read()))
                yield process
            finally:
                process.kill()

    @staticmethod
    def go_on(process, code=0):
        """Tells a program that it may go on, and returns what it prints until it ends."""
        printed, _ = process.communicate("go\n", timeout=homard.SLOW)
        assert process.returncode == code, "it ended with %d:\n%s" % (process.returncode, printed)
        return printed

    def start(self, h, program, *args, **more):
        return homard.popen([str(program), *map(str, args)], text=True, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env={**self.environment, "HOMARD_SOCKET": h.socket_path}, **more)

    def run(self, h, program, *args, **more):
        """What it prints."""
        with self.start(h, program, *args, **more) as process:
            try:
                printed, _ = process.communicate(timeout=homard.SLOW)
            finally:
                process.kill()
        assert process.returncode == 0, "%s ended with %d:\n%s" % (program, process.returncode, printed)
        return printed


def idle_device(trace):
    """A daemon has a device; this one does nothing until it is told to."""
    return {"name": "idle", "trace": str(trace), "pace": "max", "loop": 1}
