"""Each kind of rule with each of its actions, in both MQTT versions, met by a raw device before a real mosquitto."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from gateway_bench import LIMIT, Bench
from policy_probes import OWN, listen, meet, with_rule

from hil.attempts import End, attempts
from hil.broker import Mosquitto
from hil.gateway import Policy
from hil.gateway.client import Authentication
from hil.gateway.policy import Rule
from hil.gateway.rules import KINDS, Action, Kind, What
from hil.timeline import where
from hil.wire.mqtt import (
    Connack,
    Disconnect,
    Pingreq,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Subscription,
    Version,
    Will,
)

V311, V5 = Version.V311, Version.V5
BOTH = pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])


@pytest.fixture(scope="module")
def bench(broker: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Bench(
        tmp_path_factory.mktemp("bench"), (broker.host, broker.port), monitor=False, keep_alive_grace=0.3
    ) as made:
        yield made


LIMITS = {"QoS": 1, "bytes": 100, "s": 20}
"""A limit in each unit that has one of its own; of all else, one is let pass."""


def rule_of(what: What, action: Action) -> Rule:
    unit = KINDS[what].unit
    allowed = ("{authentication_name}",) if what == "client_id" else ()
    return Rule(action, LIMITS.get(unit, 1) if unit else None, per=3600.0, allowed=allowed)


def expected(what: What, kind: Kind, action: Action, version: Version) -> list[str]:
    """The words of the standard for each action. What is let pass before the rule is met comes first."""
    five = version is V5
    end = [f"disconnect 0x{kind.end:02x}", "closed"] if five else ["closed"]
    if what == "sni":
        return ["closed"]
    if kind.at == "connect":
        code = kind.connack[five]
        return {
            "refuse": [f"connack {code if code < 0x80 else f'0x{code:02x}'}", "closed"],
            "close": ["closed"],
            "disconnect": ["connack 0", *end],
        }.get(action, ["connack 0", "pong"])
    if kind.at == "packet":
        return ["connack 0", *end]
    if kind.at == "subscribe":
        refused = f"0x{kind.answer if five else 0x80:02x}"
        asked = "2" if what == "subscribe_qos" else "1"
        mixed = "suback 1 " if what == "subscriptions" else "suback "  # the first of its two filters is let pass
        first = [] if what == "subscribe_rate" else ["connack 0"]
        return (
            first
            + {
                "refuse": [mixed + refused, "pong"],
                "drop": [f"suback {asked}", "pong"],
                "ignore": ["pong"],
                "disconnect": end,
            }[action]
        )
    first = [] if what == "publish_rate" else ["connack 0"]
    acknowledged = "pubrec" if what == "qos" else "puback"
    told = f"{acknowledged} 0x{kind.answer:02x}" if five else f"{acknowledged} 0"
    return (
        first
        + {
            "refuse": [told, "pong"],
            "drop": [f"{acknowledged} 0", "pong"],
            "ignore": ["pong"],
            "refuse-disconnect": [told, *end] if five else end,
            "disconnect": end,
        }[action]
    )


WITHOUT = ("allow", "lower")
CASES = [(w, v) for w in KINDS for v in Version if (w, v) != ("subscription_identifier", V311)]


@pytest.mark.parametrize(("what", "version"), CASES, ids=[f"{w}-{v}" for w, v in CASES])
def test_each_action_is_what_the_device_gets(bench: Bench, what: What, version: Version) -> None:
    kind = KINDS[what]
    for action in kind.actions:
        if action in WITHOUT or (what == "session_expiry" and version is V311 and action == "refuse"):
            continue
        mark = bench.timeline.mark()
        policy = with_rule(what, rule_of(what, action))
        assert meet(bench, policy, what, version) == expected(what, kind, action, version), action
        denied = bench.timeline.wait(where("gateway", "denied", "a", what=what), timeout=LIMIT, after=mark)
        assert denied["action"] == action
        assert denied["policy"] == "p"
        assert denied["rule"].startswith("p: ")
        assert (denied["topic"] is not None) == (kind.at in ("subscribe", "publish") or what.startswith("will"))


LOWERED: list[tuple[What, Version, list[str]]] = [
    ("keep_alive", V311, ["connack 0", "pong", "lowered"]),
    ("keep_alive", V5, ["connack 0 server_keep_alive 20", "pong", "lowered"]),
    ("session_expiry", V311, ["connack 0", "pong"]),  # nothing tells it; the session is over all the same
    ("session_expiry", V5, ["connack 0 session_expiry_interval 20", "pong", "lowered"]),
    ("will_qos", V311, ["connack 0", "pong", "lowered"]),
    ("will_qos", V5, ["connack 0", "pong", "lowered"]),
    ("will_retain", V311, ["connack 0", "pong", "lowered"]),
    ("will_retain", V5, ["connack 0", "pong", "lowered"]),
    ("subscribe_qos", V311, ["connack 0", "suback 1", "pong", "lowered"]),
    ("subscribe_qos", V5, ["connack 0", "suback 1", "pong", "lowered"]),
    ("retain", V311, ["connack 0", "puback 0", "pong", "lowered"]),
    ("retain", V5, ["connack 0", "puback 0", "pong", "lowered"]),
]


@pytest.mark.parametrize(("what", "version", "words"), LOWERED)
def test_what_is_lowered(bench: Bench, what: What, version: Version, words: list[str]) -> None:
    assert meet(bench, with_rule(what, rule_of(what, "lower")), what, version) == words


def test_every_kind_that_can_lower_is_among_them() -> None:
    assert {w for w, k in KINDS.items() if "lower" in k.actions} == {w for w, _, _ in LOWERED}


def test_a_policy_that_allows_lets_all_pass(bench: Bench) -> None:
    for what in ("retain", "qos", "shared", "subscribe", "publish", "will", "keep_alive"):
        assert meet(bench, with_rule(what, Rule("allow")), what, V5)[-1] == "pong"  # type: ignore[arg-type]


# -- what the table above does not show -------------------------------------------------------------------------------


@BOTH
def test_the_policys_keep_alive_is_the_one_that_counts(bench: Bench, version: Version) -> None:
    bench.gateway.set_policy(with_rule("keep_alive", Rule("lower", 1)))
    device = bench.device(version=version)
    assert device.connect("silent", keep_alive=0).properties.get("server_keep_alive") == (1 if version is V5 else None)
    if version is V5:
        assert device.receive() == Disconnect(0x8D)
    assert device.is_closed()
    assert bench.wait("close", connection=bench.timeline.events(where("gateway", "connect"))[-1]["connection"])[
        "how"
    ] == ("keep-alive")


@BOTH
def test_connack_tells_an_mqtt_5_client_of_the_limits(bench: Bench, version: Version) -> None:
    rules = {
        what: dict.fromkeys(Version, rule)
        for what, rule in {
            "qos": Rule("disconnect", 1),
            "retain": Rule("refuse"),
            "packet_size": Rule("disconnect", 5000),
            "shared": Rule("refuse"),
            "subscription_identifier": Rule("refuse", announce=False),
        }.items()
    }
    bench.gateway.set_policy(Policy("p", OWN, rules))  # type: ignore[arg-type]
    properties = bench.device(version=version).connect("c").properties
    told = {k: v for k, v in properties.items() if k not in ("topic_alias_maximum", "receive_maximum")}
    assert told == (
        {} if version is V311 else {
            "maximum_qos": 1, "retain_available": 0, "maximum_packet_size": 5000, "shared_subscription_available": 0,
        }
    )  # fmt: skip


def test_a_session_of_311_is_over_when_the_policy_says_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the next one is kept again: the broker has forgotten the old one, not just been asked for a clean one."""
    register = bench.gateway._register
    later = [0.0]
    clock = register.clock
    monkeypatch.setattr(register, "clock", lambda: clock() + later[0])
    bench.gateway.set_policy(with_rule("session_expiry", Rule("lower", 3600)))

    def present(expected: bool) -> None:
        mark = bench.timeline.mark()
        device = bench.device()
        assert device.connect("keeper", clean=False) == Connack(expected, 0)
        device.send(Disconnect())
        bench.wait("close", after=mark)

    present(False)
    present(True)
    later[0] += 3601
    present(False)
    present(True)


def test_who_is_refused_for_a_takeover_leaves_the_session_alone(bench: Bench) -> None:
    by_name = replace(with_rule("takeover_other", Rule("refuse")), authentication=Authentication(("username",)))
    bench.gateway.set_policy(by_name)
    owner = bench.device()
    owner.connect("session-123", username="client-a")
    thief = bench.device("b")
    assert thief.connect("session-123", username="client-b") == Connack(False, 5)
    assert thief.is_closed()
    assert listen(owner) == ["pong"]
    again = bench.device()
    assert again.connect("session-123", username="client-a").code == 0
    assert owner.is_closed()
    assert listen(again) == ["pong"]


def test_attempts_tell_the_refusals_apart(bench: Bench) -> None:
    ends = {}
    for what in ("retain", "qos", "keep_alive", "packet_size", "subscriptions", "shared", "takeover", "publish_rate"):
        mark = bench.timeline.mark()
        meet(bench, with_rule(what, rule_of(what, "disconnect")), what, V311)  # type: ignore[arg-type]
        bench.wait("denied", after=mark)
        ends[what] = attempts(bench.timeline.events(after=mark), "a")[-1].end
    assert ends == {
        "retain": End.RETAIN_DENIED,
        "qos": End.QOS_DENIED,
        "keep_alive": End.KEEP_ALIVE_DENIED,
        "packet_size": End.SIZE_DENIED,
        "subscriptions": End.NUMBER_DENIED,
        "shared": End.FORM_DENIED,
        "takeover": End.CLIENT_DENIED,
        "publish_rate": End.RATE_DENIED,
    }


def test_a_message_that_was_let_pass_may_use_the_alias_of_one_that_was_not(bench: Bench) -> None:
    bench.gateway.set_policy(with_rule("retain", Rule("refuse")))
    device = bench.device(version=V5)
    device.connect("c")
    device.send(Publish("own/x", b"1", 1, retain=True, packet_id=1, properties={"topic_alias": 1}))
    assert device.receive() == Puback(1, 0x83)
    device.send(Publish("", b"2", 1, packet_id=2, properties={"topic_alias": 1}))
    assert listen(device) == ["puback 0", "pong"]


def test_the_wills_own_topic_is_still_published_after_a_denial(bench: Bench) -> None:
    """As a broker does that cuts a client off: the will is not the reason."""
    bench.gateway.set_policy(with_rule("retain", Rule("disconnect")))
    watcher = bench.device("b")
    watcher.connect("watcher")
    watcher.send(Subscribe(1, (Subscription("own/status", 1),)))
    assert watcher.receive() == Suback(1, (1,))
    device = bench.device()
    device.connect("c", will=Will("own/status", b"offline", 1))
    device.send(Publish("own/x", b"1", retain=True), Pingreq())
    assert device.is_closed()
    will = watcher.receive()
    assert isinstance(will, Publish)
    assert will.payload == b"offline"
