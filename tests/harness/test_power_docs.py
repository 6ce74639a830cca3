"""Every stanza of docs/power.md loads as the power of a board, and every kind has one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from power_devices import PASSWORD, ShellyGen1

from hil import rig as rigs
from hil.cli import main
from hil.parts.board import make_power
from hil.power.kinds import Power
from hil.power.outlet import OutletPower
from hil.toml import FileError

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "power.md").read_text()
STANZAS = re.findall(r"^```toml power\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
MODELS = get_args(get_args(Power)[0])


@pytest.mark.parametrize("stanza", STANZAS)
def test_a_stanza_makes_a_switch(stanza: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r'env = "(\w+)"', stanza):
        monkeypatch.setenv(name, "a-good-secret")
    contract = ROOT / "rigs" / "contracts" / "reference.toml"
    (tmp_path / "rig.toml").write_text(
        f'name = "docs"\n[boards.one]\nport = "/dev/ttyX"\nwifi = {{ ssid = "net" }}\ncontract = "{contract}"\n{stanza}'
    )
    rig = rigs.load(tmp_path / "rig.toml")
    switch = make_power(rig, rig.boards["one"], None, None)
    assert f'kind = "{switch.kind}"' in stanza
    assert switch.can_cut
    switch.close()


def test_every_kind_and_every_key_has_its_place() -> None:
    rig_page = (ROOT / "docs" / "rig.md").read_text()
    for model in MODELS:
        kind = model.model_fields["kind"].default
        assert f"`{kind}`" in TEXT, kind
        assert f"`{kind}`" in rig_page or f'"{kind}"' in rig_page, kind
        if issubclass(model, OutletPower):
            assert any(f'kind = "{kind}"' in stanza for stanza in STANZAS), kind


def test_the_command_and_the_doctor_read_a_switch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    contract = ROOT / "rigs" / "contracts" / "reference.toml"
    device = ShellyGen1({0: True}, login="basic")
    (tmp_path / "rig.toml").write_text(
        f'name = "docs"\n[boards.one]\nport = "/dev/ttyX"\nwifi = {{ ssid = "net" }}\ncontract = "{contract}"\n'
        f'power = {{ kind = "shelly-gen1", host = "127.0.0.1", port = {device.port}, '
        'password = { env = "SWITCH_PW" } }\n'
    )

    def said(*command: str) -> str:
        main([*command, "--rig", str(tmp_path / "rig.toml")])
        out = capsys.readouterr()
        assert PASSWORD not in out.out + out.err
        return " ".join((out.out + out.err).split())

    try:
        monkeypatch.delenv("SWITCH_PW", raising=False)
        assert "one power: power of one: power: the environment variable SWITCH_PW is not set" in said("doctor")
        monkeypatch.setenv("SWITCH_PW", PASSWORD)
        assert "one: on" in said("power", "status")
        assert "one power: shelly-gen1: on" in said("doctor", "--all")
        monkeypatch.setenv("SWITCH_PW", "some other one")
        assert "power of one: Shelly at 127.0.0.1" in said("power", "status")
        assert not any("turn" in path for path in device.paths), "looking switches nothing"
    finally:
        device.close()


@pytest.mark.parametrize("key", ["community", "auth", "priv"])
def test_a_secret_that_was_written_into_the_file_is_not_shown(key: str, tmp_path: Path) -> None:
    contract = ROOT / "rigs" / "contracts" / "reference.toml"
    (tmp_path / "rig.toml").write_text(
        f'name = "docs"\n[boards.one]\nport = "/dev/ttyX"\ncontract = "{contract}"\n'
        f'power = {{ kind = "snmp", host = "pdu", model = "raritan", {key} = "hunter22" }}\n'
    )
    with pytest.raises(FileError, match=f"boards.one.power.{key}: found a text that is not shown") as caught:
        rigs.load(tmp_path / "rig.toml")
    assert "hunter22" not in str(caught.value)
