# SPDX-License-Identifier: BSD-3-Clause
"""hugepages: reserves 2 MB pages for the time of a bench, where root may, and gives them back."""
import pathlib

POOL = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
WANTED = 640  # of 2 MB: the appliance's default memory and some to spare


class Hugepages:
    """A context; `available` tells whether rows may use them, `sentence` what was done."""

    def __init__(self, say):
        self.say = say
        self.before = None
        self.available = False
        self.sentence = "none (this kernel has no 2 MB pages)"

    def _read(self, name):
        return int((POOL / name).read_text())

    def __enter__(self):
        if not POOL.is_dir():
            return self
        free = self._read("free_hugepages")
        if free >= WANTED:
            self.available = True
            self.sentence = "%d free ones of 2 MB, as found" % free
            return self
        before = self._read("nr_hugepages")
        try:
            (POOL / "nr_hugepages").write_text(str(before + WANTED - free))
            self.before = before
        except OSError as error:
            self.sentence = "none (%d free, reserving more: %s)" % (free, error.strerror)
            return self
        free = self._read("free_hugepages")
        self.available = free >= WANTED
        self.sentence = "%d of 2 MB reserved for this run" % free
        self.say("reserved hugepages: %d instead of %d; given back at the end"
                 % (self._read("nr_hugepages"), before))
        return self

    def __exit__(self, *_):
        if self.before is not None:
            (POOL / "nr_hugepages").write_text(str(self.before))
            self.say("gave the hugepages back: %d as before" % self.before)
