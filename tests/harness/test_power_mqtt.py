"""A Tasmota over MQTT, on a real mosquitto, and what is said when the device or the broker does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from power_devices import MqttTasmota

from hil.broker import Mosquitto, find_mosquitto
from hil.broker.mosquitto import free_port
from hil.power import PowerError
from hil.power.outlet import OutletSwitch, switch_of
from hil.power.tasmota_mqtt import TasmotaMqttPower
from hil.secret import Secret
from hil.timeline import Timeline

pytestmark = pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with Mosquitto(Timeline(), tmp_path_factory.mktemp("broker")) as server:
        yield server.port


@pytest.fixture
def device(broker: int) -> Iterator[MqttTasmota]:
    made = MqttTasmota(broker)
    yield made
    made.close(wave=True)


def switch(port: int, **more: Any) -> OutletSwitch:
    table = {"host": "127.0.0.1", "port": port, "topic": "bench", "channel": 2} | more
    return switch_of("tasmota-mqtt", TasmotaMqttPower(**table), Path, board="a")


def failure(made: OutletSwitch) -> str:
    with pytest.raises(PowerError) as caught:
        made.on()
    made.close()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_it_switches_and_is_read_back(broker: int, device: MqttTasmota) -> None:
    made = switch(broker)
    made.on()
    assert made.is_on() is True
    assert device.relays == {1: False, 2: True}
    made.off()
    assert device.relays == {1: False, 2: False}
    made.close()
    made.close()


def test_a_relay_that_there_is_not(broker: int, device: MqttTasmota) -> None:
    assert "Tasmota bench: says {'Command': 'Unknown'} of relay 5: it has no such relay" in failure(
        switch(broker, channel=5)
    )
    assert device.relays == {1: False, 2: False}


def test_a_device_that_is_offline(broker: int) -> None:
    MqttTasmota(broker).close(wave=True)
    assert "is offline, says the broker" in failure(switch(broker, timeout=2))


def test_a_device_that_does_not_answer(broker: int, device: MqttTasmota) -> None:
    device.deaf = True
    text = failure(switch(broker, timeout=2))
    assert text.endswith("Tasmota bench: does not answer within 2 s for relay 2")


def test_a_topic_that_nobody_has(broker: int) -> None:
    assert "has never heard of it: is the topic right?" in failure(switch(broker, topic="bnech", timeout=2))


def test_a_broker_that_is_not_there() -> None:
    assert "is not reached (Connection refused); check address and port" in failure(switch(free_port("127.0.0.1")))


def test_a_broker_that_refuses_the_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_TEST_SWITCH", "not the right one")
    (tmp_path / "passwords").touch(mode=0o600)
    port = free_port("127.0.0.1")
    options = {"password_file": str(tmp_path / "passwords"), "listener": f"{port} 127.0.0.1"}
    with Mosquitto(Timeline(), tmp_path / "broker", options=options):
        text = failure(switch(port, username="ops", password=Secret(env="HIL_TEST_SWITCH")))
    assert "refuses the connection" in text
    assert "not the right one" not in text
