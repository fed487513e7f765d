# SPDX-License-Identifier: BSD-3-Clause
"""talkers: what TOP must say, counted in Python over the fields that tshark finds."""

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
    """(key in the result, value) of a packet; None if it has none."""
    text = row[FIELDS[field][0]] if row["ip.src"] else row.get(FIELDS[field][1])
    if text in ("", None):
        # whole datagrams of IPv6 have the identification 0
        return ("value", 0) if field == "TOPX_IP_ID" and row["ipv6.src"] else None
    if field.endswith(("SRCIP", "DSTIP")):
        return "address", text
    number = int(text, 0)
    if field == "TOPX_IP_LENGTH" and row["ipv6.src"]:
        number += 40
    return "value", number & 0xFF if field == "TOPX_TCP_FLAGS" else number


def top(packets, rows, x, _protocol, field, sort=1, reset=0):
    """TOP's result, exact; `rows` is what tshark says of each packet."""
    if reset and packets:
        begin = packets[-1][2] // (reset * 10**9) * reset * 10**9
        rows = [row for packet, row in zip(packets, rows) if packet[2] >= begin]
        packets = [packet for packet in packets if packet[2] >= begin]
    counts = {}  # in the order of first appearance
    for (frame, wirelen, _), row in zip(packets, rows):
        key = value(row, field)
        if key is not None:
            entry = counts.setdefault(key, {key[0]: key[1], "count": 0, "bytecount": 0, "error": 0,
                                            "error_bytes": 0})
            entry["count"] += 1
            entry["bytecount"] += wirelen - network_header(frame)
    order = sorted(counts.values(), key=lambda e: -e["bytecount" if sort == 2 else "count"])
    return {"exact": True, "values": len(counts), "top": order[:max(x, 1)], "absent": 0, "absent_bytes": 0,
            "late": 0, "packets": sum(e["count"] for e in order),
            "bytes": sum(e["bytecount"] for e in order)}
