#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the flows of a client may take: control.max_memory_mb_per_client, control.max_memory_mb."""
import random
import unittest

import homard
from homard import Homard

MIB = 1 << 20


def big_filter(seed):
    draw = random.Random(seed)
    return " or ".join("(tcp port %d and host 10.%d.%d.%d)" % (
        draw.randrange(1, 65536), draw.randrange(256), draw.randrange(256), draw.randrange(256)) for _ in range(20))


def daemon(client_mb, total_mb, **more):
    return Homard({"devices": [{"name": "null", "vdev": "net_ring0"}], "flows": [],
                   "control": {"max_memory_mb_per_client": client_mb, "max_memory_mb": total_mb}, **more})


class MemoryLimits(unittest.TestCase):
    def fill(self, client, flow, first=0):
        """Applies filters until one is refused; returns how many were not, and what was said."""
        for i in range(first, first + 60):
            try:
                client.call("flow.apply", flow=flow, function="BPF_FILTER", args=[big_filter(i)])
            except homard.RpcError as error:
                self.assertEqual(error.mapi_errno, 3084)
                return i - first, str(error)
        return self.fail("nothing was refused")

    def test_client_that_takes_too_much_is_refused_and_others_are_not(self):
        with daemon(1, 100) as h:
            flow = h.flow("null", connect=False)
            n, said = self.fill(h.client, flow)
            self.assertGreater(n, 3)
            self.assertIn("control.max_memory_mb_per_client is 1", said)
            info = h.call("flow.info", flow=flow)
            self.assertEqual(len(info["functions"]), n)  # what was refused is not in it
            self.assertLessEqual(info["memory_bytes"], MIB)
            self.assertGreater(info["memory_bytes"], MIB // 2)
            with h.connect() as other:
                self.assertEqual(self.fill(other, other.flow("null", connect=False))[0], n)
            # a small one still fits, and the flow works
            h.call("flow.apply", flow=flow, function="PKT_COUNTER", args=[])
            h.call("flow.connect", flow=flow)
            self.assertEqual(h.read(flow, n + 1), 0)
            # what is closed is free again
            h.call("flow.close", flow=flow)
            homard.until(lambda: self.fill(h.client, h.flow("null", connect=False))[0] == n, what="memory to be free")

    def test_clients_together_are_limited_and_connections_that_end_give_back(self):
        with daemon(1, 2) as h:
            clients = [h.connect() for _ in range(3)]
            said = [self.fill(c, c.flow("null", connect=False), 100 * k)[1] for k, c in enumerate(clients)]
            self.assertIn("per_client is 1", said[0])
            self.assertIn("per_client is 1", said[1])
            self.assertIn("control.max_memory_mb is 2", said[2])
            for client in clients:
                client.close()
            # workers let go of them one after the other
            homard.until(lambda: "per_client is 1" in self.fill(h.client, h.flow("null", connect=False))[1],
                         what="memory to be free")

    def test_persistent_flows_of_a_user_are_one_account(self):
        with daemon(1, 100) as h:
            with h.connect() as client:
                n, _ = self.fill(client, client.flow("null", connect=False, persistent=True))
            with h.connect() as client:
                flow = client.flow("null", connect=False, persistent=True)
                self.assertLessEqual(self.fill(client, flow)[0], 1)
                own = client.flow("null", connect=False)
                self.assertEqual(self.fill(client, own)[0], n)

    def test_memory_that_a_function_asks_for_is_counted(self):
        with daemon(32, 100) as h:
            for function in (["TO_BUFFER", 0, {"bytes": 134217728}], ["EXPIRED_FLOWS", 1000, 1000000, 1],
                             ["HASHSAMP", 1, 1, {"samples": 1048576}], ["TOP", 1, 1, 1, 0, 0, {"entries": 1048576}]):
                with self.assertRaises(homard.RpcError) as refused:
                    h.flow("null", function)
                self.assertIn("max_memory_mb_per_client is 32", str(refused.exception))
            # the configuration's own flows have no limit
        with daemon(2, 2, flows=[{"name": "own", "device": "null", "functions":
                                  [["BPF_FILTER", big_filter(i)] for i in range(40)]}]) as h:
            self.assertGreater(h.call("flow.info", flow="own")["memory_bytes"], 3 * MIB // 2)
            h.config["control"]["max_memory_mb_per_client"] = h.config["control"]["max_memory_mb"] = 1
            h.file.write_text(homard.json.dumps(h.config))
            h.call("config.reload")
            self.assertIn("per_client is 1", self.fill(h.client, h.flow("null", connect=False))[1])

    def test_estimate_is_near_what_is_taken(self):
        if homard.os.environ.get("HOMARD_SANITIZED"):
            self.skipTest("the sanitizer's allocator is another")
        with daemon(1024, 1024) as h:
            def connect(n):
                flows = [h.flow("null", ["BPF_FILTER", big_filter(next(seeds))], ["PKT_COUNTER"]) for _ in range(n)]
                homard.until(lambda: h.call("flow.info", flow=flows[-1])["status"] == "active")
                return sum(h.call("flow.info", flow=flow)["memory_bytes"] for flow in flows)

            seeds = iter(range(10 ** 6))
            connect(60)  # what the first ones of all take is no matter of how many there are
            before = h.call("memory")["malloc_bytes"]
            charged = connect(60)
            taken = h.call("memory")["malloc_bytes"] - before
            self.assertGreater(charged, taken / 2)
            self.assertLess(charged, taken * 2)

    def test_resident_set_is_the_kernels(self):
        with daemon(1024, 1024) as h:
            told = h.call("memory")["resident_bytes"]
            status = homard.pathlib.Path("/proc/%d/status" % h.process.pid).read_text()
            kernel = int(status.split("VmRSS:")[1].split()[0]) * 1024
            self.assertLess(abs(told - kernel), 16 << 20)


if __name__ == "__main__":
    homard.main()
