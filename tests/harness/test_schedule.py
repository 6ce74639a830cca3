"""Schedules of faults: when one is due, and when it is over."""

from __future__ import annotations

import re
import threading

import pytest

from hil.schedule import ALWAYS, Clockwork, Schedule
from hil.timeline import Event, where


def event(kind: str, monotonic: float = 0.0) -> Event:
    return Event(0, monotonic, 0.0, "gateway", kind, "a")


def dues(schedule: Schedule, times: int, now: float = 0.0) -> list[bool]:
    clockwork = Clockwork(schedule, now)
    return [clockwork.due(now) for _ in range(times)]


def test_without_conditions_each_occasion_is_due() -> None:
    assert dues(ALWAYS, 3) == [True, True, True]
    assert not Clockwork(ALWAYS, 0.0).over(1e9)
    assert ALWAYS.facts() == {}


def test_the_next_so_many_occasions() -> None:
    clockwork = Clockwork(Schedule(count=2), 0.0)
    assert [clockwork.due(0.0), clockwork.over(0.0), clockwork.due(0.0), clockwork.over(0.0)] == [
        True,
        False,
        True,
        True,
    ]
    assert not clockwork.due(0.0)
    assert clockwork.met == 2


def test_occasions_are_let_pass_first() -> None:
    assert dues(Schedule(skip=2, count=1), 5) == [False, False, True, False, False]


def test_for_so_many_seconds_from_the_arming() -> None:
    clockwork = Clockwork(Schedule(seconds=5), 100.0)
    assert clockwork.ends() == 105.0
    assert clockwork.due(104.9)
    assert not clockwork.due(105.0)
    assert clockwork.over(105.0)


def test_from_an_event_on() -> None:
    clockwork = Clockwork(Schedule(after=where("gateway", "suback"), seconds=5, skip=1), 100.0)
    assert not clockwork.due(300.0)
    assert not clockwork.over(300.0)
    assert clockwork.ends() is None
    assert not clockwork.note_event(event("connect", 300.0))
    assert clockwork.note_event(event("suback", 301.0))
    assert not clockwork.note_event(event("suback", 400.0))
    assert clockwork.ends() == 306.0
    assert [clockwork.due(302.0), clockwork.due(303.0), clockwork.due(306.0)] == [False, True, False]


def test_only_one_thread_starts_it() -> None:
    clockwork = Clockwork(Schedule(after=where("gateway")), 0.0)
    gate, told = threading.Barrier(8), []

    def note(number: int) -> None:
        gate.wait(10)
        told.append(clockwork.note_event(event("suback", float(number))))

    threads = [threading.Thread(target=note, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(told) == [False] * 7 + [True]


def test_chance_is_seeded_and_counts_what_it_met() -> None:
    schedule = Schedule(probability=0.3, seed=7)
    drawn = dues(schedule, 1000)
    assert drawn == dues(schedule, 1000)
    assert drawn != dues(Schedule(probability=0.3, seed=8), 1000)
    assert 230 < sum(drawn) < 370
    assert sum(dues(Schedule(probability=0.3, seed=7, count=3), 1000)) == 3


def test_its_facts_are_what_was_asked_for() -> None:
    asked = Schedule(count=2, after=where("gateway", "suback", "a"), probability=0.5)
    assert asked.facts() == {"count": 2, "after": "gateway.suback of a", "probability": 0.5}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"count": 0}, "count is 0, expected 1 or more, or None"),
        ({"skip": -1}, "skip is -1, expected 0 or more"),
        ({"after": "suback"}, "after is 'suback', expected a match of events, made by where(...)"),
        ({"seconds": 0}, "seconds is 0, expected more than 0, or None"),
        ({"seconds": float("nan")}, "seconds is nan, expected more than 0"),
        ({"probability": 0}, "probability is 0, expected more than 0 and at most 1"),
        ({"probability": 1.5}, "probability is 1.5, expected more than 0 and at most 1"),
    ],
)
def test_what_could_never_apply_is_refused(asked: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        Schedule(**asked)  # type: ignore[arg-type]
