"""A chip without a chip, and small servers, to run the reference firmware against: all in one asyncio loop.

The firmware's process, its radio and its NVS are the real ones; flash is a plain file, the serial line a list of
lines. The servers are Python's own ssl and nothing of the harness but the packet codecs.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import io
import re
import socket
import ssl
import struct
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from esp_idf_nvs_partition_gen import nvs_partition_gen as generator

from hil.virtual import firmware
from hil.virtual.host import Cause, Clock, Host, Manifest
from hil.virtual.radio import Radio
from hil.wire import sntp
from hil.wire.mqtt import (
    Connack,
    Connect,
    Decoder,
    Disconnect,
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

LIMIT = 60.0
"""Seconds that a test waits for anything; far more than it takes."""

NVS_OFFSET, NVS_SIZE = 0x9000, 0x5000


_runner = asyncio.Runner()


# The zygote ends by itself when this process does: it sees the end of its socket.
atexit.register(_runner.close)


def asynchronous(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test in the loop that all of them share, and with it the zygote: it is started once."""

    @functools.wraps(test)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        async def limited() -> None:
            async with asyncio.timeout(2 * LIMIT):
                await test(*args, **kwargs)

        _runner.run(limited())

    return wrapped


# -- certificates -------------------------------------------------------------------------------------------------


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


# -- the broker's side --------------------------------------------------------------------------------------------


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


# -- the chip -----------------------------------------------------------------------------------------------------


def nvs_image(values: dict[str, Any], namespace: str = "hil", size: int = NVS_SIZE) -> bytes:
    """An NVS partition as esp-idf-nvs-partition-gen makes it: int as u32, bytes as blob, str as string."""
    out = io.BytesIO()
    with generator.nvs_open(out, size, version=generator.Page.VERSION2) as nvs:
        generator.write_entry(nvs, namespace, "namespace", "", "")
        for key, value in values.items():
            if isinstance(value, bytes):
                generator.write_entry(nvs, key, "data", "hex2bin", value.hex())
            elif isinstance(value, int):
                generator.write_entry(nvs, key, "data", "u32", str(value))
            else:
                generator.write_entry(nvs, key, "data", "string", value)
    return out.getvalue()


class Chip:
    """Power, flash and serial line of a board that runs the reference firmware."""

    def __init__(self, directory: Path, values: dict[str, Any], *options: str, speed: float = 100.0) -> None:
        self.flash = directory / "chip.flash"
        content = bytearray(b"\xff" * 0x20000)
        content[NVS_OFFSET : NVS_OFFSET + NVS_SIZE] = nvs_image(values)
        self.flash.write_bytes(content)
        self.options = options
        self.partitions = {"nvs": (NVS_OFFSET, NVS_SIZE)}
        self.constants: dict[str, str | int] = {}
        self.speed = speed
        self.radio = Radio(name="test", speed=speed)
        self.clock = Clock()
        self.lines: list[str] = []
        self.restarts: list[Cause] = []
        self.download_disabled = False
        self.core: firmware.RunningCore | None = None
        self._rest = b""
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def add_partition(self, label: str, content: bytes) -> None:
        """Put a partition with that content behind all others."""
        with self.flash.open("ab") as file:
            self.partitions[label] = (file.tell(), len(content))
            file.write(content)

    async def boot(self, cause: Cause = Cause.POWER_ON) -> None:
        if cause is Cause.POWER_ON:
            self.clock = Clock()
        host = Host(
            name="test", chip="esp32", mac=bytes.fromhex("240ac4000102"), speed=self.speed, cause=cause,
            flash=self.flash, app=0x10000, partitions=self.partitions, clock=self.clock,
            radio=self.radio, _uart_output=self._output, _restart=self._restart,
            _flash_write=self._write, _flash_erase=self._erase, _disable_download=self._burn,
        )  # fmt: skip
        self.core = await firmware.start_core(Manifest("reference", "1.2.3", self.options, self.constants), host)

    async def cut(self) -> None:
        """Power off."""
        if self.core is not None:
            await self.core.kill()

    async def close(self) -> None:
        await self.cut()
        await self.radio.close()

    async def line(self, pattern: str, number: int = 0, seconds: float = LIMIT) -> re.Match[str]:
        """The n-th line that holds the pattern."""

        def found() -> list[re.Match[str]]:
            return [m for m in (re.search(pattern, text) for text in self.lines) if m]

        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: len(found()) > number)
        except TimeoutError:
            raise AssertionError(f"no line {pattern!r} in:\n" + "\n".join(self.lines)) from None
        return found()[number]

    def type(self, text: str) -> None:
        assert self.core is not None
        self.core.uart_input(text.encode() + b"\r\n")

    def _output(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\r\n")
        self.lines += [line.decode() for line in lines]
        self._later(self._notify())

    def _restart(self, cause: Cause) -> None:
        self.restarts.append(cause)

        async def again() -> None:
            await self.cut()
            await self.boot(cause)

        self._later(again())

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _write(self, offset: int, data: bytes) -> None:
        with self.flash.open("r+b") as file:
            file.seek(offset)
            old = file.read(len(data))
            file.seek(offset)
            file.write(bytes(a & b for a, b in zip(old, data, strict=True)))

    def _burn(self) -> None:
        self.download_disabled = True

    def _erase(self, offset: int, length: int) -> None:
        assert (offset % 4096, length % 4096) == (0, 0)
        with self.flash.open("r+b") as file:
            file.seek(offset)
            file.write(b"\xff" * length)


@dataclass
class Bench:
    """A chip, a broker, a time server."""

    chip: Chip
    broker: Broker
    time: TimeServer

    async def __aenter__(self) -> Bench:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.chip.close()
        await self.broker.close()


async def bench(directory: Path, *options: str, broker: Broker | None = None, **values: Any) -> Bench:
    """A bench whose chip is provisioned and off. `values` are further settings; None leaves one out.

    The keep-alive is long: a machine that is busy for half of a short one has the chip give up a good connection.
    """
    broker = await (broker or Broker(directory=directory)).start()
    server = await TimeServer().start()
    chain, key = device()
    settings: dict[str, Any] = {
        "wifi_ssid": "bench", "host": "127.0.0.1", "port": broker.port, "sni": "broker.test",
        "time_host": "127.0.0.1", "time_port": str(server.port), "time_retry": 50, "time_retry_max": 400,
        "client_id": "dev-1", "tele_period": 100, "keep_alive": 60, "retry_first": 50, "retry_max": 400,
        "ca": pem(authority().root).decode(), "cert": chain, "key": key.decode(),
    }  # fmt: skip
    settings |= values
    chosen = {k: v for k, v in settings.items() if v is not None}
    return Bench(Chip(directory, chosen, *options), broker, server)


__all__ = [
    "Authority", "Awaitable", "Bench", "Broker", "Chip", "Disconnect", "Link", "TimeServer", "asynchronous",
    "authority", "bench", "device", "nvs_image", "pem",
]  # fmt: skip
