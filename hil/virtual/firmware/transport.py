"""The way to the broker: TCP, then TLS with the board's credentials and its own idea of the time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hil.virtual.firmware import complaints
from hil.virtual.firmware.credentials import Credentials, CredentialsError
from hil.virtual.firmware.heap import Heap
from hil.virtual.firmware.network import Network, NetworkError
from hil.virtual.firmware.plain import PlainStream
from hil.virtual.firmware.settings import Settings
from hil.virtual.firmware.system import System
from hil.virtual.firmware.tls import (
    ALL_ERRORS,
    CHAIN_ERRORS,
    EXPIRED,
    FUTURE,
    NO_MEMORY,
    WEAK_CIPHERS,
    WEAKNESSES,
    Identity,
    TlsError,
    TlsStream,
)

DOUBT_AFTER = 2
"""Handshakes in a row that fail for a certificate's dates before the clock is doubted."""


PARSING = 0.02
"""Seconds that a chip needs to find its credentials unusable and to print that; a storm of tries is no faster."""


class CannotOpen(Exception):
    """There is no connection; the log has said why. `expired`: the server says that our certificate has expired."""

    expired = False


class Transport:
    """Opens connections, one after the other."""

    def __init__(
        self, system: System, network: Network, settings: Settings, credentials: Credentials, heap: Heap
    ) -> None:
        self._system = system
        self._network = network
        self._settings = settings
        self._credentials = credentials
        self._heap = heap
        self._dates_failed = 0
        self._remembered: frozenset[bytes] = frozenset()
        self.on_wrong_dates: Callable[[], None] = lambda: None

    async def open(self) -> TlsStream | PlainStream:
        """A connection whose TLS is up. Raises CannotOpen."""
        try:
            tls = await self._open_tls()
        except CannotOpen:
            if not self._system.build.has("plain-fallback"):
                raise
            return await self._open_plain()
        self._heap.tls = True
        return tls

    async def _open_tls(self) -> TlsStream:
        settings, build = self._settings, self._system.build
        self._system.log("I", complaints.TAG, f"connecting to {settings.host}:{settings.port}")
        try:
            self._credentials.tell(self._system.log)
            if self._heap.free() < self._heap.HANDSHAKE:
                raise TlsError(NO_MEMORY, "not enough memory")
            stream = await self._network.connect(settings.host, settings.port, settings.connect_ms / 1000)
        except CredentialsError:
            await asyncio.sleep(PARSING)
            if build.has("crash-credentials"):
                self._system.panic("LoadProhibited", ["Backtrace: 0x400d6a1e:0x3ffb5f20 0x400d5c77:0x3ffb5f50"])
            raise self._failed(complaints.HANDSHAKE_FAILED) from None
        except NetworkError as error:
            raise self._failed(complaints.tcp_failed(self._system, error, settings.host)) from None
        except TlsError as error:
            complaints.tls_failed(self._system, error)
            raise self._failed(complaints.HANDSHAKE_FAILED) from None
        try:
            tls = TlsStream(stream, self._identity())
            await tls.handshake(None if build.has("endless-handshake") else settings.connect_ms / 1000)
        except TlsError as error:
            await stream.close()
            complaints.tls_failed(self._system, error)
            self._note_dates(error)
            failure = self._failed(complaints.HANDSHAKE_FAILED)
            failure.expired = error.own_certificate_expired
            raise failure from None
        self._dates_failed = 0
        if build.has("remembered-server") and tls.server_digest is not None:
            self._remembered |= {tls.server_digest}
        return tls

    async def _open_plain(self) -> PlainStream:
        settings = self._settings
        self._system.log("W", complaints.TAG, "no TLS, trying without")
        try:
            stream = await self._network.connect(settings.host, settings.port, settings.connect_ms / 1000)
        except NetworkError as error:
            raise self._failed(complaints.tcp_failed(self._system, error, settings.host)) from None
        return PlainStream(stream)

    async def close(self, connection: TlsStream | PlainStream) -> None:
        """Close it in order."""
        self._heap.tls = False
        await connection.close()

    def _note_dates(self, error: TlsError) -> None:
        """A certificate of the wrong date, again and again, may well be a clock of the wrong date."""
        self._dates_failed = self._dates_failed + 1 if error.flags & (EXPIRED | FUTURE) else 0
        if self._dates_failed >= DOUBT_AFTER:
            self.on_wrong_dates()

    def _identity(self) -> Identity:
        build, settings = self._system.build, self._settings
        server = settings.sni or settings.host
        return Identity(
            trusted=self._credentials.trusted,
            chain=self._credentials.chain,
            key=self._credentials.key,
            now=None if build.lacks("date-checks") else self._system.clock.now(),
            name=None if build.lacks("name-check") else server,
            server=server,
            newest=settings.tls_max,
            forgives=self._forgiven(),
            ciphers=WEAK_CIPHERS if build.has("weak-ciphers") else None,
            indicates_name=not build.lacks("sni"),
            alerts=not build.has("alertless"),
            small_buffer=build.has("small-tls-buffer"),
            whole_messages=build.has("whole-handshake"),
            remembered=self._remembered,
            old=build.has("old-tls"),
        )

    def _forgiven(self) -> frozenset[int]:
        build = self._system.build
        if build.lacks("server-verification") or not self._credentials.verify:
            return ALL_ERRORS
        if build.has("weak-certificates"):
            return WEAKNESSES
        return CHAIN_ERRORS if build.lacks("chain-checks") else frozenset()

    def _failed(self, number: int) -> CannotOpen:
        complaints.not_opened(self._system, number)
        self._heap.failed_connect()
        return CannotOpen()
