"""Three TLS clients that know nothing of the gateway, each telling what it met: ssl, pyOpenSSL, openssl s_client."""

from __future__ import annotations

import re
import select
import socket
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from certificates import NAME, client_context, pki
from OpenSSL import SSL

LIMIT = 60.0
V12, V13 = "TLSv1.2", "TLSv1.3"
VERSIONS = {V12: ssl.TLSVersion.TLSv1_2, V13: ssl.TLSVersion.TLSv1_3}


DEVICE_PEM = pki().device.key_pem + pki().device.chain_pem
"""What each of them shows: key and chain."""


@dataclass
class Met:
    """What a client met. `alert`: the alert that it received; `ended`: 'eof', 'reset', 'close-notify'."""

    completed: bool = False
    alert: str | None = None
    ended: str | None = None
    messages: list[int] = field(default_factory=list)  # types of the handshake messages that it received
    records: list[tuple[int, int]] = field(default_factory=list)  # content type and length of each record


def in_words(reason: str) -> str | None:
    """The alert that OpenSSL's reason word stands for: SSLV3_ALERT_BAD_CERTIFICATE, tlsv1 alert unknown ca."""
    found = re.search(r"alert_(\w+)$", reason.lower().replace(" ", "_"))
    return found[1] if found else None


def with_ssl(endpoint: tuple[str, int], directory: Path, version: str, **options: Any) -> Met:
    """The standard library's, on a memory BIO, which sees each record and each message."""
    context = options.pop("context", None)
    if context is None:
        context = client_context(directory, version=VERSIONS[version])
        (directory / "device-ssl.pem").write_bytes(DEVICE_PEM)
        context.load_cert_chain(directory / "device-ssl.pem")
    # Some builds of Python take a bare FIN for a goodbye, which is what is to be told apart here.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    met = Met()

    def told(tls: Any, direction: str, number: int, content: int, kind: int, data: bytes) -> None:
        if direction == "read" and content == 22:
            met.messages.append(data[0])

    hook = ssl._ssl._SSLContext.__dict__["_msg_callback"]  # type: ignore[attr-defined]
    hook.__set__(context, told)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=NAME)
    stream = b""
    with socket.create_connection(endpoint, timeout=LIMIT) as sock:
        try:
            while True:
                try:
                    if not met.completed:
                        tls.do_handshake()
                        met.completed = True
                        if options.get("send"):
                            tls.write(options["send"])
                    if not tls.read(1024):
                        met.ended = "close-notify"
                        break
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLEOFError:
                    met.ended = "eof"
                    break
                if outgoing.pending:
                    sock.sendall(outgoing.read())
                data = sock.recv(65536)
                stream += data
                if data:
                    incoming.write(data)
                else:
                    incoming.write_eof()
        except ssl.SSLZeroReturnError:
            met.ended = "close-notify"
        except ssl.SSLError as error:
            met.alert = in_words(error.reason or "")
            met.ended = "eof" if met.alert or "EOF" in str(error) else str(error)
            if outgoing.pending:
                sock.sendall(outgoing.read())
        except ConnectionError:
            met.ended = "reset"
    while len(stream) >= 5:
        size = int.from_bytes(stream[3:5], "big")
        met.records.append((stream[0], size))
        stream = stream[5 + size :]
    return met


def with_pyopenssl(endpoint: tuple[str, int], directory: Path, version: str) -> Met:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    number = SSL.TLS1_2_VERSION if version == V12 else SSL.TLS1_3_VERSION
    context.set_min_proto_version(number)
    context.set_max_proto_version(number)
    ca, pem = directory / "ca.pem", directory / "device-pyopenssl.pem"
    ca.write_bytes(pki().root.pem)
    pem.write_bytes(DEVICE_PEM)
    context.load_verify_locations(str(ca))
    context.set_verify(SSL.VERIFY_PEER)
    context.use_certificate_chain_file(str(pem))
    context.use_privatekey_file(str(pem))
    met = Met()
    with socket.create_connection(endpoint, timeout=LIMIT) as sock:
        tls = SSL.Connection(context, sock)
        tls.set_tlsext_host_name(NAME.encode())
        tls.set_connect_state()
        try:
            _patiently(sock, tls.do_handshake)
            met.completed = True
            _patiently(sock, lambda: tls.recv(1024))
        except SSL.ZeroReturnError:
            met.ended = "close-notify"
        except SSL.SysCallError as error:
            met.ended = "reset" if error.args[0] == 104 else "eof"
        except SSL.Error as error:
            words = error.args[0][0][2] if error.args and error.args[0] else ""
            met.alert, met.ended = in_words(words), "eof"
    return met


def _patiently(sock: socket.socket, act: Callable[[], object]) -> None:
    """pyOpenSSL's sockets do not wait by themselves when they have a time-out."""
    while True:
        try:
            act()
            return
        except SSL.WantReadError:
            assert select.select([sock], [], [], LIMIT)[0], "nothing came"


def with_s_client(endpoint: tuple[str, int], directory: Path, version: str) -> Met:
    ca, pem = directory / "ca-s_client.pem", directory / "device-s_client.pem"
    ca.write_bytes(pki().root.pem)
    pem.write_bytes(DEVICE_PEM)
    command = ["openssl", "s_client", "-connect", "{}:{}".format(*endpoint), "-servername", NAME, "-CAfile", str(ca)]
    command += ["-cert", str(pem), "-key", str(pem), "-msg", "-verify_return_error"]
    command += ["-tls1_2" if version == V12 else "-tls1_3"]
    issuers = re.findall(r"-----BEGIN CERT.*?-----END CERTIFICATE-----\n", DEVICE_PEM.decode(), re.DOTALL)[1:]
    if issuers:
        chain = directory / "issuers-s_client.pem"
        chain.write_text("".join(issuers))
        command += ["-cert_chain", str(chain)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout is not None
        said = process.stdout.read()  # its input stays open, so it ends only when the connection does
    finally:
        process.kill()
        process.communicate(timeout=LIMIT)
    alerts = re.findall(r"<<< .*Alert.*(?:fatal|warning) (\w+)", said)
    met = Met(re.search(r"<<< .*Handshake.* Finished", said) is not None)
    fatal = [alert for alert in alerts if alert != "close_notify"]
    met.alert = fatal[0] if fatal else None
    met.ended = "close-notify" if alerts and not fatal else "reset" if "errno=104" in said else "eof"
    return met


CLIENTS = {"ssl": with_ssl, "pyopenssl": with_pyopenssl, "s_client": with_s_client}
