"""The process around one virtual board: its ports, its file, its end.

When it is ready it writes DIR/NAME.json (mode 0600: it holds the control port's token) and prints 'ready'. It ends on
SIGTERM, SIGINT, the order 'shutdown', or, if it was asked to follow it, the end of its standard input.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

from hil.virtual.board import Board
from hil.virtual.chips import CHIPS, mac_of
from hil.virtual.control import ControlServer
from hil.virtual.flash import Flash
from hil.virtual.host import Core, Host, Manifest, Radio
from hil.virtual.usb.board import UsbBoard
from hil.virtual.usb.tree import Tree


@dataclass(frozen=True, slots=True)
class Options:
    """What `python -m hil.virtual esp32` was asked for. `flash_size` in bytes; ports 0 mean any free one."""

    directory: Path
    name: str
    chip: str
    mac: bytes | None
    flash_size: int
    speed: float
    bind: str
    serial_port: int
    control_port: int
    powered: bool
    follow_stdin: bool
    wiring: str = "usb-uart"
    efuses: dict[str, int] = field(default_factory=dict)
    usb: bool = False
    usb_root: Path | None = None
    usb_location: str | None = None


async def serve(options: Options) -> None:
    """Run one board until it is told to end. Raises FlashFileError, OSError and ValueError before it is ready."""
    from hil.virtual.radio import Radio as Antenna

    options.directory.mkdir(parents=True, exist_ok=True)
    flash = Flash(options.directory / f"{options.name}.flash", options.flash_size)
    mac = options.mac or mac_of(options.name)
    board = _make_board(options, mac, flash, Antenna(name=options.name, speed=options.speed))
    board.efuses.burn(options.efuses)
    stop = stopping(options.follow_stdin)
    token = secrets.token_urlsafe(24)
    control = ControlServer(board, token, stop.set)
    about = options.directory / f"{options.name}.json"
    try:
        serial = await _open_line(options, board)
        control_port = await control.start(options.bind, options.control_port)
        if options.powered:
            await board.power_on()
        facts: dict[str, object] = {
            "serial": serial,
            "control": f"{options.bind}:{control_port}",
            "token": token,
            "chip": options.chip,
            "mac": mac.hex(":"),
        }
        await offered(about, facts, stop)
    finally:
        await control.close()
        await board.close()
        await _end_firmware()


def _make_board(options: Options, mac: bytes, flash: Flash, radio: Radio) -> Board:
    """The board that is asked for. Raises ValueError for USB of its own with the wiring of a bridge."""
    if options.usb and options.wiring not in ("usb-serial-jtag", "usb-otg"):
        raise ValueError(f"--usb needs --wiring usb-serial-jtag or usb-otg, found {options.wiring}")
    kind = UsbBoard if options.usb else Board
    chip = CHIPS[options.chip]
    board = kind(options.name, chip, mac, flash, options.speed, radio, _start_core, options.wiring)
    if isinstance(board, UsbBoard):
        tree = Tree(options.usb_root or options.directory / "usb")
        board.plug_into(tree, tree.take_place(options.usb_location))
    return board


async def _open_line(options: Options, board: Board) -> str:
    """Open the board's serial line; its URL, or the name that leads to its port while that is there."""
    if isinstance(board, UsbBoard):
        return str(board.usb.lasting)
    # Not `?ign_set_control`: with it pyserial sleeps 0.1 s after every setting instead of waiting for the answer,
    # which is there at once; esptool changes its time-out twice a command, and a flash takes half as long again.
    return f"rfc2217://{options.bind}:{await board.serial.start(options.bind, options.serial_port)}"


async def _start_core(manifest: Manifest, host: Host) -> Core:
    # Only here, so that a board can be flashed where the firmware's own needs (TLS) are not installed.
    from hil.virtual.firmware import start_core

    return await start_core(manifest, host)


async def _end_firmware() -> None:
    if "hil.virtual.firmware" in sys.modules:
        from hil.virtual import firmware

        await firmware.close()


def stopping(follow_stdin: bool) -> asyncio.Event:
    """What is set once the program is to end: by SIGTERM, SIGINT, or, if asked for, the end of standard input."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if follow_stdin:
        threading.Thread(target=_watch_stdin, args=(loop, stop), daemon=True, name="stdin").start()
    return stop


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    loop.call_soon_threadsafe(stop.set)


async def offered(about: Path, facts: dict[str, object], stop: asyncio.Event) -> None:
    """Say on standard output that the board is ready, and until it is to end in the file `about` how to reach it."""
    try:
        _write_private(about, json.dumps({"pid": os.getpid(), **facts}, indent=1) + "\n")
        print("ready", flush=True)
        await stop.wait()
    finally:
        about.unlink(missing_ok=True)


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(draft, path)
