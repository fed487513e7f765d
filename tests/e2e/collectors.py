# SPDX-License-Identifier: BSD-3-Clause
"""collectors: who receives flow records in tests."""
import socket
import struct
import threading


class UdpCollector(threading.Thread):
    """Keeps all messages, whoever sends."""

    def __init__(self, port=0):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 25)
        self.socket.bind(("127.0.0.1", port))
        self.port = self.socket.getsockname()[1]
        self.messages = []
        self.start()

    def run(self):
        while data := self.socket.recv(65536):
            self.messages.append(data)

    def close(self):
        """Stops listening; all that came. What was sent before this is received."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", ("127.0.0.1", self.port))
        self.join()
        self.socket.close()
        return self.messages


class TcpCollector:
    """IPFIX over TCP on a port that stays the same while it is killed and started again."""

    def __init__(self, port=0):
        self.port, self.streams, self.server, self.reads = port, [], None, True
        self.start()

    def start(self):
        self.server = socket.create_server(("127.0.0.1", self.port))
        self.port = self.server.getsockname()[1]
        self.connections = []
        threading.Thread(target=self.accept, args=(self.server,), daemon=True).start()

    def accept(self, server):
        while True:
            try:
                connection = server.accept()[0]
            except OSError:
                return
            self.connections.append(connection)
            stream = bytearray()
            self.streams.append(stream)
            if self.reads:
                threading.Thread(target=self.read, args=(connection, stream), daemon=True).start()

    @staticmethod
    def read(connection, stream):
        try:
            while data := connection.recv(65536):
                stream += data
        except OSError:
            pass

    def kill(self):
        """At once: what was not read is gone, and the sender hears of it by a reset."""
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        for connection in self.connections:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            try:
                connection.shutdown(socket.SHUT_RD)
            except OSError:
                pass
            connection.close()

    def messages(self):
        """Of each connection the whole messages; a killed one may end in the middle."""
        for stream in self.streams:
            at, found = 0, []
            while at + 4 <= len(stream):
                version, length = struct.unpack_from("!HH", stream, at)
                assert version == 10, "a stream that is out of step"
                if at + length > len(stream):
                    break
                found.append(bytes(stream[at:at + length]))
                at += length
            yield found


def closed_port(kind):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
