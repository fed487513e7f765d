#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Traces that programs open: devices that come and go at run time, and libmapi's calls on them, of MAPI 2.0 and of 1.x."""
import os
import pathlib
import shutil
import socket
import struct
import tempfile
import threading
import time
import unittest

import homard
import libmapi
from homard import Homard

FLOW_INIT, FLOW_ACTIVE, FLOW_FINISHED = range(3)
MFF_PCAP, MFF_RAW, MFF_DAG_ERF = range(3)


def create_device(client, path, name="trace"):
    """device.create with the descriptor of a file; the answer's result."""
    client.last_id += 1
    line = '{"jsonrpc":"2.0","id":%d,"method":"device.create","params":{"name":"%s"}}\n' % (client.last_id, name)
    with open(path, "rb") as file:
        socket.send_fds(client.socket, [line.encode()], [file.fileno()])
    answer = client.receive()
    if "error" in answer:
        raise homard.RpcError(answer["error"])
    return answer["result"]


def names(h):
    return [d["name"] for d in h.call("device.list")]


class Offline(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="homard-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.path = cls.folder / "a:b, c.pcap"  # a name that could be a scope
        cls.truth = homard.make_trace(cls.folder / "in.pcap", packets=5000, flows=100, seed=3)
        os.rename(cls.folder / "in.pcap", cls.path)
        homard.make_trace(cls.folder / "in.erf", packets=100, seed=4)
        cls.mapi = libmapi.Mapi()

    def start(self, workers=1, **control):
        self.daemon = Homard({"devices": [{"name": "live", "vdev": "net_null0"}], "flows": [], "control": control},
                             workers=workers)
        self.addCleanup(self.daemon.__exit__, None)
        libmapi.use(self.daemon)
        self.addCleanup(self.mapi.close_all)
        return self.daemon

    def refused(self, number, call, *args):
        with self.assertRaises(libmapi.MapiError) as raised:
            call(*args)
        self.assertEqual(raised.exception.number, number, raised.exception.text)
        self.assertTrue(raised.exception.text)

    def info(self, fd):
        info = libmapi.FlowInfo()
        self.mapi.get_flow_info(fd, libmapi.ctypes.byref(info))
        return info

    def wait_finished(self, fd):
        homard.until(lambda: self.info(fd).status == FLOW_FINISHED, what="the flow to finish")

    def device(self, path, kind=MFF_PCAP):
        name = self.mapi.create_offline_device(str(path), kind)
        text = libmapi.ctypes.string_at(name).decode()
        self.addCleanup(lambda: self.mapi.library.mapi_delete_offline_device(text.encode()))
        return text

    def test_flow_on_the_path_of_a_trace(self):
        h, m = self.start(), self.mapi
        for path, packets in ((self.path, self.truth["packets"]), (self.folder / "in.erf", 100)):
            with self.subTest(path=path):
                fd = m.create_flow(str(path))
                counter = m.apply(fd, "PKT_COUNTER")
                m.connect(fd)
                self.wait_finished(fd)
                self.assertEqual(m.result(fd, counter), packets)
                m.close_flow(fd)
        self.refused(3200, m.create_flow, str(self.folder / "none.pcap"))  # no file: the name of a device
        self.refused(3200, m.create_flow, str(self.folder))

    def test_device_of_2_0_is_read_once_by_all_its_flows(self):
        for workers in (1, 2):
            with self.subTest(workers=workers):
                h, m = self.start(workers), self.mapi
                device = self.device(self.path)
                self.assertTrue(device.startswith(str(self.path) + "@"), device)
                self.assertNotEqual(self.device(self.path), device)
                one, (packets, gap, statistics) = m.flow(device, ("PKT_COUNTER",), ("GAP",), ("STATS", 0, 2, "1"))
                two, (_, web, buffer) = m.flow(device, ("BPF_FILTER", "tcp"), ("PKT_COUNTER",), ("TO_BUFFER", 0))
                self.assertEqual((self.info(one).status, self.info(one).num_functions), (FLOW_ACTIVE, 3))
                self.assertLess(self.info(one).devid, 0)
                self.assertEqual(m.result(one, packets), 0)
                m.start_offline_device(device)
                got = 0  # the trace waits for the reader of its buffer
                while m.library.mapi_get_next_pkt(two, buffer):
                    got += 1
                self.wait_finished(one)
                self.assertEqual(m.result(one, packets), self.truth["packets"])
                self.assertEqual(struct.unpack_from("Q", m.raw(one, statistics))[0], self.truth["packets"] - 1)
                self.assertGreater(got, 10)
                self.assertEqual(m.result(two, web), got)
                self.refused(3202, m.start_offline_device, device)  # it has been read
                h.assert_balanced()
                m.close_flow(one)
                m.close_flow(two)
                m.delete_offline_device(device)
                self.refused(3202, m.delete_offline_device, device)
                self.refused(3202, m.start_offline_device, device)
                self.refused(3200, m.create_flow, device.replace(":", "_"))
                self.mapi.close_all()
                self.doCleanups()

    def test_flow_of_1_x_has_a_trace_of_its_own(self):
        h, m = self.start(), self.mapi
        fd = m.create_offline_flow(str(self.path), MFF_PCAP)
        packets = m.apply(fd, "PKT_COUNTER")
        self.assertEqual(self.info(fd).status, FLOW_INIT)
        other = m.create_offline_flow(str(self.folder / "in.erf"), MFF_DAG_ERF)
        count = m.apply(other, "PKT_COUNTER")
        m.connect(fd)
        self.wait_finished(fd)
        self.assertEqual(m.result(fd, packets), self.truth["packets"])
        m.connect(other)
        self.wait_finished(other)
        self.assertEqual(m.result(other, count), 100)
        self.assertEqual(len(names(h)), 3)
        m.close_flow(fd)
        m.close_flow(other)
        homard.until(lambda: names(h) == ["live"], what="the devices to go")

    def test_what_is_no_trace_is_refused(self):
        self.start()
        m, f = self.mapi, self.folder
        (f / "text").write_text("no trace " * 100)
        (f / "empty").touch()
        (f / "cut.pcap").write_bytes(self.path.read_bytes()[:20])
        os.mkfifo(f / "fifo")
        self.refused(6155, m.create_offline_device, str(f / "nowhere"), MFF_PCAP)
        self.refused(6155, m.create_offline_device, str(f), MFF_PCAP)
        self.refused(6155, m.create_offline_device, str(f / "fifo"), MFF_PCAP)
        self.refused(6155, m.create_offline_device, str(f / "text"), MFF_PCAP)
        self.refused(6155, m.create_offline_device, str(f / "empty"), MFF_PCAP)
        self.refused(6155, m.create_offline_device, str(f / "cut.pcap"), MFF_PCAP)
        self.refused(6155, m.create_offline_device, str(f / "in.erf"), MFF_PCAP)
        self.refused(6155, m.create_offline_device, str(self.path), MFF_DAG_ERF)
        self.refused(3200, m.create_offline_device, str(self.path), MFF_RAW)
        self.refused(3200, m.create_offline_device, str(self.path), 17)
        self.refused(7001, m.create_offline_device, None, MFF_PCAP)
        self.refused(6155, m.create_offline_flow, str(f / "text"), MFF_PCAP)
        self.refused(3202, m.start_offline_device, "nowhere@1")
        self.refused(3202, m.start_offline_device, None)
        self.refused(3202, m.delete_offline_device, None)

    def test_flow_report_hands_its_messages_to_the_program(self):
        self.start()
        m = self.mapi
        for kind, version in (("IPFIX", 10), ("NETFLOW_V5", 5), (None, 10)):
            fd = m.create_offline_flow(str(self.path), MFF_PCAP)
            report = m.apply(fd, "FLOW_REPORT", kind, "SHMEM" if kind else None)
            packets = m.apply(fd, "PKT_COUNTER")
            m.connect(fd)
            messages = []
            with self.assertRaises(libmapi.MapiError) as raised:
                while True:
                    image = m.raw(fd, report)
                    self.assertEqual(len(image), 2016)  # sizeof(ifp_dgram_t)
                    number, size = struct.unpack_from("LI", image)
                    messages.append(image[12:12 + size])
                    self.assertEqual(number, len(messages))
            self.assertEqual(raised.exception.number, 6146)
            self.assertTrue(all(struct.unpack_from("!H", message)[0] == version for message in messages))
            if version == 5:
                records = [message[at:at + 48] for message in messages for at in range(24, len(message), 48)]
                self.assertGreater(len(records), 10)
                metered = sum(struct.unpack_from("!I", record, 16)[0] for record in records)
                read = m.result(fd, packets)
                self.assertLessEqual(metered, read)  # not what is no IPv4
                self.assertGreater(metered, read // 2)
            m.close_flow(fd)
        self.daemon.assert_balanced()

    def test_trace_without_packets_finishes_and_wakes_its_reader(self):
        self.start()
        (self.folder / "header.pcap").write_bytes(self.path.read_bytes()[:24])
        fd = self.mapi.create_offline_flow(str(self.folder / "header.pcap"), MFF_PCAP)
        buffer = self.mapi.apply(fd, "TO_BUFFER")
        self.mapi.connect(fd)
        self.assertFalse(self.mapi.library.mapi_get_next_pkt(fd, buffer))
        self.assertEqual(self.mapi.error().number, 0)
        self.wait_finished(fd)

    def test_trace_that_is_cut_ends_with_its_last_whole_packet(self):
        self.start()
        (self.folder / "torn.pcap").write_bytes(self.path.read_bytes()[:-5])
        fd = self.mapi.create_offline_flow(str(self.folder / "torn.pcap"), MFF_PCAP)
        packets = self.mapi.apply(fd, "PKT_COUNTER")
        self.mapi.connect(fd)
        self.wait_finished(fd)
        self.assertEqual(self.mapi.result(fd, packets), self.truth["packets"] - 1)

    def test_devices_are_limited_and_private(self):
        h = self.start(max_devices_per_client=3)
        with h.connect() as mine, h.connect() as other:
            made = [create_device(mine, self.path)["name"] for _ in range(3)]
            with self.assertRaises(homard.RpcError) as raised:
                create_device(mine, self.path)
            self.assertEqual(raised.exception.mapi_errno, 1026)
            self.assertIn("max_devices_per_client", str(raised.exception))
            self.assertEqual(len(set(made)), 3)
            with self.assertRaises(homard.RpcError) as raised:  # though it is an administrator
                other.flow(made[0], ("PKT_COUNTER",))
            self.assertEqual(raised.exception.mapi_errno, 3200)
            flow = mine.flow(made[0], ("PKT_COUNTER",))
            mine.call("device.delete", device=made[0])
            with self.assertRaises(homard.RpcError) as raised:
                mine.read(flow, 1)
            self.assertEqual(raised.exception.mapi_errno, 6145)
            create_device(mine, self.path)  # there is room again, as soon as it is answered
            with self.assertRaises(homard.RpcError):
                mine.call("device.delete", device="live")
            mine.call("device.delete", device=made[1])
            odd = create_device(mine, self.path, "a\\u001b[2J\\n\\u0085\\u00e9")["name"]
            self.assertTrue(odd.startswith("a?[2J???\u00e9@"), odd)
        homard.until(lambda: names(h) == ["live"], what="the devices to go with their connection")
        h.assert_balanced()

    def test_devices_come_and_go_while_packets_run(self):
        h = self.start(workers=2)
        live = h.flow("live", ("PKT_COUNTER",))
        before, memory = h.read(live, 1), None
        for i in range(30):
            with h.connect() as client:
                devices = [create_device(client, self.path)["name"] for _ in range(2)]
                flows = [client.flow(d, ("STR_SEARCH", "pattern %d" % (i % 3), 0, 0), ("PKT_COUNTER",), ("GAP",), ("TO_BUFFER",))
                         for d in devices]
                client.call("device.start", device=devices[0])
                if i % 2:
                    client.call("device.start", device=devices[1])
                    client.call("device.delete", device=devices[0])
                if i % 5 == 0:
                    client.wait_finished(flows[i % 2])
            if i == 9:
                homard.until(lambda: names(h) == ["live"])
                memory = h.call("memory")["heap"]["used_bytes"]
        homard.until(lambda: names(h) == ["live"], what="the devices to go")
        self.assertGreater(h.read(live, 1), before)
        homard.until(lambda: h.call("memory")["heap"]["used_bytes"] <= memory + 65536,
                     what="the memory of the last devices to be free")
        fds = homard.open_descriptors(h.process.pid)
        self.assertLess(fds, 40)
        h.assert_balanced()

    def test_as_many_devices_as_there_can_be(self):
        h = self.start(max_devices_per_client=32)
        with h.connect() as client:
            for _ in range(31):
                create_device(client, self.path)
            with self.assertRaises(homard.RpcError) as raised:
                create_device(client, self.path)
            self.assertEqual(raised.exception.mapi_errno, 1026)
            client.call("device.delete", device=names(h)[5])
            flow = client.flow(create_device(client, self.path)["name"], ("PKT_COUNTER",))
            client.call("device.start", device=names(h)[-1])
            client.wait_finished(flow)
            self.assertEqual(client.read(flow, 1), self.truth["packets"])

    def test_daemon_stops_with_devices_of_clients(self):
        h = self.start()
        with h.connect() as client:
            device = create_device(client, self.path)["name"]
            client.flow(device, ("TO_BUFFER",))
            client.call("device.start", device=device)
            time.sleep(0.1)  # it waits for a reader that does not come
            h.stop()


if __name__ == "__main__":
    homard.main()
