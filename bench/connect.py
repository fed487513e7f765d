# SPDX-License-Identifier: BSD-3-Clause
"""connect: how long clients wait for their flows while packets pass at full rate."""
import json
import os
import socket
import statistics
import threading
import time

from appliance import Appliance

SOONER = 50  # connects a point


def among(bench, flows, fresh):
    """flow.connect of one more flow beside `flows`, again and again; fresh(i) is the i-th one's
    functions."""
    took = []
    with Appliance(bench, flows) as running, running.daemon.connect() as client:
        running.wait_for_packets()
        for i in range(SOONER):
            flow = client.flow("big", *fresh(i), connect=False)
            started = time.monotonic()
            client.call("flow.connect", flow=flow)
            took.append((time.monotonic() - started) * 1e3)
    return {"connect_ms": statistics.median(took), "connect_ms_max": max(took)}


def unheard_of(i):
    """A search for a string that no database holds, in memory or on disk."""
    return [["STR_SEARCH", "bench-%d-%d-%d" % (os.getpid(), time.time_ns(), i), 0, 0], ["PKT_COUNTER"]]


def requests_of(flows, whole):
    """One request a flow if `whole`, else one for each step, as MAPI's calls make them."""
    for i, functions in enumerate(flows):
        name = "many%d" % i
        if whole:
            yield "flow.create", {"device": "big", "name": name, "functions": functions, "connect": True}
            continue
        yield "flow.create", {"device": "big", "name": name}
        for function in functions:
            yield "flow.apply", {"flow": name, "function": function[0], "args": function[1:]}
        yield "flow.connect", {"flow": name}


def answers(client, n):
    """The next n answers; one that is an error ends the bench."""
    data = b""
    while data.count(b"\n") < n:
        more = client.recv(1 << 20)
        if not more:
            raise SystemExit("bench: homardd closed the connection: %s" % data[-500:].decode())
        data += more
    for line in data.splitlines():
        if b'"error"' in line:
            raise SystemExit("bench: a flow was refused: %s" % line.decode())


def many(bench, flows, whole):
    """All flows by one client that sends everything at once, until the last is active."""
    lines = [json.dumps({"jsonrpc": "2.0", "id": i, "method": method, "params": params}).encode()
             for i, (method, params) in enumerate(requests_of(flows, whole))]
    asked = b"\n".join(lines) + b"\n"
    with Appliance(bench, [[["PKT_COUNTER"]]]) as running, \
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        running.wait_for_packets()
        client.connect(running.daemon.socket_path)
        client.settimeout(120)
        sender = threading.Thread(target=client.sendall, args=(asked,), daemon=True)
        started = time.monotonic()
        sender.start()
        answers(client, len(lines))
        seconds = time.monotonic() - started
        sender.join()
        return {"connect_s": seconds, "memory_mb": running.memory_mb()}
