"""The examples for CI and systemd are what their services take; test_nightly_whole.py runs their commands."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hil.cli import _parser
from hil.nightly import policy

FOLDER = Path(__file__).parents[2] / "docs" / "lab-runner"
GITHUB, GITLAB = FOLDER / "github-actions.yml", FOLDER / "gitlab-ci.yml"


@pytest.mark.parametrize(
    ("file", "options"),
    [(GITHUB, ["vendor.github-workflows"]), (GITLAB, ["vendor.gitlab-ci", "--data-transform=gitlab-ci"])],
)
def test_it_is_what_its_service_takes(file: Path, options: list[str]) -> None:
    """By the JSON schemas of GitHub workflows and GitLab CI, as check-jsonschema ships them."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", *options, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_both_workflows_begin_the_same_night() -> None:
    """But for where its summary goes; the command of GitHub's is run by test_nightly_whole.py."""
    workflow = yaml.load(GITHUB.read_text(), Loader=yaml.BaseLoader)  # 'on' is a word there, and no truth
    steps = [step["run"] for step in workflow["jobs"]["bench"]["steps"] if step.get("name") == "Night"]
    github, gitlab = (
        vars(_parser().parse_args(shlex.split(script.replace("\\\n", " "))[1:]))
        for script in (*steps, *yaml.safe_load(GITLAB.read_text())["nightly"]["script"])
    )
    assert {key for key in github if github[key] != gitlab[key]} == {"markdown", "firmware_revision"}
    assert (github["firmware_revision"], gitlab["firmware_revision"]) == ("$GITHUB_SHA", "$CI_COMMIT_SHA")


def units() -> list[Path]:
    return sorted([*FOLDER.glob("*.service"), *FOLDER.glob("*.timer")])


def test_the_units_begin_what_hil_understands() -> None:
    commands = [
        line.replace("\\\n", " ")
        for unit in units()
        for line in re.findall(r"^ExecStart=((?:.*\\\n)*.*)$", unit.read_text(), re.MULTILINE)
    ]
    first, resume = sorted(commands, key=len)
    assert shlex.split(resume) == [*shlex.split(first), "--if-cut-short"]
    for command in commands:
        _parser().parse_args(shlex.split(command)[1:])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="not applicable: there is no systemd here")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    hil = Path(sys.executable).parent / "hil"
    for unit in units():
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/hil/bin/hil", str(hil)))
    command = ["systemd-analyze", "verify", *map(str, tmp_path.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if str(tmp_path) in line]


def test_the_policy_is_one() -> None:
    assert policy.load(FOLDER / "nightly.toml").times("any", "kit-1", "ERROR", None) == 1
