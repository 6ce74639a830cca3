"""Each cause is named first for the story that shows it; a cause without a story is not let pass."""

from __future__ import annotations

import pytest
from causes_told import STORIES
from causes_told.telling import Telling
from stories import Story

from hil.diagnose import CAUSES, Diagnosis, diagnose


def found(story: Story) -> list[Diagnosis]:
    return diagnose(story.events, "x")


@pytest.mark.parametrize(("slug", "telling"), STORIES, ids=lambda part: part if isinstance(part, str) else "")
def test_the_cause_is_named_first(slug: str, telling: Telling) -> None:
    ranked = found(telling())
    assert ranked, "nothing was found"
    assert ranked[0].cause == slug, [str(one) for one in ranked]
    assert ranked[0].evidence, "no event shows it"
    assert ranked[0].next_steps


def test_each_cause_has_a_story() -> None:
    assert {cause.slug for cause in CAUSES} == {slug for slug, _ in STORIES}


def test_no_two_causes_have_one_name() -> None:
    assert len({cause.slug for cause in CAUSES}) == len(CAUSES)


def test_what_is_outranked_is_there() -> None:
    slugs = {cause.slug for cause in CAUSES}
    assert {slug for cause in CAUSES for slug in cause.outranks} <= slugs
    assert not [cause.slug for cause in CAUSES if cause.slug in cause.outranks]


def test_a_lock_out_that_outlasts_its_quick_boots_is_known_by_its_words() -> None:
    story = Story()
    story.start().says("W app: 3 quick resets: in set-up mode").wait(20).looked()
    assert diagnose(story.events, "x")[0].cause == "quick-boots-lock-out"
    waiting = Story()
    waiting.start().says("W app: in set-up mode").wait(20).looked()
    assert diagnose(waiting.events, "x")[0].cause != "quick-boots-lock-out"


def test_quick_boots_of_the_test_before_count_as_well() -> None:
    story = Story()
    for _ in range(3):
        story.start().wait(0.5).off().wait(0.1)
    began = len(story.events)
    story.start().says("W app: 3 quick resets: in set-up mode").wait(20).looked()
    assert diagnose(story.events, "x", after=began)[0].cause == "quick-boots-lock-out"


def test_a_connection_of_the_life_before_is_no_sign_of_a_hang() -> None:
    story = Story().ready()
    number = story.online()
    story.wait(1).off().start().says("booting").asks_time()
    story.close(story.accept("refuse-connect"), "gateway", "fault")
    story.wait(15).close(number, "gateway", "keep-alive").wait(5).looked()
    assert found(story)[0].cause == "no-retry"
