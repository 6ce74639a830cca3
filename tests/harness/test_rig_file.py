"""A rig or contract file with a fault gives one line a fault: file, key, what was found, what is expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil import contract as contracts
from hil import placeholders
from hil import rig as rigs
from hil.rig_file import Wifi
from hil.secret import MissingSecret, Secret
from hil.toml import FileError

RIGS = Path(__file__).parents[2] / "rigs"

BOARD = f"""
name = "bench"
[boards.one]
contract = "{RIGS}/contracts/reference.toml"
virtual = "esp32"
wifi = {{ ssid = "net" }}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "rig.toml"
    path.write_text(text)
    return path


def faults_of(folder: Path, text: str) -> list[str]:
    with pytest.raises(FileError) as caught:
        rigs.load(write(folder, text))
    assert all(str(folder / "rig.toml") in line for line in str(caught.value).split("\n"))
    return caught.value.faults


def test_the_default_rig_loads_with_placeholders_filled() -> None:
    rig = rigs.load(RIGS / "virtual.toml")
    board = rig.boards["esp32-a"]
    assert board.contract.mqtt.client_id == "esp32-a"
    assert board.contract.mqtt.will is not None
    assert board.contract.mqtt.will.topic == "devices/esp32-a/status"
    assert board.contract.command is not None
    assert board.contract.command.payload == '{"id": 7, "do": "ping"}'
    assert board.config.power_kind == "virtual"


def test_the_example_bench_loads_and_holds_no_secret() -> None:
    rig = rigs.load(RIGS / "example-bench.toml")
    assert [b.config.power_kind for b in rig.boards.values()] == ["uhubctl", "command"]
    for board in rig.boards.values():
        assert isinstance(board.config.wifi, Wifi)
        assert isinstance(board.config.wifi.password, Secret)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("name =", "nmae ="), "nmae: found a key that is not known; did you mean 'name'?"),
        (("virtual =", 'port = "/dev/x"\nvirtual ='), "boards.one: expected either port"),
        (('virtual = "esp32"', 'virtual = "esp33"'), "boards.one.virtual: found 'esp33', expected 'esp32'"),
        (
            ('virtual = "esp32"', 'port = "/dev/x"\npower = { kind = "usb" }'),
            "boards.one.power.kind: found 'usb', expected one of",
        ),
        (
            ('virtual = "esp32"', 'port = "/dev/x"\npower = { kind = "uhubctl", location = "1", prt = 1 }'),
            "boards.one.power.prt: found a key that is not known; did you mean 'port'?",
        ),
        (('virtual = "esp32"', 'port = "/dev/x"\npower = {}'), "boards.one.power: found no key 'kind'"),
        (('wifi = { ssid = "net" }', ""), "boards.one.wifi: found nothing, but reference.toml puts {wifi_ssid}"),
        (
            ('wifi = { ssid = "net" }', 'wifi = { ssid = "net", password = "hunter22" }'),
            "boards.one.wifi.password: found a text that is not shown, expected",
        ),
        (("reference.toml", "refrence.toml"), "did you mean"),
        (("[boards.one]", '[boards."a b"]'), "boards: found board name 'a b'"),
        (("[boards.one]", "[gateway]\nbind = '0.0.0.0'\n[boards.one]"), "gateway: found bind '0.0.0.0' and no host"),
        (
            ("[boards.one]", "[gateway]\nnamespace = { allowed = ['d/{bord}/#'] }\n[boards.one]"),
            "did you mean {board}?",
        ),
        (('name = "bench"', "name = "), "is not valid TOML"),
        (('name = "bench"', "name = 7"), "name: found 7, expected string"),
    ],
)
def test_each_fault_names_the_key_and_the_cure(tmp_path: Path, change: tuple[str, str], expected: str) -> None:
    assert change[0] in BOARD
    faults = faults_of(tmp_path, BOARD.replace(*change))
    assert any(expected in fault for fault in faults), faults


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            'reset = "usb-jtag"',
            "boards.one.reset.kind: found 'usb-jtag', expected one of 'usb-uart', 'usb-serial-jtag', 'usb-otg'",
        ),
        (
            'reset = "usb-serial-jtag"',
            'boards.one: found reset "usb-serial-jtag" on an esp32, which has no such port of its own; expected "usb-',
        ),
        ('reset = { kind = "custom" }', "boards.one.reset.download: found nothing"),
        (
            'reset = { kind = "custom", download = "D0|R2" }',
            "boards.one.reset.download: found step 'R2', expected D0, D1, R0, R1",
        ),
        (
            'reset = { kind = "usb-uart", inverted = "rts" }',
            "boards.one.reset.inverted: found 'rts', expected boolean",
        ),
        (
            'reset = { kind = "usb" }',
            "boards.one.reset.kind: found 'usb', expected one of 'usb-uart', 'usb-serial-jtag'",
        ),
        ('wiring = "usb-otg"', 'boards.one: found wiring, expected it beside virtual = "esp32" only'),
        (
            'reset = "none"\nflasher = { kind = "avrdude" }',
            "boards.one: found reset beside flasher.kind 'avrdude', expected it with esptool only",
        ),
    ],
)
def test_how_a_boards_lines_reach_it(line: str, expected: str, tmp_path: Path) -> None:
    faults = faults_of(tmp_path, BOARD.replace('virtual = "esp32"', f'port = "/dev/x"\n{line}'))
    assert any(fault.startswith(expected) for fault in faults), faults


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    faults = faults_of(tmp_path, BOARD.replace('name = "bench"', "name = 7").replace("virtual", "virtaul"))
    assert len(faults) == 2


def test_two_boards_cannot_share_a_port(tmp_path: Path) -> None:
    real = BOARD.replace('virtual = "esp32"', 'port = "/dev/x"')
    text = real + real.split("\n", 2)[2].replace("boards.one", "boards.two")
    assert faults_of(tmp_path, text) == ["boards.two.port: found '/dev/x', which board 'one' has already"]


def test_a_missing_rig_suggests_its_neighbour() -> None:
    with pytest.raises(FileError, match=r"no such file; did you mean .*virtual\.toml"):
        rigs.load(RIGS / "virtul.toml")


def test_a_board_that_the_rig_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="found no board 'two'; the rig has one"):
        rigs.load(write(tmp_path, BOARD)).select(["two"])


def contract_with(folder: Path, old: str, new: str) -> list[str]:
    text = (RIGS / "contracts" / "reference.toml").read_text()
    assert old in text
    path = folder / "contract.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(FileError) as caught:
        contracts.load(path)
    return caught.value.faults


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("keep_alive = 2", "keep_alive = 70000", "mqtt.keep_alive: found 70000, expected less than or equal to 65535"),
        (
            'client_id = "{board}"\nversion',
            'client_id = "{port}"\nversion',
            "mqtt.client_id: found unknown placeholder '{port}'",
        ),
        (
            '"devices/{board}/telemetry"\nperiod',
            '"devices/#"\nperiod',
            "telemetry.topic: found 'devices/#', expected a topic without",
        ),
        ("port = { u16", "a_port_of_the_host = { u16", "provision: found key 'a_port_of_the_host' in values"),
        ('{ u16 = "{gateway_port}" }', "{ u16 = 1, u8 = 2 }", "provision.values.port"),
        (
            'namespace = "hil"',
            'names = "hil"',
            "provision.names: found a key that is not known; did you mean 'namespace'",
        ),
        ('method = "nvs"', 'method = "nvx"', "provision.method: found 'nvx', expected one of 'nvs'"),
        (
            "[provision]",
            "[[provision]]\nmethod = 'nvs'\nnamespace = 'x'\nvalues = { a = 'b', ca = 'c' }\n[[provision]]",
            "provision: found key 'ca' in the values of two",
        ),
        ('answer = \'"id"', 'answer = \'("id"', "command.answer: found"),
        ('source = "sntp"', 'source = "none"', "time.required: found true with time.source 'none'"),
        ('kind = "exponential-jitter"', 'kind = "sometimes"', "retry.kind: found 'sometimes', expected"),
    ],
)
def test_each_fault_of_a_contract(tmp_path: Path, old: str, new: str, expected: str) -> None:
    faults = contract_with(tmp_path, old, new)
    assert any(fault.startswith(expected) for fault in faults), faults


def test_settings_are_typed_and_secrets_known() -> None:
    contract = contracts.load(RIGS / "contracts" / "reference.toml")
    names = {name: name.upper() for name in placeholders.SETTING_NAMES}
    settings = {key: (kind, text) for key, kind, text in contract.settings(names)}
    assert settings["port"] == ("u16", "GATEWAY_PORT")
    assert settings["key"] == ("string", "PRIVATE_KEY")
    assert settings["tele_topic"] == ("string", "devices/BOARD/telemetry")
    assert contract.secret_settings() == {"wifi_pass", "key"}


def test_a_secret_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_TEST_SECRET", "word")
    assert Secret(env="HIL_TEST_SECRET").value("Wi-Fi password") == "word"
    monkeypatch.delenv("HIL_TEST_SECRET")
    with pytest.raises(MissingSecret, match="Wi-Fi password: the environment variable HIL_TEST_SECRET is not set"):
        Secret(env="HIL_TEST_SECRET").value("Wi-Fi password")
