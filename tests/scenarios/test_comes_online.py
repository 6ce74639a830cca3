"""The first thing that a device must do: be there after its power was cut, and say so."""

from __future__ import annotations

import pytest

from hil.board import Board
from hil.broker.monitor import Monitor
from hil.timeline import Timeline, where


@pytest.mark.power
@pytest.mark.quick
@pytest.mark.scenario(
    "comes online after a power cycle", covers=("Device Advisor: MQTT connect", "esp-mqtt #98"), waits="online.within"
)
def test_comes_online_after_a_power_cycle(board: Board, monitor: Monitor) -> None:
    """Once it has power again it connects, and says what its contract promises for that."""
    board.power_cycle()
    board.wait_online()
    online = board.contract.mqtt.online
    if online is not None and online.retain:
        assert monitor.retained(online.topic) == (online.payload or "").encode()


@pytest.mark.needs("own-network", "gateway")
@pytest.mark.mqtt
@pytest.mark.quick
@pytest.mark.scenario(
    "connects as its contract says", covers=("Device Advisor: MQTT connect", "PubSubClient #520"), waits="online.within"
)
def test_connects_as_its_contract_says(online_board: Board, timeline: Timeline) -> None:
    """Its CONNECT carries the client id, version, keep-alive, clean session and will of its contract."""
    promised = online_board.contract.mqtt
    connect = timeline.last(where("gateway", "connect", online_board.name))
    assert connect is not None
    seen = {key: connect[key] for key in ("client_id", "version", "keep_alive", "clean")}
    assert seen == {
        "client_id": promised.client_id,
        "version": promised.version,
        "keep_alive": promised.keep_alive,
        "clean": promised.clean_session,
    }
    if promised.will is None:
        assert connect["will"] is None
    else:
        assert connect["will"] is not None, "the CONNECT carried no will, although the contract promises one"
        will = {key: connect["will"][key] for key in ("topic", "payload", "qos", "retain")}
        assert will == {
            "topic": promised.will.topic,
            "payload": promised.will.payload.encode(),
            "qos": promised.will.qos,
            "retain": promised.will.retain,
        }
