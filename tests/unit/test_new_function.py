#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""scripts/new-function.sh makes five places, all right, and refuses what would do harm."""
import json
import pathlib
import shutil
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = SOURCE / "scripts/new-function.sh"


class NewFunction(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        self.addCleanup(shutil.rmtree, self.root)
        (self.root / "src/functions").mkdir(parents=True)
        shutil.copy(SOURCE / "src/functions/meson.build", self.root / "src/functions")

    def run_script(self, *arguments):
        return subprocess.run([SCRIPT, "--root", self.root, *arguments], capture_output=True,
                              text=True, stdin=subprocess.DEVNULL, check=False)

    def names(self):
        text = (self.root / "src/functions/meson.build").read_text()
        inside = text.split("function_names = [\n", 1)[1].split("]", 1)[0]
        return [line.strip(" ',") for line in inside.splitlines()]

    def test_new_function_makes_five_places(self):
        before = self.names()
        done = self.run_script("LONG_ONES")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.names(), sorted(before + ["long_ones"]))
        made = sorted(str(p.relative_to(self.root)) for p in self.root.rglob("*") if p.is_file())
        self.assertEqual(made, [
            "docs/functions/long_ones.md", "src/functions/long_ones.c", "src/functions/meson.build",
            "tests/golden/long_ones/expected.json", "tests/golden/long_ones/flow.json",
            "tests/golden/long_ones/generator.json", "tests/golden/long_ones/why",
            "tests/unit/test_long_ones.c"])
        for file in made:
            self.assertNotIn("template", (self.root / file).read_text().lower(), file)
        self.assertEqual(json.loads((self.root / "tests/golden/long_ones/flow.json").read_text())[0][0],
                         "LONG_ONES")

    def test_new_function_compiles(self):
        self.assertEqual(self.run_script("dedup2").returncode, 0)
        for file in ("src/functions/dedup2.c", "tests/unit/test_dedup2.c"):
            subprocess.run(["cc", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                            "-D_GNU_SOURCE", "-I", SOURCE / "src", "-I", SOURCE / "tests/unit",
                            self.root / file], check=True)

    def test_new_function_sorts_first_and_last(self):
        for name in ("AAA", "ZZZ"):
            self.assertEqual(self.run_script(name).returncode, 0)
        self.assertEqual((self.names()[0], self.names()[-1]), ("aaa", "zzz"))

    def test_name_that_is_taken_is_refused(self):
        self.assertEqual(self.run_script("once").returncode, 0)
        again = self.run_script("ONCE")
        self.assertNotEqual(again.returncode, 0)
        self.assertIn("src/functions/once.c", again.stderr)

    def test_out_of_tree_makes_a_library_in_a_folder_of_its_own(self):
        def make():
            return subprocess.run([SCRIPT, "--out-of-tree", "Near_By"], cwd=self.root, capture_output=True, text=True,
                                  stdin=subprocess.DEVNULL, check=False)

        before = self.names()
        done = make()
        self.assertEqual(done.returncode, 0, done.stderr)
        folder = self.root / "near_by"
        self.assertEqual(sorted(p.name for p in folder.iterdir()), ["meson.build", "near_by.c", "test_near_by.py"])
        for file in folder.iterdir():
            self.assertNotIn("low_ttl", file.read_text().lower(), file)
        self.assertTrue((folder / "test_near_by.py").stat().st_mode & 0o100)
        self.assertIn('.name = "NEAR_BY"', (folder / "near_by.c").read_text())
        self.assertEqual(self.names(), before)
        (folder / "near_by.c").write_text("mine")
        self.assertNotEqual(make().returncode, 0)
        self.assertEqual((folder / "near_by.c").read_text(), "mine")

    def test_bad_name_is_refused(self):
        for name in ("", "9LIVES", "a-b", "../x", "a b", "template", "x" * 41):
            done = self.run_script(name)
            self.assertNotEqual(done.returncode, 0, name)
            self.assertFalse((self.root / "docs").exists())


if __name__ == "__main__":
    unittest.main()
