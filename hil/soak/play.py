"""Plays a plan of disturbances on a board, and tells each on the timeline."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping

from hil.bench import Bench, BenchError
from hil.board import Board
from hil.gateway import BlackHole, Fault, Gateway, Latency, Restart
from hil.schedule import Schedule
from hil.soak.measures import Measures, measure
from hil.soak.plan import MIX, Planned, What, plan
from hil.timeline import NoSuchEvent, where
from hil.timeserver import Silent

_NEEDS: Mapping[What, str] = {
    "power-cut": "power-cut",
    "silent-time": "time",
}


def soak(
    bench: Bench,
    board: Board,
    *,
    seconds: float,
    seed: int = 0,
    mix: Mapping[What, float] = MIX,
    mean: float = 20.0,
    least: float = 2.0,
) -> Measures:
    """Disturb `board` for so many seconds, let it come back, and measure what the timeline then holds.

    `mix`: weights of the kinds of disturbance; what the bench or the board lacks is left out, and told so (`soak`
    `left-out`). `mean`, `least`: seconds of peace between two. The board should be online when it begins. Raises
    ValueError, BenchError without a gateway, PowerError. Judging is for the test:

        found = soak(bench, board, seconds=600, seed=1)
        assert not found.away and not found.boots and not found.unexplained
    """
    gateway = bench.gateway
    if gateway is None:
        raise BenchError("no gateway: with an external broker there is nobody to disturb a connection")
    timeline = bench.timeline
    possible = dict(mix)
    for what, need in _NEEDS.items():
        reason = bench.lacks(board, need) if possible.get(what) else None
        if reason is not None:
            del possible[what]
            timeline.record("soak", "left-out", board.name, what=what, reason=reason)
    planned = plan(seed=seed, seconds=seconds, mix=possible, mean=mean, least=least)
    begin = timeline.record("soak", "start", board.name, seconds=seconds, seed=seed, mix=possible, planned=len(planned))
    for number, one in enumerate(planned):
        _sleep_until(begin.monotonic + one.at)
        with _told(bench, board, number, one, time.monotonic() - begin.monotonic):
            _disturb(bench, gateway, board, one)
    _sleep_until(begin.monotonic + seconds)
    _settle(board)
    contract = timeline.events(where("board", "contract", board.name))[-1:]
    found = measure([*contract, *timeline.events(after=begin.sequence)], board.name)
    timeline.record("soak", "end", board.name, **found.facts())
    return found


def _disturb(bench: Bench, gateway: Gateway, board: Board, one: Planned) -> None:
    match one.what:
        case "drop":
            gateway.drop(board.name, "reset")
        case "close":
            gateway.drop(board.name, "fin")
        case "latency":
            _fault(gateway, Latency(seconds=0.3, jitter=0.2), board, one.lasts)
        case "black-hole":
            _fault(gateway, BlackHole(), board, one.lasts)
        case "broker-restart":
            _fault(gateway, Restart(), board, one.lasts)
        case "power-cut":
            board.power.off()
            try:
                time.sleep(one.lasts)
            finally:
                board.power.on()
        case "silent-time":
            with bench.time_server.fault(Silent(), board.name):
                time.sleep(one.lasts)


def _fault(gateway: Gateway, fault: Fault, board: Board, seconds: float) -> None:
    with gateway.fault(fault, board.name, Schedule(seconds=seconds)):
        time.sleep(seconds)


@contextlib.contextmanager
def _told(bench: Bench, board: Board, number: int, one: Planned, at: float) -> Iterator[None]:
    about = {"number": number, "what": one.what}
    begun = bench.timeline.record(
        "soak", "disturbance", board.name, **about, state="begun", planned=one.at, achieved=at, lasts=one.lasts
    )
    try:
        yield
    finally:
        lasted = time.monotonic() - begun.monotonic
        bench.timeline.record(
            "soak", "disturbance", board.name, **about, state="over", planned=one.lasts, achieved=lasted
        )


def _settle(board: Board) -> None:
    """Give the board the time that its contract takes to be online, or less if it shows that it is."""
    alive = where("gateway", "publish", board.name, direction="up") | board.online_event()
    with contextlib.suppress(NoSuchEvent):
        board.timeline.wait(alive, timeout=board.contract.online.within, after=board.timeline.mark())


def _sleep_until(moment: float) -> None:
    while (left := moment - time.monotonic()) > 0:
        time.sleep(min(left, 1.0))
