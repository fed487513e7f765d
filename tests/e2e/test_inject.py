#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""INJECT sends a flow's packets out of another device: what arrives there, who may, and what is counted."""
import collections
import contextlib
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

import homard
from homard import Homard, RpcError
from namespace import Namespace

PACKETS = 3000
OTHER_USER = 60001  # has no name anywhere


def packets_of(path):
    """The packets of a little-endian pcap, as they are."""
    data, at, packets = pathlib.Path(path).read_bytes(), 24, []
    while at + 16 <= len(data):
        length, wire = struct.unpack_from("<II", data, at + 8)
        if length != wire:
            raise AssertionError("packet %d of %s is cut" % (len(packets), path))
        packets.append(data[at + 16:at + 16 + length])
        at += 16 + length
    return packets


def fits(packet, mtu=1500):
    """Whether a port of that MTU sends it: behind the link header and one VLAN tag, which are not counted."""
    tagged = packet[12:14] in (b"\x81\x00", b"\x88\xa8")
    return len(packet) <= mtu + 14 + 4 * tagged


def line_of(h, device):
    return next(line for line in h.ledger()["inject"] if line["name"] == device)


class Inject(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.trace = cls.folder / "inject.pcap"
        homard.make_trace(cls.trace, packets=PACKETS, flows=50, seed=5)
        packets = packets_of(cls.trace)
        cls.packets = [packet for packet in packets if fits(packet)]
        cls.too_long = len(packets) - len(cls.packets)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def setUp(self):
        self.socket = pathlib.Path(tempfile.mkdtemp(dir=self.folder)) / "pair.sock"

    def memif(self, role, name, **more):
        """One end of a pair."""
        vdev = "net_memif%d,role=%s,id=0,socket=%s,socket-abstract=no" % (
            role == "client", role, self.socket)
        return dict(more, name=name, vdev=vdev)

    def monday(self, **more):
        """The trace; it waits until it is started."""
        return dict(more, name="monday", trace=str(self.trace))

    @contextlib.contextmanager
    def on_pair(self, workers=1, **more):
        """The trace, and a memif pair in the same process, from out to back, whose link is up."""
        config = {"devices": [self.monday(**more), self.memif("server", "back"),
                              self.memif("client", "out", inject="administrators")],
                  "capture": {"dir": str(self.folder)}}
        with Homard(config, workers=workers) as h:
            homard.until(lambda: line_of(h, "out")["link"] == "up", what="the link of the pair")
            yield h

    def settled(self, h, device):
        return homard.until(lambda: line_of(h, device)["queued"] == 0 and line_of(h, device),
                            what="all packets to be sent")

    def test_the_same_bytes_in_the_same_order_come_out(self):
        for workers in (1, 2):
            with self.subTest(workers=workers), self.on_pair(workers) as h:
                file = self.folder / ("back%d.pcap" % workers)
                back = h.flow("back", ["PKT_COUNTER"], ["TO_FILE", "PCAP", file.name, 0])
                flow = h.flow("monday", ["INJECT", "out"], ["PKT_COUNTER"])
                h.call("device.start", device="monday")
                h.wait_finished(flow)
                self.assertEqual(h.read(flow, 2), PACKETS)
                value = h.read(flow, 1)
                self.assertEqual(value["injected"], len(self.packets))
                self.assertEqual(value["dropped"], {"no_buffer": 0, "port_busy": 0, "too_short": 0,
                                                    "too_long": self.too_long, "cut": 0})
                line = self.settled(h, "out")
                self.assertEqual((line["offered"], line["sent"]), (len(self.packets), len(self.packets)))
                homard.until(lambda: h.read(back, 1) == len(self.packets), what="all packets to come back")
                h.assert_balanced()
                homard.ctl(h, "ledger")
                h.call("flow.close", flow=back, wait=True)
                self.assertEqual(packets_of(file), self.packets)
                h.stop()

    def test_several_queues_and_functions_lose_nothing(self):
        """All of them arrive, and nothing else; which of two workers' packets is first nobody promises."""
        with self.on_pair(workers=4, queues=4) as h:
            file = self.folder / "queues.pcap"
            back = h.flow("back", ["PKT_COUNTER"], ["TO_FILE", "PCAP", file.name, 0])
            flows = [h.flow("monday", ["INJECT", "out"]),
                     h.flow("monday", ["BPF_FILTER", "udp"], ["INJECT", "out"], ["INJECT", "out"])]
            h.call("device.start", device="monday")
            for flow in flows:
                h.wait_finished(flow)
            all_of, udp = h.read(flows[0], 1), h.read(flows[1], 2)
            self.assertEqual(h.read(flows[1], 3), udp)
            self.assertEqual(all_of["injected"], len(self.packets))
            self.assertGreater(udp["injected"], 0)
            for value in (all_of, udp):
                self.assertEqual(value["dropped"]["port_busy"] + value["dropped"]["no_buffer"], 0)
            sent = all_of["injected"] + 2 * udp["injected"]
            self.assertEqual(self.settled(h, "out")["sent"], sent)
            homard.until(lambda: h.read(back, 1) == sent, what="all packets to come back")
            h.assert_balanced()
            h.call("flow.close", flow=back, wait=True)
            came = collections.Counter(packets_of(file))
            self.assertEqual(sum(came.values()), sent)
            self.assertEqual(came.keys(), set(self.packets))
            h.stop()

    def test_a_tap_device_gives_them_to_the_kernel(self):
        if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
            self.skipTest("a tap device in a network namespace needs root and /dev/net/tun")
        file = self.folder / "tap.pcap"
        config = {"devices": [self.monday(), {"name": "tap", "vdev": "net_tap0,iface=hmtap0",
                                              "inject": "everybody"}]}
        with Namespace() as namespace, Homard(config, prefix=namespace.prefix) as h, \
                homard.popen([*namespace.prefix, "tcpdump", "-i", "hmtap0", "-Q", "in", "-U", "--immediate-mode",
                              "-B", "16384", "-s", "2048",  # room for all packets, whoever is slow
                              "-w", str(file)],
                             stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as tcpdump:
            try:
                self.assertIn(b"listening on", tcpdump.stderr.readline())
                flow = h.flow("monday", ["INJECT", "tap"])
                h.call("device.start", device="monday")
                h.wait_finished(flow)
                line = self.settled(h, "tap")
                self.assertEqual((line["sent"], line["errors"]), (len(self.packets), 0))
                homard.until(lambda: len(packets_of(file)) >= len(self.packets),
                             what="tcpdump to have all", every=0.1)
            finally:
                tcpdump.terminate()
                tcpdump.communicate()
            self.assertEqual(packets_of(file), self.packets)
            h.assert_balanced()
            h.stop()

    def test_who_may_not_is_told_why(self):
        devices = [self.monday(), {"name": "closed", "vdev": "net_ring0"},
                   {"name": "open", "vdev": "net_ring1", "inject": "everybody", "alias": "way out"}]
        with Homard({"devices": devices}) as h:
            for device, source, why in (
                    ("closed", "monday", 'allows nobody to send packets out of device closed: '
                                         'give it "inject"'),
                    ("nowhere", "monday", 'there is no device "nowhere"'),
                    ("way out", "monday", 'is the alias of device "open"'),
                    ("monday", "open", "out of device monday: name one that can send"),
                    ("open", "open", "is the device of this flow")):
                with self.subTest(device=device, source=source):
                    flow = h.flow(source, connect=False)
                    with self.assertRaisesRegex(RpcError, why) as refused:
                        h.call("flow.apply", flow=flow, function="INJECT", args=[device])
                    self.assertEqual(refused.exception.mapi_errno, 7001)
            h.stop()

    @unittest.skipIf(os.geteuid() != 0, "only root can be other users")
    def test_users_who_are_no_administrators_inject_where_everybody_may(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        folder.chmod(0o755)
        devices = [self.monday(), {"name": "some", "vdev": "net_ring0", "inject": "administrators"},
                   {"name": "all", "vdev": "net_ring1", "inject": "everybody"}]
        program = ("import os, sys; sys.path.insert(0, %r)\n"
                   "import homard\n"
                   "os.setgroups([]); os.setgid(%d); os.setuid(%d)\n"
                   "c = homard.Client(sys.argv[1])\n"
                   "print(c.flow('monday', ['INJECT', 'all'], connect=False) > 0)\n"
                   "try:\n"
                   "    c.flow('monday', ['INJECT', 'some'], connect=False)\n"
                   "except homard.RpcError as e:\n"
                   "    print(e.mapi_errno, e)\n"
                   % (str(pathlib.Path(__file__).parent), OTHER_USER, OTHER_USER))
        try:
            with Homard({"devices": devices, "control": {"mode": "0666"}}, folder=folder) as h:
                said = subprocess.run([sys.executable, "-c", program, h.socket_path],
                                      stdout=subprocess.PIPE, timeout=homard.SLOW, check=True)
                self.assertRegex(said.stdout.decode(), r"^True\n7001 only administrators")
                self.assertGreater(h.flow("monday", ["INJECT", "some"], connect=False), 0)
                h.stop()
        finally:
            shutil.rmtree(folder)

    def test_the_configuration_is_checked(self):
        flow = {"name": "copies", "device": "monday", "functions": [["INJECT", "out"]]}
        for out, why in (({"name": "out", "vdev": "net_ring0"}, "allows nobody to send"),
                         ({"name": "out", "vdev": "net_dag0,card=dag0", "inject": "everybody"},
                          r"devices\[1\].inject: this card cannot send"),
                         ({"name": "other", "vdev": "net_ring0"}, 'there is no device "out"'),
                         (dict(self.monday(), name="out", inject="everybody"),
                          r"devices\[1\].inject: a trace cannot send"),
                         ({"name": "out", "vdev": "net_ring0", "inject": "me"}, "inject")):
            code, output = homard.check({"devices": [self.monday(), out], "flows": [flow]})
            self.assertNotEqual(code, 0, output)
            self.assertRegex(output, why)
        code, output = homard.check({"devices": [self.monday(), {"name": "out", "vdev": "net_ring0",
                                                                "inject": "administrators"}], "flows": [flow]})
        self.assertEqual(code, 0, output)

    def test_a_reload_does_not_change_who_may(self):
        closed = {"name": "out", "vdev": "net_ring0"}
        with Homard({"devices": [self.monday(), closed]}) as h:
            h.config["devices"] = [self.monday(), dict(closed, inject="everybody")]
            h.file.write_text(json.dumps(h.config))
            with self.assertRaisesRegex(RpcError, "restart the daemon for devices"):
                h.call("config.reload")
            flow = h.flow("monday", connect=False)
            with self.assertRaisesRegex(RpcError, "allows nobody"):
                h.call("flow.apply", flow=flow, function="INJECT", args=["out"])
            h.stop()

    def test_a_card_that_cannot_send_is_refused_at_the_start(self):
        config = {"devices": [{"name": "dag", "vdev": "net_dag0,lib=libdag_sim.so,card=dag0",
                               "inject": "everybody"}]}
        with Homard(config, wait=False) as h:
            self.assertNotEqual(h.wait(), 0)
            self.assertIn("cannot send", h.output())
            h.process.returncode = 0  # as it should

    def test_a_peer_that_has_gone_holds_nobody_up(self):
        peer = Homard({"devices": [self.memif("server", "back")]})
        config = {"devices": [self.monday(loop=3), self.memif("client", "out", inject="everybody")]}
        with peer, Homard(config) as h:
            homard.until(lambda: line_of(h, "out")["link"] == "up", what="the link to the peer")
            peer.process.kill()
            peer.wait()
            homard.until(lambda: line_of(h, "out")["link"] == "down", what="the link to be down")
            flow = h.flow("monday", ["INJECT", "out"])
            h.call("device.start", device="monday")
            h.wait_finished(flow)  # though the trace loses nothing where it waits
            sent = 3 * len(self.packets)
            self.assertEqual(h.read(flow, 1)["injected"], sent)
            line = self.settled(h, "out")
            self.assertEqual((line["offered"], line["sent"], line["dropped"]["link_down"]), (sent, 0, sent))
            h.assert_balanced()
            h.stop()


if __name__ == "__main__":
    homard.main()
