"""Stories for `hil.diagnose.causes`: devices that are silent, leave, or are thrown out."""

from __future__ import annotations

from stories import Story

from causes_told.telling import shows


@shows("keep-alive-missed")
def never_pings() -> Story:
    story = Story(telemetry=None).ready()
    for _ in range(3):
        story.close(_silent(story), "gateway", "keep-alive").wait(1)
    return story.says("connection lost")


def _silent(story: Story) -> int:
    number = story.online()
    story.wait(15)
    return number


@shows("ping-answer-ignored")
def does_not_mind_a_ping_without_an_answer() -> Story:
    story = Story(telemetry=None).ready()
    number = story.online("withhold", parameters={"packet": "pingresp"})
    for _ in range(8):
        story.wait(5).gateway(number, "pingreq")
    return story


@shows("device-hangs")
def hangs() -> Story:
    story = Story().ready()
    number = story.online()
    return story.telemetry(number, 3).wait(10).close(number, "gateway", "keep-alive").wait(20).looked()


@shows("never-online")
def is_never_seen() -> Story:
    return Story().start().wait(30).looked()


@shows("connection-lost")
def leaves_by_itself() -> Story:
    story = Story().ready()
    for _ in range(2):
        number = story.online()
        story.telemetry(number, 2, every=4).close(number, "device", "reset").wait(1)
    return story


@shows("server-ends-connection")
def is_thrown_out() -> Story:
    story = Story().ready()
    number = story.online()
    story.telemetry(number, 2, every=4).close(number, "broker", "reset").wait(1)
    story.online()
    return story
