"""The `hil` command: what it prints, what it does to boards, and one line for whatever is wrong."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil import virtual_board
from hil.board import Board
from hil.cli import main
from hil.flash import FlashError

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT / "rigs" / "contracts" / "reference.toml"


@pytest.fixture
def rig(tmp_path: Path) -> Path:
    path = tmp_path / "rig.toml"
    path.write_text(
        'name = "cli"\n[boards.one]\nvirtual = "esp32"\nspeed = 100\nwifi = { ssid = "net" }\n'
        f'contract = "{CONTRACT}"\n'
    )
    return path


@pytest.fixture
def running(rig: Path) -> Iterator[subprocess.Popen[str]]:
    """The rig's virtual board, started by hand where `hil` looks for it."""
    folder = rig.parent / "artifacts" / "state"
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "hil.virtual", "esp32", "--dir", str(folder), "--name", "one", "--speed", "100"]
    with subprocess.Popen(
        [*command, "--follow-stdin"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        yield process
        process.stdin.close()
        process.wait(30)


def hil(rig: Path, *words: str) -> int:
    return main([words[0], "--rig", str(rig), *words[1:]])


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def test_boards_lists_what_is_there(rig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert hil(rig, "boards") == 0
    out = capsys.readouterr().out
    assert "one" in out
    assert "reference" in out


def test_doctor_finds_nothing_wrong_with_a_virtual_rig(rig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert hil(rig, "doctor") == 0
    assert "no faults" in capsys.readouterr().out


def test_doctor_names_each_fault_with_its_cure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rig.toml"
    path.write_text(
        'name = "x"\n[time_server]\nbind = "203.0.113.9"\n[boards.real]\nport = "/dev/serial/by-id/nothing"\n'
        'power = { kind = "command", on = "true", off = "true", status = "exit 7" }\n'
        f'wifi = {{ ssid = {{ env = "HIL_NO_SUCH_SSID" }} }}\ncontract = "{CONTRACT}"\n'
    )
    assert hil(path, "doctor") == 1
    out = capsys.readouterr().out
    for words in (
        "real port: /dev/serial/by-id/nothing does not exist",
        "-> plug it in",
        "real cannot reach it",
        "-> set bind to this host's address in the boards' network",
        "cannot listen on 203.0.113.9",
        "-> is 203.0.113.9 an address of this host?",
        "HIL_NO_SUCH_SSID is not set",
        "-> export HIL_NO_SUCH_SSID=",
        "FAULT real power",
    ):
        assert words in out, out


@pytest.mark.parametrize(
    ("efuses", "code", "words"),
    [
        ([], 0, ["ok    one chip: answers; no flash encryption, no secure boot"]),
        (["ABS_DONE_1"], 0, ["note  one chip: secure boot is on (ABS_DONE_1)", "-> sign what is flashed"]),
        (
            ["FLASH_CRYPT_CNT=1"],
            1,
            ["FAULT one chip: flash encryption is on (FLASH_CRYPT_CNT=0x1)", "-> take a board without it"],
        ),
    ],
)
def test_doctor_asks_the_chip_when_told_to(
    rig: Path, capsys: pytest.CaptureFixture[str], efuses: list[str], code: int, words: list[str]
) -> None:
    folder = rig.parent / "artifacts" / "state"
    board = virtual_board.start("one", kind="esp32", chip="esp32", speed=100, folder=folder, efuses=efuses)
    try:
        assert hil(rig, "doctor") == 0
        assert "one chip" not in capsys.readouterr().out
        assert hil(rig, "doctor", "--probe") == code
        out = capsys.readouterr().out
        assert all(word in out for word in words), out
        assert hil(rig, "power", "status") == 0
        assert "one: off" in capsys.readouterr().out, "it was off before"
    finally:
        board.close()


def test_doctor_names_a_chip_that_does_not_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rig.toml"
    path.write_text(
        'name = "x"\n[boards.real]\nport = "/dev/hil-no-such-port"\n'
        f'wifi = {{ ssid = "net" }}\ncontract = "{CONTRACT}"\n'
    )
    assert hil(path, "doctor") == 1
    assert "real chip: was not asked" in capsys.readouterr().out
    assert hil(path, "doctor", "--probe") == 1
    out = capsys.readouterr().out
    assert "FAULT real chip: " in out
    assert "was not asked" not in out
    assert "Traceback" not in out


def test_doctor_sees_that_a_broker_cannot_be_reached(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rig.toml"
    path.write_text(
        'name = "x"\n[broker]\nkind = "external"\nhost = "127.0.0.1"\nport = 1\n[boards.one]\nvirtual = "esp32"\n'
        f'wifi = {{ ssid = "net" }}\ncontract = "{CONTRACT}"\n'
    )
    assert hil(path, "doctor") == 1
    assert "127.0.0.1:1 is not reached" in capsys.readouterr().out


def test_power_switches_a_board_that_runs(
    rig: Path, running: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for action, state in (("status", "off"), ("on", "on"), ("status", "on"), ("off", "off")):
        assert hil(rig, "power", action) == 0
        assert capsys.readouterr().out == f"one: {state}\n"


def test_power_says_how_to_start_a_board_that_does_not_run(rig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert hil(rig, "power", "on") == 1
    assert "does not run; start it with: python -m hil.virtual esp32" in capsys.readouterr().err


def test_a_command_that_is_broken_off_leaves_the_board_as_idle_says(
    rig: Path, running: subprocess.Popen[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken_off(*_: object, **__: object) -> None:
        raise FlashError("the cable was pulled")

    assert hil(rig, "power", "on") == 0
    monkeypatch.setattr(Board, "flash", broken_off)
    assert hil(rig, "flash") == 1
    assert "the cable was pulled" in capsys.readouterr().err
    assert hil(rig, "power", "status") == 0
    assert "one: off" in capsys.readouterr().out


def test_flash_reset_and_console_act_on_the_running_board(
    rig: Path, running: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert hil(rig, "flash") == 0
    assert "bytes written, 0 there already" in capsys.readouterr().out
    assert hil(rig, "flash") == 0
    assert "0 bytes written" in capsys.readouterr().out
    assert hil(rig, "power", "status") == 0
    assert "one: on" in capsys.readouterr().out, "the board was not left running"
    assert hil(rig, "reset") == 0
    capsys.readouterr()
    done = subprocess.run(
        [sys.executable, "-m", "hil.cli", "console", "--rig", str(rig), "--reset", "--seconds", "8"],
        input="status\n",
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "reference firmware" in done.stdout
    state = json.loads((rig.parent / "artifacts" / "state" / "one.json").read_text())
    assert state["token"] not in done.stdout + done.stderr


def test_provision_checks_writes_and_tells_no_secret(
    rig: Path, running: subprocess.Popen[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIL_CLI_PASSWORD", "wifi-word-4711")
    text = rig.read_text().replace('ssid = "net"', 'ssid = "net", password = { env = "HIL_CLI_PASSWORD" }')
    rig.write_text(text)
    assert hil(rig, "flash") == 0
    capsys.readouterr()

    assert hil(rig, "provision") == 0
    written = capsys.readouterr()
    assert re.search(r"one: nvs: \d+ bytes written in \d+ sectors?, [\d.]+ s; device certificate ", written.out)
    assert re.search(r"CN=one.*, serial [0-9A-Fa-f:]{8,}", written.out)
    assert "the broker of the next run will not know it" in written.err
    assert "gateway.first_port is 0" in written.err

    # A throwaway authority is another one each time, and so are free ports; the Wi-Fi password is the same.
    assert hil(rig, "provision", "--check") == 1
    differs = capsys.readouterr()
    assert re.search(r"one: nvs: differs in .*ca.*; \d+ bytes in \d+ sectors? to write", differs.out)
    assert "wifi_pass" not in differs.out

    kept = (
        f'[credentials]\ndirectory = "kept"\n[gateway]\nfirst_port = {free_port(socket.SOCK_STREAM)}\n'
        f"[time_server]\nport = {free_port(socket.SOCK_DGRAM)}\n[boards.one]"
    )
    rig.write_text(text.replace("[boards.one]", kept))
    assert hil(rig, "provision") == 0
    first = capsys.readouterr()
    assert first.err == ""
    assert hil(rig, "provision", "--check") == 0
    same = capsys.readouterr()
    assert same.out == "one: nvs: all there\n"
    assert hil(rig, "provision") == 0
    again = capsys.readouterr()
    assert "one: nvs: all there already, nothing written" in again.out

    for said in (written, differs, first, same, again):
        for secret in ("wifi-word-4711", "PRIVATE KEY"):
            assert secret not in said.out + said.err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["provision", "--pki", "/nonexistent"], 2, "credentials.pki"),
        (["flash", "--board", "nobody"], 2, "found no board 'nobody'; the rig has one"),
        (["reset", "--rig", "/nonexistent/rig.toml"], 2, "no such file"),
        (["monitor", "--rig", "/etc/passwd"], 2, "is not valid TOML"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    rig: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, message: str
) -> None:
    assert main([words[0], "--rig", str(rig), *words[1:]]) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_settings_that_are_built_in_are_flashed_with_the_firmware(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, contract = tmp_path / "rig.toml", CONTRACT.with_name("reference-constants.toml")
    path.write_text(
        'name = "cli"\n[boards.one]\nvirtual = "esp32"\nspeed = 100\nwifi = { ssid = "net" }\n'
        f'contract = "{contract}"\n'
    )
    assert hil(path, "flash") == 0
    written = re.search(r"one: (\d+) bytes written", capsys.readouterr().out)
    assert written is not None
    assert int(written[1]) > 100_000
    image = next(tmp_path.glob("artifacts/*/firmware/one/flashed/10000-*"))
    flash = next(tmp_path.glob("artifacts/state/*.flash")).read_bytes()
    assert b"-----BEGIN EC PRIVATE KEY-----" in flash or b"-----BEGIN PRIVATE KEY-----" in flash
    assert flash[0x10000:].startswith(image.read_bytes())


def test_a_port_that_is_not_there_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rig.toml"
    contract = tmp_path / "contract.toml"
    (tmp_path / "app.bin").write_bytes(b"app")
    text = CONTRACT.read_text()
    start, end = text.index("build = "), text.index("[mqtt]")
    contract.write_text(text[:start] + 'images = [{ offset = 0, file = "app.bin" }]\n' + text[end:])
    path.write_text(
        'name = "x"\n[boards.real]\nport = "/dev/hil-no-such-port"\n'
        f'wifi = {{ ssid = "net" }}\ncontract = "{contract}"\n'
    )
    assert hil(path, "reset") == 1
    error = capsys.readouterr().err
    assert "/dev/hil-no-such-port" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["console", "--seconds", "nan"], "argument --seconds: found 'nan', expected seconds, 0 or more"),
        (["flash", "--wait", "-1"], "argument --wait: found '-1', expected seconds, 0 or more"),
        (["nightly", "--keep", "0"], "argument --keep: found '0', expected a whole number, 1 or more"),
        (["reproduce", "x", "--limit", "soon"], "argument --limit: found 'soon', expected seconds, more than 0"),
        (["shrink", "x", "-o", "y", "--error", "1"], "argument --error: found '1', expected a part of 1, such as 0.2"),
        (["bisect", "x", "--confidence", "0.4"], "found '0.4', expected a part of 1 from 0.5 on, such as 0.95"),
    ],
)
def test_values_that_cannot_be_are_told_in_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err.rstrip().endswith(said)
