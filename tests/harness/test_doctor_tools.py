"""The doctor on programs: there or not, which version, too old or not."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_host import FakeHost, found

from hil.doctor import tools
from hil.tools import asking

RIG = """name = "x"
broker = {{ kind = "embedded" }}
[boards.kit]
port = "/dev/x"
flasher = {flasher}
power = {power}
CONTRACT
"""
NONE = '{ kind = "none" }'
ESPTOOL = '{ kind = "esptool" }'
FQBN = '{ kind = "arduino-cli", fqbn = "arduino:avr:uno" }'
HUB = '{ kind = "uhubctl", location = "1-1", port = 2 }'


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH, besides the shell's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")
    return folder


def program(path: Path, name: str, says: str, *, code: int = 0, to: str = "out") -> None:
    """A program that says this, whatever it is asked."""
    file = path / name
    file.write_text(f"#!/bin/sh\ncat {'>&2' if to == 'err' else ''} <<'END'\n{says}\nEND\nexit {code}\n")
    file.chmod(0o755)


def look(tmp_path: Path, about: str, *, flasher: str = ESPTOOL, power: str = NONE, kernel: str = "6.1.0") -> list[str]:
    """What is found about one tool: 'level: what -> cure'."""
    fake = FakeHost(tmp_path / "root")
    fake.write("/proc/sys/kernel/osrelease", kernel + "\n")
    case = fake.case(tmp_path, RIG.format(flasher=flasher, power=power))
    return [f"{f.level}: {f.found} -> {f.cure}" for f in found(tools.CHECKS, "tools", case) if f.about == about]


@pytest.mark.parametrize(
    ("says", "level"),
    [
        ("arduino-cli  Version: 0.19.3 Commit: 12f1afc2 Date: 2021-10-22T12:44:27Z", "fault"),
        ("arduino-cli  Version: 0.20.0 Commit: 4c0aa40 Date: 2021-11-17T09:40:27Z", "ok"),
        ("arduino-cli  Version: 1.4.0 Commit: 4c0aa40 Date: 2026-01-17T09:40:27Z", "ok"),
    ],
)
def test_an_arduino_cli_that_is_too_old(tmp_path: Path, path: Path, says: str, level: str) -> None:
    program(path, "arduino-cli", says)
    [said] = look(tmp_path, "arduino-cli", flasher=FQBN)
    assert said.startswith(f"{level}: {path}/arduino-cli"), said
    assert ("install 0.20 or later" in said) == (level == "fault")


@pytest.mark.parametrize(("version", "level"), [("1.7.0", "fault"), ("1.9.1", "ok")])
def test_a_bossac_that_would_write_to_the_wrong_place(tmp_path: Path, path: Path, version: str, level: str) -> None:
    program(
        path, "bossac", f"Usage: bossac [OPTION...] [FILE]\nBasic Open Source SAM-BA Application\nVersion {version}"
    )
    [said] = look(tmp_path, "bossac", flasher='{ kind = "bossac" }')
    assert said.startswith(level), said


def test_versions_on_standard_error_and_behind_an_error(tmp_path: Path, path: Path) -> None:
    program(path, "avrdude", "Usage: avrdude [options]\n\navrdude version 7.1, URL: <x>", code=1, to="err")
    [said] = look(tmp_path, "avrdude", flasher='{ kind = "avrdude" }')
    assert said.startswith(f"ok: {path}/avrdude (7.1)"), said


def test_a_program_that_is_not_there_and_one_that_does_not_run(tmp_path: Path, path: Path) -> None:
    [said] = look(tmp_path, "arduino-cli", flasher=FQBN)
    assert said.startswith("fault: arduino-cli was not found -> ")
    (path / "arduino-cli").write_bytes(b"\x7fELF not one")
    (path / "arduino-cli").chmod(0o755)
    [said] = look(tmp_path, "arduino-cli", flasher=FQBN)
    assert "does not run: Exec format error" in said


def test_a_program_that_hangs(tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "PATIENCE", 0.2)
    (path / "arduino-cli").write_text("#!/bin/sh\nsleep 60\n")
    (path / "arduino-cli").chmod(0o755)
    [said] = look(tmp_path, "arduino-cli", flasher=FQBN)
    assert "was not done after 0.2 s" in said


def test_the_program_that_the_rig_names(tmp_path: Path, path: Path) -> None:
    program(path, "my-uhubctl", "2.6.0")
    power = '{ kind = "uhubctl", location = "1-1", port = 2, program = "my-uhubctl" }'
    [said] = look(tmp_path, "uhubctl", power=power)
    assert said.startswith(f"ok: {path}/my-uhubctl (2.6.0)")
    program(path, "my-uhubctl", "2.4.0")
    assert any("does not keep ports off" in line for line in look(tmp_path, "uhubctl", power=power))


@pytest.mark.parametrize(
    ("version", "kernel", "words"),
    [
        ("2.4.0", "6.1.0-18-amd64", "does not keep ports off"),
        ("2.5.0-1", "6.1.0-18-amd64", "USB 3 root hubs"),
        ("2.4.0", "5.10.0-8-amd64", None),
        ("2.6.0", "6.8.0", None),
    ],
)
def test_uhubctl_against_the_kernel(tmp_path: Path, path: Path, version: str, kernel: str, words: str | None) -> None:
    program(path, "uhubctl", version)
    said = look(tmp_path, "uhubctl", power=HUB, kernel=kernel)
    notes = [line for line in said if line.startswith("note")]
    assert len(notes) == (words is not None), said
    assert words is None or words in notes[0]


def test_a_package_that_is_not_of_the_asked_version(monkeypatch: pytest.MonkeyPatch) -> None:
    real = tools.importlib.metadata.version
    monkeypatch.setattr(tools.importlib.metadata, "version", lambda n: "4.8.1" if n == "esptool" else real(n))
    said = tools.package_of("esptool", "pip install esptool")
    assert said.level == "fault"
    assert "4.8.1 is installed; hil needs" in said.found
    assert "esptool" in said.cure
    assert "<6" in said.cure
    assert tools.package_of("no-such-package-of-hil", "pip install it").found == "is not installed"


@pytest.mark.parametrize(
    ("kind", "says", "level", "words"),
    [
        ("auto", None, "note", "the embedded broker (amqtt"),
        ("mosquitto", None, "fault", "was not found"),
        ("mosquitto", "mosquitto version 1.5.7", "fault", "older ones know no MQTT 5"),
        ("auto", "mosquitto version 2.0.11", "ok", "(2.0.11)"),
    ],
)
def test_the_broker(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, says: str | None, level: str, words: str
) -> None:
    monkeypatch.setattr(asking, "MORE_PATHS", "")
    monkeypatch.setenv("PATH", str(path))
    if says is not None:
        (path / "mosquitto").write_text(f"#!/bin/sh\necho '{says}'\nexit 3\n")
        (path / "mosquitto").chmod(0o755)
    case = FakeHost(tmp_path / "root").case(
        tmp_path, f'name = "x"\nbroker = {{ kind = "{kind}" }}\n[boards.kit]\nport = "/dev/x"\nCONTRACT\n'
    )
    [said] = found(tools.CHECKS, "broker-tool", case)
    assert said.level == level
    assert words in said.found
