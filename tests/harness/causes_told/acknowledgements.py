"""Stories for `hil.diagnose.causes`: acknowledgements that are missing."""

from __future__ import annotations

from stories import Story

from causes_told.telling import shows


@shows("publish-not-resent")
def never_resends() -> Story:
    story = Story().ready()
    number = story.online("withhold", parameters={"packet": "puback"})
    return story.telemetry(number, 2, ack=False).looked()


@shows("resent-with-new-id")
def resends_as_another_message() -> Story:
    story = Story().ready()
    number = story.online("withhold", parameters={"packet": "puback"})
    story.telemetry(number, payload='{"seq": 17}', every=1, ack=False)
    story.telemetry(number, payload='{"seq": 17}', every=1)
    return story


@shows("disconnects-unacknowledged")
def drops_the_connection() -> Story:
    story = Story().ready()
    for _ in range(2):
        number = story.online("withhold", parameters={"packet": "puback"})
        story.telemetry(number, every=1.5, ack=False).close(number, "device", "fin").wait(1)
    return story


@shows("unacknowledged-messages-lost")
def leaves_out_what_a_black_hole_has_swallowed() -> Story:
    story = Story().ready()
    number = story.online("black-hole")
    story.telemetry(number, payload='{"seq": 4}', every=8).close(number, "gateway", "keep-alive").wait(1)
    return story.telemetry(story.online(), payload='{"seq": 7}').looked()


@shows("message-not-acknowledged")
def sends_no_puback() -> Story:
    story = Story().ready()
    number = story.online()
    story.publish(number, "devices/x/cmd", "{}", direction="down", ack=False)
    return story.telemetry(number, 2)


@shows("unacknowledged-messages-lost")
def forgets_its_outbox() -> Story:
    story = Story().ready()
    number = story.online()
    story.telemetry(number, payload='{"seq": 1}', every=0.1, ack=False).close(number).wait(1)
    return story.telemetry(story.online(), payload='{"seq": 2}').looked()
