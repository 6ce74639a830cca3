"""Runs for tests to kill, see guarded.py, on rigs whose switch writes down what it is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT / "rigs" / "contracts" / "reference.toml"
#: Seconds after which a test gives up; no promise of the guardian's.
PATIENCE = 180.0


class Run:
    """A run that says who it is, to be killed."""

    def __init__(self, *words: object, **variables: str) -> None:
        command = [sys.executable, str(Path(__file__).with_name("guarded.py")), *map(str, words)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **variables},
            cwd=ROOT,
        )
        self.mark = ""

    def hears(self, event: str | None = None) -> dict[str, Any]:
        """The next thing that it says, or the next event of this name."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        for line in self.process.stdout:
            said: dict[str, Any] = json.loads(line)
            self.mark = said.get("mark") or self.mark
            if event is None or said.get("event") == event:
                return said
        raise AssertionError(f"it ended without {event}: {self.process.stderr.read()}")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """Have it end in order."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0


def rig(folder: Path, text: str, name: str = "rig") -> Path:
    path = folder / f"{name}.toml"
    boards = ""
    for number, lines in enumerate(text.split("---")):
        wifi = 'wifi = { ssid = "net" }'
        boards += f'[boards.{"ab"[number]}]\ncontract = "{CONTRACT}"\n{wifi}\n{lines.strip()}\n'
    path.write_text(f'name = "{name}"\n{boards}')
    return path


def relay(folder: Path, port: str = "/dev/null", off: str = "", idle: str = "off") -> str:
    """A board whose switch writes what it is told behind all that it was told before."""
    said = folder / "relay"
    return (
        f'port = "{port}"\nidle = "{idle}"\npower = {{ kind = "command", on = "echo on >> {said}", '
        f'off = "{off}echo off >> {said}" }}'
    )


def switched(folder: Path) -> list[str]:
    said = folder / "relay"
    return said.read_text().split() if said.exists() else []


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
