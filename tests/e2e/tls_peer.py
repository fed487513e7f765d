# SPDX-License-Identifier: BSD-3-Clause
"""tls_peer: certificates, and collectors that speak TLS (Python's ssl) and DTLS (openssl s_server)."""
import pathlib
import socket
import ssl
import subprocess
import threading
import time

import homard


def openssl(*args, **more):
    subprocess.run(["openssl", *map(str, args)], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, **more)


class Authority:
    """A certificate authority in a folder of its own."""

    def __init__(self, folder, name="ca"):
        self.folder = pathlib.Path(folder)
        self.ca, self.ca_key = self.folder / (name + ".pem"), self.folder / (name + ".key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                "-subj", "/CN=" + name, "-keyout", self.ca_key, "-out", self.ca)

    def issue(self, name, san="IP:127.0.0.1,DNS:collector.example", not_after=None):
        """(certificate, key) of that name; not_after like 20200101000000Z."""
        base = self.folder / name
        key, request, certificate = (base.with_suffix(end) for end in (".key", ".csr", ".pem"))
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                "/CN=" + name, "-keyout", key, "-out", request)
        extensions = base.with_suffix(".ext")
        extensions.write_text("subjectAltName=%s\n" % san)
        if not_after:
            # only `openssl ca` takes dates
            database = base.with_suffix(".db")
            database.mkdir()
            (database / "index").write_text("")
            (database / "serial").write_text("01\n")
            config = base.with_suffix(".cnf")
            config.write_text("[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index\nserial=%s/serial\nnew_certs_dir=%s\n"
                              "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n"
                              % (database, database, database))
            openssl("ca", "-batch", "-config", config, "-cert", self.ca, "-keyfile", self.ca_key, "-in", request,
                    "-out", certificate, "-startdate", "20190101000000Z", "-enddate", not_after,
                    "-extfile", extensions, "-notext")
        else:
            openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.ca_key, "-CAcreateserial",
                    "-days", "30", "-extfile", extensions, "-out", certificate)
        key.chmod(0o600)
        return certificate, key

    def exporter_files(self, name="exporter"):
        """What an exporter's "tls" says."""
        certificate, key = self.issue(name)
        return {"ca": str(self.ca), "certificate": str(certificate), "key": str(key)}


class TlsCollector:
    """Keeps what each session brought, with the number of the client's certificate. The port stays the same while it is
    stopped and started again."""

    def __init__(self, ca, certificate, key):
        self.files = ca, certificate, key
        self.port, self.sessions, self.serials, self.refused = 0, [], [], []
        self.start()

    def start(self):
        ca, certificate, key = self.files
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.context.load_verify_locations(ca)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.server = socket.create_server(("127.0.0.1", self.port))
        self.port = self.server.getsockname()[1]
        self.open = []
        threading.Thread(target=self.accept, args=(self.server,), daemon=True).start()

    def accept(self, server):
        while True:
            try:
                raw = server.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(raw,), daemon=True).start()

    def serve(self, raw):
        raw.settimeout(homard.SLOW)
        try:
            with self.context.wrap_socket(raw, server_side=True) as s:
                self.open.append(s)
                self.serials.append(s.getpeercert()["serialNumber"])
                stream = bytearray()
                self.sessions.append(stream)
                while data := s.recv(65536):
                    stream += data
        except (OSError, ValueError) as why:
            self.refused.append(str(why))

    def stop(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        for s in self.open:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def bytes(self):
        return sum(map(len, self.sessions))


class DtlsCollector:
    """openssl s_server; what it decrypts goes into a file."""

    def __init__(self, ca, certificate, key, folder):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.files, self.out = (ca, certificate, key), pathlib.Path(folder) / ("dtls-%d" % self.port)
        self.out.write_bytes(b"")
        self.start()

    def start(self):
        ca, certificate, key = self.files
        self.file = open(self.out, "ab")
        self.process = subprocess.Popen(
            ["openssl", "s_server", "-dtls", "-accept", "127.0.0.1:%d" % self.port, "-cert", certificate, "-key", key,
             "-CAfile", ca, "-Verify", "2", "-verify_return_error", "-quiet"],
            stdin=subprocess.PIPE, stdout=self.file, stderr=subprocess.DEVNULL)
        time.sleep(0.2)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.file.close()

    def data(self):
        return self.out.read_bytes()
