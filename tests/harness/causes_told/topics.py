"""Stories for `hil.diagnose.causes`: topics that the broker does not have or allow, and its limits."""

from __future__ import annotations

from collections.abc import Callable

from stories import Story

from causes_told.telling import shows


def loops(what: str, topic: str, packet: Callable[[Story, int], object]) -> Story:
    story = Story().ready()
    for _ in range(4):
        number = story.connects()
        story.gateway(number, "connack", code=0, session_present=False)
        packet(story, number)
        story.wait(0.038)
        story.denied(number, what, topic).wait(5)
    return story


def nothing(story: Story, number: int) -> None:
    return None


@shows("will-topic-denied")
def has_a_foreign_will() -> Story:
    return loops("will", "foreign/x/status", nothing)


@shows("will-topic-denied")
def is_cut_off_after_its_connack_by_a_real_broker() -> Story:
    story = Story().ready()
    for _ in range(4):
        number = story.connects()
        story.gateway(number, "connack", code=0, session_present=False)
        story.wait(0.05).close(number, "broker", "fin").wait(5)
    return story


@shows("subscribe-denied")
def subscribes_to_what_is_not_there() -> Story:
    return loops("subscribe", "foreign/x", lambda story, number: story.subscribe(number, "foreign/x", code=None))


@shows("subscribe-denied")
def is_cut_off_after_subscribe_by_a_real_broker() -> Story:
    story = Story().ready()
    for _ in range(3):
        number = story.online(subscribes=False)
        story.subscribe(number, "devices/y/cmd", code=None)
        story.wait(0.04).close(number, "broker", "fin").wait(5)
    return story


@shows("publish-denied")
def publishes_where_it_may_not() -> Story:
    return loops("publish", "foreign/x", lambda story, number: story.publish(number, "foreign/x", "{}", ack=False))


@shows("publish-denied")
def is_cut_off_after_publish_by_a_real_broker() -> Story:
    story = Story().ready()
    for _ in range(3):
        number = story.online()
        story.publish(number, "else/where", "{}", ack=False)
        story.wait(0.04).close(number, "broker", "fin").wait(5)
    return story


for _slug, _what in (
    ("retain-denied", "will_retain"),
    ("qos-denied", "qos"),
    ("keep-alive-denied", "keep_alive"),
    ("packet-too-large", "packet_size"),
    ("too-many-subscriptions", "filters"),
    ("identity-denied", "client_id"),
    ("rate-exceeded", "client_connect_rate"),
    ("feature-denied", "shared"),
):
    shows(_slug)(lambda what=_what: loops(what, "something", nothing))  # type: ignore[misc]
