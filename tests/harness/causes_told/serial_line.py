"""Stories for `hil.diagnose.causes`: boards without a network of their own."""

from __future__ import annotations

from stories import Story

from causes_told.telling import shows


def linked() -> Story:
    story = Story(link={"silence": 3.0}).start()
    story.event("link", "alive")
    return story


@shows("taken-for-dead")
def a_long_silence_and_a_word() -> Story:
    story = linked().wait(3)
    story.event("link", "dead", why="silence", seconds=3.0)
    story.wait(4).event("link", "alive")
    return story


@shows("line-silent")
def a_hang_that_nothing_ends() -> Story:
    story = linked().wait(3)
    story.event("link", "dead", why="silence", seconds=3.0)
    return story.wait(10).looked()


@shows("line-silent")
def a_start_and_not_a_word() -> Story:
    story = Story(link={"silence": 3.0})
    story.event("power", "on")
    return story.wait(10).looked()


@shows("lines-unreadable")
def half_a_line() -> Story:
    story = linked()
    story.event("link", "bad-line", reason="it is no JSON object", text='{"topic":')
    return story.wait(1).looked()
