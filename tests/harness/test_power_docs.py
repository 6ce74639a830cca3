"""Every stanza of docs/power.md loads as the power of a board, and every kind has one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from hil import rig as rigs
from hil.parts import make_power
from hil.power.kinds import Power
from hil.power.outlet import OutletPower

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
