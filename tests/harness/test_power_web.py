"""Switches on the network, against servers that speak the documented protocols, errors and slow answers included."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from power_devices import PASSWORD, HomeAssistant, ShellyGen1, ShellyGen2, Tasmota, WebDevice

from hil.power import PowerError
from hil.power.home_assistant import HomeAssistantPower
from hil.power.outlet import OutletPower, OutletSwitch, switch_of
from hil.power.shelly_gen1 import ShellyGen1Power
from hil.power.shelly_gen2 import ShellyGen2Power
from hil.power.tasmota import TasmotaPower
from hil.secret import Secret
from hil.timeline import Timeline

SECRET = Secret(env="HIL_TEST_SWITCH")
#: kind -> the device, how it checks passwords, the model, and the number of its first relay
KINDS: dict[str, tuple[type[WebDevice], str | None, type[OutletPower], int]] = {
    "shelly-gen1": (ShellyGen1, "basic", ShellyGen1Power, 0),
    "shelly-gen2": (ShellyGen2, "digest", ShellyGen2Power, 0),
    "tasmota": (Tasmota, "basic", TasmotaPower, 1),
    "home-assistant": (HomeAssistant, None, HomeAssistantPower, 1),
}
WITH_CHANNELS = [kind for kind in KINDS if kind != "home-assistant"]


class Bench:
    """A device of one kind, and switches for it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        make, self.login, self.model, first = KINDS[kind]
        self.first = first
        self.device = make({first: False, first + 1: False}, login=self.login)
        self.timeline = Timeline()

    def switch(self, channel: int | None = None, **more: Any) -> OutletSwitch:
        if self.kind == "home-assistant":
            table = {"url": f"http://127.0.0.1:{self.device.port}", "entity": "switch.bench_1", "token": SECRET}
        else:
            table = {
                "host": "127.0.0.1",
                "port": self.device.port,
                "channel": self.first if channel is None else channel,
            }
            table |= {"password": SECRET}
        return switch_of(self.kind, self.model(**(table | more)), Path, board="a", timeline=self.timeline)


@pytest.fixture(params=KINDS)
def bench(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv(SECRET.env, PASSWORD)
    made = Bench(request.param)
    yield made
    made.device.close()


def failure(switch: OutletSwitch, act: str = "on") -> str:
    with pytest.raises(PowerError) as caught:
        getattr(switch, act)()
    text = str(caught.value)
    assert text.startswith("power of a: ")
    assert "\n" not in text
    assert PASSWORD not in text
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return text


def test_it_switches_and_is_read_back(bench: Bench) -> None:
    switch = bench.switch()
    assert switch.is_on() is False
    switch.on()
    assert switch.is_on() is True
    assert bench.device.relays == {bench.first: True, bench.first + 1: False}
    switch.off()
    assert bench.device.relays[bench.first] is False
    assert [(e.kind, e["switch"]) for e in bench.timeline.events()] == [("on", bench.kind), ("off", bench.kind)]
    assert not any(PASSWORD in path or "correct" in path for path in bench.device.paths)


def test_a_state_that_follows_slowly_is_waited_for(bench: Bench) -> None:
    bench.device.slow = 3
    bench.switch().on()
    assert bench.device.slow == 0


def test_a_device_that_says_yes_and_does_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.device.stuck = True
    monkeypatch.setattr(bench.model, "patience", 0.15)
    assert "was told to switch on, but says that it is off after 0.15 s" in failure(bench.switch())


def test_a_wrong_password(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET.env, "wrong and secret")
    text = failure(bench.switch())
    assert "refuses the password or token (HTTP 401); correct the environment variable" in text
    assert "wrong and secret" not in text


def test_a_password_that_is_missing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    if bench.kind != "home-assistant":  # whose token is not optional
        assert "wants a password or token (HTTP 401)" in failure(bench.switch(password=None))
    monkeypatch.delenv(SECRET.env)
    with pytest.raises(PowerError, match=r"power of a: .*HIL_TEST_SWITCH is not set"):
        bench.switch()


@pytest.mark.parametrize(
    ("mishap", "says"),
    [
        ("garbage", "'<html><title>A printer</title></html>', which is no JSON; is this the right device?"),
        ("drop", "is not reached"),
        ("silent", "did not answer within 0.2 s; is it on, and in this network?"),
    ],
)
def test_a_device_that_misbehaves(bench: Bench, mishap: str, says: str) -> None:
    bench.device.login = None
    bench.device.mishap = mishap
    text = failure(bench.switch(timeout=0.2 if mishap == "silent" else 10.0), "is_on")
    assert says in text or (mishap == "drop" and "does not speak HTTP" in text)


def test_a_device_that_is_not_there(bench: Bench) -> None:
    there = {"url": "http://127.0.0.1:9"} if bench.kind == "home-assistant" else {"port": 9}
    assert "is not reached (Connection refused); check address, route and firewall" in failure(bench.switch(**there))


@pytest.mark.parametrize("bench", WITH_CHANNELS, indirect=True)
def test_a_channel_that_there_is_not(bench: Bench) -> None:
    before = dict(bench.device.relays)
    assert "channels count from" in failure(bench.switch(5))
    assert bench.device.relays == before


@pytest.mark.parametrize("bench", ["shelly-gen1", "shelly-gen2"], indirect=True)
def test_an_overload_is_told_as_such(bench: Bench) -> None:
    bench.device.stuck = True
    bench.device.trouble = ["overpower"]
    assert "has switched itself off (overpower); take load off" in failure(bench.switch())


@pytest.mark.parametrize("bench", ["tasmota"], indirect=True)
def test_a_single_relay_has_no_number(bench: Bench) -> None:
    del bench.device.relays[2]
    bench.switch().on()
    assert bench.device.relays == {1: True}
    assert "it has no such relay" in failure(bench.switch(2))
    assert bench.device.relays == {1: True}


@pytest.mark.parametrize("bench", ["home-assistant"], indirect=True)
def test_entities_that_cannot_be_switched(bench: Bench) -> None:
    assert "has no entity switch.none" in failure(bench.switch(entity="switch.none"))
    bench.device.trouble = ["gone"]
    assert "switch.bench_1 is unavailable; is the device behind it on?" in failure(bench.switch())


def test_the_other_generation_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET.env, PASSWORD)
    for mine, other in (("shelly-gen1", "shelly-gen2"), ("shelly-gen2", "shelly-gen1")):
        bench = Bench(mine)
        bench.device.close()
        bench.device = KINDS[other][0]({0: False})
        assert f"'{other}'" in failure(bench.switch())
        bench.device.close()
