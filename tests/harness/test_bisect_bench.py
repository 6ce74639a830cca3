"""`hil bisect` as a person calls it: revisions of a repository, built by a command, on a virtual board."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hil.cli import main

ROOT = Path(__file__).parents[2]

RIG = f"""
name = "bisect"
artifacts = "artifacts"
[gateway]
name = "gateway.hil.test"
namespace = {{ allowed = ["devices/{{board}}/#"] }}
[boards.esp32-a]
virtual = "esp32"
chip = "esp32"
speed = 200
contract = "{ROOT / "rigs" / "contracts" / "reference.toml"}"
wifi = {{ ssid = "hil-bench" }}
"""

CASE = """
title = "Gives up after a connect that fails"
[[condition]]
name = "refused"
kind = "gateway-fault"
fault = "refuse-connect"
parameters = { how = "reset" }
when = { count = 1 }
[trial]
good = "online"
settle = 0.1
[signature]
summary = "a connect that fails, and silence"
seen = [{ source = "gateway", kind = "accept" }, { source = "gateway", kind = "close" }]
never = [{ source = "gateway", kind = "accept", after = 2, seconds = 1.5 }]
"""


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=Bench", "-c", "user.email=bench@hil.test", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True, timeout=300)


@pytest.mark.timeout(600)
def test_the_revision_that_brought_a_failure_is_found_on_a_bench(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rig.toml").write_text(RIG)
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "case.toml").write_text(CASE)
    repo = tmp_path / "repo"
    repo.mkdir()
    git(repo, "init", "--quiet", "--initial-branch=main")
    for number, options in enumerate(["", "", "--without retry", "--without retry --with broken", "--without retry"]):
        (repo / "options").write_text(options)
        git(repo, "add", "options")
        git(repo, "commit", "--quiet", "--allow-empty", "-m", f"change {number}")
    command = [
        "bisect",
        str(tmp_path / "case"),
        "--rig",
        str(tmp_path / "rig.toml"),
        "--json",
        "-o",
        str(tmp_path / "o"),
    ]
    build = f"{sys.executable} -m hil.virtual image --out build $(cat options)"
    command += ["--repo", str(repo), "--good", "main~4", "--bad", "main", "--build", build, "--image", "build"]
    assert main([*command, "--confidence", "0.9", "--most", "5"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["ending"], told["first_bad"], told["trials"]) == ("not found yet", None, 5)
    assert main([*command, "--confidence", "0.9"]) == 0
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert [version["about"].rpartition(": ")[2] for version in told["first_bad"]] == ["change 2"]
    assert "5 trials are known from" in said.err
    assert told["trials"] < 20
    # What a trial draws from a seed hangs on its number: none is drawn twice.
    entries = [json.loads(line) for line in (tmp_path / "o" / "journal.jsonl").read_text().splitlines()]
    numbers = [entry["trial"]["number"] for entry in entries if "trial" in entry]
    assert numbers == list(range(1, told["trials"] + 1))
    assert main(["bisect", str(tmp_path / "case"), "--rig", str(tmp_path / "rig.toml"), "--firmware", "x.bin"]) == 2
    assert capsys.readouterr().err.startswith("hil: found 1 firmware image(s), expected two or more")
