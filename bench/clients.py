# SPDX-License-Identifier: BSD-3-Clause
"""clients: what a program of a user gets out of the appliance."""
import json
import os
import subprocess

import traffic
from appliance import Appliance

PATIENCE = 120


def to_buffer(bench):
    """Packets of 64 bytes to one MAPI program; the trace waits for it, so none is lost. It reads on the control
    core: where there are but two, the daemon's other threads and it share that one."""
    with Appliance(bench, [], trace=traffic.smallest(bench)) as running:
        bench.isa = running.isa
        running.daemon.call("device.start", device="big")
        done = subprocess.run([bench.build / "bench/buffer_client", "big", str(bench.seconds)],
                              env={**os.environ, "HOMARD_SOCKET": running.daemon.socket_path},
                              preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=PATIENCE, check=True)
    return {"mpps": json.loads(done.stdout)["mpps"]}
