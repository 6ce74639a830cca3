"""The supervisor's side of a running firmware: start its process, carry its serial line and its radio, kill it.

    core = await start_core(manifest, host)
    core.uart_input(b"status\\r\\n")
    await core.kill()

All of it belongs to the supervisor's asyncio loop. `prepare` starts the zygote early, so that the first boot does not
wait for its imports; `close` ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections import deque
from typing import Any

from hil.virtual.firmware import link
from hil.virtual.firmware.link import RECORD, Kind
from hil.virtual.host import Cause, Host, Manifest

MAX_UART_INPUT = 65536
"""Bytes of serial input that may wait for a firmware that does not read; what comes after is lost, as it is when a
chip's receive buffer is full."""


class FirmwareError(RuntimeError):
    """The firmware's process cannot be started; one line that says why."""


class Zygote:
    """The process that cores are forked from (see zygote.py)."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        self._control.setblocking(False)
        self._lock = asyncio.Lock()
        self._ready = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hil.virtual.firmware.zygote", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    async def _answer(self) -> int:
        data = b""
        while len(data) < RECORD.size:
            more = await asyncio.get_running_loop().sock_recv(self._control, RECORD.size - len(data))
            if not more:
                raise FirmwareError("the process that firmware is started from has ended; its error output says why")
            data += more
        return int(RECORD.unpack(data)[1])

    async def ready(self) -> None:
        """Wait until it has imported everything; raises FirmwareError if it ends instead."""
        async with self._lock:
            if not self._ready:
                await self._answer()
                self._ready = True

    async def fork(self, theirs: socket.socket) -> int:
        """Start a core whose link is `theirs`; its process id, which stays its own until `reap`."""
        await self.ready()
        # Shielded: given up half-way, the answer would be taken for that of the next one.
        return await asyncio.shield(self._fork(theirs.dup()))

    async def _fork(self, theirs: socket.socket) -> int:
        async with self._lock:
            socket.send_fds(self._control, [RECORD.pack(b"F", 0)], [theirs.fileno()])
            theirs.close()
            return await self._answer()

    def reap(self, pid: int) -> None:
        """That core is dead and its id no longer needed."""
        with contextlib.suppress(OSError):
            self._control.send(RECORD.pack(b"R", pid))

    async def close(self) -> None:
        """End it; it kills the cores that still run."""
        self._control.close()
        await asyncio.get_running_loop().run_in_executor(None, self._process.wait)


_zygotes: dict[asyncio.AbstractEventLoop, Zygote] = {}


def _zygote() -> Zygote:
    loop = asyncio.get_running_loop()
    zygote = _zygotes.get(loop)
    if zygote is None or not zygote.alive:
        zygote = _zygotes[loop] = Zygote()
    return zygote


async def prepare() -> None:
    """Start the zygote and wait until it is ready. Not needed, but the first boot is quicker after it."""
    await _zygote().ready()


async def close() -> None:
    """End this loop's zygote and every core that still runs."""
    zygote = _zygotes.pop(asyncio.get_running_loop(), None)
    if zygote is not None:
        await zygote.close()


class RunningCore:
    """A firmware in its process. Made by `start_core`."""

    def __init__(self, host: Host, zygote: Zygote, pid: int, ours: socket.socket) -> None:
        self._host = host
        self._zygote = zygote
        self.pid = pid
        self._link = ours
        self._splitter = link.Splitter()
        self._queue: deque[tuple[bytes, socket.socket | None]] = deque()
        self._queued = 0
        self._end: asyncio.Future[None] | None = None
        self._over = False

    def start(self, boot: dict[str, Any]) -> None:
        """Hand over what the firmware may know of its chip; it boots at once."""
        self._send(link.message(boot, Kind.BOOT))
        asyncio.get_running_loop().add_reader(self._link, self._read)
        self._host.radio.attach(self._tell)

    async def kill(self) -> None:
        """Power cut or reset: SIGKILL. Nothing that the firmware had still to say is heard; returns when it is dead."""
        if self._end is None:
            self._end = asyncio.get_running_loop().create_future()
            # First the radio: the dying process closes its sockets, and the outside must not see it.
            self._host.radio.cut()
            self._deaf()
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            await asyncio.shield(self._bury(self._end))
        else:
            await self._end

    def uart_input(self, data: bytes) -> None:
        """Bytes that arrived on RX; lost if the firmware has not read for long."""
        if not self._over and self._queued + len(data) <= MAX_UART_INPUT:
            self._send(link.frame(Kind.UART, data))

    def _tell(self, facts: dict[str, Any], carried: socket.socket | None) -> None:
        self._send(link.message(facts, Kind.RADIO if carried is None else Kind.SOCKET), carried)

    def _deaf(self) -> None:
        self._over = True
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._link)
        loop.remove_writer(self._link)
        for _, carried in self._queue:
            if carried is not None:
                carried.close()
        self._queue.clear()

    async def _bury(self, end: asyncio.Future[None]) -> None:
        # The link's end of file is the proof that the process is gone: the kernel closes it as the process exits.
        with contextlib.suppress(ConnectionError):
            while await asyncio.get_running_loop().sock_recv(self._link, 65536):
                pass
        self._link.close()
        self._zygote.reap(self.pid)
        end.set_result(None)

    def _send(self, data: bytes, carried: socket.socket | None = None) -> None:
        if self._over:
            if carried is not None:
                carried.close()
            return
        self._queue.append((data, carried))
        self._queued += len(data)
        self._write()

    def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._queue:
            data, carried = self._queue[0]
            try:
                sent = self._link.send(data) if carried is None else link.send_socket(self._link, data, carried)
            except (BlockingIOError, InterruptedError):
                loop.add_writer(self._link, self._write)
                return
            except OSError:
                break  # it is dying; reading says so
            if carried is not None:
                carried.close()
            self._queued -= sent
            self._queue.popleft()
            if sent < len(data):
                self._queue.appendleft((data[sent:], None))
        loop.remove_writer(self._link)

    def _read(self) -> None:
        try:
            data = self._link.recv(65536)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._died()
            return
        for kind, payload in self._splitter.feed(data):
            if self._over:
                return
            self._heard(kind, payload)

    def _died(self) -> None:
        """End of file though nobody killed it: the firmware broke in a way that it could not report itself."""
        self._deaf()
        self._host.uart_output(b"\r\nabort() was called at PC 0x00000000 on core 0\r\n\r\nRebooting...\r\n")
        self._host.restart(Cause.PANIC)

    def _heard(self, kind: Kind, payload: bytes) -> None:
        match kind:
            case Kind.UART:
                self._host.uart_output(payload)
            case Kind.RADIO:
                self._host.radio.request(json.loads(payload))
            case Kind.FLASH_WRITE:
                self._host.flash_write(struct.unpack_from("!I", payload)[0], payload[4:])
            case Kind.FLASH_ERASE:
                self._host.flash_erase(*struct.unpack("!II", payload))
            case Kind.BURN:
                self._host.disable_download()
            case Kind.CLOCK:
                self._host.clock.zero = struct.unpack("!d", payload)[0]
            case Kind.RESTART:
                self._host.restart(Cause(struct.unpack("!H", payload)[0]))
            case other:
                raise link.LinkError(f"the firmware sent a frame of kind {other.name}")


async def start_core(manifest: Manifest, host: Host) -> RunningCore:
    """Run the firmware that `manifest` names on the chip that `host` stands for.

    Raises FirmwareError if the virtual board has no such firmware, or if no process can be started.
    """
    if manifest.firmware != "reference":
        raise FirmwareError(
            f"firmware {manifest.firmware!r} in the app image, expected 'reference', the only one there is"
        )
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    zygote = _zygote()
    try:
        pid = await zygote.fork(theirs)
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    core = RunningCore(host, zygote, pid, ours)
    core.start(
        {
            "version": manifest.version,
            "options": list(manifest.options),
            "constants": dict(manifest.constants),
            "name": host.name,
            "chip": host.chip,
            "mac": host.mac.hex(),
            "speed": host.speed,
            "cause": int(host.cause),
            "flash": str(host.flash),
            "app": host.app,
            "partitions": host.partitions,
            "clock": host.clock.zero,
        }
    )
    return core
