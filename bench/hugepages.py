# SPDX-License-Identifier: BSD-3-Clause
"""hugepages: reserves 2 MB pages for the time of a bench or test, where root may, and gives them back."""
import pathlib

POOL = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
WANTED = 640  # of 2 MB: the appliance's default memory and some to spare


class Hugepages:
    """A context; `available` tells whether rows may use them, `sentence` what was done."""

    def __init__(self, say, wanted=WANTED):
        self.say = say
        self.wanted = wanted
        self.taken = 0
        self.available = False
        self.sentence = "none (this kernel has no 2 MB pages)"

    @staticmethod
    def _read(name):
        return int((POOL / name).read_text())

    @staticmethod
    def _write(count):
        (POOL / "nr_hugepages").write_text(str(count))

    def __enter__(self):
        if not POOL.is_dir():
            return self
        free = self._read("free_hugepages")
        if free >= self.wanted:
            self.available = True
            self.sentence = "%d free ones of 2 MB, as found" % free
            return self
        before = self._read("nr_hugepages")
        try:
            self._write(before + self.wanted - free)
            self.taken = self._read("nr_hugepages") - before
        except OSError as error:
            self.sentence = "none (%d free, reserving more: %s)" % (free, error.strerror)
            return self
        free = self._read("free_hugepages")
        self.available = free >= self.wanted
        self.sentence = "%d of 2 MB reserved for this run" % free
        self.say("reserved hugepages: %d instead of %d; given back at the end" % (before + self.taken, before))
        return self

    def __exit__(self, *_):
        if self.taken > 0:
            # what it took, whatever others have reserved or given back meanwhile
            left = max(0, self._read("nr_hugepages") - self.taken)
            self._write(left)
            self.say("gave the hugepages back: %d are left" % left)
