"""The process around one virtual Uno: its ports, its files, its end; as hil.virtual.process is for an ESP32."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from hil.virtual.control import ControlServer
from hil.virtual.process import offered, stopping
from hil.virtual.uno.board import UnoBoard


@dataclass(frozen=True, slots=True)
class Options:
    """What `python -m hil.virtual uno` was asked for; ports 0 mean any free one."""

    directory: Path
    name: str
    speed: float
    bind: str
    serial_port: int
    control_port: int
    raw_port: int
    raw_rate: int
    powered: bool
    follow_stdin: bool


async def serve(options: Options) -> None:
    """Run one board until it is told to end. Raises BuildError, OSError and ValueError before it is ready."""
    options.directory.mkdir(parents=True, exist_ok=True)
    stop = stopping(options.follow_stdin)
    board = UnoBoard(options.name, options.directory, options.speed)
    token = secrets.token_urlsafe(24)
    control = ControlServer(board, token, stop.set)
    about = options.directory / f"{options.name}.json"
    try:
        await board.start()
        serial_port = await board.serial.start(options.bind, options.serial_port)
        raw_port = await board.serial.start_raw(options.bind, options.raw_port, options.raw_rate)
        control_port = await control.start(options.bind, options.control_port)
        if options.powered:
            await board.power_on()
        facts: dict[str, object] = {
            "serial": f"rfc2217://{options.bind}:{serial_port}",
            "raw": f"{options.bind}:{raw_port}",
            "control": f"{options.bind}:{control_port}",
            "token": token,
            "chip": "atmega328p",
        }
        await offered(about, facts, stop)
    finally:
        await control.close()
        await board.close()
