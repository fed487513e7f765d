#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""docs/libmapi.md: its program compiles without a warning, in C and in C++, and counts what tcpdump counts."""
import os
import re
import shutil
import subprocess
import tempfile
import pathlib
import unittest

import homard

PAGE = homard.SOURCE / "docs" / "libmapi.md"
INCLUDE = homard.SOURCE / "src" / "client" / "include"


class Page(unittest.TestCase):
    def test_the_program_counts_what_tcpdump_counts(self):
        program = re.search(r"```c\n(.*?)```", PAGE.read_text(), re.DOTALL).group(1)
        library = homard.program("libmapi.so").parent
        with tempfile.TemporaryDirectory(prefix="homard-") as folder, \
                homard.Homard({"devices": [{"name": "live", "vdev": "net_null0"}], "flows": []}) as h:
            folder = pathlib.Path(folder)
            (folder / "tool.c").write_text(program)
            homard.make_trace(folder / "in.pcap", packets=5000, flows=100, seed=5)
            printed = subprocess.run(["tcpdump", "-r", str(folder / "in.pcap"), "-nn", "-e", "-tt", "--nano", "tcp"],
                                     stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout.decode()
            lines = [line for line in printed.splitlines() if not line.startswith("\t")]
            lengths = [int(re.search(r", length (\d+)", line).group(1)) for line in lines]
            times = [line.split()[0].split(".") for line in lines]
            ns = [int(s) * 10**9 + int(fraction) for s, fraction in times]
            want = "".join("packet %d: %d bytes\n" % (i + 1, lengths[i]) for i in range(3))
            want += "%d packets, %d bytes\n" % (len(lines), sum(lengths))
            want += "%d gaps, %.6f s on average\n" % (len(lines) - 1, (ns[-1] - ns[0]) / 1e9 / (len(lines) - 1))
            for compiler, language in (("cc", "c"), ("c++", "c++")):
                with self.subTest(language=language):
                    sanitize = ["-fsanitize=address"] if os.environ.get("HOMARD_SANITIZED") else []
                    subprocess.run([compiler, *sanitize, "-Wall", "-Wextra", "-Werror", "-x", language, "tool.c", "-I", INCLUDE,
                                    "-L", library, "-Wl,-rpath," + str(library), "-lmapi", "-o", "tool"],
                                   cwd=folder, check=True)
                    done = homard.run(["./tool", "in.pcap"], cwd=folder, env={"HOMARD_SOCKET": h.socket_path},
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=homard.SLOW)
                    self.assertEqual(done.stderr, b"")
                    self.assertEqual(done.stdout.decode(), want)
            done = homard.run(["./tool", "nowhere.pcap"], cwd=folder, env={"HOMARD_SOCKET": h.socket_path},
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=homard.SLOW)
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"(6155)", done.stderr)


if __name__ == "__main__":
    if not shutil.which("tcpdump"):
        print("needs tcpdump")
        raise SystemExit(77)
    homard.main()
