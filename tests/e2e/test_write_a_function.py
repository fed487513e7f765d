#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""docs/write-a-function.md: its commands, as they stand there, on an installed homard."""
import os
import pathlib
import subprocess
import tempfile
import unittest

import homard

PAGE = homard.SOURCE / "docs" / "write-a-function.md"


def commands():
    """The indented blocks of the page that begin with a prompt, as one shell script."""
    blocks, block = [], []
    for line in PAGE.read_text().splitlines() + [""]:
        if line.startswith("    "):
            block.append(line[4:])
            continue
        if block and block[0].startswith("$ "):
            blocks += [text[2:] if text.startswith("$ ") else text for text in block]
        block = []
    return "set -euo pipefail\n" + "\n".join(blocks) + "\n"


class Page(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="homard-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.installed = self.folder / "installed"
        done = homard.run(["meson", "install", "-C", str(homard.BUILD), "--no-rebuild", "--quiet", "--destdir",
                           str(self.installed)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout)
        pkgconfig = next(self.installed.rglob("homard-function.pc")).parent
        programs = next(self.installed.rglob("homardd")).parent
        self.env = dict(os.environ, HOMARD=str(homard.SOURCE), PKG_CONFIG_PATH=str(pkgconfig),
                        PKG_CONFIG_SYSROOT_DIR=str(self.installed),
                        LD_LIBRARY_PATH=str(pkgconfig.parent), PATH="%s:%s" % (programs, os.environ["PATH"]))

    def test_commands_of_the_page_do_what_it_says(self):
        script = commands()
        self.assertIn("--out-of-tree NEAR", script)
        work = self.folder / "work"
        work.mkdir()
        done = homard.run(["bash", "-c", script], env=self.env, cwd=work, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=10 * homard.SLOW)
        self.assertEqual(done.returncode, 0, done.stdout)
        for words in ("1/1 near OK", "homard.json: no mistakes", "library  near", "ledger balanced=yes"):
            self.assertIn(words, done.stdout)

    def test_function_runs_on_any_number_of_workers(self):
        library = self.folder / "liblow_ttl.so"
        flags = subprocess.run(["pkg-config", "--cflags", "homard-function"], env=self.env, stdout=subprocess.PIPE,
                               text=True, check=True).stdout.split()
        subprocess.run(["cc", "-std=gnu17", "-Wall", "-O2", "-shared", "-fPIC", *flags, "-o", str(library),
                        str(homard.SOURCE / "examples/function/low_ttl.c")], check=True)
        library.chmod(0o644)
        trace = self.folder / "trace.pcap"
        homard.make_trace(trace, packets=20000, seed=5)
        results = []
        for workers in (1, 2, 4):
            with homard.Homard({
                    "libraries": [str(library)],
                    "devices": [{"name": "trace", "trace": str(trace), "queues": workers}],
                    "flows": [{"name": "low", "device": "trace",
                               "functions": [["LOW_TTL", 60], ["PKT_COUNTER"], ["ROT13"], ["LOW_TTL", 55]]}]},
                               workers=workers) as h:
                h.wait_finished("low")
                results.append((h.read("low", 1), h.read("low", 2), h.read("low", 4)))
                h.assert_balanced()
                with self.assertRaises(homard.RpcError) as refused:
                    h.flow("trace", ["LOW_TTL", 256])
                self.assertEqual(refused.exception.mapi_errno, 7001)
                listed = {f["name"]: f["library"] for f in h.call("function.list")}
                self.assertEqual((listed["LOW_TTL"], listed["PKT_COUNTER"], listed["REGEXP"]),
                                 ("low_ttl", "stdflib", "extraflib"))
                self.assertRegex(homard.ctl(h, "functions"), r"LOW_TTL +low_ttl +passes packets")
                # what is loaded stays
                h.config["libraries"] = []
                h.file.write_text(homard.json.dumps(h.config))
                with self.assertRaisesRegex(homard.RpcError, "LOW_TTL|libraries differ"):
                    h.call("config.reload")
        self.assertEqual(results, [results[0]] * 3)
        self.assertGreater(results[0][1], results[0][2]["ipv4"])
        self.assertGreater(results[0][2]["ipv4"], 0)

    def test_library_that_is_refused_is_a_mistake(self):
        text = self.folder / "libtext.so"
        text.write_text("no library\n")
        text.chmod(0o644)
        config = {"libraries": [str(text), "relative.so", str(self.folder), 7],
                  "devices": [{"name": "null", "vdev": "net_null0"}]}
        code, output = homard.check(config)
        self.assertEqual(code, 2)
        for words in ("libraries[0]: %s: cannot be loaded" % text, "libraries[1]: relative.so: must be an absolute path",
                      "libraries[2]: %s: is no regular file" % self.folder, "libraries[3]: "):
            self.assertIn(words, output)


if __name__ == "__main__":
    homard.main()
