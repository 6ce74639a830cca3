"""Stories for `hil.diagnose.causes`: commands that are not obeyed, or twice."""

from __future__ import annotations

from stories import Story

from causes_told.telling import shows


def command(story: Story, number: int, **more: object) -> None:
    story.publish(number, "devices/x/cmd", '{"id": 7, "do": "ping"}', direction="down", **more)  # type: ignore[arg-type]


def answer(story: Story, number: int) -> None:
    story.publish(number, "devices/x/answer", '{"id": 7, "ok": true}')


@shows("command-unanswered")
def does_not_answer() -> Story:
    story = Story().ready()
    number = story.online()
    command(story, number)
    return story.telemetry(number, 2)


@shows("command-not-delivered")
def is_subscribed_elsewhere() -> Story:
    story = Story().ready()
    number = story.online(subscribes=False)
    story.subscribe(number, "devices/x/else")
    story.event("monitor", "message", None, topic="devices/x/cmd", payload="{}", retain=False)
    return story.telemetry(number, 2)


@shows("retained-command-obeyed")
def obeys_what_was_retained() -> Story:
    story = Story().ready()
    number = story.online()
    command(story, number, retain=True)
    answer(story, number)
    return story


@shows("command-obeyed-twice")
def obeys_twice() -> Story:
    story = Story().ready()
    number = story.online()
    command(story, number, qos=2, packet_id=9)
    answer(story, number)
    command(story, number, qos=2, packet_id=9, dup=True)
    answer(story, number)
    return story
