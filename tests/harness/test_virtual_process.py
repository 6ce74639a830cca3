"""The board as a process: its file, its control port, its serial port, its end, and power cuts of every kind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from virtual_parts import PATIENCE, BoardProcess, Telnet, board_process, images, words_of

from hil.virtual.image import table_for
from hil.wire import partitions
from hil.wire.esp_loader import Command

DATA = bytes(range(256)) * 64  # 16 KiB


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory):
    with board_process(tmp_path_factory.mktemp("board"), "--speed", "1000", "--powered") as running:
        yield running


def test_the_file_tells_how_to_reach_it_and_only_to_its_owner(device: BoardProcess) -> None:
    assert stat.S_IMODE(device.json.stat().st_mode) == 0o600
    assert device.facts["pid"] == device.process.pid
    assert device.facts["serial"].startswith("rfc2217://127.0.0.1:")
    assert len(device.facts["token"]) >= 20
    assert stat.S_IMODE(device.json.with_suffix(".flash").stat().st_mode) == 0o600


def test_power_and_radio_by_the_control_port(device: BoardProcess) -> None:
    off = device.control("power-off")
    assert (off["ok"], off["power"], off["mode"]) == (True, False, "off")
    assert device.control("power-on")["power"] is True
    assert device.control("power-on")["ok"] is True  # twice does nothing
    assert device.control("radio-down")["radio"] is False
    assert device.control("state")["radio"] is False
    assert device.control("radio-up")["radio"] is True


def test_the_control_port_wants_its_token(device: BoardProcess) -> None:
    answer = device.control("power-off", token="guess")
    assert answer == {"ok": False, "error": "wrong token; the right one is in the board's JSON file"}
    assert device.control("state")["power"] is True


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"hello\n", "expected one JSON object a line"),
        (b"[1]\n", "expected one JSON object a line"),
        (b'{"do": "state"}\n', "expected one JSON object a line"),
        (b'{"token": 7, "do": "state"}\n', "wrong token"),
    ],
)
def test_nonsense_at_the_control_port_gets_one_clear_answer(device: BoardProcess, line: bytes, words: str) -> None:
    host, port = device.facts["control"].split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall(line)
        answer = json.loads(connection.makefile().readline())
    assert not answer["ok"]
    assert words in answer["error"]
    assert "unknown order 'dance'" in device.control("dance")["error"]


def test_the_port_is_there_without_power_and_what_nobody_hears_is_lost(device: BoardProcess) -> None:
    device.control("power-off")
    client = Telnet(device.facts["serial"])
    client.socket.sendall(b"anybody?")
    device.control("power-on")
    client.until(b"rst:0x1 (POWERON_RESET)")
    device.control("power-off")
    client.close()
    device.control("power-on")
    device.control("power-off")
    client = Telnet(device.facts["serial"])
    device.control("power-on")
    assert client.until(b"rst:0x1 (POWERON_RESET)").count(b"rst:") == 1
    client.close()


def test_one_client_at_a_time_and_the_next_one_waits_a_moment(device: BoardProcess) -> None:
    first = Telnet(device.facts["serial"])
    first.download_mode()
    second = Telnet(device.facts["serial"])
    threading.Timer(0.3, first.close).start()
    second.sync()  # answered when the first has left, by the same download mode
    third = Telnet(device.facts["serial"])
    with contextlib.suppress(ConnectionResetError):
        assert third.socket.recv(1) == b""  # turned away after a while
    second.sync()
    second.close()


def write_half(client: Telnet) -> None:
    """A download that stops in the middle: erased as announced, half of it programmed."""
    client.download_mode()
    client.sync()
    assert client.flash_begin(0x20000, len(DATA)).data[0] == 0
    for number in range(8):
        assert client.flash_block(number, DATA[number * 1024 : number * 1024 + 1024]).data[0] == 0


def write_whole(client: Telnet) -> None:
    client.download_mode()
    client.sync()
    client.flash_begin(0x20000, len(DATA))
    for number in range(16):
        assert client.flash_block(number, DATA[number * 1024 : number * 1024 + 1024]).data[0] == 0


def test_a_power_cut_in_mid_flash_leaves_what_was_written_and_the_next_flash_works(device: BoardProcess) -> None:
    client = Telnet(device.facts["serial"])
    device.control("power-on")
    write_half(client)
    device.control("power-off")
    there = device.json.with_suffix(".flash").read_bytes()[0x20000 : 0x20000 + len(DATA)]
    assert there == DATA[:8192] + b"\xff" * 8192
    device.control("power-on")
    write_whole(client)
    assert device.json.with_suffix(".flash").read_bytes()[0x20000 : 0x20000 + len(DATA)] == DATA
    client.close()


def test_sigkill_in_mid_flash_loses_nothing_that_was_written(tmp_path: Path) -> None:
    board = BoardProcess(tmp_path, "--speed", "1000", "--powered")
    client = Telnet(board.facts["serial"])
    write_half(client)
    os.kill(board.process.pid, signal.SIGKILL)
    board.close()
    assert (tmp_path / "board.flash").read_bytes()[0x20000 : 0x20000 + len(DATA)] == DATA[:8192] + b"\xff" * 8192
    with board_process(tmp_path, "--speed", "1000", "--powered") as again:
        client = Telnet(again.facts["serial"])
        write_whole(client)
        reply = client.command(Command.READ_FLASH_SLOW, words_of(0x20000, 64))
        assert reply.data[:64] == DATA[:64]
        client.close()
    assert (tmp_path / "board.flash").read_bytes()[0x20000 : 0x20000 + len(DATA)] == DATA


@pytest.mark.parametrize("how", ["stdin", "sigterm", "shutdown"])
def test_it_ends_cleanly_when_told(how: str, tmp_path: Path) -> None:
    board = BoardProcess(tmp_path, "--powered", "--speed", "1000")
    if how == "sigterm":
        board.process.terminate()
        board.process.wait(PATIENCE)
    elif how == "shutdown":
        assert board.control("shutdown")["ok"]
        board.process.wait(PATIENCE)
    assert board.close() == 0
    assert not board.json.exists()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hil.virtual", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--name", "a/b"], "is no name"),
        (["--name", "a", "--mac", "1:2"], "is no MAC address"),
        (["--name", "a", "--speed", "0"], "is no speed factor"),
        (["--name", "a", "--flash-size", "3MB"], "invalid choice: '3MB'"),
        (["--name", "worn"], "worn.flash holds a flash of 4 bytes, expected 4194304"),
    ],
)
def test_bad_arguments_get_one_line(arguments: list[str], words: str, tmp_path: Path) -> None:
    (tmp_path / "worn.flash").write_bytes(b"worn")
    told = run("esp32", "--dir", str(tmp_path), *arguments)
    assert told.returncode != 0
    assert words in told.stderr
    assert "Traceback" not in told.stderr


def test_images_by_command(tmp_path: Path) -> None:
    told = run("image", "--chip", "esp32c3", "--out", str(tmp_path), "--size", "64K", "--version", "3.2.1")
    assert told.returncode == 0, told.stderr
    listed = json.loads(told.stdout)
    assert [entry["offset"] for entry in listed] == [0, 0x8000, 0x10000]
    assert all(Path(entry["file"]).exists() for entry in listed)
    assert [Path(entry["file"]).name for entry in listed] == ["bootloader.bin", "partition-table.bin", "firmware.bin"]
    told = run("image", "--out", str(tmp_path), "--size", "2M")
    assert told.returncode == 1
    assert "its place only 1310720" in told.stderr
    told = run("image", "--out", str(tmp_path), "--with", "magic")
    assert told.returncode == 1
    assert "the reference firmware has no option --with magic; it has: " in told.stderr


def test_a_file_system_may_be_smaller_and_not_larger() -> None:
    assert table_for("spiffs") == partitions.ARDUINO_DEFAULT
    assert {p.label: p.size for p in table_for("spiffs", 0x20000)}["spiffs"] == 0x20000
    assert [p.label for p in table_for("esp-secure-cert", 0x20000)][-2:] == ["esp_secure_cert", "coredump"]
    for store, size in (("spiffs", 0x161000), ("esp-secure-cert", 0x160000), ("spiffs", 0x20001), ("spiffs", 0)):
        with pytest.raises(ValueError, match="whole sectors of 4096 bytes"):
            table_for(store, size)


def test_two_boards_have_two_addresses(tmp_path: Path) -> None:
    with board_process(tmp_path, name="one") as one, board_process(tmp_path, name="two") as two:
        assert one.control("state")["mac"] != two.control("state")["mac"]
    with board_process(tmp_path, "--mac", "24:0A:C4:00:01:10", name="three") as three:
        assert three.facts["mac"] == "24:0a:c4:00:01:10"


def test_a_board_boots_what_lies_in_its_flash_file(tmp_path: Path) -> None:
    flash = bytearray(b"\xff" * (4 << 20))
    for offset, file in images(tmp_path).values():
        data = file.read_bytes()
        flash[offset : offset + len(data)] = data
    (tmp_path / "board.flash").write_bytes(flash)
    with board_process(tmp_path, "--speed", "1000") as board:
        client = Telnet(board.facts["serial"])
        board.control("power-on")
        client.until(b"Loaded app from partition at offset 0x10000")
        assert board.control("state")["mode"] == "run"
        client.close()
