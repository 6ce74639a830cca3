"""What the gateway remembers of its clients, by a clock that the test turns."""

from __future__ import annotations

from dataclasses import replace

import pytest
from policy_probes import OWN

from hil.gateway import Policy
from hil.gateway.client import Client
from hil.gateway.gatekeeper import Gatekeeper
from hil.gateway.policy import Rule
from hil.gateway.register import FOREVER, MOST, Register
from hil.gateway.rules import What
from hil.gateway.ruling import Ruling
from hil.wire.mqtt import (
    Connack,
    Connect,
    Disconnect,
    Publish,
    Subscribe,
    Subscription,
    Unsubscribe,
    Version,
    decode,
    encode,
)

V311, V5 = Version.V311, Version.V5


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def register(clock: Clock) -> Register:
    return Register(clock)


def policy(**rules: Rule) -> Policy:
    return Policy("p", OWN, {what: dict.fromkeys(Version, rule) for what, rule in rules.items()})  # type: ignore[misc]


def connect(
    register: Register, policy: Policy, number: int, name: str = "n", client_id: str = "c", **options: object
) -> tuple[Gatekeeper, Ruling]:
    packet = Connect(client_id, **options)  # type: ignore[arg-type]
    keeper = Gatekeeper(policy, packet.version, Client(client_id, authentication_name=name), register, number)
    return keeper, keeper.connect(packet, encode(packet, packet.version))


def test_a_rate_lets_so_many_pass_and_then_as_they_come_free(register: Register, clock: Clock) -> None:
    assert [register.within(3, 1.0, "k") for _ in range(5)] == [True, True, True, False, False]
    assert register.within(3, 1.0, "another")
    clock.now += 0.34
    assert [register.within(3, 1.0, "k") for _ in range(2)] == [True, False]
    clock.now += 1000.0
    assert [register.within(3, 1.0, "k") for _ in range(4)] == [True, True, True, False]


def test_a_flood_of_names_does_not_fill_the_memory(register: Register) -> None:
    for number in range(MOST + 100):
        register.within(1, 1.0, str(number))
        register.arrived(str(number), "n", number, 0, fresh=True)
    assert register.session("0") is None
    assert register.session(str(MOST + 99)) is not None
    assert len(register._rates) == len(register._sessions) == MOST


@pytest.mark.parametrize("version", [V311, V5])
def test_another_client_gets_a_session_only_once_it_is_over(register: Register, clock: Clock, version: Version) -> None:
    strict = policy(takeover_other=Rule("refuse"), session_expiry=Rule("lower", 60))
    keeps: dict[str, object] = {"clean": False, "version": version}
    if version is V5:
        keeps["properties"] = {"session_expiry_interval": 60}
    refused = (Connack(False, 0x87 if version is V5 else 5),)
    first, ruling = connect(register, strict, 1, "one", **keeps)
    assert ruling.forward is not None
    assert connect(register, strict, 2, "two", **keeps)[1].answers == refused
    first.ended()
    clock.now += 59
    assert connect(register, strict, 3, "two", **keeps)[1].answers == refused
    clock.now += 2
    assert connect(register, strict, 4, "two", **keeps)[1].forward is not None
    assert connect(register, strict, 5, "one", **keeps)[1].answers == refused


def test_a_clean_session_is_anybodys_once_its_client_is_gone(register: Register) -> None:
    strict = policy(takeover_other=Rule("refuse"))
    first, _ = connect(register, strict, 1, "one")
    assert connect(register, strict, 2, "two")[1].cut
    first.ended()
    assert not connect(register, strict, 3, "two")[1].cut


def test_a_connection_that_was_taken_over_ends_nothing_of_the_new_one(register: Register) -> None:
    first, _ = connect(register, policy(takeover=Rule("allow")), 1)
    connect(register, policy(), 2)
    first.ended()
    session = register.session("c")
    assert session is not None
    assert session.connection == 2


def test_a_session_of_311_that_is_over_is_to_be_forgotten_by_the_broker(register: Register, clock: Clock) -> None:
    short = policy(session_expiry=Rule("lower", 60))
    first, ruling = connect(register, short, 1, clean=False)
    assert ruling.fresh is None
    first.ended()
    clock.now += 30
    second, ruling = connect(register, short, 2, clean=False)
    assert ruling.fresh is None
    second.ended()
    clock.now += 61
    assert connect(register, short, 3, clean=False)[1].fresh is not None
    clock.now += 1000
    assert connect(register, short, 4, clean=False)[1].fresh is None  # 3 is alive


def test_a_session_that_is_kept_for_ever_is(register: Register, clock: Clock) -> None:
    first, _ = connect(register, policy(), 1, clean=False)
    first.ended()
    clock.now += 1e9
    session = register.session("c")
    assert session is not None
    assert session.expiry == FOREVER
    assert session.there(clock.now)


def subscribe(keeper: Gatekeeper, *filters: str) -> Ruling:
    packet = Subscribe(1, tuple(Subscription(f, 1) for f in filters))
    return keeper.up(packet, encode(packet, V311))


def test_subscriptions_are_counted_over_the_connections_of_a_kept_session(register: Register) -> None:
    few = policy(subscriptions=Rule("refuse", 3))
    first, _ = connect(register, few, 1, clean=False)
    assert not subscribe(first, "own/1", "own/2").denials
    first.ended()
    second, _ = connect(register, few, 2, clean=False)
    assert not subscribe(second, "own/2", "own/3").denials  # one of them is there already
    assert [d.topic for d in subscribe(second, "own/4").denials] == ["own/4"]
    unsubscribe = Unsubscribe(2, ("own/1",))
    second.up(unsubscribe, encode(unsubscribe, V311))
    assert not subscribe(second, "own/4").denials
    second.ended()
    third, _ = connect(register, few, 3, clean=True)
    assert not subscribe(third, "own/5", "own/6", "own/7").denials


@pytest.mark.parametrize("what", ["subscribe_rate", "publish_rate"])
def test_rates_of_packets(register: Register, clock: Clock, what: What) -> None:
    keeper, _ = connect(register, policy(**{what: Rule("disconnect", 2, per=1.0)}), 1)
    packet = Publish("own/x") if what == "publish_rate" else Unsubscribe(1, ("own/x",))
    raw = encode(packet, V311)
    assert [keeper.up(packet, raw).cut for _ in range(3)] == [False, False, True]
    clock.now += 0.5
    assert [keeper.up(packet, raw).cut for _ in range(2)] == [False, True]


def test_connects_are_counted_for_each_client_and_for_all(register: Register, clock: Clock) -> None:
    rates = policy(connect_rate=Rule("refuse", 3, per=1.0), client_connect_rate=Rule("refuse", 1, per=1.0))
    ids = ["a", "a", "b", "c", "d"]
    whats = [[d.what for d in connect(register, rates, n, client_id=i)[1].denials] for n, i in enumerate(ids)]
    assert whats == [[], ["client_connect_rate"], [], ["connect_rate"], ["connect_rate"]]


def test_a_longer_session_at_the_end_is_lowered_as_well(register: Register) -> None:
    keeper, _ = connect(
        register, policy(session_expiry=Rule("lower", 60)), 1, version=V5, properties={"session_expiry_interval": 10}
    )
    wish = Disconnect(0, {"session_expiry_interval": 1000})
    ruling = keeper.up(wish, encode(wish, V5))
    assert ruling.forward is not None
    assert decode(ruling.forward, V5) == replace(wish, properties={"session_expiry_interval": 60})
    assert [(low.asked, low.granted) for low in ruling.lowerings] == [(1000, 60)]
