#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""One test a kind of device: packets that somebody else sends are counted exactly."""
import errno
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

import homard
from homard import Homard
from namespace import Namespace, udp_frame

PACKETS = 3000
VETH_PACKETS = 400  # fewer than a kernel's ring holds: none is lost on a busy machine


def flows(device):
    return [{"name": "all", "device": device, "functions": [["PKT_COUNTER"]]},
            {"name": "udp", "device": device,
             "functions": [["BPF_FILTER", "udp dst port 2000"], ["PKT_COUNTER"], ["BYTE_COUNTER"]]}]


class Testpmd:
    """DPDK's own test program, at its prompt: io forwarding between its two ports."""

    def __init__(self, *devices):
        program = shutil.which("dpdk-testpmd")
        if not program:
            raise unittest.SkipTest("dpdk-testpmd is not installed (package dpdk-dev)")
        cores = sorted(os.sched_getaffinity(0))
        self.process = homard.popen(
            ["stdbuf", "-oL", program, "--lcores", "0@%d,1@%d" % (cores[0], cores[-1]), "--no-huge",
             "-m", "256", "--no-pci", "--no-telemetry", "--file-prefix", "homardtest%d" % os.getpid(),
             *devices, "--", "-i", "--forward-mode=io", "--total-num-mbufs=8192", "--burst=32",
             "--disable-link-check"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self.process:
            self.process.terminate()

    def say(self, command, answer):
        """Types a command; what it prints up to and including the line with the answer's end."""
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()
        output = ""
        while answer not in output:
            line = self.process.stdout.readline().decode(errors="replace")
            if not line:
                raise AssertionError("testpmd ended:\n" + output)
            output += line
        return output


class Devices(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.trace = cls.folder / "devices.pcap"
        cls.truth = homard.make_trace(cls.trace, packets=PACKETS, flows=50, seed=3)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def expect(self, h, flow, function, count):
        homard.until(lambda: h.read(flow, function) >= count,
                     what="%d packets of flow %s" % (count, flow))
        self.assertEqual(h.read(flow, function), count)

    def test_net_dag_on_the_simulator(self):
        trace = self.folder / "card.erf"
        truth = homard.make_trace(trace, packets=PACKETS, flows=50, seed=4)
        cards = self.folder / "cards.json"
        cards.write_text(json.dumps({"dag0": {"trace": str(trace), "pace": "max", "loop": 3,
                                              "streams": 1}}))
        device = {"name": "dag0", "vdev": "net_dag0,lib=libdag_sim.so,card=dag0"}
        with Homard({"devices": [device], "flows": flows("dag0")},
                    env={"DAG_SIM_CARDS": str(cards)}) as h:
            self.expect(h, "all", 1, 3 * truth["packets"])
            h.assert_balanced()
            h.stop()

    def on_combo(self, card, arguments="", queues=1):
        """A device on a simulated COMBO card; the driver takes the library by its path only."""
        cards = self.folder / "combo.json"
        cards.write_text(json.dumps({"szedataII0": dict(card, trace=str(self.trace))}))
        library = homard.program("libsze2_sim.so")
        if any(path.stat().st_mode & 0o002 for path in library.parents):
            self.skipTest("the library lies below a folder that everybody may write to")
        device = {"name": "combo0", "vdev": "net_combo60,lib=%s,card=/dev/szedataII0%s"
                  % (library, arguments), "queues": queues}
        return Homard({"devices": [device], "flows": flows("combo0")},
                      env={"SZE2_SIM_CARDS": str(cards)})

    def test_net_combo6_on_the_simulator(self):
        with self.on_combo({"loop": 3, "channels": 2, "ring_kb": 64}, queues=2) as h:
            self.expect(h, "all", 1, 3 * self.truth["packets"])
            self.assertEqual(h.ledger()["devices"][0]["wire"]["dropped"], {"missed": 0, "errors": 0})
            h.assert_balanced()
            h.stop()

    def test_net_combo6_tells_what_the_card_lost(self):
        """More arrives than the ring holds, but for the last time: the card's numbers tell what is missing."""
        loop = 10
        with self.on_combo({"loop": loop, "ring_kb": 64, "arrive": 299, "label": "sequence",
                            "faults": [{"what": "size", "at": 700, "value": 0}]},
                           ",label=sequence") as h:
            sent = loop * self.truth["packets"]

            def all_told():
                wire = h.ledger()["devices"][0]["wire"]
                return wire["received"] + sum(wire["dropped"].values()) == sent and wire

            wire = homard.until(all_told, what="%d packets on the wire" % sent)
            self.assertGreater(wire["dropped"]["missed"], 0)
            self.assertEqual(wire["dropped"]["errors"], 1)
            self.expect(h, "all", 1, wire["received"])
            h.assert_balanced()
            h.stop()

    def test_a_card_by_its_own_name(self):
        """libdag.so is the simulator here: the loader finds it as it would find the vendor's."""
        folder = self.folder / "lib"
        folder.mkdir()
        (folder / "libdag.so").symlink_to(homard.program("libdag_sim.so"))
        cards = self.folder / "named.json"
        cards.write_text(json.dumps({"dag3": {"generator": {"packets": PACKETS}, "streams": 2,
                                              "pace": "max"}}))
        path = "%s:%s" % (folder, os.environ.get("LD_LIBRARY_PATH", ""))
        device = {"name": "card", "vdev": "/dev/dag3,sequence=card", "queues": 2}
        with Homard({"devices": [device], "flows": flows("card")},
                    env={"DAG_SIM_CARDS": str(cards), "LD_LIBRARY_PATH": path}) as h:
            self.expect(h, "all", 1, PACKETS)
            h.assert_balanced()
            h.stop()

    def test_a_lossy_card_that_another_process_feeds_adds_up(self):
        cards = self.folder / "lossy.json"
        cards.write_text(json.dumps({"dag0": {
            "shared": "lossy.card", "buffer_mb": 1, "streams": 2, "lossy": True, "rate_pps": 200000,
            "generator": {"packets": 100000}, "drop_base": 2 ** 32 - 100, "drop_bits": 32,
            "faults": [{"fault": "drops", "at": 5000, "every": 10000, "count": 777},
                       {"fault": "random", "at": 1, "every": 997, "seed": 5}]}}))
        device = {"name": "lossy", "queues": 2, "vdev": "net_dag0,lib=libdag_sim.so,card=dag0,"
                  "drop_attr=1000,conf_lib=libdag_sim.so,sequence=card"}
        environment = {"DAG_SIM_CARDS": str(cards)}
        with Homard({"devices": [device], "flows": flows("lossy")}, env=environment) as h:
            done = subprocess.run([homard.program("homard-cardfeed"), "--json", "dag0"], stdout=subprocess.PIPE,
                                  env={**os.environ, **environment}, check=True, timeout=homard.SLOW)
            fed = json.loads(done.stdout)
            arrived = fed["sent"] - fed["dropped"] - fed["spoiled"]
            self.expect(h, "all", 1, arrived)
            line = h.ledger()["devices"][0]
            self.assertEqual(line["received"], arrived)
            self.assertEqual(line["wire"]["received"], arrived)
            self.assertEqual(line["wire"]["dropped"]["missed"], fed["dropped"])
            self.assertGreaterEqual(fed["dropped"], 10 * 777)
            h.assert_balanced()
            h.stop()

    def test_a_card_without_its_library_says_so(self):
        with self.assertRaisesRegex(AssertionError, "libdag.so: cannot open(.|\\n)*needs the vendor's libdag.so"):
            Homard({"devices": [{"name": "card", "vdev": "/dev/dag0:2"}]})

    def test_two_devices_on_one_port_are_refused(self):
        with self.assertRaisesRegex(AssertionError, r"devices\[1\] \(b\): .*device a already"):
            Homard({"devices": [{"name": name, "vdev": "net_null0"} for name in "ab"]})

    def test_clients_are_told_what_the_configuration_says_of_a_device(self):
        told = {"alias": "Heraklio link", "description": "the outgoing link", "mpls": False,
                "vlan": True, "link_speed_mbps": 2500}
        plain = {"alias": "", "description": "", "mpls": False, "vlan": False,
                 "link_speed_mbps": 10000}  # the port's own
        devices = [{"name": "null0", "vdev": "net_null0", **told},
                   {"name": "null1", "vdev": "net_null1"}]
        with Homard({"devices": devices}) as h:
            for device, expected in zip(h.call("device.list"), (told, plain)):
                self.assertEqual({key: device[key] for key in expected}, expected)
            with self.assertRaisesRegex(homard.RpcError, "alias of device \"null0\"") as refused:
                h.call("flow.create", device="Heraklio link")
            self.assertEqual(refused.exception.mapi_errno, 3200)
            devices[1]["alias"] = "new"
            h.file.write_text(json.dumps({**h.config, "devices": devices}))
            with self.assertRaisesRegex(homard.RpcError, "devices differ"):
                h.call("config.reload")
            h.stop()

    def test_net_pcap(self):
        device = {"name": "file", "vdev": "net_pcap0,rx_pcap=%s" % self.trace}
        with Homard({"devices": [device], "flows": flows("file")}) as h:
            self.expect(h, "all", 1, self.truth["packets"])
            h.assert_balanced()
            h.stop()

    def test_net_ring(self):
        feeder = homard.BUILD / "tests/e2e/libring_feed.so"
        environment = {"LD_PRELOAD": str(feeder), "RING_FEED_PORT": "net_ring0",
                       "RING_FEED_PACKETS": str(PACKETS),
                       "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")}
        with Homard({"devices": [{"name": "ring", "vdev": "net_ring0"}], "flows": flows("ring")},
                    env=environment) as h:
            self.expect(h, "udp", 2, PACKETS)
            self.assertEqual(h.read("udp", 3), PACKETS * 60)
            h.assert_balanced()
            h.stop()

    def test_memif_between_two_processes(self):
        """A second DPDK process (testpmd) sends the trace's packets through memif."""
        path = self.folder / "memif.sock"
        device = {"name": "memif", "vdev":
                  "net_memif0,role=server,id=0,socket=%s,socket-abstract=no" % path}
        with Homard({"devices": [device], "flows": flows("memif")}) as h:
            homard.until(path.exists, what="the memif socket")
            with Testpmd("--vdev", "net_pcap0,rx_pcap=%s,infinite_rx=1" % self.trace, "--vdev",
                         "net_memif0,role=client,id=0,socket=%s,socket-abstract=no" % path) as sender:
                sender.say("start", "io packet forwarding")
                homard.until(lambda: h.read("all", 1) > PACKETS, what="packets from testpmd")
                stopped = sender.say("stop", "Accumulated forward statistics")
                sent = re.search(r"statistics for port 1.*?TX-packets: (\d+)", stopped, re.DOTALL)
                self.assertTrue(sent, stopped)
                self.expect(h, "all", 1, int(sent.group(1)))
                h.assert_balanced()
            h.stop()

    def on_veth(self, vdev, **more):
        if os.geteuid() != 0:
            self.skipTest("a network namespace needs root")
        device = dict(more, name="veth", vdev=vdev)
        with Namespace() as namespace, \
                Homard({"devices": [device], "flows": flows("veth")}, prefix=namespace.prefix) as h:
            namespace.send(VETH_PACKETS, udp_frame())
            self.expect(h, "udp", 2, VETH_PACKETS)
            self.assertEqual(h.read("udp", 3), VETH_PACKETS * len(udp_frame()))
            h.assert_balanced()
            h.stop()

    def test_af_packet_on_a_veth_pair(self):
        self.on_veth("net_af_packet0,iface=hm0")

    def test_af_xdp_on_a_veth_pair(self):
        try:
            socket.socket(44, socket.SOCK_RAW).close()  # AF_XDP
        except OSError as error:
            if error.errno in (errno.EAFNOSUPPORT, errno.EPERM):
                self.skipTest("this kernel has no AF_XDP sockets: %s" % error.strerror)
            raise
        # a packet buffer of AF_XDP fits into a page
        self.on_veth("net_af_xdp0,iface=hm0,start_queue=0,queue_count=1", snaplen=2048)


if __name__ == "__main__":
    homard.main()
