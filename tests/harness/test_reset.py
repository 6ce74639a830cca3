"""What a board's EN and IO0 see: the dev kit's two transistors, fed with every state that the modem lines pass."""

from __future__ import annotations

import socket
import struct
import termios
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ptys import Device
from rfc2217_server import Rfc2217Server

from hil import reset, serial_port
from hil.console import Console, ConsoleError
from hil.timeline import Timeline, where

LONG = 60


def pins(state: tuple[bool, bool]) -> tuple[str, str]:
    """EN and IO0 for a state of (DTR, RTS)."""
    dtr, rts = state
    return ("low" if rts and not dtr else "high", "low" if dtr and not rts else "high")


def seen_by_chip(states: list[tuple[bool, bool]]) -> list[tuple[str, str]]:
    """The pins' history without repetitions."""
    history = [pins((True, True)), *map(pins, states)]
    return [history[0], *(b for a, b in pairwise(history) if a != b)]


@pytest.fixture
def server() -> Iterator[Rfc2217Server]:
    server = Rfc2217Server()
    yield server
    server.stop()


def test_opening_and_closing_never_resets(server: Rfc2217Server) -> None:
    console = Console(Timeline(), "a", server.url).open()
    console.send("x")
    server.hear(1)
    console.close()
    assert server.port.states[-1] == (False, False)
    assert all(en == "high" for en, _ in seen_by_chip(server.port.states))


def test_hard_reset_pulls_en_and_leaves_io0(server: Rfc2217Server) -> None:
    timeline = Timeline()
    with Console(timeline, "a", server.url) as console:
        console.send("x")
        server.hear(1)
        server.port.states.clear()
        reset.hard(console)
        console.send("y")
        server.hear(1)
    assert seen_by_chip(server.port.states) == [("high", "high"), ("low", "high"), ("high", "high")]
    assert server.port.states[-1] == (False, False)
    assert timeline.last(where("reset", "hard", "a")) is not None


def test_download_holds_io0_low_when_en_rises(server: Rfc2217Server) -> None:
    timeline = Timeline()
    with Console(timeline, "a", server.url) as console:
        console.send("x")
        server.hear(1)
        server.port.states.clear()
        reset.download(console)
        console.send("y")
        server.hear(1)
    # RFC 2217 has a command for each line, so both are asserted for a moment: EN's capacitor outlasts that.
    states = [s for s in server.port.states if s != (True, True)]
    assert seen_by_chip(states) == [("high", "high"), ("low", "high"), ("high", "low"), ("high", "high")]
    assert timeline.last(where("reset", "download", "a")) is not None


def test_a_local_port_changes_both_lines_in_one_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device(tmp_path / "port")
    requests: list[tuple[bool, bool]] = []
    real = serial_port.fcntl.ioctl

    def ioctl(fd: int, request: int, argument: Any = 0, *more: Any) -> Any:
        if request == termios.TIOCMGET:
            return struct.pack("I", termios.TIOCM_CTS)
        if request == termios.TIOCMSET:
            lines = struct.unpack("I", argument)[0]
            assert lines & termios.TIOCM_CTS
            requests.append((bool(lines & termios.TIOCM_DTR), bool(lines & termios.TIOCM_RTS)))
            return argument
        return real(fd, request, argument, *more)

    with Console(Timeline(), "a", str(device.path)) as console:
        monkeypatch.setattr(serial_port.fcntl, "ioctl", ioctl)
        reset.download(console)
    assert requests == [(False, True), (True, False), (False, False)]
    device.unplug()


def test_soft_reset_sends_the_command(tmp_path: Path) -> None:
    device = Device(tmp_path / "port")
    timeline = Timeline()
    with Console(timeline, "a", str(device.path)) as console:
        reset.soft(console, "restart")
        assert device.hear(8) == b"restart\n"
    kinds = [(e.source, e.kind) for e in timeline.events(where("reset") | where("console", "sent"))]
    assert kinds == [("reset", "soft"), ("console", "sent")]
    device.unplug()


def test_a_port_without_modem_lines_says_so(tmp_path: Path) -> None:
    device = Device(tmp_path / "port")
    with (
        Console(Timeline(), "a", str(device.path)) as console,
        pytest.raises(ConsoleError, match="has no DTR and RTS lines, so it cannot reset a board"),
    ):
        reset.hard(console)
    device.unplug()


def test_a_socket_carries_no_modem_lines() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"socket://127.0.0.1:{listener.getsockname()[1]}"
        with Console(Timeline(), "a", url) as console, pytest.raises(ConsoleError, match=r"use a tty or an rfc2217://"):
            reset.hard(console)
