"""The network goes while a device publishes. What it had to say at QoS 1 arrives all the same."""

from __future__ import annotations

import json

import pytest

from hil.board import Board
from hil.gateway import Gateway
from hil.gateway.faults import BlackHole
from hil.gateway.faults.ways import Way
from hil.schedule import Schedule
from hil.timeline import NoSuchEvent, Timeline, where

from .asking import MARGIN


def sequence(payload: bytes, key: str) -> int | None:
    """The counter in a telemetry message; None if it has none."""
    try:
        return int(json.loads(payload)[key])
    except (ValueError, KeyError, TypeError):
        return None


@pytest.mark.parametrize("direction", ["both", "up", "down"])
@pytest.mark.needs("own-network", "gateway", "telemetry-sequence", "retry")
@pytest.mark.mqtt
@pytest.mark.scenario(
    "loses nothing when the network swallows packets",
    covers=("paho.mqtt.c #1027: uplink pulled while publishing", "PubSubClient #951: black hole", "half-open"),
    waits="3 keep-alives, retry.most and 10 s at most",
)
def test_loses_nothing_in_a_black_hole(
    online_board: Board, gateway: Gateway, timeline: Timeline, direction: Way
) -> None:
    """Its connection is half-open, both ways or one way: it notices, connects anew, and no telemetry is missing."""
    board, telemetry = online_board, online_board.contract.telemetry
    assert telemetry is not None
    assert telemetry.sequence is not None
    key = telemetry.sequence
    if telemetry.qos == 0:
        pytest.skip(f"not applicable: the contract '{board.contract.name}' has no telemetry at QoS 1 (telemetry.qos)")
    heard = where("monitor", "message", None, topic=telemetry.topic)
    before = timeline.wait(heard, timeout=telemetry.period + MARGIN, after=timeline.mark())
    mark = timeline.mark()
    gateway.arm(BlackHole(direction), board.name, Schedule(count=1))
    limit = 3 * board.contract.mqtt.keep_alive + board.contract.retry.most + MARGIN
    try:
        back = timeline.wait(where("gateway", "connack", board.name, code=0), timeout=limit, after=mark)
    except NoSuchEvent as silence:
        pytest.fail(f"its connection is dead, and it did not connect anew within {limit:g} s\n{silence}")
    timeline.wait_count(heard, 3, timeout=3 * telemetry.period + MARGIN, after=back.sequence)
    numbers = {sequence(event["payload"], key) for event in timeline.events(heard, after=before.sequence)}
    came = sorted(number for number in numbers if number is not None)
    missing = sorted(set(range(came[0], came[-1])) - set(came))
    assert not missing, f"telemetry {', '.join(map(str, missing))} of {came[0]} to {came[-1]} was lost with the network"
