"""Stories for `hil.diagnose.causes`: subscriptions and sessions."""

from __future__ import annotations

from stories import Story

from causes_told.telling import shows


@shows("not-resubscribed")
def subscribes_once_after_boot() -> Story:
    story = Story(clean=False).ready()
    story.close(story.online(clean=False)).wait(1)
    number = story.online(clean=False, subscribes=False)
    return story.telemetry(number, 2).looked()


@shows("never-subscribes")
def does_not_subscribe() -> Story:
    story = Story().ready()
    return story.telemetry(story.online(subscribes=False), 2).looked()


@shows("subscribes-though-kept")
def subscribes_at_each_connection() -> Story:
    story = Story(clean=False).ready()
    story.close(story.online(clean=False)).wait(1)
    story.online(clean=False, present=True)
    return story


@shows("session-present-believed")
def goes_on_with_a_session_it_did_not_ask_for() -> Story:
    story = Story().ready()
    return story.telemetry(story.online("session-present", present=True, subscribes=False), 2).looked()


@shows("refused-subscription-unnoticed")
def takes_a_refusal_for_a_success() -> Story:
    story = Story().ready()
    number = story.online("refuse-subscribe", subscribes=False)
    story.subscribe(number, "devices/x/cmd", code=0x80)
    return story.telemetry(number, 6).looked()


@shows("subscribe-not-retried")
def waits_for_a_suback() -> Story:
    story = Story().ready()
    number = story.online("withhold", subscribes=False, parameters={"packet": "suback"})
    story.subscribe(number, "devices/x/cmd", code=None)
    return story.telemetry(number, 3).looked()
