"""Topic filters, and the names of codes."""

from __future__ import annotations

import pytest

from hil.wire.mqtt import (
    ProtocolError,
    Publish,
    Subscribe,
    Subscription,
    Version,
    connack_code,
    decode,
    encode,
    topic_matches,
)

V3, V5 = Version.V311, Version.V5


@pytest.mark.parametrize(
    ("topic_filter", "matching", "other"),
    [
        ("a/b/c/#", ["a/b/c", "a/b/c/ranking", "a/b/c/d/e"], ["a/b", "a/b/cc"]),
        ("sport/#", ["sport", "sport/", "sport/a"], ["sports", "a/sport"]),
        ("#", ["a", "a/b", "/", "/a"], ["$SYS", "$SYS/a"]),
        ("+", ["a"], ["a/b", "/a", "$SYS"]),
        ("sport/tennis/+", ["sport/tennis/player1", "sport/tennis/"], ["sport/tennis", "sport/tennis/player1/ranking"]),
        ("+/+", ["/finance", "a/b"], ["a", "a/b/c", "$SYS/a"]),
        ("/+", ["/finance"], ["finance", "/a/b"]),
        ("+/monitor/Clients", ["a/monitor/Clients"], ["$SYS/monitor/Clients"]),
        ("$SYS/#", ["$SYS/a", "$SYS"], ["a"]),
        ("$SYS/monitor/+", ["$SYS/monitor/Clients"], ["$SYS/monitor/a/b"]),
        ("a/b", ["a/b"], ["a/B", "a/b/", "/a/b", "a"]),
        ("a/+/c/#", ["a/b/c", "a//c", "a/b/c/d/e"], ["a/b", "a/b/d"]),
        ("$share/group/a/+", ["a/b"], ["a", "$share/group/a/b"]),
    ],
)  # fmt: skip
def test_topic_filters(topic_filter: str, matching: list[str], other: list[str]) -> None:
    assert [t for t in matching if not topic_matches(topic_filter, t)] == []
    assert [t for t in other if topic_matches(topic_filter, t)] == []


@pytest.mark.parametrize("bad", ["", "a#", "#/a", "a/#/b", "a+", "+a/b", "a/b+/c", "a/b#"])
def test_filters_that_nobody_can_subscribe_to(bad: str) -> None:
    for version in Version:
        with pytest.raises(ProtocolError):
            encode(Subscribe(1, (Subscription(bad),)), version)


@pytest.mark.parametrize("bad", ["$share/", "$share/a", "$share//a", "$share/a/", "$share/a+/b", "$share/a/b#"])
def test_shared_filters_that_nobody_can_subscribe_to(bad: str) -> None:
    with pytest.raises(ProtocolError):
        encode(Subscribe(1, (Subscription(bad),)), V5)


def test_a_reason_for_refusing_has_a_code_in_both_versions() -> None:
    assert [connack_code(c, V3) for c in (0x84, 0x85, 0x86, 0x87, 0x82)] == [1, 2, 4, 5, 3]
    assert connack_code(0x84, V5) == 0x84
    assert f"{V3} {V5}" == "3.1.1 5"


def test_topics_are_not_normalised() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    assert not topic_matches(composed, decomposed)
    assert not topic_matches("a/B", "a/b")
    assert not topic_matches("a", "a ")
    for topic in (composed, decomposed):
        found = decode(encode(Publish(topic), V5), V5)
        assert isinstance(found, Publish)
        assert found.topic == topic
