#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The installed headers: each compiles alone, in C and in C++, without a warning; all together, too."""
import pathlib
import shutil
import subprocess
import sys
import unittest

INCLUDE = pathlib.Path(__file__).resolve().parents[2] / "src" / "client" / "include"
HEADERS = sorted(str(path.relative_to(INCLUDE)) for path in INCLUDE.rglob("*.h"))
STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "-I", str(INCLUDE)]
CALLS = """
int main(int argc, char **argv)
{
	int n = argc;
	int fd = mapi_create_flow(argv[0]);
	int a = mapi_apply_function(fd, "PKT_COUNTER");
	int b = mapi_apply_function(fd, argv[1], a);
	int c = mapi_apply_function(fd, "TO_FILE", MFF_PCAP, "file", 0);
	int d = mapi_apply_function(fd, "THRESHOLD", INT, fd, a, 1, 100ULL, n, 0, 1);
	int (*plain)(int, const char *, ...) = mapi_apply_function;
	mapi_results_t *(*read)(int, int) = mapi_read_results;
	mapi_results_t *r = mapi_read_results(fd, a);
	r = mapi_read_results(fd, b, MAPI_REF);
	(void)r;
	return plain(fd, "BURST", 1, 2, 3, 4, 5, 6, 7) + c + d + (read(fd, a) != 0);
}
"""


class Headers(unittest.TestCase):
    def compile(self, compiler, language, source, *more):
        if not shutil.which(compiler):
            self.skipTest("needs " + compiler)
        done = subprocess.run([compiler, "-x", language, *STRICT, *more, "-"], input=source.encode(),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout.decode())

    def test_each_header_alone_compiles_in_c_and_cpp(self):
        self.assertGreater(len(HEADERS), 30)
        for header in HEADERS:
            source = "#include <%s>\n#include <%s>\nint main(void) { return 0; }\n" % (header, header)
            with self.subTest(header=header):
                self.compile("gcc", "c", source)
                self.compile("g++", "c++", source)

    def test_all_headers_together_compile(self):
        every = "".join("#include <%s>\n" % header for header in HEADERS)
        for system in ("", "#include <net/ethernet.h>\n#include <netinet/tcp.h>\n#include <pcap.h>\n"):
            for compiler, language in (("gcc", "c"), ("g++", "c++"), ("clang", "c"), ("clang++", "c++")):
                with self.subTest(compiler=compiler, system=system):
                    self.compile(compiler, language, system + every + "int main(void) { return 0; }\n")

    def test_calls_with_few_and_many_arguments_compile(self):
        source = "#include <mapi.h>\n#include <mapi/threshold.h>\n" + CALLS
        for compiler, language, standard in (
                ("gcc", "c", "c99"), ("gcc", "c", "gnu17"), ("g++", "c++", "c++11"),
                ("g++", "c++", "gnu++20"), ("clang", "c", "c99"), ("clang++", "c++", "c++17")):
            with self.subTest(compiler=compiler, standard=standard):
                self.compile(compiler, language, source, "-std=" + standard)

    def test_result_as_value_compiles_when_it_is_asked_for(self):
        source = """
#include <mapi.h>
int main(void)
{
	unsigned long long *two = (unsigned long long *)mapi_read_results(1, 1);
	unsigned long long *three = (unsigned long long *)mapi_read_results(1, 1, MAPI_COPY);
	return *two + *three > 0;
}
"""
        self.compile("gcc", "c", source, "-DMAPI_RESULT_IS_VALUE")
        self.compile("g++", "c++", source, "-DMAPI_RESULT_IS_VALUE")

    def test_missing_name_of_function_is_refused_by_the_compiler(self):
        done = subprocess.run(["gcc", "-x", "c", *STRICT, "-"], check=False, timeout=60,
                              input=b"#include <mapi.h>\nint main(void) { return mapi_apply_function(1); }\n",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertIn(b"too few arguments", done.stdout)


if __name__ == "__main__":
    sys.exit(0 if unittest.main(exit=False).result.wasSuccessful() else 1)
