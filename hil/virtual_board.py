"""Starts a virtual board as a program of its own, and finds its ports, as a person finds a USB port.

The board writes what it offers (serial URL, control port and its token) into `<name>.json`. If a board of that name
runs in the folder already (`python -m hil.virtual esp32 --dir ... --name ...` in another terminal), that one is used
and left running.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hil.guardian import mark

#: Seconds within which the program must say that it is ready: a cold start of Python on a busy machine takes a few.
READY_WITHIN = 60.0

#: The program's exit status where this machine lacks what such a board is made of (EX_UNAVAILABLE of sysexits.h).
UNAVAILABLE = 69


class VirtualBoardError(Exception):
    """The virtual board's program did not start; the message holds its last words and where its log lies."""


class VirtualBoardUnavailable(VirtualBoardError):
    """This machine lacks what such a board is made of; the message names it. No fault of the bench."""


@dataclass(frozen=True)
class VirtualBoard:
    """`serial`: a pyserial URL. `control`: 'host:port' of the control port; `token` opens it and is never shown.

    `raw`: 'host:port' of the serial line for programs that speak no RFC 2217, where the board has one.
    """

    name: str
    serial: str
    control: str
    token: str = field(repr=False)
    raw: str | None = None
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def close(self) -> None:
        """End the program, if this is whoever started it. Its flash file stays."""
        if self.process is None:
            return
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def start(
    name: str,
    *,
    kind: str,
    chip: str,
    speed: float,
    folder: Path,
    mac: str | None = None,
    efuses: Sequence[str] = (),
    wiring: str | None = None,
    usb: bool = False,
) -> VirtualBoard:
    """The virtual board `name`, whose flash file and log lie in `folder`; powered off when new.

    `speed` divides what is slow on a real board. `efuses` are burned for good ('FLASH_CRYPT_CNT=1'). `wiring`: what DTR
    and RTS of its port do ('usb-serial-jtag'); a bridge's without one. `usb`: that port is the chip's own, and comes
    and goes with it. Raises VirtualBoardError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    description = folder / f"{name}.json"
    there = running(name, folder)
    if there is not None:
        return there
    command = [sys.executable, "-m", "hil.virtual", kind, "--dir", str(folder), "--name", name]
    command += ["--speed", str(speed), "--follow-stdin"]
    if kind == "esp32":
        command += ["--chip", chip] + (["--mac", mac] if mac else [])
    command += ["--wiring", wiring] if wiring is not None else []
    command += ["--usb"] if usb else []
    command += [word for efuse in efuses for word in ("--efuse", efuse)]
    process = _run(name, command, folder / f"{name}.log")
    offered = json.loads(description.read_text())
    return VirtualBoard(name, offered["serial"], offered["control"], offered["token"], offered.get("raw"), process)


def _run(name: str, command: Sequence[str], log: Path) -> subprocess.Popen[str]:
    """The process, once it is ready. Raises VirtualBoardError."""
    with log.open("ab") as errors:
        # A process group of its own: Ctrl-C reaches this process, which then closes the bench in order.
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=mark.environment(last=True),
            start_new_session=True,
        )
    assert process.stdout is not None
    waiting, _, _ = select.select([process.stdout], [], [], READY_WITHIN)
    if not waiting or not process.stdout.readline():
        _end(process, patience=5 if waiting else 0)
        if not waiting:
            raise VirtualBoardError(f"virtual board {name}: was not ready within {READY_WITHIN:g} s (log: {log})")
        words = log.read_text(errors="replace").strip().split("\n")[-1]
        if process.returncode == UNAVAILABLE:
            raise VirtualBoardUnavailable(f"virtual board {name}: {words}")
        raise VirtualBoardError(f"virtual board {name}: ended at once: {words or 'no message'} (log: {log})")
    return process


def _end(process: subprocess.Popen[str], patience: float) -> None:
    """Have it over, and its exit status: its own if it ends by itself within `patience` seconds."""
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def running(name: str, folder: Path) -> VirtualBoard | None:
    """The virtual board of that name if it runs already with its files in `folder`."""
    try:
        offered: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
        os.kill(int(offered["pid"]), 0)
        return VirtualBoard(name, offered["serial"], offered["control"], offered["token"], offered.get("raw"))
    except (FileNotFoundError, ProcessLookupError, ValueError, KeyError):
        return None
