"""`hil reproduce`: a case that comes with hil, from the command line to its verdict; and what cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hil.cases import load
from hil.cases.finding import find, shipped
from hil.cli import main
from hil.reproduce.kept import kept
from tests.harness.rig_of_one import rig_of_one


@pytest.fixture
def rig(tmp_path: Path) -> Path:
    return rig_of_one(tmp_path, speed=100)


def test_a_flaky_failure_from_the_field(rig: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the first two trials the second meets a refused connect: the seed says so."""
    run = tmp_path / "run"
    code = main(["reproduce", "field/no-retry", "--rig", str(rig), "--times", "2", "--run", str(run), "--json"])
    told = capsys.readouterr()
    assert code == 0, told.err
    facts = json.loads(told.out)
    assert (facts["case"], facts["finding"], facts["whole"]) == ("no-retry", "reproduced", True)
    assert facts["counts"] == {"reproduced": 1, "other": 0, "passed": 1, "not run": 0}
    # Of one trial beside one other it is chance, on a busy host, which of the lanes is seen to differ first.
    first = {"TLS": "gateway.hello", "MQTT from device": "gateway.connect", "MQTT to device": "gateway.connack"}
    assert facts["difference"]["passing"].split()[0] == first[facts["difference"]["lane"]]
    assert [line[:5] for line in told.err.splitlines() if line.startswith("[")] == ["[1/2]", "[2/2]"]
    assert [trial.facts() | {"timeline": ""} for trial in kept(run)] == [t | {"timeline": ""} for t in facts["trials"]]
    capsys.readouterr()
    assert main(["diagnose", str(run)]) == 0
    assert "no-retry #2" in capsys.readouterr().out
    assert main(["report", str(run)]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split("  ")[0].strip(): line for line in lines if line.startswith("no-retry #")}
    assert "pass" in rows["no-retry #1"]
    assert "FAIL" in rows["no-retry #2"]
    assert main(["reproduce", "field/no-retry", "--rig", str(rig), "--run", str(run)]) == 2
    assert "holds a run already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["field/no-such"], "field/no-such/case.toml: no such file"),
        (["field/no-time", "--without", "nothing"], "case no-time: no condition nothing; it has: none"),
        (["field/no-time", "--against", "nowhere"], "nowhere/trials.jsonl: No such file or directory"),
    ],
)
def test_what_cannot_be_used_is_one_line(
    rig: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    assert main(["reproduce", *options, "--rig", str(rig)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_a_case_without_a_signature_says_what_to_do(
    rig: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "case.toml").write_text('title = "something"\n')
    assert main(["reproduce", str(tmp_path), "--rig", str(rig)]) == 2
    assert "has no [signature]" in capsys.readouterr().err


def test_the_cases_that_come_with_hil_are_sound_and_listed(capsys: pytest.CaptureFixture[str]) -> None:
    cases = shipped()
    assert len(cases) >= 7
    assert main(["case", "list"]) == 0
    listed = capsys.readouterr().out
    for path in cases:
        name = f"{path.parent.name}/{path.name}"
        assert name in listed
        case = load(find(name))
        assert case.signature is not None
        assert case.signature.cause
        assert case.trial.good == "online"
    assert main(["case", "check", *(f"{path.parent.name}/{path.name}" for path in cases)]) == 0
