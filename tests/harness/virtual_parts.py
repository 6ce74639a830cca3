"""Parts for the tests of the virtual board: a board in this process, its console, and a small loader client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

from hil.virtual.board import Board
from hil.virtual.chips import CHIPS, mac_of
from hil.virtual.flash import Flash
from hil.virtual.host import Host, Manifest
from hil.virtual.image import write_images
from hil.wire import slip
from hil.wire.esp_loader import SYNC_PATTERN, Command, Reply, Request, checksum
from hil.wire.partitions import ARDUINO_DEFAULT

FLASH_SIZE = 4 << 20
PATIENCE = 60.0


class SilentRadio:
    """Stands in for the radio: counts how often it was cut."""

    is_up = resolves = True
    cuts = 0

    def up(self) -> None:
        self.is_up = True

    def down(self) -> None:
        self.is_up = False

    def cut(self) -> None:
        self.cuts += 1

    async def close(self) -> None:
        pass


class EchoCore:
    """Stands in for the firmware: says hello, echoes its input."""

    def __init__(self, manifest: Manifest, host: Host) -> None:
        self.manifest = manifest
        self.host = host
        self.killed = asyncio.Event()
        host.uart_output(f"firmware {manifest.firmware} {manifest.version} cause 0x{host.cause:x}\r\n".encode())

    async def kill(self) -> None:
        await asyncio.sleep(0.002)
        self.killed.set()

    def uart_input(self, data: bytes) -> None:
        self.host.uart_output(b"echo " + data)


class RawPort:
    """In the place of the RFC 2217 server: bytes only, always at the speed of the chip, so that tests are quick."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self.port = self
        self.heard = bytearray()
        self.changed = asyncio.Event()
        self._spoken = False
        self._writer: asyncio.StreamWriter | None = None
        self._server: asyncio.Server | None = None

    @property
    def baudrate(self) -> int:
        # A host that talks to a ROM of an odd speed does so at 115200, and the ROM takes it over.
        return 115200 if self._spoken and self._board.baud == 74880 else self._board.baud

    async def start(self, bind: str, port: int) -> int:
        self._server = await asyncio.start_server(self._serve, bind, port)
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        while data := await reader.read(65536):
            self._spoken = True
            self._board.receive(data)
        self._spoken = False
        self._writer = None
        writer.close()

    def send(self, data: bytes) -> None:
        self.heard += data
        self.changed.set()
        if self._writer is not None:
            self._writer.write(data)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        if self._writer is not None:
            self._writer.close()


@contextlib.asynccontextmanager
async def board_here(path: Path, chip: str = "esp32", speed: float = 1000.0) -> AsyncIterator[tuple[Board, RawPort]]:
    """A board in this process and loop, still off; its cores are kept in `board.cores`."""
    cores: list[EchoCore] = []

    async def start_core(manifest: Manifest, host: Host) -> EchoCore:
        cores.append(EchoCore(manifest, host))
        return cores[-1]

    flash = Flash(path / "board.flash", FLASH_SIZE)
    board = Board("board", CHIPS[chip], mac_of("board"), flash, speed, SilentRadio(), start_core)
    raw = RawPort(board)
    board.serial = raw  # type: ignore[assignment]
    board.cores = cores  # type: ignore[attr-defined]
    try:
        yield board, raw
    finally:
        await board.close()


async def heard(raw: RawPort, pattern: str, count: int = 1) -> str:
    """Wait until the console has said `pattern` `count` times; all it said so far. The next call goes on from there."""

    async def wait() -> str:
        while True:
            text = raw.heard.decode("latin-1")
            matches = list(re.finditer(pattern, text))
            if len(matches) >= count:
                del raw.heard[: matches[count - 1].end()]
                return text
            raw.changed.clear()
            await raw.changed.wait()

    try:
        return await asyncio.wait_for(wait(), PATIENCE)
    except TimeoutError:
        raise AssertionError(f"the console never said {pattern!r}: {bytes(raw.heard)!r}") from None


def images(out: Path, chip: str = "esp32", size: int = 0x6000, version: str = "1.0.0") -> dict[str, tuple[int, Path]]:
    """Bootloader, table and app for `chip`; name -> (offset, file)."""
    options = ("store:constants",) if chip == "esp8266" else ()
    listed = write_images(out, CHIPS[chip], Manifest("reference", version, options), size, ARDUINO_DEFAULT)
    return {Path(str(entry["file"])).stem: (int(entry["offset"]), Path(str(entry["file"]))) for entry in listed}


def flash_in(board: Board, built: dict[str, tuple[int, Path]]) -> None:
    """Put images into a board's flash, as a programmer would."""
    for offset, file in built.values():
        data = file.read_bytes()
        board.flash.erase(offset, -(-len(data) // 4096) * 4096)
        board.flash.program(offset, data)


# -- a board as a process of its own -----------------------------------------------------------------------------------


class BoardProcess:
    """`python -m hil.virtual esp32`, ready; ends with its standard input."""

    def __init__(self, path: Path, *arguments: str, name: str = "board") -> None:
        command = [sys.executable, "-m", "hil.virtual", "esp32", "--dir", str(path), "--name", name, "--follow-stdin"]
        self.process = subprocess.Popen(
            [*command, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self.process.stdout is not None
        if self.process.stdout.readline() != b"ready\n":
            raise AssertionError(self.process.communicate()[1].decode())
        self.json = path / f"{name}.json"
        self.facts: dict[str, Any] = json.loads(self.json.read_text())

    def control(self, do: str, token: str | None = None) -> dict[str, Any]:
        """One order; the answer."""
        host, port = self.facts["control"].split(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
            order = {"token": self.facts["token"] if token is None else token, "do": do}
            connection.sendall(json.dumps(order).encode() + b"\n")
            answer: dict[str, Any] = json.loads(connection.makefile().readline())
        return answer

    def close(self) -> int:
        """End its standard input; its exit status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        status = self.process.wait(PATIENCE)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return status


@contextlib.contextmanager
def board_process(path: Path, *arguments: str, name: str = "board") -> Iterator[BoardProcess]:
    """A board process that is ended with the block."""
    board = BoardProcess(path, *arguments, name=name)
    try:
        yield board
    finally:
        if board.process.poll() is None:
            board.close()


class Telnet:
    """The smallest RFC 2217 client that can reset a board and talk to its loader."""

    DTR_ON, DTR_OFF, RTS_ON, RTS_OFF = 8, 9, 11, 12

    def __init__(self, url: str) -> None:
        host, port = re.fullmatch(r"rfc2217://(.+):(\d+)", url).groups()  # type: ignore[union-attr]
        self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE)
        self.text = bytearray()
        self._frames = slip.Decoder()
        self._packets: list[bytes] = []
        self.socket.sendall(bytes((255, 250, 44, 1)) + (115200).to_bytes(4, "big") + bytes((255, 240)))

    def lines(self, *changes: int) -> None:
        """Set control lines, one after the other."""
        for change in changes:
            self.socket.sendall(bytes((255, 250, 44, 5, change, 255, 240)))

    def download_mode(self) -> None:
        """EN low, IO0 low, EN high: as esptool does it over a network."""
        self.lines(self.DTR_OFF, self.RTS_ON, self.DTR_ON, self.RTS_OFF)
        self.until(b"waiting for download\r\n")
        self.lines(self.DTR_OFF)

    def until(self, words: bytes) -> bytes:
        """Read the console until it says `words`; all of it."""
        while words not in self.text:
            self._read()
        end = self.text.index(words) + len(words)
        found = bytes(self.text[:end])
        del self.text[:end]
        return found

    def command(self, op: int, data: bytes = b"", check: int = 0) -> Reply:
        """One loader command; its reply."""
        frame = slip.encode(Request(op, data, check).encode())
        self.text.clear()
        self.socket.sendall(frame.replace(b"\xff", b"\xff\xff"))
        while True:
            self._packets += self._frames.feed(bytes(self.text))
            self.text.clear()
            while self._packets:
                reply = Reply.decode(self._packets.pop(0))
                if reply.op == op:
                    return reply
            self._read()

    def sync(self) -> None:
        self.command(Command.SYNC, SYNC_PATTERN)

    def flash_begin(self, offset: int, size: int) -> Reply:
        return self.command(Command.FLASH_BEGIN, words_of(size, -(-size // 1024), 1024, offset))

    def flash_block(self, number: int, block: bytes) -> Reply:
        return self.command(Command.FLASH_DATA, words_of(len(block), number, 0, 0) + block, checksum(block))

    def close(self) -> None:
        self.socket.close()

    def _read(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise AssertionError(f"the port closed after {bytes(self.text)!r}")
        # Telnet commands out, doubled 255 single; leftmost match first, so that pairs are not torn apart.
        pattern = rb"\xff(?:\xff|\xfa.*?\xff\xf0|[\xfb-\xfe].|[\xf0-\xf9])"
        self.text += re.sub(pattern, lambda m: b"\xff" if m[0] == b"\xff\xff" else b"", data, flags=re.DOTALL)


def words_of(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "little") for value in values)


TOOL_PATH = Path(__file__).parents[2] / "hil" / "flash" / "tool_path"
#: esptool gives a chip 3 s for most answers, and 0.1 s for the first: a board in a busy process may need longer.
ESPTOOL_PATIENCE = "[esptool]\ntimeout = 60\nsync_timeout = 2\nmem_end_rom_timeout = 2\nserial_write_timeout = 60\n"


def esptool(*arguments: str, timeout: float = 500, quick: bool = False) -> subprocess.CompletedProcess[str]:
    """The real esptool, as a process; `quick`: with what a flasher's process is given (hil/flash/tool_path)."""
    command = [sys.executable, "-m", "esptool", *arguments]
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as config:
        config.write(ESPTOOL_PATIENCE)
        config.flush()
        environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200", "ESPTOOL_CFGFILE": config.name}
        if quick:
            environment["PYTHONPATH"] = str(TOOL_PATH)
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment, check=False)


class LoopThread:
    """An asyncio loop in a thread, for boards that real processes talk to."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def call(self, make: Callable[[], Any]) -> Any:
        """Run `make()`'s coroutine in the loop; its result."""
        return asyncio.run_coroutine_threadsafe(make(), self.loop).result(PATIENCE)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE)
