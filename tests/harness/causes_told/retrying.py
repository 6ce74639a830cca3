"""Stories for `hil.diagnose.causes`: how a device connects again."""

from __future__ import annotations

from stories import Story

from causes_told.telling import shows


def refused_after(*pauses: float, code: int | None = None) -> Story:
    story = Story().ready()
    for pause in pauses:
        if code is None:
            story.close(story.accept("refuse-connect"), "gateway", "fault")
        else:
            number = story.connects("refuse-connack")
            story.gateway(number, "connack", code=code, session_present=False)
            story.close(number, "gateway", "fault")
        story.wait(pause)
    story.online()
    return story


@shows("reconnect-storm")
def tries_again_at_once() -> Story:
    return refused_after(0.002, 0.001, 0.004, 0.002, 0.003, 0.002)


@shows("refusals-hammered")
def hammers_when_refused() -> Story:
    return refused_after(1.0, 1.01, 0.99, 1.02, 1.0, code=3)


@shows("retry-constant")
def tries_again_after_equal_gaps() -> Story:
    return refused_after(1.0, 1.01, 0.99, 1.02, 1.0)


@shows("retry-linear")
def tries_again_after_linear_gaps() -> Story:
    return refused_after(1.0, 2.01, 2.99, 4.02, 5.0, 6.0)


@shows("retry-without-jitter")
def tries_again_after_strictly_doubled_gaps() -> Story:
    return refused_after(0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


@shows("stays-away-after-server-close")
def obeys_a_server_that_closes() -> Story:
    story = Story().ready()
    story.close(story.online("server-disconnect"), "gateway", "fault")
    return story.says("disconnected").wait(30).looked()


@shows("no-retry")
def gives_up() -> Story:
    story = Story().ready()
    story.close(story.accept("refuse-connect"), "gateway", "fault")
    return story.wait(1).says("giving up").wait(30).looked()
