"""Which tools a rig uses, and the versions that they say: in run.json and in the reports, without anybody waiting."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from fake_host import CONTRACT
from run_folders import RIG, RunFolder

from hil import bench, facts, rig
from hil.report import files, runs
from hil.report.summary import summary
from hil.tools import used, versions
from hil.tools.asking import ask, version_in
from hil.tools.tool import TOOLS, Tool
from hil.tools.used import Use
from hil.tools.versions import Versions

FAKE = Tool("fake-tool", "make it")
BOARDS = f"""name = "x"
broker = {{ kind = "mosquitto", program = "my-mosquitto" }}
[boards.a]
port = "/dev/a"
flasher = {{ kind = "bossac" }}
power = {{ kind = "labgrid", place = "p", program = "lab/labgrid-client" }}
contract = "{CONTRACT}"
wifi = {{ ssid = "net" }}
[boards.b]
port = "/dev/b"
power = {{ kind = "uhubctl", location = "1-1", port = 2 }}
contract = "{CONTRACT}"
wifi = {{ ssid = "net" }}
[boards.c]
virtual = "uno"
contract = "{CONTRACT}"
wifi = {{ ssid = "net" }}
"""


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_a_rig_uses_what_its_flashers_switches_and_broker_run(tmp_path: Path) -> None:
    (tmp_path / "rig.toml").write_text(BOARDS)
    read = rig.load(tmp_path / "rig.toml")
    found = used.of_boards(read, read.boards.values())
    lab = str(tmp_path.resolve() / "lab" / "labgrid-client")
    assert [(use.tool.name, use.program) for use in found] == [
        ("bossac", None),
        ("labgrid-client", lab),
        ("uhubctl", "uhubctl"),
        ("avrdude", None),
    ]
    assert used.of_broker(read) == Use(TOOLS["mosquitto"], "my-mosquitto")
    assert used.of_boards(RIG, RIG.boards.values()) == [], "esptool is a package, and virtual power is no tool"


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("avrdude version 7.1, URL: <x>", "7.1"),
        ("SiS PM Control for Linux 4.9\n(C) 2015-2020", "4.9"),
        ("2.5.0-1", "2.5.0"),
        ("usage: it 1.2 3.4", None),
    ],
)
def test_the_line_that_tells_the_version(said: str, version: str | None) -> None:
    assert (str(version_in(said)) if version else version_in(said)) == version


def test_a_python_tool_that_does_not_say_is_asked_for_its_package(tmp_path: Path) -> None:
    client = program(tmp_path / "labgrid-client", "echo usage")
    program(tmp_path / "python", 'test "$3" = labgrid && echo version 26.0.1')
    assert str(ask(TOOLS["labgrid"], str(client), patience=30).version) == "26.0.1"


def test_nobody_waits_and_one_that_is_missing_or_hangs_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "GRACE", 60)
    os.mkfifo(tmp_path / "held")
    held = program(tmp_path / "held-back", f"read line < {tmp_path / 'held'}; echo version 1.2")
    mute = program(tmp_path / "mute", "true")
    told: list[list[dict[str, Any]]] = []
    asked = Versions(told.append)
    asked.ask([Use(FAKE, str(held)), None, Use(FAKE, "no-such-tool-of-hil"), Use(FAKE, str(mute))])
    (tmp_path / "held").write_text("go\n")  # blocks until the tool reads: it was still held back when `ask` returned
    asked.close()
    assert [(one["version"], one["trouble"]) for one in told[-1]] == [
        ("1.2", None),
        (None, "no-such-tool-of-hil was not found"),
        (None, "it does not say its version"),
    ]

    monkeypatch.setattr(versions, "PATIENCE", 0.3)
    hung = Versions(told.append)
    hung.ask([Use(FAKE, str(program(tmp_path / "hung", "sleep 600")))])
    hung.close()
    assert "was not done after 0.3 s" in told[-1][0]["trouble"]


def test_a_short_run_does_not_wait_for_one_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "PATIENCE", 600)
    monkeypatch.setattr(versions, "GRACE", 0.1)
    told: list[list[dict[str, Any]]] = []
    hung = Versions(told.append)
    hung.ask([Use(FAKE, str(program(tmp_path / "hung", "sleep 600")))])
    hung.close()
    assert "was not done when it was given up" in told[-1][0]["trouble"]


def test_a_bench_writes_them_into_run_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "GRACE", 60)
    tool = str(program(tmp_path / "fake", "echo version 7.5"))
    monkeypatch.setattr(bench, "of_boards", lambda rig, boards: [Use(FAKE, tool) for _ in boards])
    monkeypatch.setattr(bench, "of_broker", lambda rig: Use(FAKE, "no-such-tool-of-hil"))
    with bench.Bench(RIG, boards=["esp32-a"], artifacts=tmp_path / "run") as opened:
        began = json.loads((opened.artifacts / facts.FILE).read_text())["began"]
    told = json.loads((tmp_path / "run" / facts.FILE).read_text())
    assert [(one["program"], one["version"]) for one in told["tools"]] == [
        ("no-such-tool-of-hil", None),
        (tool, "7.5"),
    ]
    assert told["began"] == began


def test_the_reports_of_several_workers_tell_each_once(tmp_path: Path) -> None:
    known = {"name": "avrdude", "program": "/usr/bin/avrdude", "version": "7.1", "trouble": None}
    lost = {"name": "bossac", "program": "bossac", "version": None, "trouble": "bossac was not found"}
    for worker, tools in (("gw0", [known]), ("gw1", [lost, known])):
        part = RunFolder(tmp_path / "run", worker)
        facts.put({**facts.facts(RIG), "tools": tools}, part.bench)
        part.test(f"test_{worker}")
        part.close()
    run = runs.read(tmp_path / "run")
    assert summary(run)["tools"] == [known, lost]
    page = files.FORMS["html"].render(run)
    shown = page.split("<h3>Tools</h3>")[1].split("</table>")[0]
    assert "<td>avrdude</td><td>7.1</td><td>/usr/bin/avrdude</td>" in shown
    assert "<td>bossac</td><td>bossac was not found</td>" in shown
    assert "With avrdude 7.1, bossac \\(bossac was not found\\)." in files.FORMS["markdown"].render(run)
