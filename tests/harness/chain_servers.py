"""TLS servers for the tests of `hil chain`: they send whatever chain they are given."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from hil.chain.endpoint import Endpoint
from hil.credentials import Authority, ServerIdentity
from hil.credentials.authority import server_identity
from hil.credentials.identity import pem
from hil.credentials.issue import Signed, Validity, authority_usage, new_key, server_usage, sign, subject_of

NAME = "bench.test"
LIMIT = 60.0
NOW = datetime.now(UTC)


@cache
def authority() -> Authority:
    return Authority.create("test")


@contextlib.contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[Endpoint]:
    """A port on which `serve` gets each connection, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(LIMIT)
                    serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield Endpoint("127.0.0.1", server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
        thread.join(LIMIT)


def context(folder: Path, identity: ServerIdentity) -> ssl.SSLContext:
    file = folder / "server.pem"
    file.write_bytes(identity.key_pem + identity.chain_pem)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.set_ciphers("DEFAULT:@SECLEVEL=0")  # weak ones are shown as well
    made.load_cert_chain(file)
    return made


@contextlib.contextmanager
def presenting(
    folder: Path, identity: ServerIdentity, *, adjust: Callable[[ssl.SSLContext], None] = lambda _: None
) -> Iterator[Endpoint]:
    """A TLS server that shows an identity and then waits for the end."""
    made = context(folder, identity)
    adjust(made)

    def serve(connection: socket.socket) -> None:
        with made.wrap_socket(connection, server_side=True) as tls:
            tls.recv(1)

    with listening(serve) as endpoint:
        yield endpoint


def leaf(issuer: Signed | None, *, days: float = 365, start: datetime | None = None, name: str = NAME) -> Signed:
    return sign(subject_of(name), server_usage([name]), Validity.days(days, start=start), key=new_key(), issuer=issuer)


def intermediate(name: str, issuer: Signed | None, *, days: float = 3650, key: Signed | None = None) -> Signed:
    """An authority; with `key` a further certificate of that one's key."""
    private = key.key if key else new_key()
    return sign(subject_of(name), authority_usage(None), Validity.days(days), key=private, issuer=issuer)


def identity(*chain: Signed) -> ServerIdentity:
    """What a server shows: exactly these certificates, with the key of the first."""
    return server_identity(chain[0], pem(*(signed.certificate for signed in chain)), [NAME])


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)
