"""Stories for `hil.diagnose.causes`: messages that are missing, or too many."""

from __future__ import annotations

from stories import Story

from causes_told.telling import shows


@shows("online-message-missing")
def does_not_greet() -> Story:
    story = Story().ready()
    return story.telemetry(story.online(greets=False), 2)


@shows("online-message-once")
def greets_once_a_boot() -> Story:
    story = Story().ready()
    story.close(story.online()).wait(1)
    return story.telemetry(story.online(greets=False), 2).looked()


@shows("telemetry-missing")
def sends_no_telemetry() -> Story:
    story = Story().ready()
    number = story.online()
    for _ in range(5):
        story.wait(5).gateway(number, "pingreq")
    return story


@shows("telemetry-differs")
def sends_telemetry_at_qos_2() -> Story:
    story = Story().ready()
    return story.telemetry(story.online(), qos=2)


@shows("leaves-without-disconnect")
def leaves_rudely() -> Story:
    story = Story().ready()
    number = story.online()
    story.event("console", "sent", text="disconnect\n")
    return story.close(number, "device", "fin")


def with_heap(*told: tuple[int, int]) -> Story:
    """Connections that each tell their free heap, with so many failed connects before each."""
    story = Story().ready()
    for heap, failures in told:
        for _ in range(failures):
            story.close(story.accept("refuse-connect"), "gateway", "fault").wait(2)
        number = story.online()
        story.telemetry(number, payload=f'{{"seq": 1, "heap": {heap}}}', every=9).close(number).wait(1)
    return story


@shows("heap-lost-on-failed-connect")
def loses_memory_with_failed_connects() -> Story:
    return with_heap((168000, 0), (159800, 2), (159800, 0), (151600, 2))


@shows("heap-lost-on-reconnect")
def loses_memory_with_each_connection() -> Story:
    return with_heap((168000, 0), (163900, 0), (159800, 0), (155700, 0))
