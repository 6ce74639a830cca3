"""Each broker has rules of its own. What one lets pass, another answers by cutting the device off.

The gateway plays the rules of known brokers (hil/gateway/policies), with the topics that exist on this rig. A device
that breaks one of them is told which one, and by what. The will's topic and its retain flag are rules apart.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hil.board import Board
from hil.contract import Contract
from hil.gateway import Gateway, policies
from hil.timeline import Event, NoSuchEvent, Timeline, where

from .asking import MARGIN

#: Seconds after the last thing that a device does at its start, in which a broker would cut it off.
SETTLE = 0.5

#: Brokers that one would put a device on.
BROKERS = [name for name in policies.names() if name != "permissive"]


def is_promised(denied: Event, contract: Contract) -> bool:
    """Whether the contract itself promises what the broker does not let pass."""
    mqtt, topic = contract.mqtt, denied["topic"]
    own = {mqtt.online and mqtt.online.topic, contract.telemetry and contract.telemetry.topic}
    commands = contract.command and contract.command.topic
    if contract.command is not None:
        own.add(contract.command.answer_topic)
    match denied["what"]:
        case "will":
            return mqtt.will is not None and topic == mqtt.will.topic
        case "will_retain":
            return mqtt.will is not None and mqtt.will.retain
        case "retain":
            return mqtt.online is not None and mqtt.online.retain and topic in (None, mqtt.online.topic)
        case "publish":
            return topic in own
        case "subscribe":
            return topic == commands
        case _:
            return False


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.needs("gateway")
@pytest.mark.mqtt
@pytest.mark.scenario(
    "lives within the rules of a broker",
    covers=(
        "field failures 1 and 2: topics outside of the namespace",
        "unauthorised will, subscribe and publish topic",
        "PubSubClient #520: will silently dropped",
        "retained will, QoS 2, keep-alive too long, packet too large, too many subscriptions",
    ),
    waits="online.within, 2 telemetry periods and 0.5 s",
)
def test_lives_within_the_rules(
    board: Board,
    gateway: Gateway,
    timeline: Timeline,
    warn: Callable[[str], None],
    finding: Callable[[str], None],
    broker: str,
) -> None:
    """It connects, subscribes and publishes, and no rule of that broker is broken by it: it stays connected.

    A rule that only lowers what it asked for is a warning. Where its contract itself promises what the broker refuses,
    it is not applicable: such a device is not for that broker.
    """
    contract = board.contract
    gateway.set_policy(policies.load(broker, topics=gateway.policy(board.name).topics), board.name)
    mark = timeline.mark()
    board.power_cycle()
    denied = where("gateway", "denied", board.name)
    connack = where("gateway", "connack", board.name, code=0)
    first = timeline.wait(denied | connack, timeout=contract.online.within, after=mark)
    if first.kind == "connack":
        try:
            if contract.command is not None:
                suback = where("gateway", "suback", board.name)
                timeline.wait(denied | suback, timeout=MARGIN, after=first.sequence)
            if contract.telemetry is not None:
                heard = where("monitor", "message", None, topic=contract.telemetry.topic)
                timeline.wait_count(denied | heard, 2, timeout=2 * contract.telemetry.period + MARGIN, after=mark)
            timeline.never(denied, seconds=SETTLE, after=mark)
        except NoSuchEvent as silence:
            pytest.fail(f"{broker}: it is connected, and does not do what it should\n{silence}")
        except AssertionError:
            pass  # judged below
    for broken in timeline.events(denied, after=mark):
        words = f"{broken['rule']}" + (f", topic {broken['topic']}" if broken["topic"] else "")
        if is_promised(broken, contract):
            finding(f"not for {broker} by its contract: {words}")
            pytest.skip(f"not applicable: the contract '{contract.name}' promises what {broker} refuses: {words}")
        pytest.fail(f"{broken['what']}: {words}; {broker} answers that by {broken['action']!r}")
    for lowered in timeline.events(where("gateway", "lowered", board.name), after=mark):
        warn(f"{broker} lowers what it asks for: {lowered['what']} {lowered['asked']}")
    assert not timeline.events(where("gateway", "close", board.name), after=mark), (
        f"{broker}: it does not stay connected"
    )
