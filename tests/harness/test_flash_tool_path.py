"""What esptool's process is given (hil/flash/tool_path): it must do no more for it, and nothing otherwise."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hil.flash.esptool_environment import environment
from hil.wiring import USB_UART

TRACED = "import esptool.loader as l; print(repr(str(l.HexFormatter(bytes(4)))))"


def words_of(program: str, *arguments: str) -> str:
    """What a process with esptool's environment prints."""
    with environment(USB_UART) as variables:
        command = [sys.executable, "-c", program, *arguments]
        return subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout.strip()


def test_a_trace_that_nobody_asked_for_is_not_put_into_words() -> None:
    assert words_of(TRACED, "--port", "/dev/ttyUSB0", "--after", "no-reset", "read-flash") == "''"


@pytest.mark.parametrize("asked", ["--trace", "-t", "-vt"])
def test_a_trace_that_somebody_asked_for_is_whole(asked: str) -> None:
    assert words_of(TRACED, asked, "read-flash") == "'00000000'"


def test_an_esptool_that_traces_otherwise_is_left_as_it_is() -> None:
    program = "import types, hil_untraced; hil_untraced.spare(types.SimpleNamespace()); print('fine')"
    assert words_of(program) == "fine"


def test_bytes_of_an_rfc_2217_port_wait_in_a_quick_queue() -> None:
    program = "from serial import rfc2217; print(type(rfc2217.Queue.Queue()).__name__, rfc2217.Queue.Empty.__name__)"
    assert words_of(program) == "SimpleQueue Empty"
