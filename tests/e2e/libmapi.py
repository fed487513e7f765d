# SPDX-License-Identifier: BSD-3-Clause
"""libmapi.so for Python programs: the calls of mapi.h by ctypes, in this process, which has one session with the daemon
that HOMARD_SOCKET names. A call that fails raises MapiError."""
import ctypes
import os
import subprocess
import sys

import homard

# a library with the address sanitizer wants its runtime to be there first; Python's own leaks are not ours
if os.environ.get("HOMARD_SANITIZED") and "libasan" not in os.environ.get("LD_PRELOAD", ""):
    runtime = subprocess.check_output(["gcc", "-print-file-name=libasan.so"], text=True).strip()
    os.environ["LD_PRELOAD"] = runtime
    os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    os.execv(sys.executable, sys.orig_argv)

STR, TEXT = 256, 1024


class Results(ctypes.Structure):
    _fields_ = [("res", ctypes.c_void_p), ("ts", ctypes.c_ulonglong), ("size", ctypes.c_int)]


class Packet(ctypes.Structure):
    _fields_ = [("ts", ctypes.c_ulonglong), ("ifindex", ctypes.c_ushort), ("caplen", ctypes.c_uint),
                ("wlen", ctypes.c_uint)]


class FlowInfo(ctypes.Structure):
    _fields_ = [("uid", ctypes.c_uint), ("fd", ctypes.c_int), ("devid", ctypes.c_int),
                ("device", ctypes.c_char * STR), ("num_functions", ctypes.c_uint), ("start", ctypes.c_long),
                ("end", ctypes.c_long), ("status", ctypes.c_int)]


class FunctionInfo(ctypes.Structure):
    _fields_ = [("fid", ctypes.c_int), ("name", ctypes.c_char * STR), ("libname", ctypes.c_char * STR),
                ("devtype", ctypes.c_char * STR), ("pkts", ctypes.c_ulonglong),
                ("passed_pkts", ctypes.c_ulonglong), ("result_size", ctypes.c_int)]


class DeviceInfo(ctypes.Structure):
    _fields_ = [("id", ctypes.c_int), ("device", ctypes.c_char * STR), ("name", ctypes.c_char * STR),
                ("alias", ctypes.c_char * STR), ("description", ctypes.c_char * TEXT),
                ("link_speed", ctypes.c_int), ("mpls", ctypes.c_int), ("vlan", ctypes.c_int)]


class LibraryInfo(ctypes.Structure):
    _fields_ = [("id", ctypes.c_int), ("libname", ctypes.c_char * STR), ("functs", ctypes.c_uint)]


class LibraryFunctionInfo(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char * STR), ("descr", ctypes.c_char * TEXT),
                ("argdescr", ctypes.c_char * STR), ("devtype", ctypes.c_char * STR)]


class Stat(ctypes.Structure):
    _fields_ = [("ps_recv", ctypes.c_uint), ("ps_drop", ctypes.c_uint), ("ps_ifdrop", ctypes.c_uint),
                ("hostname", ctypes.c_char * STR), ("dev", ctypes.c_char * STR)]


class MapiError(Exception):
    def __init__(self, number, text):
        super().__init__("%d: %s" % (number, text))
        self.number, self.text = number, text


RETURNS = {"mapi_read_results": ctypes.POINTER(Results), "mapi_get_next_pkt": ctypes.POINTER(Packet),
           "mapi_get_next_packet": ctypes.POINTER(Packet), "mapi_create_offline_device": ctypes.c_void_p}


class Mapi:
    """m = Mapi(); m.create_flow("eth0"): the call without its mapi_, bytes and numbers for arguments."""

    def __init__(self, path=None):
        self.library = ctypes.CDLL(str(path or homard.program("libmapi.so.2")))
        self.made = []  # descriptors of flows
        for name, kind in RETURNS.items():
            if hasattr(self.library, name):
                getattr(self.library, name).restype = kind

    def error(self):
        number, text = ctypes.c_int(-1), ctypes.create_string_buffer(512)
        assert self.library.mapi_read_error(ctypes.byref(number), text) == 0
        return MapiError(number.value, text.value.decode())

    def __getattr__(self, name):
        function = getattr(self.library, "mapi_" + name)

        def call(*args):
            args = [arg.encode() if isinstance(arg, str) else arg for arg in args]
            result = function(*args)
            if (result == -1) if isinstance(result, int) else not result:
                raise self.error()
            if name in ("create_flow", "create_offline_flow"):
                self.made.append(result)
            return result
        return call

    def close_all(self):
        for fd in self.made:
            self.library.mapi_close_flow(fd)
        self.error()  # of those that were closed
        self.made = []

    def apply(self, fd, name, *args):
        """mapi_apply_function() as the macro calls it: integers are int, of a float's value unsigned long long."""
        narrow, values = 0, []
        for i, arg in enumerate(args):
            if isinstance(arg, int):
                narrow |= 1 << i
                values.append(ctypes.c_int(arg))
            elif isinstance(arg, float):
                values.append(ctypes.c_ulonglong(int(arg)))
            else:
                values.append(arg.encode() if isinstance(arg, str) else arg)
        return self.apply_function_counted(fd, name.encode(), len(args), narrow, *values)

    def result(self, fd, fid, kind=ctypes.c_ulonglong):
        """A result as a ctypes type."""
        results = self.read_results(fd, fid).contents
        assert results.size >= ctypes.sizeof(kind), "%d bytes" % results.size
        value = kind.from_buffer_copy(ctypes.string_at(results.res, results.size))
        return getattr(value, "value", value)

    def raw(self, fd, fid):
        results = self.read_results(fd, fid).contents
        return ctypes.string_at(results.res, results.size)

    def flow(self, device, *functions):
        """A connected flow of ["NAME", argument ...]; its descriptor and those of its functions."""
        fd = self.create_flow(device)
        fids = [self.apply(fd, *function) for function in functions]
        self.connect(fd)
        return fd, fids


def use(h):
    """The daemon that the library's next session is with."""
    os.environ["HOMARD_SOCKET"] = h.socket_path
    ctypes.CDLL(None).setenv(b"HOMARD_SOCKET", h.socket_path.encode(), 1)
