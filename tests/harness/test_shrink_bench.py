"""`hil shrink` as a person calls it, on a virtual board: what the failure does not need is gone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_bisect_bench import CASE, RIG

from hil.cases import load
from hil.cli import main

NEEDLESS = """
[[condition]]
name = "slow"
kind = "gateway-fault"
fault = "latency"
parameters = { seconds = 0.01 }
"""


@pytest.mark.timeout(600)
def test_a_case_is_reduced_to_what_its_failure_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rig.toml").write_text(RIG)
    (tmp_path / "case").mkdir()
    firmware = '[firmware]\noptions = ["--without", "retry"]\n'
    (tmp_path / "case" / "case.toml").write_text(CASE.replace("[trial]", f"{NEEDLESS}\n{firmware}\n[trial]"))
    small = tmp_path / "small"
    command = ["shrink", str(tmp_path / "case"), "--rig", str(tmp_path / "rig.toml"), "-o", str(small), "--json"]
    assert main([*command, "--first", "4", "--times", "16", "--error", "0.3"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["removed"], told["whole"]["failed"]) == (["slow"], 4)
    assert [(kept["name"], kept["needed"]) for kept in told["kept"]] == [("refused", True)]
    assert [condition.name for condition in load(small).conditions] == ["refused"]
    assert told["less"] == []
    # Its journal knows all of it: nothing is tried again, and no bench is opened.
    command[command.index(str(small))] = str(tmp_path / "again")
    assert main([*command, "--first", "4", "--times", "16", "--error", "0.3"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["trials"] == told["trials"]
    assert f"{told['trials']} trials are known from {tmp_path / 'artifacts' / 'shrink-case'}" in said.err
    command[command.index(str(tmp_path / "again"))] = str(small)
    assert main(command) == 2
    assert capsys.readouterr().err == f"hil: --to: {small} is there already; name a new folder\n"
