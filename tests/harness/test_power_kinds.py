"""Switches of every kind: what they run, what they record when, and what they say when they fail."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hil.power import CannotCut, PowerError, PowerSwitch
from hil.power.command import CommandPower
from hil.power.control_port import VirtualSwitch
from hil.power.none import NoSwitch
from hil.power.outlet import OutletSwitch, switch_of
from hil.power.uhubctl import UhubctlPower
from hil.timeline import Timeline

Make = Callable[[Timeline], PowerSwitch]


def states(timeline: Timeline) -> list[tuple[str, str | None, str]]:
    return [(e.kind, e.board, e["switch"]) for e in timeline.events()]


# -- command -----------------------------------------------------------------------------------------------------------


def command(folder: Path, timeline: Timeline | None = None, **changes: Any) -> OutletSwitch:
    state = folder / "state"
    commands = {"on": f"echo on > {state}", "off": f"echo off > {state}", "status": f"cat {state}"} | changes
    return switch_of("command", CommandPower(**commands), Path, board="a", timeline=timeline)


def test_commands_switch_and_are_read_back(tmp_path: Path) -> None:
    timeline = Timeline()
    switch: PowerSwitch = command(tmp_path, timeline)
    switch.on()
    assert switch.is_on() is True
    switch.off()
    assert switch.is_on() is False
    assert switch.can_cut
    assert states(timeline) == [("on", "a", "command"), ("off", "a", "command")]


def test_on_is_recorded_before_and_off_after(tmp_path: Path) -> None:
    timeline = Timeline()
    switch = command(tmp_path, timeline, on="false", off="false", status=None)
    for act in (switch.on, switch.off):
        with pytest.raises(PowerError):
            act()
    assert states(timeline) == [("on", "a", "command")]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("echo ON", True),
        ("echo 0", False),
        ("echo true", True),
        ("echo 'state: off'", False),
        ("""echo '{"POWER":"ON"}'""", True),
        ("echo relay 3 is off, 230.1 V", False),
        ("exit 0", True),
        ("exit 1", False),
        ("echo version 2.0; exit 1", False),
        (None, None),
    ],
)
def test_what_a_status_command_may_say(tmp_path: Path, status: str | None, state: bool | None) -> None:
    assert command(tmp_path, status=status).is_on() is state


@pytest.mark.parametrize(
    ("changes", "act", "says"),
    [
        ({"on": "echo no such relay >&2; exit 4"}, "on", r"`echo no.*` exited with 4: no such relay$"),
        ({"off": "exec sleep 600", "timeout": 0.2}, "off", r"was not done after 0.2 s and has been ended"),
        ({"status": "echo on off"}, "is_on", r"printed 'on off'; expected on or off"),
        ({"status": "echo gone >&2; exit 7"}, "is_on", r"exited with 7: gone; expected on or off"),
        ({"on": "true", "status": "echo off"}, "on", r"told to switch on, but says that it is off"),
        ({"off": "true", "status": "echo on"}, "off", r"told to switch off, but says that it is on"),
        ({"on": "no-such-tool-anywhere"}, "on", r"exited with 127: .*not found"),
    ],
)
def test_what_a_failing_command_says(tmp_path: Path, changes: dict[str, Any], act: str, says: str) -> None:
    switch = command(tmp_path, **changes)
    with pytest.raises(PowerError, match=says) as failure:
        getattr(switch, act)()
    assert str(failure.value).startswith("power of a: ")
    assert "\n" not in str(failure.value)


def test_a_secret_in_a_command_is_not_shown(tmp_path: Path) -> None:
    timeline = Timeline()
    timeline.redact("hunter22")
    with pytest.raises(PowerError, match="\\[redacted\\]") as failure:
        command(tmp_path, timeline, on="echo hunter22 >&2; false").on()
    assert "hunter22" not in str(failure.value)


# -- none --------------------------------------------------------------------------------------------------------------


def test_without_a_switch_nothing_can_be_cut() -> None:
    switch: PowerSwitch = NoSwitch(board="a")
    assert not switch.can_cut
    for act in (switch.on, switch.off):
        with pytest.raises(CannotCut, match="power of a: it has no switch"):
            act()


# -- uhubctl -----------------------------------------------------------------------------------------------------------

HUB = "Current status for hub 1-1.4 [0bda:5411 Generic USB2.1 Hub, USB 2.10, 4 ports, ppps]\n"


def uhubctl(folder: Path, script: str, timeline: Timeline | None = None, **more: Any) -> OutletSwitch:
    program = folder / "uhubctl"
    program.write_text(f'#!/bin/sh\ncd {folder}\necho "$@" >> calls\n{script}\n')
    program.chmod(0o755)
    power = UhubctlPower(location="1-1.4", port=2, program=str(program), **more)
    return switch_of("uhubctl", power, Path, board="a", timeline=timeline)


WORKING = """case "$*" in *"-a on"*) echo on > state;; *"-a off"*) echo off > state;; esac
echo "Current status for hub 1-1.4 [0bda:5411 Generic USB2.1 Hub, USB 2.10, 4 ports, ppps]"
if grep -q on state; then echo "  Port 2: 0103 power enable connect [10c4:ea60 Silicon Labs CP2102 0001]"
else echo "  Port 2: 0000 off"; fi"""


def test_a_hub_port_is_switched_and_read_back(tmp_path: Path) -> None:
    timeline = Timeline()
    switch: PowerSwitch = uhubctl(tmp_path, WORKING, timeline)
    switch.on()
    assert switch.is_on() is True
    switch.off()
    assert switch.is_on() is False
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[0] == "-l 1-1.4 -p 2 -a on"
    assert calls[3].startswith("-l 1-1.4 -p 2 -a off")
    assert states(timeline) == [("on", "a", "uhubctl"), ("off", "a", "uhubctl")]


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (
            "echo 'No compatible devices detected!'; echo 'There were permission problems.'; exit 1",
            r"no permission to use the hub; a udev rule gives it: SUBSYSTEM",
        ),
        ("echo 'No compatible devices detected at location 1-1.4!'; exit 1", r"no hub that can switch its ports"),
        ("echo 'libusb went away' >&2; exit 9", r"exited with 9: libusb went away"),
        (f"printf '{HUB}  Port 1: 0100 power\\n'", r"shows no port 2 there"),
        (f"printf '{HUB}  Port 2: 0100 power\\n'", r"told to switch off, but says that it is on"),
    ],
)
def test_what_a_failing_hub_says(tmp_path: Path, script: str, says: str) -> None:
    with pytest.raises(PowerError, match=says) as failure:
        uhubctl(tmp_path, script).off()
    assert str(failure.value).startswith("power of a: ")


def test_a_hub_that_hangs_and_a_tool_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(PowerError, match=r"not done after 0.2 s"):
        uhubctl(tmp_path, "exec sleep 600", timeout=0.2).on()
    with pytest.raises(PowerError, match="apt install uhubctl"):
        switch_of("uhubctl", UhubctlPower(location="1", port=1, program="/nowhere/uhubctl"), Path, board="a").is_on()


# -- virtual -----------------------------------------------------------------------------------------------------------


class ControlPort:
    """Answers one order a connection, as the script says; keeps the orders."""

    def __init__(self, *answers: bytes) -> None:
        self.orders: list[dict[str, str]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, args=(answers,), daemon=True).start()

    def _serve(self, answers: tuple[bytes, ...]) -> None:
        with self._listener:
            for answer in answers:
                connection, _ = self._listener.accept()
                with connection, connection.makefile("rb") as lines:
                    self.orders.append(json.loads(lines.readline()))
                    connection.sendall(answer)


def answer(**state: Any) -> bytes:
    return json.dumps({"ok": True, **state}).encode() + b"\n"


def test_orders_go_to_the_control_port_with_the_token() -> None:
    port = ControlPort(answer(power=True), answer(power=True), answer(power=False), answer(power=False), answer())
    timeline = Timeline()
    switch = VirtualSwitch(port.address, "tok", board="a", timeline=timeline)
    plain: PowerSwitch = switch
    plain.on()
    plain.off()
    switch.radio(False)
    assert [order["do"] for order in port.orders] == ["power-on", "state", "power-off", "state", "radio-down"]
    assert {order["token"] for order in port.orders} == {"tok"}
    assert states(timeline) == [("on", "a", "virtual"), ("off", "a", "virtual")]


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (b'{"ok": false, "error": "wrong token"}\n', r"refused the order 'power-off': wrong token"),
        (b"hello\n", r"order 'power-off' to its control port .* failed"),
        (b"", r"has its process ended\?"),
        (b"[]\n", r"refused the order 'power-off': \[\]"),
    ],
)
def test_what_a_failing_control_port_says(said: bytes, says: str) -> None:
    with pytest.raises(PowerError, match=says) as failure:
        VirtualSwitch(ControlPort(said).address, "hidden-token", board="a").off()
    assert "hidden-token" not in str(failure.value)


def test_a_control_port_that_is_gone() -> None:
    with pytest.raises(PowerError, match="has its process ended"):
        VirtualSwitch("127.0.0.1:9", "tok", board="a").is_on()
