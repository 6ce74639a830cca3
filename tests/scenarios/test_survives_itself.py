"""Firmware hangs, restarts and forgets. What it does then is what a device is worth in the field."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress

import pytest

from hil.board import Board
from hil.broker import Monitor
from hil.timeline import Event, NoSuchEvent, Timeline, where

from .asking import MARGIN, listens, must_answer, must_not_reboot

pytestmark = pytest.mark.power


def ask(board: Board, monitor: Monitor, payload: str, answer: str) -> None:
    """Give the board a command that its contract promises an answer to. Raises NoSuchEvent."""
    command = board.contract.command
    assert command is not None
    asked = monitor.publish(command.topic, payload, qos=1)
    monitor.expect(command.answer_topic, re.compile(answer), timeout=command.within, after=asked)


@pytest.mark.needs("hang-command", "reset-cause")
@pytest.mark.quick
@pytest.mark.scenario(
    "comes back when it hangs", covers=("watchdog", "will after a hang"), waits="online.within and 10 s"
)
def test_comes_back_when_it_hangs(online_board: Board, monitor: Monitor, timeline: Timeline) -> None:
    """Told to hang it is restarted by its watchdog, says that this was why, and is online again."""
    board, will, online = online_board, online_board.contract.mqtt.will, online_board.contract.mqtt.online
    mark = timeline.mark()
    board.hang()
    try:
        boot = timeline.wait(where("board", "boot", board.name), timeout=board.contract.online.within, after=mark)
    except NoSuchEvent as silence:
        pytest.fail(f"it hangs, and nothing restarts it: has it a watchdog?\n{silence}")
    assert "watchdog" in boot["name"], f"its watchdog has restarted it, and it says {boot['name']!r}"
    board.wait_online(after=boot.sequence)
    if will is not None:
        gone = where("monitor", "message", None, topic=will.topic, payload=will.payload.encode())
        timeline.wait(gone, timeout=1.5 * board.contract.mqtt.keep_alive + MARGIN, after=mark)
    if online is not None and online.retain and online.payload is not None:
        assert monitor.retained(online.topic) == online.payload.encode()


@pytest.mark.needs("power-cut", "reset-command", "reset-cause")
@pytest.mark.quick
@pytest.mark.scenario("says why it has started", covers=("boot causes",), waits="online.within, three times")
def test_says_why_it_has_started(board: Board, timeline: Timeline, finding: Callable[[str], None]) -> None:
    """After a power cut it says that it was powered on; after a reset, and after its own restart, something else."""

    def cause(start: Callable[[], None]) -> str:
        mark = timeline.mark()
        start()
        boot: Event = timeline.wait(
            where("board", "boot", board.name), timeout=board.contract.online.within, after=mark
        )
        board.wait_online(after=boot.sequence)
        return str(boot["name"])

    powered, reset, restarted = cause(board.power_cycle), cause(board.hard_reset), cause(board.soft_reset)
    assert powered == "power-on", f"its power was cut, and it says {powered!r}"
    assert restarted != "power-on", "it was told to restart, and says that it was powered on"
    if board.config.resets_by_dtr:  # to an ESP the reset line is a power-on
        assert reset != "power-on", "its reset line was pulled, and it says that it was powered on"
    finding(f"a reset is {reset!r}, its own restart {restarted!r}")


@pytest.mark.needs("setting", "power-cut")
@pytest.mark.quick
@pytest.mark.scenario(
    "keeps its settings without power",
    covers=("settings in EEPROM or flash",),
    waits="online.within and command.within",
)
def test_keeps_its_settings_without_power(online_board: Board, monitor: Monitor, timeline: Timeline) -> None:
    """A setting that it was given over its command topic is still so after a power cut."""
    board, setting = online_board, online_board.contract.setting
    assert setting is not None
    listens(timeline, board, after=board.started())
    ask(board, monitor, setting.set, ".")
    try:
        ask(board, monitor, setting.get, setting.shows)
        board.power_cycle()
        board.wait_online()
        listens(timeline, board, after=board.started())
        try:
            ask(board, monitor, setting.get, setting.shows)
        except NoSuchEvent as other:
            pytest.fail(f"its setting is gone with its power\n{other}")
    finally:
        with suppress(NoSuchEvent):  # what it failed at before is what counts
            ask(board, monitor, setting.restore, ".")


#: What a bad cable, or a person, may put on a line: bytes that are no text, half a message, a line that is too long.
NOISE = (b"\xff\xfe\x80\x00\x1b[31m", b'{"do":', b"}{][", b"\xc3", b"#" * 400, b"{" * 60)


@pytest.mark.needs("command", "reset-command")
@pytest.mark.scenario("bears noise on its console", covers=("garbage on the line",), waits="command.within")
def test_bears_noise_on_its_console(online_board: Board, monitor: Monitor, timeline: Timeline) -> None:
    """Bytes that mean nothing come on its console: it does not restart, and takes commands as before."""
    board = online_board
    listens(timeline, board, after=board.started())
    mark = timeline.mark()
    for noise in NOISE:
        board.console.send(noise + b"\n")
    try:
        must_answer(monitor, board)
    except NoSuchEvent as silence:
        pytest.fail(f"since there was noise on its console it takes no command any more\n{silence}")
    must_not_reboot(timeline, board, after=mark)
