# SPDX-License-Identifier: BSD-3-Clause
"""talkers: what TOP, EXPIRED_FLOWS and PRINT_PACKET must say, worked out in Python from tshark's fields."""
import time

# TOPX_ fields: (tshark's of IPv4 or the transport header, of IPv6, what IPv6 has more)
FIELDS = {
    "TOPX_IP_TOS": ("ip.dsfield", "ipv6.tclass"), "TOPX_IP_LENGTH": ("ip.len", "ipv6.plen"),
    "TOPX_IP_ID": ("ip.id", None), "TOPX_IP_TTL": ("ip.ttl", "ipv6.hlim"),
    "TOPX_IP_PROTOCOL": ("ip.proto", "ipv6.nxt"), "TOPX_IP_CHECKSUM": ("ip.checksum", None),
    "TOPX_IP_SRCIP": ("ip.src", "ipv6.src"), "TOPX_IP_DSTIP": ("ip.dst", "ipv6.dst"),
    "TOPX_TCP_SRCPORT": ("tcp.srcport",) * 2, "TOPX_TCP_DSTPORT": ("tcp.dstport",) * 2,
    "TOPX_TCP_SEQ": ("tcp.seq_raw",) * 2, "TOPX_TCP_ACK": ("tcp.ack_raw",) * 2,
    "TOPX_TCP_FLAGS": ("tcp.flags",) * 2, "TOPX_TCP_WIN": ("tcp.window_size_value",) * 2,
    "TOPX_TCP_CRC": ("tcp.checksum",) * 2, "TOPX_TCP_URGENT": ("tcp.urgent_pointer",) * 2,
    "TOPX_UDP_SRCPORT": ("udp.srcport",) * 2, "TOPX_UDP_DSTPORT": ("udp.dstport",) * 2,
    "TOPX_UDP_LENGTH": ("udp.length",) * 2, "TOPX_UDP_CHECKSUM": ("udp.checksum",) * 2,
}


def network_header(frame):
    """Where it begins, behind VLAN tags."""
    at = 12
    while frame[at:at + 2] in (b"\x81\0", b"\x88\xa8"):
        at += 4
    return at + 2


def value(row, field):
    """The value of a packet as the result has it; None if it has none."""
    text = row[FIELDS[field][0]] if row["ip.src"] else row.get(FIELDS[field][1])
    if text in ("", None):
        # whole datagrams of IPv6 have the identification 0
        return 0 if field == "TOPX_IP_ID" and row["ipv6.src"] else None
    if field.endswith(("SRCIP", "DSTIP")):
        return text
    number = int(text, 0)
    if field == "TOPX_IP_LENGTH" and row["ipv6.src"]:
        number += 40
    return number & 0xFF if field == "TOPX_TCP_FLAGS" else number


def top(packets, rows, x, _protocol, field, sort=1, reset=0):
    """TOP's result, exact; `rows` is what tshark says of each packet."""
    begin = 0
    if reset and packets:
        begin = packets[-1][2] // (reset * 10**9) * reset * 10**9
        rows = [row for packet, row in zip(packets, rows) if packet[2] >= begin]
        packets = [packet for packet in packets if packet[2] >= begin]
    counts = {}  # in the order of first appearance
    for (frame, wirelen, _), row in zip(packets, rows):
        key = value(row, field)
        if key is not None:
            entry = counts.setdefault(key, {"value": key, "count": 0, "bytecount": 0, "error": 0,
                                            "error_bytes": 0, "last_rst_secs": begin // 10**9})
            entry["count"] += 1
            entry["bytecount"] += wirelen - network_header(frame)
    order = sorted(counts.values(), key=lambda e: -e["bytecount" if sort == 2 else "count"])
    return {"n": len(order[:max(x, 1)]), "exact": True, "last_reset_ns": str(begin), "values": len(counts), "top": order[:max(x, 1)], "absent": 0, "absent_bytes": 0,
            "late": 0, "packets": sum(e["count"] for e in order),
            "bytes": sum(e["bytecount"] for e in order)}


def order_of_records(record):
    return [record[key] for key in ("ts_ns", "saddr", "daddr", "sport", "dport", "ptcl")]


def flow_of(row):
    """(addresses, ports, protocol) of a packet, TTL; None without IP."""
    v4 = row["ip.src"]
    if not v4 and not row["ipv6.src"]:
        return None
    protocol = int(row["ip.proto"] if v4 else row["ipv6.nxt"])
    transport = {6: "tcp", 17: "udp"}.get(protocol)
    ports = [int(row["%s.%s" % (transport, end)] or 0) if transport else 0 for end in ("srcport", "dstport")]
    addresses = (row["ip.src"], row["ip.dst"]) if v4 else (row["ipv6.src"], row["ipv6.dst"])
    return (*addresses, *ports, protocol), int(row["ip.ttl"] if v4 else row["ipv6.hlim"])


def expired_flows(packets, rows, _table, _backlog, least, options=None):
    """(packets that pass, what one read after the end of the trace says)"""
    idle = (options or {}).get("idle_s", 30) * 10**9
    passed, open_flows, over = [], {}, []
    for packet, row in zip(packets, rows):
        flow = flow_of(row)
        if flow is None:
            continue
        passed.append(packet)
        key, ttl = flow
        record = open_flows.get(key)
        if not record or packet[2] - int(record["last_ns"]) > idle:
            record = open_flows[key] = {
                "ts_ns": str(packet[2]), "packets_count": 0, "bytes_count": 0, "saddr": key[0], "daddr": key[1],
                "sport": key[2], "dport": key[3], "ptcl": key[4], "ttl_pkt1": ttl}
            over.append(record)
        record["packets_count"] += 1
        record["bytes_count"] += packet[1]
        record["last_ns"] = str(packet[2])
    sent = [record for record in over if record["packets_count"] >= least]

    def tallies(count):
        return {"received": count(over), "expired": count(over), "ignored": count(over) - count(sent),
                "lost": 0, "sent": count(sent)}
    return passed, {**tallies(len), "packets": tallies(lambda flows: sum(f["packets_count"] for f in flows)),
                    "records": sorted(sent, key=order_of_records), "open": 0, "early": 0, "end": True}


def printed(packets, rows, lines, rate=10):
    """PRINT_PACKET's result; `lines` is what tcpdump -nt prints of each packet, `rows` tshark's fields."""
    names = {1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6"}
    begin, left, records = 0, 0, []
    for packet, row, line in zip(packets, rows, lines):
        if packet[2] - begin >= 10**9:
            begin, left = packet[2], rate
        if left == 0:
            continue
        left -= 1
        second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(packet[2] // 10**9))
        if line.startswith("ARP"):
            what = "ARP"
        else:
            number = int(row["ip.proto"] or row["ipv6.nxt"])
            what = "%s: %s" % (line.split(": ")[0], names.get(number, "protocol %d" % number))
        records.append({"ts_ns": str(packet[2]), "text": "%s.%09dZ %s, length %d" % (
            second, packet[2] % 10**9, what, packet[1])})
    n = len(records)
    return {"skipped": len(packets) - n, "offered": n, "delivered": n, "dropped": 0, "queued": 0,
            "records": records, "end": True}
