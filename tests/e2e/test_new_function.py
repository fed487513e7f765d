#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""scripts/new-function.sh in a copy of the tree: what it writes is built like every other function,
and its unit test passes. (tests/unit/test_new_function.py looks at the script alone.)"""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(*command, **more):
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, **more)


def not_source(folder, names):
    return [n for n in names
            if n == ".git" or n == "__pycache__" or (folder == str(ROOT) and n.startswith("build"))]


class NewFunction(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="homard-")
        self.addCleanup(folder.cleanup)
        self.tree = pathlib.Path(folder.name) / "tree"
        shutil.copytree(ROOT, self.tree, ignore=not_source, symlinks=True)

    def make(self, *args):
        return run(self.tree / "scripts" / "new-function.sh", *args)

    def files(self):
        return {str(p.relative_to(self.tree)): p.read_bytes()
                for p in self.tree.rglob("*") if p.is_file()}

    def test_new_function_compiles_and_passes_its_test(self):
        done = self.make("Long_Packets2")
        self.assertEqual(done.returncode, 0, done.stderr)
        build = self.tree / "build"
        done = run("meson", "setup", build, self.tree, "-Doptimization=0", "-Ddebug=false",
                   "-Dwerror=true", "-Ddriver_headers=" + os.environ["HOMARD_DRIVER_HEADERS"])
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        done = run("ninja", "-C", build, "tests/unit/test_long_packets2")
        self.assertEqual(done.returncode, 0, done.stdout[-4000:])
        done = run(build / "tests" / "unit" / "test_long_packets2")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("test_long_packets2_packets_of_all_lengths", done.stdout + done.stderr)

    def test_name_registered_elsewhere_is_refused(self):
        (self.tree / "src/functions/family.c").write_text('.name = "SISTER",\n')
        before = self.files()
        done = self.make("sister")
        self.assertEqual(done.returncode, 1)
        self.assertIn("src/functions/family.c registers that name", done.stderr)
        self.assertEqual(self.files(), before)


if __name__ == "__main__":
    unittest.main()
