# SPDX-License-Identifier: BSD-3-Clause
"""oracle: what a flow must have counted after so many packets of a trace that is repeated for ever.

Filters are answered by libpcap itself, strings and regular expressions by Python, packet by packet.
"""
import ctypes
import ctypes.util
import itertools
import re
import struct

LIBPCAP = ctypes.util.find_library("pcap")
ETHERNET = 1


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint), ("instructions", ctypes.c_void_p)]


class Header(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("micros", ctypes.c_long), ("caplen", ctypes.c_uint32),
                ("length", ctypes.c_uint32)]


class Filter:
    """A tcpdump expression; called with a packet."""

    def __init__(self, expression):
        self.pcap = ctypes.CDLL(LIBPCAP)
        self.pcap.pcap_open_dead.restype = ctypes.c_void_p
        handle = ctypes.c_void_p(self.pcap.pcap_open_dead(ETHERNET, 65535))
        self.program = Program()
        done = self.pcap.pcap_compile(handle, ctypes.byref(self.program), expression.encode(), 1,
                                      ctypes.c_uint32(0xFFFFFFFF))
        self.pcap.pcap_close(handle)
        if done != 0:
            raise ValueError("libpcap refuses " + expression)

    def __call__(self, packet):
        header = Header(caplen=len(packet), length=len(packet))
        return self.pcap.pcap_offline_filter(ctypes.byref(self.program), ctypes.byref(header), packet) != 0


def question(function):
    """The oracle's own idea of one function; those that pass everything have none."""
    name, argument = function[0], function[1] if len(function) > 1 else None
    if name == "BPF_FILTER":
        return Filter(argument)
    if name == "STR_SEARCH":
        return lambda packet: argument.encode() in packet
    if name == "REGEXP":
        compiled = re.compile(argument.encode())
        return lambda packet: compiled.search(packet) is not None
    return None


def packets_of(path):
    """The packets of a little-endian pcap file, none of them cut."""
    data = path.read_bytes()
    at = 24
    while at < len(data):
        caplen, length = struct.unpack_from("<II", data, at + 8)
        assert caplen == length, "a packet is cut"
        yield data[at + 16:at + 16 + caplen]
        at += 16 + caplen


class Oracle:
    def __init__(self, path):
        self.packets = list(packets_of(path))
        self.known = {}

    def _sums(self, functions):
        """After 0, 1, 2 ... packets of one reading: how many passed all functions, and their bytes."""
        key = repr([f for f in functions if question(f)])
        if key not in self.known:
            ask = [question(f) for f in functions if question(f)]
            passed = [all(q(p) for q in ask) for p in self.packets]
            self.known[key] = (
                list(itertools.accumulate(passed, initial=0)),
                list(itertools.accumulate((len(p) * yes for p, yes in zip(self.packets, passed)), initial=0)))
        return self.known[key]

    def _after(self, sums, received):
        loops, rest = divmod(received, len(self.packets))
        return loops * sums[-1] + sums[rest]

    def count(self, functions, received):
        """Packets that have passed all functions when so many have been received."""
        return self._after(self._sums(functions)[0], received)

    def bytes(self, functions, received):
        return self._after(self._sums(functions)[1], received)
