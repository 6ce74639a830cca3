"""What a device is there for: it reports, and it answers."""

from __future__ import annotations

import json
import re

import pytest

from hil.bench import Bench
from hil.board import Board
from hil.broker.monitor import Monitor
from hil.timeline import Timeline, where

#: Seconds that a message may be late on a busy host or a slow network.
MARGIN = 10.0


@pytest.mark.needs("telemetry")
@pytest.mark.mqtt
@pytest.mark.quick
@pytest.mark.scenario(
    "telemetry comes, with its fields", covers=("Device Advisor: MQTT publish",), waits="3 telemetry periods and 10 s"
)
def test_telemetry(online_board: Board, timeline: Timeline) -> None:
    """Three messages come, each with the fields that its contract names."""
    telemetry = online_board.contract.telemetry
    assert telemetry is not None
    messages = timeline.wait_count(
        where("monitor", "message", None, topic=telemetry.topic),
        3,
        timeout=3 * telemetry.period + MARGIN,
        after=timeline.mark(),
    )
    for message in messages:
        if telemetry.fields:
            body = json.loads(message["payload"])
            missing = [field for field in telemetry.fields if field not in body]
            assert not missing, f"telemetry without {', '.join(missing)}: {message['payload']!r}"


@pytest.mark.needs("command")
@pytest.mark.mqtt
@pytest.mark.quick
@pytest.mark.scenario("answers a command", covers=("Device Advisor: MQTT subscribe",), waits="command.within")
def test_command(online_board: Board, bench: Bench, monitor: Monitor) -> None:
    """It subscribes, takes the command of its contract, and answers as promised."""
    command = online_board.contract.command
    assert command is not None
    if bench.gateway is not None:
        # A device subscribes after it has said that it is online; a command sent in between would be lost.
        bench.timeline.wait(where("gateway", "suback", online_board.name), timeout=MARGIN, after=online_board.started())
    asked = monitor.publish(command.topic, command.payload, qos=1)
    monitor.expect(command.answer_topic, re.compile(command.answer), timeout=command.within, after=asked)
