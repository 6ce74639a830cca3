"""Signatures laid over trials that are made up: what is the reported failure, what can still be it, what cannot."""

from __future__ import annotations

import math
from typing import Any

import pytest

from hil.cases import Signature
from hil.reproduce.signature import Matching, State, cause_of, matching, words_of
from tests.harness.stories import Story

START = 1000.0
LIMIT = 60.0


def laid(story: Story, until: float | None = None, **signature: Any) -> Matching:
    """The signature over the story, which began at START and is watched up to its last event, or for so long."""
    told = Signature.model_validate(signature)
    end = START + until if until is not None else story.now
    return matching(told, story.events, "x", began=START, until=end, limit=LIMIT)


def denied(**more: Any) -> dict[str, Any]:
    return {"source": "gateway", "kind": "denied", "data": {"what": "will"}, **more}


def accept(**more: Any) -> dict[str, Any]:
    return {"source": "gateway", "kind": "accept", **more}


def cut_off(times: int, what: str = "will") -> Story:
    story = Story().ready()
    for _ in range(times):
        story.denied(story.online(greets=False, subscribes=False), what).wait(0.5)
    return story


def test_all_steps_in_order_are_the_failure() -> None:
    connack = {"source": "gateway", "kind": "connack", "data": {"code": 0}}
    found = laid(cut_off(3), seen=[connack, denied(), denied(count=2)])
    assert (found.state, found.missing) == (State.SEEN, "")
    assert [[event.kind for event in step] for step in found.evidence] == [["connack"], ["denied"], ["denied"] * 2]
    assert words_of(found.evidence, START)[2].startswith("2 times, the last at +1.2")


def test_fewer_than_are_counted_may_still_come_until_the_limit() -> None:
    story = cut_off(2)
    found = laid(story, seen=[denied(count=3)])
    assert (found.state, found.missing) == (State.OPEN, "step 1: 2 of 3 times gateway.denied with what = will")
    assert laid(story, until=LIMIT, seen=[denied(count=3)]).state is State.CANNOT


def test_the_order_counts() -> None:
    story = cut_off(1)
    assert laid(story, seen=[accept(), denied()]).state is State.SEEN
    assert laid(story, until=LIMIT, seen=[denied(), accept()]).state is State.CANNOT


def test_another_failure_is_not_the_reported_one() -> None:
    assert laid(cut_off(3, "subscribe"), until=LIMIT, seen=[denied(count=2)]).state is State.CANNOT


def test_a_step_that_comes_too_late_rules_the_failure_out_at_once() -> None:
    story = Story().ready()
    story.denied(story.online(), "will")
    assert laid(story, seen=[accept(within=2), denied(within=1)]).state is State.SEEN
    slow = Story().ready()
    number = slow.online()
    slow.wait(5).denied(number, "will")
    found = laid(slow, seen=[accept(within=2), denied(within=1)])
    assert (found.state, found.missing) == (State.CANNOT, "step 2: no gateway.denied with what = will within 1 s")
    assert laid(slow, seen=[denied(within=3)]).state is State.CANNOT
    assert laid(slow, seen=[denied(within=7)]).state is State.SEEN


def test_until_then_it_is_open_and_says_when_to_look_again() -> None:
    story = Story().ready()
    story.accept()
    found = laid(story, seen=[accept(within=2), denied(within=4)])
    assert found.state is State.OPEN
    assert found.due == pytest.approx(story.now + 4, abs=0.01)


def test_an_early_event_that_fits_by_chance_hides_no_later_one() -> None:
    """The first connection lives on for long; only the second is cut off at once, which is what was reported."""
    story = Story().ready()
    first = story.online()
    story.wait(10).close(first)
    story.denied(story.online(), "will")
    found = laid(story, seen=[accept(), denied(within=1)])
    assert found.state is State.SEEN
    assert found.evidence[0][0]["connection"] == 2


def test_silence_is_seen_once_it_has_lasted() -> None:
    story = Story().ready()
    story.close(story.accept())
    silence = {"seen": [accept(), {"kind": "close"}], "never": [accept(after=2, seconds=5)]}
    early = laid(story, until=4, **silence)
    assert early.state is State.OPEN
    assert early.due == pytest.approx(story.now + 5, abs=0.01)
    assert laid(story, until=6, **silence).state is State.SEEN
    story.wait(2).accept()
    found = laid(story, until=20, **silence)
    assert found.state is State.OPEN  # the second one may be closed, and be the last
    assert found.missing == "gateway.accept came after step 2; the reported failure has none"


def test_silence_is_measured_by_the_longest_pause_of_the_contract() -> None:
    """A device that may pause for a minute has not given up after seven seconds."""
    story = Story().ready()
    story.close(story.accept())
    silence = {"seen": [accept(), {"kind": "close"}], "never": [accept(after=2, pauses=1.2)]}
    for longest, seen in ((5.0, 6.1), (15.0, 18.1)):
        told = Signature.model_validate(silence).for_pause(longest)
        for until, state in ((seen - 0.5, State.OPEN), (seen + 0.5, State.SEEN)):
            end = story.now + until
            found = matching(told, story.events, "x", began=START, until=end, limit=LIMIT)
            assert (longest, found.state) == (longest, state)
    with pytest.raises(ValueError, match="found seconds and pauses, expected one of them"):
        Signature.model_validate({"never": [accept(seconds=1, pauses=1)]})


def test_what_must_not_come_at_all_rules_out_for_good() -> None:
    story = Story().ready()
    story.denied(story.online(), "will")
    found = laid(story, seen=[denied()], never=[{"source": "time", "kind": "request"}])
    assert (found.state, found.missing) == (
        State.CANNOT,
        "time.request came in this trial; the reported failure has none",
    )


def test_without_an_end_silence_lasts_until_the_limit() -> None:
    story = Story().start()
    silent = {"never": [{"source": "time", "kind": "request"}]}
    assert laid(story, until=29, **silent).state is State.OPEN
    assert laid(story, until=LIMIT, **silent).state is State.SEEN


def test_events_of_other_boards_are_none_of_this_trial() -> None:
    story = Story().ready()
    story.event("gateway", "denied", "y", what="will", connection=9)
    assert laid(story, seen=[denied()]).state is State.OPEN


def test_what_says_only_a_cause_is_asked_of_the_diagnosis() -> None:
    story = cut_off(3)
    told = Signature(cause="will-topic-denied")
    found = matching(told, story.events, "x", began=START, until=story.now, limit=LIMIT)
    assert (found.state, found.due) == (State.SEEN, math.inf)
    assert cause_of(told, story.events, "x", 0, story.now) is None
    other = Signature(cause="no-retry")
    missing = cause_of(other, story.events, "x", 0, story.now)
    assert missing is not None
    assert missing.startswith("the diagnosis does not say no-retry, but will-topic-denied")
