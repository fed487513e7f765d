#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""homardd --mapi-conf: a mapi.conf of the original becomes a configuration that --check takes and that runs,
and each line without equivalent is told, with its number."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import homard
from homard import Homard
from namespace import Namespace, udp_frame

# The file of a tutorial: one card of either kind, two trace formats.
TUTORIAL = """\
libpath=.
libs=mapidstdflib.so:dagflib.so
drvpath=.
[driver]
device=eth0
driver=mapinicdrv.so
[driver]
device=/dev/dag0
driver=mapidagdrv.so
description=DAG 4.3GE
alias=trd-ntnu
[format]
format=MFF_DAG_ERF
driver=mapidagdrv.so
[format]
format=MFF_PCAP
driver=mapinicdrv.so
"""
TUTORIAL_DEVICES = [
    {"name": "eth0", "vdev": "net_af_packet0,iface=eth0"},
    {"name": "/dev/dag0", "vdev": "/dev/dag0", "description": "DAG 4.3GE", "alias": "trd-ntnu"}]

# All that 2.0 knows, with comments, blanks, an empty value and the line ends of another system.
LATER = """\
# a sensor
libpath = /usr/local/share/mapi/
libs=stdflib.so:dagflib.so::ourflib.so
drvpath=/usr/local/share/mapi
dimapi_port=2233
log_level=2
logfile=
local=1

; the outgoing link
[driver]
device=eth0.100
driver=nicdrv.so
description=Grüße aus Heraklio
alias=
link_speed=1000
mpls=0
vlan=1
devgroup=2\r
[ driver ]
device=/dev/dag1:2
driver=dagdrv.so
link_speed=2488
[driver]
device=/dev/combosix/1
driver=combo6drv.so
[driver]
device=ntxc0:1
driver=napatechdrv.so
[driver]
device=replay
driver=vinddrv.so
trace_dir=/var/traces
[driver]
device=enp0
driver=ixpdrv.so
[format]
format=MFF_NAPATECH
driver=napatechdrv.so
description=cards of Napatech
[ipfixflib]
idleTimeout=20
lifetimeTimeout=240
hashSize=65536
scanCycle=1
[dag]
dsm_loader_bin=/usr/local/bin/dsm_loader
[authentication]
server=localhost
colour=blue
"""
LATER_NOTES = [
    (2, "libpath", "built in"), (3, "ourflib.so", "have to be"), (4, "drvpath", "DPDK"),
    (5, "dimapi_port", "socket"), (6, "log_level", "homardctl log"), (8, "local", "HOMARD_SOCKET=/home/u/.homard.sock"),
    (19, "devgroup", ""), (21, "device", "called \"/dev/dag1_2\""), (25, "device", "/dev/szedataII1"),
    (28, "device", "called \"ntxc0_1\""), (28, "ntxc0:1", "left out.*pci"), (31, "replay", "left out.*trace"),
    (36, "ixpdrv.so", "enp0.*left out"), (33, "trace_dir", "single trace"), (38, "MFF_NAPATECH", "pcap, pcapng or ERF"),
    (45, "scanCycle", ""), (47, "dsm_loader_bin", "workers"), (48, "[authentication]", "no known section")]

MISTAKES = [
    ("[driver]\ndevice=eth0\n", 1, "no driver="),
    ("[driver]\ndriver=nicdrv.so\n", 1, "no device="),
    ("[driver\n", 1, "must end with"),
    ("[]\n", 1, "1 to 63"),
    ("just words\n", 1, "neither key=value"),
    ("=5\n", 1, "1 to 63"),
    ("%s=5\n" % ("k" * 64), 1, "64 bytes; must have 1 to 63"),
    ("libs=%s\n" % ("x" * 1024), 1, "1029 bytes; must have at most 1023"),
    ("libs=a\n\nlibs=b\n", 3, "line 1 of this section already"),
    ("libs=a\x07b\n", 1, "control character"),
    (b"[driver]\nalias=Gr\xfc\xdfe\n", 2, "not UTF-8"),
    ("local=yes\n", 1, "integer from 0 to 1"),
    ("[driver]\ndevice=eth0\ndriver=nicdrv.so\nlink_speed=fast\n", 4, "integer from 0 to 1000000"),
    ("[driver]\ndevice=eth0\ndriver=nicdrv.so\nlink_speed=1000001\n", 4, "integer from 0 to 1000000"),
    ("[driver]\ndevice=eth0\ndriver=nicdrv.so\nvlan=-1\n", 4, "integer from 0 to 1"),
    ("[driver]\ndevice=eth0\ndriver=nicdrv.so\nalias=%s\n" % ("a" * 256), 4, "256 bytes; must have at most 255"),
    ("[driver]\ndevice=an.interface.too.long\ndriver=nicdrv.so\n", 2, "no name of a network interface"),
    ("[driver]\ndevice=eth0,x=1\ndriver=nicdrv.so\n", 2, "no name of a network interface"),
    ("[driver]\ndevice=/dev/dog0\ndriver=dagdrv.so\n", 2, "no DAG card"),
    ("[driver]\ndevice=%s\ndriver=dagdrv.so\n" % ("d" * 64), 2, "64 bytes; must have 1 to 63"),
    ("[driver]\ndevice=dag0:1\ndriver=dagdrv.so\n[driver]\ndevice=dag0_1\ndriver=dagdrv.so\n", 5,
     "name of another device already"),
    ("".join("[driver]\ndevice=e%d\ndriver=nicdrv.so\n" % i for i in range(33)), 97, "32 devices"),
    ("[ipfixflib]\nhashSize=63\n", 2, "integer from 64 to 268435456"),
    ("[ipfixflib]\nobservationDomain=4294967296\n", 2, "integer from 0 to 4294967295"),
    ("[format]\n" + "".join("k%d=1\n" % i for i in range(65)), 66, "more than 64 keys"),
]


class MapiConf(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.file = self.folder / "mapi.conf"

    def convert(self, text, *args, code=0):
        """(standard output, lines of standard error)"""
        self.file.write_bytes(text if isinstance(text, bytes) else text.encode())
        done = subprocess.run([str(homard.HOMARDD), "--mapi-conf", str(self.file), *args],
                              env={**os.environ, "HOME": "/home/u"}, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=homard.SLOW, check=False, text=True)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout, done.stderr.splitlines()

    def assert_told(self, lines, number, key, why):
        pattern = r"^%s: line %d: .*" % (self.file, number)
        found = [line for line in lines if re.search(pattern, line)]
        self.assertTrue(any(key in line and re.search(why, line) for line in found),
                        "nothing of %s, %s in line %d of\n%s" % (key, why, number, "\n".join(lines)))

    def test_the_tutorials_file(self):
        out, err = self.convert(TUTORIAL)
        self.assertEqual(json.loads(out)["devices"], TUTORIAL_DEVICES)
        self.assertEqual(len(err), 2, err)
        self.assert_told(err, 1, "libpath", "no equivalent")
        self.assert_told(err, 3, "drvpath", "no equivalent")
        self.assertEqual(homard.check(out)[0], 0)

    def test_a_later_file_and_all_that_has_no_equivalent(self):
        out, err = self.convert(LATER)
        config = json.loads(out)
        self.assertEqual(config["control"], {"socket": "/home/u/.homard.sock", "mode": "0600"})
        self.assertEqual(config["flow_report"], {
            "inactive_timeout_s": 20, "active_timeout_s": 240, "cache_entries": 65536})
        self.assertEqual(config["devices"], [
            {"name": "eth0.100", "vdev": "net_af_packet0,iface=eth0.100", "link_speed_mbps": 1000,
             "description": "Grüße aus Heraklio", "mpls": False, "vlan": True},
            {"name": "/dev/dag1_2", "vdev": "/dev/dag1:2", "link_speed_mbps": 2488},
            {"name": "/dev/combosix/1", "vdev": "net_combo62,card=/dev/szedataII1"}])
        for number, key, why in LATER_NOTES:
            self.assert_told(err, number, key, why)
        self.assertEqual(len(err), len(LATER_NOTES), err)
        self.assertEqual(homard.check(out)[0], 0)

    def test_the_older_words_for_the_socket(self):
        device = "[driver]\ndevice=lo\ndriver=mapinicdrv.so\n"
        self.assertNotIn("control", json.loads(self.convert("socket=global\n" + device)[0]))
        self.assertNotIn("control", json.loads(self.convert("local=0\n" + device)[0]))
        self.assertIn("control", json.loads(self.convert("socket=local\n" + device)[0]))

    def test_mistakes_name_file_and_line(self):
        for text, number, words in MISTAKES:
            with self.subTest(words):
                out, err = self.convert(text, code=2)
                self.assertEqual(out, "")
                self.assert_told(err, number, "", re.escape(words))

    def test_all_mistakes_are_told_at_once(self):
        _, err = self.convert("words\n[driver]\ndevice=eth0\ndriver=nicdrv.so\nmpls=2\nlink_speed=x\n", code=2)
        for number in (1, 5, 6):
            self.assert_told(err, number, "", "")

    def test_a_file_without_a_device_is_a_mistake(self):
        for text in ("", "libs=stdflib.so\n", "[driver]\ndevice=x\ndriver=ixpdrv.so\n"):
            self.assertIn("at least one device", self.convert(text, code=2)[1][-1])

    def test_a_file_that_cannot_be_read(self):
        self.file = self.folder / "none"
        done = subprocess.run([str(homard.HOMARDD), "--mapi-conf", str(self.file)], capture_output=True,
                              check=False, text=True, timeout=homard.SLOW)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("%s: cannot be read: No such file" % self.file, done.stderr)
        self.file = self.folder / "long"
        self.assertIn("at most 1048576", self.convert("#" * (1 << 20) + "\n", code=2)[1][-1])

    def test_output_goes_to_a_new_file_only(self):
        output = self.folder / "homard.json"
        out, _ = self.convert(TUTORIAL, "--output", str(output))
        self.assertEqual(out, "")
        self.assertEqual(json.loads(output.read_text())["devices"], TUTORIAL_DEVICES)
        before = output.read_text()
        _, err = self.convert("[driver]\ndevice=lo\ndriver=nicdrv.so\n", "--output", str(output), code=1)
        self.assertIn("%s: cannot be written: File exists" % output, err[-1])
        self.assertEqual(output.read_text(), before)
        with open("/dev/full", "wb") as full:
            done = subprocess.run([str(homard.HOMARDD), "--mapi-conf", str(self.file)], stdout=full,
                                  stderr=subprocess.PIPE, check=False, timeout=homard.SLOW)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"No space left", done.stderr)

    def test_options_that_do_not_go_together(self):
        for args in (["--mapi-conf", "x", "--check"], ["--mapi-conf", "x", "--config", "y"],
                     ["--config", "y", "--output", "z"]):
            done = subprocess.run([str(homard.HOMARDD), *args], capture_output=True, check=False,
                                  timeout=homard.SLOW)
            self.assertEqual(done.returncode, 2, args)
            self.assertIn(b"homardd: --", done.stderr)

    def test_what_comes_out_runs(self):
        """Packets of an interface are counted by a daemon that runs on a converted file."""
        if os.geteuid() != 0:
            self.skipTest("a network namespace needs root")
        out, err = self.convert("[driver]\ndevice=hm0\ndriver=mapinicdrv.so\nalias=one\n")
        self.assertEqual(err, [])
        with Namespace() as namespace, Homard(json.loads(out), prefix=namespace.prefix) as h:
            flow = h.flow("hm0", ["BPF_FILTER", "udp dst port 2000"], ["PKT_COUNTER"])
            namespace.send(100, udp_frame())
            homard.until(lambda: h.read(flow, 2) >= 100, what="packets")
            self.assertEqual(h.read(flow, 2), 100)
            self.assertEqual(h.call("device.list")[0]["alias"], "one")
            h.stop()


if __name__ == "__main__":
    homard.main()
