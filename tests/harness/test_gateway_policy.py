"""Policies: what is denied, and what becomes of it, as a pure function and before a real mosquitto."""

from __future__ import annotations

import pytest
from gateway_bench import LIMIT, Bench, Device
from hypothesis import given
from hypothesis import strategies as st

from hil.gateway import Namespace, Policy, namespace_policy
from hil.gateway.client import Client
from hil.gateway.namespace import covers
from hil.gateway.policy import Denial
from hil.timeline import where
from hil.wire.mqtt import (
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Subscription,
    Version,
    Will,
    topic_matches,
)

V311, V5 = Version.V311, Version.V5
BOTH = pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])
OURS = Namespace(("devices/{client_id}/#",))
FOREIGN_WILL = Will("elsewhere/status", b"offline", qos=1)


def arrived(bench: Bench) -> list[str]:
    """The topics that have come to the broker; asked by a message of the monitor's own, which comes last."""
    assert bench.monitor is not None
    mark = bench.monitor.publish("asked", b"", qos=1)
    bench.monitor.expect("asked", timeout=LIMIT, after=mark)
    topics = [e["topic"] for e in bench.timeline.events(where("monitor", "message"), after=bench.begin)]
    return [t for t in topics if t != "asked"]


def connected(bench: Bench, policy: Policy, version: Version, **options: object) -> Device:
    bench.gateway.set_policy(policy)
    device = bench.device(version=version)
    assert device.connect("a", **options).code == 0
    return device


# -- the pure part ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("#", "a/b", True),
        ("#", "#", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("a/#", "a", True),
        ("a/#", "a/#", True),
        ("a/#", "a/+/c", True),
        ("a/#", "#", False),
        ("a/#", "b", False),
        ("a/+", "a/b", True),
        ("a/+", "a/+", True),
        ("a/+", "a/#", False),
        ("a/+", "a", False),
        ("a/+", "a/b/c", False),
        ("a/b", "a/+", False),
        ("a/b", "a/b", True),
        ("a/b", "a/b/#", False),
        ("a/b/#", "a", False),
        ("+/+", "a/b", True),
        ("a/#", "$share/group/a/b", True),
        ("a/#", "$share/group/b", False),
    ],
)
def test_covers(wide: str, narrow: str, expected: bool) -> None:
    assert covers(wide, narrow) is expected


LEVELS = st.lists(st.sampled_from(["a", "b", "", "$x"]), min_size=1, max_size=4)


@given(
    wide=st.lists(st.sampled_from(["a", "b", "", "+"]), min_size=1, max_size=4).flatmap(
        lambda levels: st.sampled_from(["/".join(levels), "/".join([*levels, "#"])])
    ),
    topic=LEVELS.map("/".join),
)
def test_a_topic_is_covered_just_where_it_matches(wide: str, topic: str) -> None:
    assert covers(wide, topic) == topic_matches(wide, topic)


def test_judge_says_what_by_which_rule_and_what_to_do() -> None:
    policy = namespace_policy("mine", OURS, will="refuse", subscribe="drop", publish="disconnect")
    who = Client("a", board="x")
    rule = "mine: the namespace is devices/{client_id}/#"
    assert policy.judge_topic("publish", "devices/a/data", who, V5) is None
    assert policy.judge_topic("will", "other", who, V5) == Denial("will", "other", rule, "refuse", "mine")
    assert policy.judge_topic("subscribe", "devices/+/cmd", who, V5) == Denial(
        "subscribe", "devices/+/cmd", rule, "drop", "mine"
    )
    assert policy.judge_topic("publish", "devices/b/data", who, V311) == Denial(
        "publish", "devices/b/data", rule, "disconnect", "mine"
    )
    assert Policy().judge_topic("publish", "anything", who, V5) is None
    assert Policy(topics=OURS).judge_topic("publish", "anything", who, V5) is None  # denied, and allowed all the same


@pytest.mark.parametrize("client_id", ["+", "#", "a/b", ""])
def test_a_client_cannot_widen_the_namespace_by_its_name(client_id: str) -> None:
    policy = namespace_policy("mine", OURS, publish="refuse")
    assert policy.judge_topic("publish", f"devices/{client_id}/x", Client(client_id), V311) is not None
    assert policy.judge_topic("publish", "devices/other/x", Client(client_id), V311) is not None


def test_wrong_policies_are_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match="no MQTT topic filter"):
        Namespace(("a/#/b",))
    with pytest.raises(ValueError, match="wants a list"):
        Namespace("a/#")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="policy p: will: action: found 'maybe', an unknown action, expected one of"):
        namespace_policy("p", OURS, will="maybe")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="after: found -1, expected seconds"):
        namespace_policy("p", OURS, disconnect_after=-1)


# -- will -------------------------------------------------------------------------------------------------------------


@BOTH
def test_a_foreign_will_is_refused(bench: Bench, version: Version) -> None:
    bench.gateway.set_policy(namespace_policy("p", OURS, will="refuse"))
    device = bench.device(version=version)
    assert device.connect("a", will=FOREIGN_WILL) == Connack(False, 0x87 if version is V5 else 5)
    assert device.is_closed()
    assert bench.kinds()[-4:] == ["connect", "denied", "connack", "close"]
    assert bench.wait("denied").data == {
        "connection": 1,
        "what": "will",
        "topic": "elsewhere/status",
        "rule": "p: the namespace is devices/{client_id}/#",
        "action": "refuse",
        "policy": "p",
    }
    close = bench.wait("close")
    assert (close["by"], close["how"]) == ("gateway", "policy")
    assert arrived(bench) == []


@BOTH
def test_a_foreign_will_connects_and_is_then_disconnected(bench: Bench, version: Version) -> None:
    bench.gateway.set_policy(namespace_policy("p", OURS, will="disconnect"))
    device = bench.device(version=version)
    assert device.connect("a", will=FOREIGN_WILL).code == 0
    if version is V5:
        assert device.receive() == Disconnect(0x87)
    assert device.is_closed()
    expected = ["connect", "denied", "connack", "close"]
    assert [k for k in bench.kinds() if k in expected] == expected
    assert bench.wait("close")["how"] == "policy"
    assert arrived(bench) == []  # the broker has never seen that will


def test_the_disconnect_may_come_later(bench: Bench) -> None:
    bench.gateway.set_policy(namespace_policy("p", OURS, will="disconnect", disconnect_after=0.2))
    device = bench.device()
    device.connect("a", will=FOREIGN_WILL)
    device.send(Publish("devices/a/online", b"1", 1, packet_id=1))
    assert device.receive() == Puback(1)
    assert device.is_closed()
    assert bench.wait("close")["how"] == "policy"
    assert arrived(bench) == ["devices/a/online"]


def test_the_reason_can_be_kept_silent(bench: Bench) -> None:
    bench.gateway.set_policy(namespace_policy("p", OURS, will="disconnect", reason_in_disconnect=False))
    device = bench.device(version=V5)
    device.connect("a", will=FOREIGN_WILL)
    assert device.is_closed()
    assert "disconnect" not in bench.kinds()


def test_a_foreign_will_is_dropped_and_all_else_goes_on(bench: Bench) -> None:
    device = connected(bench, namespace_policy("p", OURS, will="drop"), V311, will=FOREIGN_WILL)
    device.send(Pingreq())
    assert device.receive() == Pingresp()
    device.drop()
    bench.wait("close")
    assert arrived(bench) == []


def test_a_will_of_its_own_is_none_of_the_policys_business(bench: Bench) -> None:
    device = connected(
        bench, namespace_policy("p", OURS, will="disconnect"), V311, will=Will("devices/a/status", b"offline", 1, True)
    )
    device.drop()
    bench.wait("close", how="fin")
    assert bench.monitor is not None
    bench.monitor.expect("devices/a/status", b"offline", timeout=LIMIT, after=bench.begin)
    assert "denied" not in bench.kinds()


# -- subscribe --------------------------------------------------------------------------------------------------------


@BOTH
def test_a_foreign_subscription_is_refused_among_allowed_ones(bench: Bench, version: Version) -> None:
    device = connected(bench, namespace_policy("p", OURS, subscribe="refuse"), version)
    device.send(Subscribe(5, (Subscription("x", 1), Subscription("devices/a/cmd", 1), Subscription("#", 0))))
    failure = 0x87 if version is V5 else 0x80
    assert device.receive() == Suback(5, (failure, 1, failure))
    assert bench.wait("suback")["codes"] == [failure, 1, failure]
    assert [e["topic"] for e in bench.timeline.events(where("gateway", "denied"))] == ["x", "#"]
    assert bench.monitor is not None
    bench.monitor.publish("x", b"no", 1)
    bench.monitor.publish("devices/a/cmd", b"yes", 1)
    received = device.receive()
    assert isinstance(received, Publish)
    assert received.payload == b"yes"


@BOTH
def test_a_foreign_subscription_alone_is_refused(bench: Bench, version: Version) -> None:
    device = connected(bench, namespace_policy("p", OURS, subscribe="refuse"), version)
    device.send(Subscribe(5, (Subscription("x", 1),)), Pingreq())
    assert device.receive() == Suback(5, (0x87 if version is V5 else 0x80,))
    assert device.receive() == Pingresp()


def test_a_foreign_subscription_is_granted_and_delivers_nothing(bench: Bench) -> None:
    device = connected(bench, namespace_policy("p", OURS, subscribe="drop"), V311)
    device.send(Subscribe(5, (Subscription("x", 1), Subscription("devices/a/#", 0))))
    assert device.receive() == Suback(5, (1, 0))
    assert bench.monitor is not None
    bench.monitor.publish("x", b"no", 1)
    device.send(Pingreq())
    assert device.receive() == Pingresp()


@BOTH
def test_a_foreign_subscription_disconnects(bench: Bench, version: Version) -> None:
    device = connected(
        bench, namespace_policy("p", OURS, subscribe="disconnect"), version, will=Will("devices/a/status", b"off", 1)
    )
    device.send(
        Publish("devices/a/online", b"1"), Subscribe(5, (Subscription("x", 1),)), Publish("devices/a/late", b"2")
    )
    if version is V5:
        assert device.receive() == Disconnect(0x87)
    assert device.is_closed()
    assert bench.wait("close")["how"] == "policy"
    assert bench.wait("denied")["what"] == "subscribe"
    assert "suback" not in bench.kinds()
    assert bench.monitor is not None
    bench.monitor.expect("devices/a/status", b"off", timeout=LIMIT, after=bench.begin)  # as a broker that cuts off does
    assert arrived(bench) == ["devices/a/online", "devices/a/status"]


def test_a_hasty_foreign_subscription_is_judged_after_connack(bench: Bench) -> None:
    bench.gateway.set_policy(namespace_policy("p", OURS, subscribe="disconnect"))
    device = bench.device()
    device.send(Connect("a"), Subscribe(5, (Subscription("x", 1),)))
    assert device.receive() == Connack(False, 0)
    assert device.is_closed()
    assert bench.kinds()[-4:] == ["connack", "subscribe", "denied", "close"]


# -- publish ----------------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("action", ["refuse", "drop"])
def test_a_foreign_publish_is_answered_and_goes_nowhere(bench: Bench, version: Version, action: str) -> None:
    device = connected(bench, namespace_policy("p", OURS, publish=action), version)  # type: ignore[arg-type]
    code = 0x87 if version is V5 and action == "refuse" else 0
    device.send(Publish("x", b"0"))
    device.send(Publish("x", b"1", 1, packet_id=1))
    assert device.receive() == Puback(1, code)
    device.send(Publish("x", b"2", 2, packet_id=2))
    assert device.receive() == Pubrec(2, code)
    if code == 0:
        device.send(Pubrel(2))
        assert device.receive() == Pubcomp(2)
    device.send(Publish("devices/a/data", b"3", 2, packet_id=2))
    assert isinstance(device.receive(), Pubrec)
    device.send(Pubrel(2))
    assert device.receive() == Pubcomp(2)
    assert len(bench.timeline.events(where("gateway", "denied", "a", what="publish", action=action))) == 3
    assert arrived(bench) == ["devices/a/data"]


@BOTH
def test_a_foreign_publish_disconnects(bench: Bench, version: Version) -> None:
    device = connected(bench, namespace_policy("p", OURS, publish="disconnect"), version)
    device.send(Publish("devices/a/data", b"1"), Publish("x", b"2", 1, packet_id=1))
    if version is V5:
        assert device.receive() == Disconnect(0x87)
    assert device.is_closed()
    assert bench.wait("close")["how"] == "policy"
    assert arrived(bench) == ["devices/a/data"]


def test_a_topic_alias_is_no_way_around(bench: Bench) -> None:
    device = connected(bench, namespace_policy("p", OURS, publish="refuse"), V5)
    device.send(Publish("x", b"1", properties={"topic_alias": 1}))
    device.send(Publish("", b"2", 1, packet_id=9, properties={"topic_alias": 1}))
    assert device.receive() == Puback(9, 0x87)
    assert [e["topic"] for e in bench.timeline.events(where("gateway", "denied"))] == ["x", "x"]
    assert arrived(bench) == []


# -- which policy -----------------------------------------------------------------------------------------------------


def test_a_policy_can_be_one_boards_and_holds_from_the_next_connect(bench: Bench) -> None:
    strict = namespace_policy("strict", OURS, publish="disconnect")
    before = bench.device("a")
    before.connect("a")
    bench.gateway.set_policy(strict, "a")
    assert bench.gateway.policy("a") is strict
    assert bench.gateway.policy("b").name == "permissive"
    before.send(Publish("x", b"1", 1, packet_id=1))
    assert before.receive() == Puback(1)
    other = bench.device("b")
    other.connect("b")
    other.send(Publish("x", b"1", 1, packet_id=1))
    assert other.receive() == Puback(1)
    after = bench.device("a")
    after.connect("a2")
    after.send(Publish("x", b"1", 1, packet_id=1))
    assert after.is_closed()
    bench.gateway.set_policy(Policy())
    assert bench.gateway.policy("a").name == "permissive"
