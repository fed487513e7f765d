#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Seeds of fuzz_followed: sessions of FTP, SIP, RTSP and HTTP, and what they announce. Usage: corpus_followed.py FOLDER"""
import pathlib
import random
import struct
import sys

from scapy.all import IP, TCP, UDP, Ether, IPv6, Raw, raw

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
chance = random.Random(20060515)
HOSTS = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
ETHERNET = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")


def record(frame, seconds=0, beyond=0):
    return struct.pack(">HBB", len(frame), beyond, seconds) + frame


def packet(version, sender, transport, text=b"", **flags):
    """From host `sender`, 0 or 1; `transport` is TCP or UDP with its two ports."""
    ends = HOSTS[version][sender], HOSTS[version][1 - sender]
    network = IP if version == 4 else IPv6
    protocol, source, dest = transport
    return raw(ETHERNET / network(src=ends[0], dst=ends[1]) / protocol(sport=source, dport=dest, **flags) / Raw(text))


def write(name, frames, **more):
    (folder / name).write_bytes(b"".join(record(frame, **more) for frame in frames))


def sdp(version):
    return "c=IN IP%d %s\r\nm=audio 4000 RTP/AVP 0\r\nm=video 4002/2 RTP/AVP 31\r\n" % (version, HOSTS[version][0])


for version in (4, 6):
    port = "PORT 192,0,2,1,19,136" if version == 4 else "EPRT |2|2001:db8::1|5000|"
    passive = "227 Entering (192,0,2,2,23,112)" if version == 4 else "229 Entering (|||6000|)"
    sessions = {}
    for name, control in (("ftp", 21), ("grid_ftp", 2811)):
        sessions[name] = [
            packet(version, 0, (TCP, 1025, control), flags="S"),
            packet(version, 0, (TCP, 1025, control), (port + "\r\n").encode()),
            packet(version, 1, (TCP, 20, 5000), flags="S"), packet(version, 1, (TCP, 20, 5000), b"data"),
            packet(version, 1, (TCP, control, 1025), (passive + "\r\n").encode()),
            packet(version, 0, (TCP, 1026, 6000), flags="S"), packet(version, 0, (TCP, 1026, 6000), b"data"),
            packet(version, 0, (TCP, 1025, control), flags="FA")]
    for name, protocol in (("sip", UDP), ("sip_tcp", TCP)):
        sessions[name] = [
            packet(version, 0, (protocol, 5060, 5060), ("INVITE sip:b@example.net SIP/2.0\r\n\r\n" + sdp(version)).encode()),
            packet(version, 1, (UDP, 7000, 4000), b"\x80\x00" + bytes(20)), packet(version, 0, (UDP, 4002, 7002), bytes(20)),
            packet(version, 1, (UDP, 7000, 9), bytes(20))]
    sessions["rtsp"] = [
        packet(version, 0, (TCP, 1025, 554), b"SETUP rtsp://a/b RTSP/1.0\r\nTransport: RTP/AVP;unicast;client_port=4588-4589\r\n"),
        packet(version, 1, (TCP, 554, 1025), b"RTSP/1.0 200 OK\r\nTransport: RTP/AVP;client_port=4588-4589;server_port=6256-6257\r\n"),
        packet(version, 1, (UDP, 6256, 4588), b"\x80\x00" + bytes(20)), packet(version, 0, (UDP, 4589, 6257), bytes(20))]
    sessions["http"] = [
        packet(version, 0, (TCP, 1027, 80), flags="S"), packet(version, 1, (TCP, 80, 1027), flags="SA"),
        packet(version, 0, (TCP, 1027, 80), b"GET / HTTP/1.1\r\nHost: example.net\r\n\r\n", flags="PA"),
        packet(version, 1, (TCP, 80, 1027), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", flags="PA")]
    for name, frames in sessions.items():
        write("%s%d" % (name, version), frames)
        write("%s%d_slow" % (name, version), frames, seconds=61)  # all is forgotten meanwhile
        write("%s%d_cut" % (name, version), [f[:chance.randrange(14, len(f))] for f in frames], beyond=99)
    mixed = [frame for frames in sessions.values() for frame in frames] * 2
    chance.shuffle(mixed)
    write("mixed%d" % version, mixed[:64])
    # more than is remembered
    write("many%d" % version, [packet(version, 0, (UDP, 5060, 5060), "".join(
        "c=IN IP4 198.51.100.%d\r\nm=audio %d/32 RTP/AVP 0\r\n" % (i, 2 * i + 1000) for i in range(9 * n, 9 * n + 9)).encode())
        for n in range(9)] + [packet(version, 1, (UDP, 9, 1000 + 2 * i), bytes(20)) for i in range(40)])
