#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The installed headers of packet functions: each compiles alone, in C and in C++, and homardd offers to libraries
just what they declare.

usage: test_function_headers.py FOLDER HOMARDD      FOLDER has homard/function.h
"""
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

FOLDER, HOMARDD = pathlib.Path(sys.argv.pop(1)), sys.argv.pop(1)
HEADERS = sorted((FOLDER / "homard").glob("*.h"))
LANGUAGES = [["gcc", "-x", "c", "-std=gnu17", "-Wstrict-prototypes", "-Wshadow"], ["g++", "-x", "c++", "-std=gnu++17"],
             ["g++", "-x", "c++", "-std=gnu++20"]]


class Headers(unittest.TestCase):
    def compiles(self, language, text):
        with tempfile.TemporaryDirectory(prefix="homard-") as out:  # -I: nothing of the tree but these
            done = subprocess.run([*language, "-Wall", "-Wextra", "-Werror", "-c", "-o", out + "/o",
                                   "-Wno-missing-field-initializers", "-I", FOLDER, "-"], input=text, text=True,
                                  capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_each_header_compiles_alone(self):
        self.assertIn("function.h", [h.name for h in HEADERS])
        for language in LANGUAGES:
            for header in HEADERS:
                with self.subTest(language=language[3], header=header.name):
                    self.compiles(language, "#include <homard/%s>\n" % header.name)

    def test_function_in_cpp_compiles(self):
        for language in LANGUAGES[1:]:
            self.compiles(language, """
#include <homard/function.h>
static uint64_t process(void *, const struct hm_batch *b, uint64_t in) { return in & b->tcp; }
static struct hm_function make()
{
    struct hm_function f = {};
    f.name = "CPP";
    f.summary = "passes TCP";
    f.flags = HM_FN_FILTERS;
    f.process = process;
    return f;
}
static const struct hm_function cpp = make();
HM_FUNCTION_REGISTER(cpp);
""")

    def test_homardd_offers_what_the_headers_declare(self):
        declared = set()
        for header in HEADERS:
            text = re.sub(r"/\*.*?\*/|//[^\n]*|#define[^\n]*(\\\n[^\n]*)*", "", header.read_text(), flags=re.S)
            text = re.sub(r"static inline .*?\n}\n", "", text, flags=re.S)
            declared |= set(re.findall(r"^[a-z][^;{}()]*?\b(hm_\w+)\(", text, flags=re.M))
        table = subprocess.run(["nm", "-D", "--defined-only", HOMARDD], stdout=subprocess.PIPE, text=True,
                               check=True).stdout
        offered = {line.split()[-1] for line in table.splitlines() if line.split()[-1].startswith("hm_")}
        self.assertEqual(offered, declared)


if __name__ == "__main__":
    unittest.main()
