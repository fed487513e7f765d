# SPDX-License-Identifier: BSD-3-Clause
"""What real collectors read from FLOW_REPORT's export is, record by record, what a reference in Python finds
in the same trace: first, last (ms), packets, bytes, flags, ToS. In every format, at every batch size.

usage: test_flow_report.py COLLECTOR PROTOCOL
"""
import ipaddress
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from datetime import datetime, timezone

import reference
import tls_peer

BUILD = pathlib.Path(os.environ["HOMARD_BUILD"])
FEED = BUILD / "tests/interop/flow_report_feed"
TRAFFIC = BUILD / "src/homard-traffic"
ACTIVE_S, INACTIVE_S = 3, 1
PROTOCOL = sys.argv[2]
SAMPLING = 10
RECORDS_PER_S = 300000  # what a slow collector takes without loss


def foreign_env():
    """For other people's programs: times in UTC, and memory as it comes. meson has malloc() fill what it gives, and
    nfcapd, which reads some of that, then loses records."""
    return {**{k: v for k, v in os.environ.items() if k != "MALLOC_PERTURB_"}, "TZ": "UTC"}


def make_trace(path, *more):
    subprocess.run([TRAFFIC, "--out", path, "--packets", "60000", "--flows", "700", "--rate", "5000",
                    "--fragments", "3", *more], check=True, stdout=subprocess.DEVNULL)


def vary_frames(path):
    """Has some packets come from another MAC address or with another label than others of their flow."""
    data, at, number = bytearray(path.read_bytes()), 24, 0
    order = "<" if data[0] == 0x4d else ">"
    while at < len(data):
        caplen = struct.unpack_from(order + "I", data, at + 8)[0]
        frame, at, number = at + 16, at + 16 + caplen, number + 1
        if number % 5 == 0:
            data[frame + 11] ^= 1
        if number % 3 == 0 and data[frame + 12:frame + 14] == b"\x88\x47":
            data[frame + 16] ^= 0x10  # the last bit of the label
        if number % 4 == 0 and data[frame + 12:frame + 14] == b"\x88\x47":
            data[frame + 16] ^= 0x02  # Exp, which is not in the key
    path.write_bytes(data)


def feed(trace, batch, flow_key=(), **exporter):
    """Runs the trace through FLOW_REPORT; its result."""
    exporter = {"protocol": PROTOCOL, "max_records_per_s": RECORDS_PER_S, "template_packets": 20,
                "observation_domain": 7, **exporter}
    if "path" not in exporter:
        exporter["host"] = "127.0.0.1"
    options = {"active_timeout_s": ACTIVE_S, "inactive_timeout_s": INACTIVE_S, "cache_entries": 65536,
               "flow_key": list(flow_key), "exporters": [exporter]}
    done = subprocess.run([FEED, trace, str(batch), json.dumps([options])], check=True,
                          stdout=subprocess.PIPE, timeout=120)
    result = json.loads(done.stdout)
    ledger = result["ledger"]
    assert ledger["balanced"] and ledger["queued"] == 0, ledger
    unsupported = ledger["lost"]["unsupported"]  # IPv6 in NetFlow 5
    assert ledger["made"] == ledger["exported"] + unsupported > unsupported, ledger
    assert (unsupported > 0) == (PROTOCOL == "netflow5"), ledger
    return result


def compare(expected, seen, who):
    """Both are Counters; says what differs."""
    if expected == seen:
        print(f"{who}: {sum(seen.values())} records agree")
        return
    missing, extra = expected - seen, seen - expected
    print(f"{who}: {sum(missing.values())} records missing, {sum(extra.values())} too many of "
          f"{sum(expected.values())}", file=sys.stderr)
    for name, some in (("missing", missing), ("too many", extra)):
        for record in sorted(some, key=str)[:5]:
            print(" ", name, record, file=sys.stderr)
    sys.exit(1)


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# --- nfcapd and nfdump ---

def bound(port):
    """Whether some process listens on the UDP port of IPv4."""
    want = "%04X" % port
    with open("/proc/net/udp") as f:
        return any(line.split()[1].endswith(":" + want) for line in f.readlines()[1:])


def wait_for(collector, port):
    deadline = time.monotonic() + 20
    while not bound(port):
        assert collector.poll() is None, "the collector ended"
        assert time.monotonic() < deadline, "the collector does not listen"
        time.sleep(0.02)


def ms(text):
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f").replace(tzinfo=timezone.utc)
    return round(moment.timestamp() * 1000)


def nfdump_record(r):
    flags = sum(1 << bit for bit, letter in enumerate("FSRPAUEC") if letter in r.get("tcp_flags", ""))
    dport = r.get("dst_port", r.get("icmp_type", 0) << 8 | r.get("icmp_code", 0))
    source, destination = ((r[f"{side}4_addr"] if f"{side}4_addr" in r else r[f"{side}6_addr"])
                           for side in ("src", "dst"))
    return reference.Record(ms(r["first"]), ms(r["last"]), source, destination, r.get("src_port", 0), dport,
                            r["proto"], r["in_packets"], r["in_bytes"], flags, r["src_tos"])


def through_nfcapd(trace, folder, **exporter):
    port = free_port()
    env = foreign_env()
    collector = subprocess.Popen(["nfcapd", "-w", str(folder), "-b", "127.0.0.1", "-p", str(port), "-B",
                                  "4000000", "-t", "3600"], env=env, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
    try:
        wait_for(collector, port)
        result = feed(trace, 64, port=port, **exporter)
        time.sleep(0.5)
    finally:
        collector.send_signal(signal.SIGTERM)
        collector.wait(timeout=30)
    text = subprocess.run(["nfdump", "-R", str(folder), "-o", "json"], env=env, check=True,
                          stdout=subprocess.PIPE).stdout
    return result, Counter(nfdump_record(r) for r in json.loads(text))


def through_nfcapd_sampled(trace, folder):
    """A collector that is told of sampling multiplies; the records here are divided again."""
    result, seen = through_nfcapd(trace, folder, sampling_interval=SAMPLING)
    return result, Counter({r._replace(packets=r.packets / SAMPLING, octets=r.octets / SAMPLING): n
                            for r, n in seen.items()})


# --- nfacctd ---

NFACCTD = """daemonize: false
nfacctd_ip: 127.0.0.1
nfacctd_port: {port}
nfacctd_pipe_size: 4000000
plugins: print
aggregate: src_host, dst_host, src_port, dst_port, proto, tos, tcpflags, timestamp_start, timestamp_end
print_output: json
print_output_file: {folder}/out.json
print_output_file_append: true
print_refresh_time: 2
print_cache_entries: 20011
plugin_pipe_size: 64000000
plugin_buffer_size: 456
"""  # a buffer of one record: nfacctd forgets what is in a part of one


def nfacctd_record(r):
    first, last = (ms(r[f"timestamp_{end}"].replace(" ", "T")) for end in ("start", "end"))
    return reference.Record(first, last, r["ip_src"], r["ip_dst"], r["port_src"], r["port_dst"],
                            PROTOCOLS.get(r["ip_proto"], r["ip_proto"]), r["packets"], r["bytes"],
                            int(r["tcp_flags"]), r["tos"])


def wait_until(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)


def added_up(records):
    """nfacctd knows seconds only in NetFlow 9 and 5, and adds up records that are then the same: what is left
    to compare are sums."""
    sums = {}
    for r, n in records.items():
        key = (r.src, r.dst, r.sport, r.dport, r.proto, r.tos)
        packets, octets, flags = sums.get(key, (0, 0, 0))
        sums[key] = packets + n * r.packets, octets + n * r.octets, flags | r.flags
    return Counter(sums.items())


def through_nfacctd(trace, folder):
    port = free_port()
    log, out = folder / "log", folder / "out.json"
    lines = lambda: out.read_text().splitlines() if out.exists() else []
    (folder / "conf").write_text(NFACCTD.format(port=port, folder=folder))
    with open(log, "w") as f:
        collector = subprocess.Popen(["nfacctd", "-f", str(folder / "conf")], env=foreign_env(),
                                     stdout=f, stderr=f)
        try:
            wait_for(collector, port)
            wait_until(lambda: "Purging cache" in log.read_text(errors="replace"), 20)  # its printer runs
            result = feed(trace, 3, port=port)
            before = []
            while not lines() or lines() != before:  # it prints every two seconds
                before = lines()
                time.sleep(3)
        finally:
            collector.send_signal(signal.SIGINT)
            collector.wait(timeout=30)
    return result, Counter(nfacctd_record(json.loads(line)) for line in lines())


# --- tshark ---

FIELDS = ("cflow.abstimestart cflow.abstimeend cflow.srcaddr cflow.dstaddr cflow.srcaddrv6 cflow.dstaddrv6 "
          "cflow.srcport cflow.dstport cflow.protocol cflow.packets cflow.octets cflow.tcpflags cflow.tos").split()


class Recorder(threading.Thread):
    """Receives datagrams and writes them as a pcap of raw IPv4 for tshark."""

    def __init__(self, path):
        super().__init__()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.3)
        self.port = self.socket.getsockname()[1]
        self.path, self.done = path, False

    def run(self):
        with open(self.path, "wb") as f:
            f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101))
            while True:
                try:
                    data = self.socket.recv(65535)
                except socket.timeout:
                    if self.done:
                        break
                    continue
                total = 28 + len(data)
                ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, total, 0, 0, 64, 17, 0, b"\x7f\0\0\1", b"\x7f\0\0\1")
                udp = struct.pack("!HHHH", 4739, 4739, 8 + len(data), 0)
                f.write(struct.pack("<IIII", 0, 0, total, total) + ip + udp + data)
        self.socket.close()


def seconds_to_ms(text):
    moment, fraction = text.replace(" UTC", "").split(".")
    when = datetime.strptime(moment.strip(), "%b %d, %Y %H:%M:%S").replace(tzinfo=timezone.utc)
    return round(when.timestamp()) * 1000 + int(fraction[:3])


def tshark_times(flow, boot_ms):
    """First and last packet; NetFlow 9 and 5 tell uptimes."""
    times = flow.get("cflow.timedelta_tree", flow)
    if "cflow.abstimestart" in times:
        return [seconds_to_ms(times[f"cflow.abstime{end}"]) for end in ("start", "end")]
    return [boot_ms + round(float(times[f"cflow.time{end}"]) * 1000) for end in ("start", "end")]


def tshark_boot_ms(message):
    """The uptime 0 by the header of a message."""
    header = {key: value for key, value in message if isinstance(value, str)}
    header.update(dict(message).get("cflow.timestamp_tree", []))
    if "cflow.sysuptime" not in header:
        return None
    return (int(header["cflow.unix_secs"]) * 1000 + int(header.get("cflow.unix_nsecs", 0)) // 10**6 -
            round(float(header["cflow.sysuptime"]) * 1000))


def tshark_record(flow, boot_ms):
    """One data record, as the tree that tshark makes of it."""
    value = lambda name: flow[name] if name in flow else None
    source = value("cflow.srcaddr") or value("cflow.srcaddrv6")
    destination = value("cflow.dstaddr") or value("cflow.dstaddrv6")
    return reference.Record(*tshark_times(flow, boot_ms), source, destination,
                            int(flow["cflow.srcport"]), int(flow["cflow.dstport"]),
                            int(flow["cflow.protocol"]), int(flow["cflow.packets"]),
                            int(flow["cflow.octets"]), int(flow["cflow.tcpflags"], 16),
                            int(flow["cflow.tos"], 16))


def flows_in(node):
    """All flow records in tshark's JSON (decoded with duplicate keys kept as lists of pairs); options
    records have no source."""
    if isinstance(node, list):
        for key, value in (item for item in node if isinstance(item, tuple)):
            if key.startswith(("Flow ", "pdu ")) and isinstance(value, list):
                flat = {}
                flatten(value, flat)
                if "cflow.srcaddr" in flat or "cflow.srcaddrv6" in flat:
                    yield flat
            else:
                yield from flows_in(value)
        for item in node:
            if not isinstance(item, tuple):
                yield from flows_in(item)


def messages_in(node):
    """The export messages in tshark's JSON, each a list of pairs."""
    for key, value in (item for item in node if isinstance(item, tuple) and isinstance(item[1], list)):
        if key == "cflow":
            yield value
        else:
            yield from messages_in(value)
    for item in node:
        if isinstance(item, list):
            yield from messages_in(item)


def flatten(pairs, into):
    for key, value in pairs:
        if isinstance(value, list):
            flatten([v for v in value if isinstance(v, tuple)], into)
        else:
            into.setdefault(key, value)


def through_tshark(trace, folder):
    capture = folder / "export.pcap"
    recorder = Recorder(capture)
    recorder.start()
    try:
        result = feed(trace, 1, port=recorder.port)
    finally:
        recorder.done = True
        recorder.join()
    env = foreign_env()
    text = subprocess.run(["tshark", "-n", "-r", str(capture), "-d", "udp.port==4739,cflow", "-T", "json", "-J", "cflow"],
                          env=env, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    tree = json.loads(text, object_pairs_hook=lambda pairs: pairs)
    assert b"_ws.malformed" not in text and b"No template found" not in text
    return result, Counter(tshark_record(flow, tshark_boot_ms(message)) for message in messages_in(tree)
                           for flow in flows_in(message))


# --- libfixbuf: IPFIX files and TCP, both directions in one record, more in the key ---

MORE_KEY = ("vlan", "tos")
FRAME_KEY = ("mac", "mpls_label")


def frame_in(fields, reverse):
    """None without MAC addresses. As keys they stand for both directions."""
    if "sourceMacAddress" not in fields:
        return None
    ends = [bytes.fromhex(fields[f"{end}MacAddress"].replace(":", "")) for end in ("source", "destination")]
    label = int(fields["mplsTopLabelStackSection"]).to_bytes(3, "little")  # as ipfixDump prints three bytes
    return without_exp(reference.Frame(ends[reverse], ends[not reverse], label if any(label) else None))


def without_exp(frame):
    """Exp is not in the key, and said of the initiator's first packet only."""
    return frame._replace(mpls=frame.mpls and frame.mpls[:2] + bytes([frame.mpls[2] & 0xf1]))


def fixbuf_records(fields):
    """A data record of ipfixDump: the record of the initiator, and of the other side if there is one."""
    address = lambda side: fields.get(f"{side}IPv4Address") or str(ipaddress.ip_address(fields[f"{side}IPv6Address"]))
    ends = [(address(side), int(fields[f"{side}TransportPort"])) for side in ("source", "destination")]
    proto, tos = int(fields["protocolIdentifier"]), int(fields["ipClassOfService"])
    for reverse in (False, True):
        value = lambda name: fields["reverse" + name[0].upper() + name[1:] if reverse else name]
        if reverse and "reversePacketDeltaCount" not in fields:
            continue
        yield reference.Record(ms(value("flowStartMilliseconds").replace(" ", "T")),
                               ms(value("flowEndMilliseconds").replace(" ", "T")),
                               ends[reverse][0], ends[not reverse][0], ends[reverse][1], ends[not reverse][1], proto,
                               int(value("packetDeltaCount")), int(value("octetDeltaCount")),
                               int(value("tcpControlBits")), tos, frame_in(fields, reverse))


def read_with_fixbuf(path):
    text = subprocess.run(["ipfixDump", "-d", "-i", str(path)], env=foreign_env(), check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    numbers = re.findall(r"sequence number: (\d+) \((-?\d+)\)", text)
    assert numbers and all(number == expected for number, expected in numbers), "sequence numbers"
    both = 0
    seen = Counter()
    for record in text.split("--- data record")[1:]:
        fields = dict(re.findall(r"^\t\(\S+\)(?: \(S\))?\s+(\w+) : (.*)$", record, re.M))
        if "packetDeltaCount" in fields:
            assert fields["biflowDirection"] == "1"
            both += "reversePacketDeltaCount" in fields
            seen.update(fixbuf_records(fields))
    assert both > 1000, both
    for option in ("flowKeyIndicator +: [1-9]", "interfaceName +: .*feed/0",
                   "informationElementName +: .*reverseOctetDeltaCount", "exportedFlowRecordTotalCount +: [1-9]",
                   "ignoredPacketTotalCount +: "):
        assert re.search(option, text), option
    return seen


def through_file(trace, folder):
    path = folder / "export.ipfix"
    result = feed(trace, 5, MORE_KEY + FRAME_KEY, transport="file", path=str(path), biflow=True)
    return result, read_with_fixbuf(path)


def through_tcp(trace, folder, transport="tcp", wrap=lambda connection: connection, **more):
    path = folder / "stream.ipfix"
    with socket.create_server(("127.0.0.1", 0)) as server:
        def receive():
            connection = wrap(server.accept()[0])
            with connection, open(path, "wb") as f:
                while data := connection.recv(65536):
                    f.write(data)
        reader = threading.Thread(target=receive)
        reader.start()
        result = feed(trace, 64, MORE_KEY, transport=transport, port=server.getsockname()[1], biflow=True,
                      max_records_per_s=0, **more)
        reader.join()
    return result, read_with_fixbuf(path)


def through_tls(trace, folder):
    """Debian's libfixbuf has no TLS: Python's ssl takes that off, and libfixbuf reads the rest."""
    authority = tls_peer.Authority(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("collector"))
    context.load_verify_locations(authority.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    return through_tcp(trace, folder, "tls", lambda raw: context.wrap_socket(raw, server_side=True),
                       tls=authority.exporter_files())


PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1, "ipv6-icmp": 58, "sctp": 132}
COLLECTORS = {"nfdump": (through_nfcapd, ("nfcapd", "nfdump")),
              "nfdump_sampled": (through_nfcapd_sampled, ("nfcapd", "nfdump")),
              "nfacctd": (through_nfacctd, ("nfacctd",)),
              "tshark": (through_tshark, ("tshark",)),
              "file": (through_file, ("ipfixDump",)),
              "tcp": (through_tcp, ("ipfixDump",)),
              "tls": (through_tls, ("ipfixDump", "openssl"))}


def main():
    through, tools = COLLECTORS[sys.argv[1]]
    who = f"{sys.argv[1]}, {PROTOCOL}"
    for tool in tools:
        if not shutil.which(tool):
            print(f"{tool} is not installed")
            sys.exit(77)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        trace = folder / "trace.pcap"
        with_frames = through is through_file
        make_trace(trace, *(("--mpls", "30") if with_frames else ()))
        if with_frames:
            vary_frames(trace)
        more_key = MORE_KEY if through in (through_file, through_tcp, through_tls) else ()
        more_key += FRAME_KEY if with_frames else ()
        expected = [r._replace(frame=without_exp(r.frame) if with_frames else None)
                    for r in reference.meter(trace, ACTIVE_S, INACTIVE_S, more_key)
                    if PROTOCOL != "netflow5" or ":" not in r.src]
        records = folder / "records"
        records.mkdir()
        result, seen = through(trace, records)
        expected = Counter(expected)
        if sys.argv[1] == "nfacctd" and PROTOCOL != "ipfix":
            expected, seen = added_up(expected), added_up(seen)
        compare(expected, seen, who)
        assert (result["exporters"][0]["templates"] > 1) == (PROTOCOL != "netflow5"), "templates are repeated"
        assert sum(result["ended"].values()) == result["biflows"]
        assert min(result["ended"][k] for k in ("idle", "active", "detected", "forced")) > 0, result["ended"]


if __name__ == "__main__":
    main()
