"""The examples for CI and systemd are what their services take; test_nightly_whole.py runs their commands."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hil import rig as rigs
from hil.cli import _parser
from hil.nightly import policy

FOLDER = Path(__file__).parents[2] / "docs" / "lab-runner"
DOCUMENT = FOLDER.with_suffix(".md").read_text()
GITHUB, GITLAB = FOLDER / "github-actions.yml", FOLDER / "gitlab-ci.yml"


@pytest.mark.parametrize(
    ("file", "options"),
    [(GITHUB, ["vendor.github-workflows"]), (GITLAB, ["vendor.gitlab-ci", "--data-transform=gitlab-ci"])],
)
def test_it_is_what_its_service_takes(file: Path, options: list[str]) -> None:
    """By the JSON schemas of GitHub workflows and GitLab CI, as check-jsonschema ships them."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", *options, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
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
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if str(tmp_path) in line]


def test_the_policy_is_one() -> None:
    assert policy.load(FOLDER / "nightly.toml").times("any", "kit-1", "ERROR", None) == 1


def lines() -> list[str]:
    """What stands in the document's blocks."""
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines()]


def test_the_commands_of_the_steps_are_understood() -> None:
    found = [words for line in lines() if (words := re.match(r"(?:sudo )?hil(?:-by-hand)? (.*)", line))]
    assert len(found) > 6
    for words in found:
        _parser().parse_args(shlex.split(words[1]))


def test_the_rules_are_named_as_the_doctor_says() -> None:
    """By their number they come behind what they ask, and before who asks for them."""
    doctor = Path(__file__).parents[2] / "hil" / "doctor" / "udev.py"
    (name,) = set(re.findall(r"/etc/udev/rules\.d/\S+\.rules", doctor.read_text()))
    assert f"sudo cp hil.rules {name}\n" in DOCUMENT


def test_the_files_of_the_steps_are_there_and_the_rigs_are_ones(tmp_path: Path) -> None:
    """What the steps copy from the sources and edit, in a folder that stands for the host's root."""
    for folder in ("etc/systemd/system", "usr/local/sbin"):
        (tmp_path / folder).mkdir(parents=True)
    script = "\n".join(re.sub(r" (?=/(etc|usr)/)", f" {tmp_path}", line) for line in lines() if is_about_files(line))
    script = script.replace("sudo ", "").replace("/opt/hil-source", str(Path(__file__).parents[2]))
    done = subprocess.run(["sh", "-exc", script], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found = {name: rigs.load(tmp_path / "etc" / "hil" / f"{name}.toml") for name in ("virtual", "bench")}
    assert {rig.file.artifacts for rig in found.values()} == {"/var/lib/hil/artifacts"}
    assert str(found["bench"].file.credentials.directory).startswith("/var/lib/hil/")
    assert len(list((tmp_path / "etc" / "systemd" / "system").iterdir())) == len(units())


def is_about_files(line: str) -> bool:
    return line.startswith(("sudo install", "sudo cp", "sudo sed")) and "hil.rules" not in line


def test_by_hand_a_command_has_what_a_night_has() -> None:
    told = (FOLDER / "hil-by-hand").read_text()
    for unit in FOLDER.glob("*.service"):
        text = unit.read_text()
        for name in ("SupplementaryGroups", "EnvironmentFile", "AmbientCapabilities"):
            (value,) = re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)
            assert re.search(rf"--property={name}=\"?{re.escape(value)}[\" ]", told), name
        assert "KillMode" not in re.sub("#.*", "", text), "the guardian needs its time: docs/guardian.md"


def test_the_rules_for_the_network_let_boards_to_the_ports_of_the_example(tmp_path: Path) -> None:
    rules = (FOLDER / "bench.nft").read_text()
    rig = rigs.load(FOLDER.parents[1] / "rigs" / "example-bench.toml").file
    first, last = map(int, re.findall(r"tcp dport \{ 53, (\d+)-(\d+) \}", rules)[0])
    assert first == rig.gateway.first_port
    assert last - first + 1 >= len(rig.boards)
    assert str(rig.time_server.port) in re.findall(r"udp dport \{ (.*) \}", rules)[0].split(", ")
    if shutil.which("nft") and os.geteuid() == 0:
        done = subprocess.run(["nft", "-c", "-f", FOLDER / "bench.nft"], capture_output=True, text=True, check=False)
        assert done.returncode == 0 or "Operation not permitted" in done.stderr, done.stderr
