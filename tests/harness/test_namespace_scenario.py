"""What the scenarios of the namespace make of boards that take their time, on made-up boards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from hil.attempts import End
from hil.timeline import Timeline
from tests.scenarios import test_stays_in_namespace as scenario

TELEMETRY = SimpleNamespace(topic="devices/a/telemetry", period=60.0)


@pytest.fixture(autouse=True)
def late() -> Iterator[list[threading.Timer]]:
    """What comes later than the scenario's own patience, which is none."""
    timers: list[threading.Timer] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenario, "SETTLE", 0.0)
        yield timers
    for timer in timers:
        timer.join()


def board(timeline: Timeline, late: list[threading.Timer], *kinds: str, telemetry: Any = TELEMETRY) -> Any:
    """A board that is let in at once, and later publishes what has these ends: 'publish', or 'denied' each time."""

    def record(kind: str, number: int, **data: Any) -> None:
        timeline.record("gateway", kind, "a", connection=number, **data)

    def speak() -> None:
        for number, kind in enumerate(kinds, 1):
            record("accept", number)
            record("connect", number, client_id="a", will=None)
            record("connack", number, code=0, session_present=False)
            record("publish", number, direction="up", topic=TELEMETRY.topic if kind == "publish" else "foreign/a")
            if kind == "denied":
                record("denied", number, what="publish", action="disconnect", topic="foreign/a", rule="p: none")
                record("close", number, by="gateway", how="policy", seconds=1.0)

    def power_cycle() -> None:
        record("connack", 0, code=0, session_present=False)
        late.append(threading.Timer(0.1, speak))
        late[-1].start()

    contract = SimpleNamespace(online=SimpleNamespace(within=60.0), telemetry=telemetry)
    return SimpleNamespace(name="a", contract=contract, power_cycle=power_cycle)


def test_a_board_that_publishes_late_is_not_let_off(late: list[threading.Timer]) -> None:
    timeline = Timeline()
    with pytest.raises(pytest.fail.Exception, match=r"3 connections in .* were cut off for a publication"):
        scenario.must_stay(timeline, board(timeline, late, *["denied"] * 3), "publish", End.PUBLISH_DENIED)


def test_one_that_reports_stays_and_one_that_promises_no_report_is_not_waited_for(late: list[threading.Timer]) -> None:
    for kinds, telemetry in ((["publish"], TELEMETRY), ([], None)):
        timeline = Timeline()
        scenario.must_stay(timeline, board(timeline, late, *kinds, telemetry=telemetry), "publish", End.PUBLISH_DENIED)
