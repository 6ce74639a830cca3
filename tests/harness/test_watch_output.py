"""What `hil watch` does where its terminal is slow, stuck, gone, or knows nothing but ASCII."""

from __future__ import annotations

import os
import pty
import threading
import tty
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest
from rich.cells import cell_len

from hil.watch.output import LOST, Output, Pace, TerminalDriver, as_ascii, only_ascii

MUCH = b"x" * 1_000_000
"""Far more than the kernel keeps for a terminal that takes nothing."""


@pytest.fixture
def ends() -> Iterator[list[int]]:
    """A terminal's two: of who draws on it, and of who shows it."""
    shows, draws = pty.openpty()
    tty.setraw(draws)
    opened = [draws, shows]
    yield opened
    for descriptor in opened:
        os.close(descriptor)


def test_all_is_written_in_order_and_at_the_end_waited_for(ends: list[int]) -> None:
    draws, shows = ends
    output = Output(draws)
    seen = bytearray()

    def show() -> None:
        while len(seen) < 2 * len(MUCH):
            seen.extend(os.read(shows, 65536))

    reader = threading.Thread(target=show)
    reader.start()
    output.write(MUCH)
    output.write(MUCH.upper())
    output.close(60)
    assert not output.gave_up
    reader.join(60)
    assert bytes(seen) == MUCH + MUCH.upper()
    assert not output.behind


def test_a_terminal_that_takes_nothing_holds_nobody_up(ends: list[int]) -> None:
    output = Output(ends[0])
    output.write(MUCH)
    output.write(MUCH)
    assert output.behind
    output.close(0.05)
    assert output.gave_up
    assert not output.behind


def test_a_terminal_that_is_gone_holds_nobody_up(ends: list[int]) -> None:
    output = Output(ends[0])
    os.close(ends.pop())
    for _ in range(1000):
        output.write(MUCH[:1000])
    output.close(60)
    assert output.gave_up
    assert not output.behind


def test_a_terminal_that_answers_is_waited_for_and_no_other() -> None:
    pace = Pace()
    assert pace.asks(1.0)
    assert not pace.asks(2.0), "one question at a time"
    assert not pace.waits(2.0), "it may be one that never answers"
    pace.answered()
    assert pace.asks(3.0)
    assert pace.waits(4.0)
    pace.answered()
    assert not pace.waits(4.0)
    assert pace.asks(5.0)
    assert not pace.waits(5.0 + LOST), "an answer may get lost"
    assert pace.asks(5.0 + LOST)
    pace.settle(0.01)
    threading.Timer(0.01, pace.answered).start()
    pace.settle(60)
    assert not pace.waits(6.0 + LOST)


def test_a_terminal_is_asked_only_where_something_was_drawn() -> None:
    written: list[bytes] = []
    driver = TerminalDriver.__new__(TerminalDriver)
    driver._output = cast(Output, SimpleNamespace(write=written.append))
    driver._pace, driver._drawn = Pace(), False
    driver.ask()
    driver.write("drawn")
    driver.ask()
    driver._pace.answered()
    driver.ask()
    assert written == [b"drawn", b"\x1b[6n"]


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"LANG": "de_DE.UTF-8", "TERM": "xterm"}, False),
        ({"LANG": "C.utf8"}, False),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "C"}, True),
        ({"LC_CTYPE": "en_US.UTF-8", "LANG": "C", "LC_ALL": ""}, False),
        ({"LANG": "de_DE.ISO-8859-1"}, True),
        ({}, True),
        ({"LANG": "en_US.UTF-8", "TERM": "vt220"}, True),
    ],
)
def test_the_locale_and_the_terminal_say_whether_only_ascii_is_shown(env: dict[str, str], expected: bool) -> None:
    assert only_ascii(env) == expected


def test_in_ascii_everything_has_the_width_that_it_had() -> None:
    text = "▸1 é 温度 ▶ … │─┐ e\u0301 plain \x1b[1m"
    shown = as_ascii(text)
    assert shown.isascii()
    assert shown == ">1 ? ???? > ~ |-+ e plain \x1b[1m"
    assert cell_len(shown) == cell_len(text)
