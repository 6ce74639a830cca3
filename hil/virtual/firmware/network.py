"""Wi-Fi, TCP and UDP, as the firmware has them: everything is asked of the radio."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import Callable
from typing import Any, TypeVar

from hil.virtual.firmware.system import System

T = TypeVar("T")

SCAN_MS = 900
"""Milliseconds that a scan and the association take on a board."""

DHCP_MS = 500
"""Milliseconds until there is an address."""

REJOIN_MS = 2000
"""Milliseconds between two looks for an access point that is not there."""

NEWLIB_ERRNO = {
    "EIO": 5, "EAGAIN": 11, "EPIPE": 32, "ECONNRESET": 104, "ECONNREFUSED": 111, "ECONNABORTED": 113,
    "ENETUNREACH": 114, "ENETDOWN": 115, "ETIMEDOUT": 116, "EHOSTDOWN": 117, "EHOSTUNREACH": 118, "EINPROGRESS": 119,
    "ENOTCONN": 128,
}  # fmt: skip
"""The numbers that the chip's C library gives (newlib, sys/errno.h); logs of real boards show these."""

_WORDS = {
    "ECONNRESET": "Connection reset by peer",
    "ECONNREFUSED": "Connection refused",
    "ECONNABORTED": "Software caused connection abort",
    "ETIMEDOUT": "Connection timed out",
    "EHOSTUNREACH": "Host is unreachable",
    "ENETUNREACH": "Network is unreachable",
    "EPIPE": "Broken pipe",
}


class NetworkError(Exception):
    """Something that sockets report. `name` is the errno's, `number` the chip's, `phase` where it happened."""

    def __init__(self, name: str, phase: str) -> None:
        self.name = name
        self.phase = phase
        self.number = NEWLIB_ERRNO.get(name, NEWLIB_ERRNO["EIO"])
        self.words = _WORDS.get(name, name)
        super().__init__(f"{phase}: {self.words} (errno {self.number})")


class Stream:
    """A TCP connection. The radio holds the real one; this is our end of the pair of sockets."""

    def __init__(
        self, network: Network, ident: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._network = network
        self._ident = ident
        self._reader = reader
        self._writer = writer
        self.ended: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

    async def read(self) -> bytes:
        """The next bytes; none is the peer's FIN. Raises NetworkError for its RST."""
        with contextlib.suppress(ConnectionError):
            data = await self._reader.read(16384)
            if data:
                return data
        # The radio has said, or is about to say, how it ended.
        with contextlib.suppress(asyncio.TimeoutError):
            error = await asyncio.wait_for(asyncio.shield(self.ended), 5)
            if error is not None:
                raise NetworkError(error, "read")
        return b""

    async def write(self, data: bytes, seconds: float) -> None:
        """Hand bytes to the network; raises NetworkError if it takes none for that long, or the peer has sent RST."""
        try:
            self._writer.write(data)
            async with asyncio.timeout(seconds):
                await self._writer.drain()
        except TimeoutError:
            raise NetworkError("EAGAIN", "write") from None
        except ConnectionError:
            raise NetworkError("ECONNRESET", "write") from None

    async def close(self) -> None:
        """Close in order: what was written is sent, then FIN."""
        self._writer.close()
        try:
            async with asyncio.timeout(1):
                await self._writer.wait_closed()
        except TimeoutError:
            self._writer.transport.abort()
        except ConnectionError:
            pass
        self._network.forget(self._ident)


class Network:
    """The station. `joined` is set while the board is on the Wi-Fi."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._idents = itertools.count(1)
        self._answers: asyncio.Queue[str] = asyncio.Queue()
        self._waiting: dict[int, Callable[[dict[str, Any], socket.socket | None], None]] = {}
        self.joined = asyncio.Event()
        self._lost = asyncio.Event()
        system.on_radio = self._heard

    async def stay_joined(self, ssid: str, password: str) -> None:
        """Join the network, and join again whenever it is lost; never returns."""
        while True:
            await self._join(ssid, password)
            await self._lost.wait()
            self._system.log("W", "wifi", "disconnected, reason 200 (beacon timeout)")

    async def _join(self, ssid: str, password: str) -> None:
        log = self._system.log
        log("I", "wifi", f'connecting to "{ssid}"')
        while True:
            await self._system.hardware_wait(SCAN_MS)
            self._lost.clear()
            self._system.radio(do="associate", ssid=ssid, password=password)
            answer = await self._answers.get()
            if answer == "associated":
                break
            why = "reason 201 (no access point found)" if answer == "no-ap" else "reason 15 (wrong password)"
            log("W", "wifi", f'cannot join "{ssid}": {why}')
            await self._system.hardware_wait(REJOIN_MS)
        await self._system.hardware_wait(DHCP_MS)
        if not self._lost.is_set():
            log("I", "wifi", f'connected to "{ssid}"')
            self.joined.set()

    async def connect(self, host: str, port: int, seconds: float) -> Stream:
        """Open a TCP connection; raises NetworkError, also when nobody answers for so long."""
        ident = next(self._idents)
        done: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()

        early: list[dict[str, Any]] = []  # a peer that resets at once may be faster than the stream is made

        def heard(facts: dict[str, Any], carried: socket.socket | None) -> None:
            if facts["event"] == "connected" and carried is not None:
                carried.close() if done.done() else done.set_result(carried)
            elif done.done():
                early.append(facts)
            else:
                done.set_exception(NetworkError(facts["error"], facts["phase"]))

        self._waiting[ident] = heard
        self._system.radio(do="connect", id=ident, host=host, port=port)
        try:
            async with asyncio.timeout(seconds):
                carried = await done
        except BaseException as error:
            self.forget(ident)
            if isinstance(error, TimeoutError):
                raise NetworkError("ETIMEDOUT", "connect") from None
            raise
        reader, writer = await asyncio.open_unix_connection(sock=carried)
        writer.transport.set_write_buffer_limits(0)
        stream = Stream(self, ident, reader, writer)

        def ended(facts: dict[str, Any], _: socket.socket | None) -> None:
            if not stream.ended.done():
                stream.ended.set_result(facts["error"])

        self._waiting[ident] = ended
        for facts in early:
            ended(facts, None)
        return stream

    async def ask(self, host: str, port: int, data: bytes, seconds: float, judge: Callable[[bytes], T | None]) -> T:
        """Send a datagram, and wait for one that `judge` takes for the answer (not None; it may raise as well).

        Raises NetworkError when none comes in time, or an error does (ECONNREFUSED: nobody listens there).
        """
        ident = next(self._idents)
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def heard(facts: dict[str, Any], _: socket.socket | None) -> None:
            if done.done():
                return
            if facts["event"] == "failed":
                done.set_exception(NetworkError(facts["error"], facts["phase"]))
                return
            try:
                answer = judge(bytes.fromhex(facts["data"]))
            except Exception as error:
                done.set_exception(error)
                return
            if answer is not None:
                done.set_result(answer)

        self._waiting[ident] = heard
        self._system.radio(do="datagram", id=ident, host=host, port=port, data=data.hex())
        try:
            async with asyncio.timeout(seconds):
                return await done
        except TimeoutError:
            raise NetworkError("ETIMEDOUT", "datagram") from None
        finally:
            self.forget(ident)

    def forget(self, ident: int) -> None:
        """Close what has that number."""
        self._waiting.pop(ident, None)
        self._system.radio(do="close", id=ident)

    def _heard(self, facts: dict[str, Any], carried: socket.socket | None) -> None:
        event = facts["event"]
        if event in ("associated", "no-ap", "wrong-password"):
            self._answers.put_nowait(event)
        elif event == "link-lost":
            self.joined.clear()
            self._lost.set()
        else:
            heard = self._waiting.get(facts["id"])
            if heard is not None:
                heard(facts, carried)
            elif carried is not None:
                carried.close()
