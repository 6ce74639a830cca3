"""What keys of `hil watch` do to boards: in threads, one thing at a time, with a line on what came of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hil import reset
from hil.bench import Bench
from hil.console import ConsoleError
from hil.rig import load
from hil.timeline import Timeline
from hil.watch.acting import Acting
from hil.watch.opened import OpenedBench
from hil.watch.source import AT_ONCE

RIG = load(Path(__file__).parents[2] / "rigs" / "virtual.toml")
A, B = RIG.boards


class Board:
    """Writes down what is done to it; `gate` holds it up, `fault` is raised."""

    def __init__(self, name: str, timeline: Timeline) -> None:
        self.name, self.timeline = name, timeline
        self.done: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.fault: Exception | None = None
        self.is_on: bool | None = True
        self.console = SimpleNamespace(
            send_line=lambda text: self._do(f"sent {text}"), download=lambda: self._do("download")
        )
        self.flasher = SimpleNamespace(stop=self.gate.set)
        self.power = SimpleNamespace(is_on=lambda: self.is_on)

    def _do(self, what: str) -> None:
        assert self.gate.wait(60)
        if self.fault is not None:
            raise self.fault
        self.done.append(what)

    def __getattr__(self, name: str) -> Callable[[], None]:
        return lambda: self._do(name)


class FakeBench:
    """As much of a bench as keys reach."""

    def __init__(self) -> None:
        self.rig = RIG
        self.artifacts = Path("run-1")
        self.timeline = Timeline()
        self.boards = {name: Board(name, self.timeline) for name in (A, B)}

    def make_ready(self, board: Board) -> None:
        board._do("made ready")


@pytest.fixture
def bench() -> FakeBench:
    return FakeBench()


@pytest.fixture
def acting(bench: FakeBench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Acting]:
    monkeypatch.setattr(reset, "download", lambda console: console.download())
    with closing(Acting(cast(Bench, bench))) as opened:
        yield opened


def settle(acting: Acting) -> None:
    """Wait until nothing is done any more."""
    while acting.doing:
        time.sleep(0.001)


def said(acting: Acting) -> list[str]:
    """All that is said, once nothing is done any more."""
    settle(acting)
    lines = []
    while (line := acting.said()) is not None:
        lines.append(line)
    return lines


@pytest.mark.parametrize(
    ("act", "done", "line"),
    [
        (Acting.reset, ["hard_reset"], f"{A} was reset"),
        (Acting.soft_reset, ["soft_reset"], f"{A} was asked to restart"),
        (Acting.cycle, ["power_cycle"], f"{A} was power-cycled"),
        (Acting.download, ["download"], f"{A} waits in its ROM loader: r restarts it"),
        (Acting.switch, ["power_off"], f"{A} power off"),
        (Acting.make_ready, ["made ready", "power_on"], f"{A} is ready"),
    ],
)
def test_a_key_does_one_thing_and_says_it(
    act: Any, done: list[str], line: str, bench: FakeBench, acting: Acting
) -> None:
    act(acting, A)
    assert said(acting) == [line]
    assert bench.boards[A].done == done
    assert bench.boards[B].done == []


def test_a_line_is_sent_and_the_timeline_alone_says_so(bench: FakeBench, acting: Acting) -> None:
    acting.send(A, "status")
    assert said(acting) == []
    assert bench.boards[A].done == ["sent status"]


def test_a_board_without_power_takes_no_notice_and_that_is_said(bench: FakeBench, acting: Acting) -> None:
    lines = []
    for told in ("off", "on"):
        bench.timeline.record("power", told, A, switch="virtual")
        for act in (Acting.reset, Acting.soft_reset, Acting.download, lambda acting, name: acting.send(name, "x")):
            act(acting, A)
            lines.append(said(acting))
    words = ("was reset", "was asked to restart", "was told to wait in its ROM loader", "was sent a line")
    assert lines[:4] == [[f"{A} {did}, but its power is off"] for did in words]
    assert not [line for some in lines[4:] for line in some if "power" in line]


@pytest.mark.parametrize(("told", "done"), [(None, "power_off"), ("on", "power_off"), ("off", "power_on")])
def test_a_switch_that_cannot_be_asked_was_last_told(
    told: str | None, done: str, bench: FakeBench, acting: Acting
) -> None:
    bench.boards[A].is_on = None
    if told:
        bench.timeline.record("power", told, A, switch="command")
        bench.timeline.record("power", "off" if told == "on" else "on", B, switch="command")
    acting.switch(A)
    settle(acting)
    assert bench.boards[A].done == [done]


def test_while_one_thing_is_done_another_is_refused_and_another_board_does_not_wait(
    bench: FakeBench, acting: Acting
) -> None:
    bench.boards[A].gate.clear()
    acting.cycle(A)
    acting.reset(A)
    assert acting.said() == f"{A} is being power-cycled: wait until that is done"
    assert acting.doing == {A: "being power-cycled"}
    acting.reset(B)
    while B in acting.doing:
        time.sleep(0.001)
    assert acting.doing == {A: "being power-cycled"}
    bench.boards[A].gate.set()
    assert sorted(said(acting)) == [f"{A} was power-cycled", f"{B} was reset"]
    assert acting.doing == {}


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (ConsoleError(f"console of {A}: it has lost its port\nand more"), f"{A}: console of {A}: it has lost its port"),
        (ZeroDivisionError("division by zero"), f"{A}: ZeroDivisionError: division by zero"),
    ],
)
def test_what_goes_wrong_is_one_line_and_the_board_can_be_acted_on_again(
    fault: Exception, line: str, bench: FakeBench, acting: Acting
) -> None:
    bench.boards[A].fault = fault
    acting.reset(A)
    settle(acting)
    bench.boards[A].fault = None
    acting.reset(A)
    assert said(acting) == [line, f"{A} was reset"]


def test_closing_ends_what_is_written_and_waits_for_the_rest(bench: FakeBench, acting: Acting) -> None:
    bench.boards[A].gate.clear()
    acting.make_ready(A)
    acting.close()  # its flasher is stopped, or this would wait
    assert acting.doing == {}


def test_a_bench_is_a_source_of_all_its_events_in_parts(bench: FakeBench) -> None:
    first = bench.timeline.record("broker", "started")
    source = OpenedBench(cast(Bench, bench))
    bench.timeline.record_lines("console", "line", A, "\n".join(map(str, range(AT_ONCE))))
    taken = [len(rows) for rows in (source.take(), source.take(), source.take())]
    assert taken == [AT_ONCE, 1, 0]
    assert (source.began, source.title) == (first.monotonic, f"{RIG.name}, run-1")
