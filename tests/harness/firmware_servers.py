"""Small servers for the reference firmware to reach, and their certificates.

They are Python's own ssl and asyncio, and nothing of the harness but the packet codecs.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from firmware_loop import LIMIT

from hil.wire import sntp
from hil.wire.mqtt import (
    Connack,
    Connect,
    Decoder,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Version,
    encode,
)


def pem(item: Any) -> bytes:
    if isinstance(item, x509.Certificate):
        return item.public_bytes(serialization.Encoding.PEM)
    return item.private_bytes(  # type: ignore[no-any-return]
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class Authority:
    """Root, intermediate, and leaves; valid from yesterday for a year unless a leaf says otherwise."""

    def __init__(self, name: str = "test") -> None:
        self.root_key = ec.generate_private_key(ec.SECP256R1())
        self.middle_key = ec.generate_private_key(ec.SECP256R1())
        self.root = self._issue(f"{name} root", self.root_key, None, ca=True)
        self.middle = self._issue(f"{name} intermediate", self.middle_key, (self.root, self.root_key), ca=True)

    def leaf(self, name: str, *, hosts: tuple[str, ...] = (), start: int = -1, days: int = 365) -> tuple[bytes, bytes]:
        """Chain (leaf first, with the intermediate) and key, PEM; validity in days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._issue(
            name, key, (self.middle, self.middle_key), ca=False, hosts=hosts, start=start, days=days
        )
        return pem(certificate) + pem(self.middle), pem(key)

    def _issue(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None,
        *,
        ca: bool,
        hosts: tuple[str, ...] = (),
        start: int = -1,
        days: int = 365,
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer[0].subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=start))
            .not_valid_after(now + timedelta(days=start + days))
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
        )
        if hosts:
            names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
            builder = builder.add_extension(names, critical=False).add_extension(usage, critical=False)
        return builder.sign(issuer[1] if issuer else key, hashes.SHA256())


@functools.cache
def authority() -> Authority:
    return Authority()


@functools.cache
def device() -> tuple[bytes, bytes]:
    return authority().leaf("device")


# -- servers -----------------------------------------------------------------------------------------------------------


class Wire:
    """TLS at the server. asyncio's own loses its alert when a handshake fails, so this one flushes by itself."""

    def __init__(self, context: ssl.SSLContext, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._reader = reader
        self.tcp = writer
        self.sock: socket.socket = writer.get_extra_info("socket")

    async def handshake(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                await self._more()
            finally:
                self._flush()

    async def read(self) -> bytes:
        while True:
            try:
                return self.tls.read(65536)
            except ssl.SSLWantReadError:
                await self._more()
            except ssl.SSLZeroReturnError:
                return b""
            finally:
                self._flush()

    def write(self, data: bytes) -> None:
        self.tls.write(data)
        self._flush()

    def close(self) -> None:
        self.tcp.close()

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.tcp.transport.abort()

    async def _more(self) -> None:
        self._flush()
        data = await self._reader.read(65536)
        if not data:
            raise EOFError
        self._in.write(data)

    def _flush(self) -> None:
        if self._out.pending:
            self.tcp.write(self._out.read())


@dataclass
class Link:
    """One connection at the broker."""

    wire: Wire
    opened: float = field(default_factory=time.monotonic)
    connect: Connect | None = None
    packets: list[Packet] = field(default_factory=list)
    end: str | None = None  # "fin", "reset" or the TLS error
    subject: Any = None

    def send(self, packet: Packet) -> None:
        version = self.connect.version if self.connect else Version.V311
        self.wire.write(encode(packet, version))


class Broker:
    """A server that speaks MQTT as far as the firmware needs it; `answer` may be replaced to make it misbehave."""

    def __init__(
        self, chain: bytes | None = None, key: bytes | None = None, *, client_ca: bytes | None = None,
        newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, directory: Path,
    ) -> None:  # fmt: skip
        if chain is None or key is None:
            chain, key = authority().leaf("server", hosts=("broker.test",))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.maximum_version = newest
        (directory / "server.pem").write_bytes(chain + key)
        self.context.load_cert_chain(directory / "server.pem")
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.load_verify_locations(cadata=(client_ca or pem(authority().root)).decode())
        self.links: list[Link] = []
        self.tcp: list[float] = []
        self.failures: list[str] = []
        self.connack = Connack()
        self.answer: Callable[[Link, Packet], None] = self.well_behaved
        self.changed = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.port = 0

    async def start(self, port: int = 0) -> Broker:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task, writer in self._serving.items():
            writer.transport.abort()
            await task
        self._serving.clear()

    def well_behaved(self, link: Link, packet: Packet) -> None:
        match packet:
            case Connect():
                link.send(self.connack)
            case Pingreq():
                link.send(Pingresp())
            case Publish(qos=1, packet_id=int(ident)):
                link.send(Puback(ident))
            case Subscribe(packet_id=ident, filters=filters):
                link.send(Suback(ident, tuple(f.qos for f in filters)))

    async def wait(self, ready: Callable[[], Any], seconds: float = LIMIT) -> Any:
        async with asyncio.timeout(seconds), self.changed:
            await self.changed.wait_for(lambda: bool(ready()))
        return ready()

    async def link(self, number: int = 0) -> Link:
        """The n-th connection that sent CONNECT."""
        await self.wait(lambda: len([x for x in self.links if x.connect]) > number)
        return [x for x in self.links if x.connect][number]

    async def packet(
        self, kind: type[Packet], number: int = 0, on: int = 0, *, seconds: float = LIMIT, **has: Any
    ) -> Any:
        """The n-th packet of that kind, with these fields, on the connection `on`."""
        link = await self.link(on)

        def found() -> list[Packet]:
            fits = (p for p in link.packets if isinstance(p, kind))
            return [p for p in fits if all(getattr(p, k) == v for k, v in has.items())]

        await self.wait(lambda: len(found()) > number, seconds)
        return found()[number]

    async def ended(self, link: Link) -> str:
        await self.wait(lambda: link.end is not None)
        return link.end or ""

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving[asyncio.ensure_future(self._serve(reader, writer))] = writer

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tcp.append(time.monotonic())
        await self._notify()
        wire = Wire(self.context, reader, writer)
        try:
            await wire.handshake()
        except (ssl.SSLError, OSError, EOFError) as error:
            self.failures.append(str(error))
            wire.close()
            await self._notify()
            return
        link = Link(wire, subject=wire.tls.getpeercert())
        self.links.append(link)
        decoder = Decoder(None)
        try:
            while data := await wire.read():
                for packet, _ in decoder.feed(data):
                    link.packets.append(packet)
                    if isinstance(packet, Connect):
                        link.connect = packet
                    self.answer(link, packet)
                await self._notify()
            link.end = "fin"
        except EOFError:
            link.end = "fin"
        except ssl.SSLError as error:
            link.end = str(error)
        except ConnectionError:
            link.end = "reset"
        finally:
            wire.close()
            await self._notify()


class TimeServer(asyncio.DatagramProtocol):
    """SNTP; `reply` makes the answer, or None to stay silent."""

    def __init__(self) -> None:
        self.requests: list[float] = []
        self.reply: Callable[[sntp.Request], bytes | None] = self.truth
        self.port = 0
        self._transport: asyncio.DatagramTransport | None = None

    async def start(self) -> TimeServer:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]
        return self

    @staticmethod
    def truth(question: sntp.Request) -> bytes:
        return sntp.response(question, received=time.time(), transmitted=time.time())

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.requests.append(time.monotonic())
        answer = self.reply(sntp.parse_request(data))
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)
