"""The real esptool, as a process, against the virtual boards.

Every command runs on two chips, a choice of them on every other, over a raw socket, where esptool is quick, with the
board put into download mode by its lines. The way over RFC 2217, with esptool resetting the board by DTR and RTS, is
slow: pyserial waits 50 ms for each setting that it changes, and esptool changes its time-out twice a command. So those
runs start first, beside the others, and are judged at the end.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from virtual_parts import (
    FLASH_SIZE,
    BoardProcess,
    EchoCore,
    LoopThread,
    RawPort,
    SilentRadio,
    Telnet,
    esptool,
    heard,
    images,
)

from hil.virtual.board import Board
from hil.virtual.chips import CHIPS
from hil.virtual.flash import Flash
from hil.virtual.host import Host, Manifest

Run = subprocess.CompletedProcess[str]
MAC = {chip: f"24:0a:c4:aa:bb:{number:02x}" for number, chip in enumerate(CHIPS)}
TITLE = {
    "esp32": "ESP32-D0WDQ6-V3 (revision v3.0)",
    "esp32s2": "ESP32-S2 (revision v0.0)",
    "esp32s3": "ESP32-S3 (QFN56) (revision v0.0)",
    "esp32c2": "ESP32-C2 (revision v1.0)",
    "esp32c3": "ESP32-C3 (QFN32) (revision v0.3)",
    "esp32c5": "ESP32-C5N (revision v1.0)",
    "esp32c6": "ESP32-C6 (QFN40) (revision v0.1)",
    "esp32c61": "ESP32-C61N (revision v1.0)",
    "esp32h2": "ESP32-H2 (revision v0.1)",
    "esp32p4": "ESP32-P4 (revision v1.3)",
    "esp8266": "ESP8266EX",
}
CRYSTAL = {"esp32c2": 26, "esp32c5": 48, "esp32h2": 32, "esp8266": 26}  # MHz; the others 40
EUI64 = ("esp32c5", "esp32c6", "esp32h2")
WHOLE = ("esp32", "esp32c3")
SMALL = b"".join(hashlib.sha256(str(i).encode()).digest() for i in range(100))  # 3200 bytes


class Chain:
    """One chip in a board of this process, and all of esptool's commands on it, one after the other."""

    def __init__(self, chip: str, path: Path, loop: LoopThread) -> None:
        self.chip = chip
        self.path = path
        self.loop = loop
        self.steps = [name for name in STEPS if chip in WHOLE or name in BRIEF]
        self.results: dict[str, Future[Run]] = {name: Future() for name in self.steps}
        path.mkdir()
        self.images = images(path, chip, size=0x10000)
        (path / "small.bin").write_bytes(SMALL)
        self.arguments = [word for offset, file in self.images.values() for word in (hex(offset), str(file))]
        self.board, self.url = loop.call(self._make)

    async def _make(self) -> tuple[Board, str]:
        async def start_core(manifest: Manifest, host: Host) -> EchoCore:
            return EchoCore(manifest, host)

        flash = Flash(self.path / "board.flash", FLASH_SIZE)
        mac = bytes.fromhex(MAC[self.chip].replace(":", ""))
        board = Board(self.chip, CHIPS[self.chip], mac, flash, 1000.0, SilentRadio(), start_core)
        board.serial = RawPort(board)  # type: ignore[assignment]
        port = await board.serial.start("127.0.0.1", 0)
        await board.power_on()
        return board, f"socket://127.0.0.1:{port}"

    def esptool(self, *arguments: str, reset: bool = True, options: tuple[str, ...] = ()) -> Run:
        """One command; the board is put into download mode first, unless it is to be met as it was left."""
        if reset:
            self.loop.call(self._download_mode)
        chip = ("--chip", self.chip)
        port = ("--port", self.url, "--before", "no-reset", "--after", "no-reset")
        return esptool(*chip, *port, *options, *arguments, quick=True)

    async def boot(self) -> None:
        """Reset it, and wait until its firmware runs."""
        self.board.lines_changed(False, True)
        self.board.lines_changed(False, False)
        await heard(self.board.serial, "firmware reference 1.0.0 cause 0x1")  # type: ignore[arg-type]

    async def _download_mode(self) -> None:
        self.board.lines_changed(False, True)
        self.board.lines_changed(True, False)
        while self.board.mode != "download":
            await self.board._wait(1)

    def run(self) -> None:
        for name in self.steps:
            try:
                self.results[name].set_result(STEPS[name](self))
            except BaseException as error:
                self.results[name].set_exception(error)


def read_back(chain: Chain, *options: str) -> Run:
    out = chain.path / "read.bin"
    told = chain.esptool("read-flash", "0x10000", "0x10100", str(out))
    if told.returncode == 0:
        assert out.read_bytes() == chain.board.flash.read(0x10000, 0x10100)
    return told


def read_slowly(chain: Chain) -> Run:
    out = chain.path / "slow.bin"
    told = chain.esptool("read-flash", "0x200000", str(len(SMALL)), str(out), options=("--no-stub",))
    if told.returncode == 0:
        assert out.read_bytes() == SMALL
    return told


def diff(chain: Chain) -> Run:
    new = images(chain.path / "new", chain.chip, size=0x10000, version="1.0.1")["firmware"]
    old = chain.images["firmware"]
    told = chain.esptool("write-flash", "--diff-with", str(old[1]), "--", hex(new[0]), str(new[1]))
    if told.returncode == 0:
        data = new[1].read_bytes()
        assert chain.board.flash.read(new[0], len(data)) == data
    return told


def erase_region(chain: Chain) -> Run:
    told = chain.esptool("erase-region", "0x200000", "0x2000")
    if told.returncode == 0:
        assert set(chain.board.flash.read(0x200000, 0x2000)) == {0xFF}
        assert chain.board.flash.read(0x10000, 1) == b"\xe9"
    return told


def erase_flash(chain: Chain) -> Run:
    told = chain.esptool("erase-flash")
    if told.returncode == 0:
        assert chain.board.flash.read(0, FLASH_SIZE).count(b"\xff") == FLASH_SIZE
    return told


def small(chain: Chain, *options: str, offset: str = "0x200000", flags: tuple[str, ...] = ()) -> Run:
    return chain.esptool("write-flash", *flags, offset, str(chain.path / "small.bin"), options=options)


STEPS: dict[str, Callable[[Chain], Run]] = {
    "chip-id": lambda chain: chain.esptool("chip-id"),
    "stub is still there": lambda chain: chain.esptool("read-mac", reset=False),
    "read-mac": lambda chain: chain.esptool("read-mac"),
    "flash-id": lambda chain: chain.esptool("flash-id"),
    "write-flash": lambda chain: chain.esptool("write-flash", *chain.arguments, options=("--baud", "921600")),
    "verify-flash": lambda chain: chain.esptool("verify-flash", "--diff", *chain.arguments),
    "read-flash": read_back,
    "skip-flashed": lambda chain: chain.esptool("write-flash", "--skip-flashed", *chain.arguments),
    "diff-with": diff,
    "no-compress": lambda chain: small(chain, flags=("--no-compress",)),
    "erase-region": erase_region,
    "no-stub": lambda chain: small(chain, "--no-stub", "--baud", "460800", flags=("--flash-size", "detect")),
    "no-stub, no-compress": lambda chain: small(chain, "--no-stub", flags=("--no-compress",)),
    "no-stub read-flash": read_slowly,
    "read-flash-status": lambda chain: chain.esptool("read-flash-status", "--bytes", "2"),
    "run": lambda chain: chain.esptool("run", options=("--no-stub",)),
    "erase-flash": erase_flash,
    "out of the flash": lambda chain: small(chain, offset="0x400000"),
}

SAID = {
    "chip-id": "MAC:",
    "stub is still there": "Stub flasher is already running",
    "read-mac": "MAC:",
    "flash-id": "Detected flash size: 4MB",
    "write-flash": "Hash of data verified",
    "verify-flash": "Verification successful",
    "read-flash": "Read 65792 bytes from 0x00010000",
    "skip-flashed": "already in flash, skipping write",
    "diff-with": "Hash of data verified",
    "no-compress": "Hash of data verified",
    "erase-region": "erased successfully",
    "no-stub": "Hash of data verified",
    "no-stub, no-compress": "Hash of data verified",
    "no-stub read-flash": "Read 3200 bytes",
    "read-flash-status": "Flash memory status: 0x0000",
    "erase-flash": "erased successfully",
}


@pytest.fixture(scope="module", autouse=True)
def over_rfc2217(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[tuple[Run, BoardProcess]]]]:
    """esptool against whole board processes, started at once: {what: (what it said, the board)}."""
    boards: list[BoardProcess] = []
    pool = ThreadPoolExecutor(4)

    def start(name: str, chip: str, *arguments: str) -> Callable[[], tuple[Run, BoardProcess]]:
        path = tmp_path_factory.mktemp(name)
        built = images(path, chip, size=0x6000)
        there = Flash(path / "board.flash", FLASH_SIZE)
        for offset, file in (built["bootloader"], built["partition-table"]):
            there.program(offset, file.read_bytes())
        there.close()
        board = BoardProcess(path, "--chip", chip, "--mac", MAC[chip], "--speed", "1000", "--powered")
        boards.append(board)
        if arguments[-1] == "APP":
            arguments = (*arguments[:-1], hex(built["firmware"][0]), str(built["firmware"][1]))
        port = ("--chip", chip, "--port", board.facts["serial"])
        return lambda: (esptool(*port, *arguments), board)

    runs = {
        "write-flash": start("write", "esp32", "--baud", "921600", "write-flash", "APP"),
        "esp32s3": start("s3", "esp32s3", "read-mac"),
        "esp32c3": start("c3", "esp32c3", "read-mac"),
    }
    yield {name: pool.submit(run) for name, run in runs.items()}
    pool.shutdown(wait=True)
    for board in boards:
        board.close()


@pytest.fixture(scope="module")
def chains(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Chain]]:
    """All chips at work, those of `WHOLE` in a thread each, the others in one."""
    loop = LoopThread()
    path = tmp_path_factory.mktemp("chains")
    made = {chip: Chain(chip, path / chip, loop) for chip in CHIPS}

    def briefly() -> None:
        for chain in made.values():
            if chain.chip not in WHOLE:
                chain.run()

    runs = [*(made[chip].run for chip in WHOLE), briefly]
    threads = [threading.Thread(target=run, daemon=True) for run in runs]
    for thread in threads:
        thread.start()
    yield made
    for thread in threads:
        thread.join()
    for chain in made.values():
        loop.call(chain.board.close)
    loop.close()


# What is tried on the chips that are not in WHOLE: the stub at another speed, the ROM alone at another speed.
BRIEF = ("write-flash", "no-stub")


@pytest.mark.parametrize("step", SAID)
@pytest.mark.parametrize("chip", WHOLE)
def test_command(chip: str, step: str, chains: dict[str, Chain]) -> None:
    told = chains[chip].results[step].result(500)
    assert told.returncode == 0, told.stdout + told.stderr
    assert SAID[step] in told.stdout, told.stdout


@pytest.mark.parametrize("chip", [chip for chip in CHIPS if chip not in WHOLE])
def test_stub_and_rom_write_and_what_is_written_starts(chip: str, chains: dict[str, Chain]) -> None:
    chain = chains[chip]
    stub, rom = (chain.results[step].result(500) for step in BRIEF)
    assert (stub.returncode, rom.returncode) == (0, 0), stub.stdout + stub.stderr + rom.stdout + rom.stderr
    assert stub.stdout.count("Hash of data verified") == len(chain.images)
    for offset, file in chain.images.values():
        data = file.read_bytes()
        assert chain.board.flash.read(offset, len(data)) == data
    assert "Auto-detected flash size: 4MB" in rom.stdout
    assert chain.board.flash.read(0x200000, len(SMALL)) == SMALL
    # The ESP8266's ROM has no command for a digest, none for another speed, and takes nothing compressed.
    assert ("Hash of data verified" in rom.stdout) == (chip != "esp8266")
    chain.loop.call(chain.boot)


@pytest.mark.parametrize("chip", CHIPS)
def test_identity(chip: str, chains: dict[str, Chain]) -> None:
    told = chains[chip].results["write-flash"].result(500).stdout
    assert f"Chip type:          {TITLE[chip]}" in told
    assert f"Crystal frequency:  {CRYSTAL.get(chip, 40)}MHz" in told
    assert f"{'BASE ' if chip in EUI64 else ''}MAC:" in told
    assert re.search(rf"MAC:\s+{MAC[chip]}\n", told)
    assert "WARNING" not in told


@pytest.mark.parametrize("chip", WHOLE)
def test_flash_id(chip: str, chains: dict[str, Chain]) -> None:
    flash = chains[chip].results["flash-id"].result(500).stdout
    assert "Manufacturer: c8" in flash
    assert "Device: 4016" in flash


@pytest.mark.parametrize("chip", WHOLE)
def test_unchanged_sectors_are_not_written_again(chip: str, chains: dict[str, Chain]) -> None:
    told = chains[chip].results["diff-with"].result(500).stdout
    assert "Wrote 65" not in told, told  # not the whole image


@pytest.mark.parametrize("chip", WHOLE)
def test_run_leaves_the_loader(chip: str, chains: dict[str, Chain]) -> None:
    told = chains[chip].results["run"].result(500)
    assert told.returncode == 0, told.stdout + told.stderr
    text = chains[chip].board.serial.heard.decode("latin-1")
    assert "firmware reference 1.0.1 cause" in text  # what --diff-with had put there


@pytest.mark.parametrize("chip", WHOLE)
def test_writing_past_the_end_fails(chip: str, chains: dict[str, Chain]) -> None:
    assert chains[chip].results["out of the flash"].result(500).returncode != 0


@pytest.mark.parametrize("chip", ["esp32s3", "esp32c3"])
def test_reset_by_dtr_and_rts(chip: str, over_rfc2217: dict[str, Future[tuple[Run, BoardProcess]]]) -> None:
    told, board = over_rfc2217[chip].result(500)
    assert told.returncode == 0, told.stdout + told.stderr
    assert f"MAC:                {MAC[chip]}" in told.stdout
    assert board.control("state")["mode"] == "run"  # the hard reset at the end


def test_flash_and_boot(over_rfc2217: dict[str, Future[tuple[Run, BoardProcess]]]) -> None:
    told, board = over_rfc2217["write-flash"].result(500)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "Hash of data verified" in told.stdout
    client = Telnet(board.facts["serial"])
    client.lines(Telnet.RTS_ON, Telnet.RTS_OFF)
    client.until(b"app_init: App version:      1.0.0")
    client.close()
