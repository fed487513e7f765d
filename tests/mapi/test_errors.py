#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Error numbers: each failure of each call and function of MAPI has the number that docs/mapi-compatibility.md says.

usage: test_errors.py [--update]     --update writes the page's table anew, from what the programs expect
"""
import sys
import unittest

import mapi
import homard
import traffic
from homard import Homard

PAGE = homard.SOURCE / "docs" / "mapi-compatibility.md"
BEGIN, END = "<!-- error numbers -->\n", "<!-- end of error numbers -->"


class Rows:
    """(call, when, number, what came) of the programs, in their order."""

    def __init__(self):
        self.installed = mapi.Installed()
        self.programs = self.installed.compile_all(
            [(mapi.PROGRAMS / (name + ".c"), language)
             for name in ("errors", "refusals", "gone") for language in ("c", "c++")])
        self.trace = self.installed.folder / "errors.pcap"
        traffic.write(self.trace)

    def of(self, name, language="c"):
        program = next(p for job, p in self.programs.items() if job[0].stem == name and job[1] == language)
        printed = self.while_it_goes(program) if name == "gone" else self.while_it_runs(program)
        return [line.split("\t") for line in printed.splitlines()]

    def while_it_runs(self, program):
        with Homard({"devices": [mapi.idle_device(self.trace)]}) as h:
            printed = self.installed.run(h, program, self.trace)
            h.stop()
            return printed

    def while_it_goes(self, program):
        """A daemon that may send one flow record a second takes its time to stop."""
        metered = {"name": "metered", "trace": str(self.trace)}
        slow = {"device": "metered", "exporters": [{"host": "127.0.0.1", "port": 9, "max_records_per_s": 1}]}
        with Homard({"devices": [mapi.idle_device(self.trace), metered], "netflow": [slow]}) as h:
            h.wait_finished("netflow0")
            with self.installed.started(h, program) as process:
                h.call("shutdown")
                process.stdin.write("it stops\n")
                process.stdin.flush()
                first = process.stdout.readline()
                h.send_signal(homard.signal.SIGKILL)
                h.wait()
                return first + self.installed.go_on(process)

    def all(self):
        return [row for name in ("errors", "gone", "refusals") for row in self.of(name)]


def table(rows):
    """The page's table: rows of one call stand together, as they come."""
    calls = list(dict.fromkeys(row[0] for row in rows))
    lines = ["| call or function | fails because | number |", "|---|---|---|"]
    lines += ["| `%s` | %s | %s |" % (call, when, number)
              for call in calls for at, when, number, _ in rows if at == call]
    return "\n" + "\n".join(lines) + "\n\n"


class Errors(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.rows = Rows()
        cls.addClassCleanup(cls.rows.installed.remove)
        cls.in_c = cls.rows.all()

    def test_each_has_its_number(self):
        self.assertGreater(len(self.in_c), 100)
        self.assertEqual([row for row in self.in_c if len(row) != 4 or row[2] != row[3]], [])

    def test_no_row_stands_twice(self):
        keys = [tuple(row[:2]) for row in self.in_c]
        self.assertEqual(len(keys), len(set(keys)), keys)

    def test_the_page_says_so(self):
        text = PAGE.read_text()
        self.assertEqual(text.split(BEGIN)[1].split(END)[0], table(self.in_c))

    def test_it_is_the_same_in_cpp(self):
        for name in ("errors", "refusals"):
            rows = self.rows.of(name, "c++")
            self.assertEqual(rows, [row for row in self.in_c if row in rows])


def update():
    rows = Rows()
    try:
        head, rest = PAGE.read_text().split(BEGIN)
        PAGE.write_text(head + BEGIN + table(rows.all()) + END + rest.split(END)[1])
    finally:
        rows.installed.remove()


if __name__ == "__main__":
    if sys.argv[1:] == ["--update"]:
        update()
    else:
        homard.main()
