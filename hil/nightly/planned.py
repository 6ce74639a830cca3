"""The tests of a night: asked of pytest, which alone knows what there is for which board."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from hil.nightly import telling

LONGEST = 300.0
"""Seconds within which pytest has to have read all tests: files with thousands of them take some."""


class NothingPlanned(ValueError):
    """pytest found no test on a board, or could not read the tests. One line, and pytest's words below."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A test on a board. `test`: its node id, `argument`: what pytest is told to run it, from anywhere."""

    test: str
    argument: str
    board: str
    scenario: str
    groups: tuple[str, ...] = ()

    @property
    def soak(self) -> bool:
        """Whether it lasts as long as one says."""
        return "soak" in self.groups


def collect(arguments: Sequence[str]) -> list[Planned]:
    """What pytest would run with these arguments, in its order. Raises NothingPlanned and OSError."""
    with tempfile.TemporaryDirectory(prefix="hil-nightly-") as folder:
        told = Path(folder) / "tests.json"
        options = ["--collect-only", "-q", "-p", "no:cacheprovider", "-p", "hil.nightly.telling"]
        try:
            done = subprocess.run(
                [sys.executable, "-m", "pytest", *options, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                env={**os.environ, telling.VARIABLE: str(told)},
                timeout=LONGEST,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NothingPlanned(f"pytest did not read the tests within {LONGEST:g} s") from None
        if done.returncode not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED) or not told.exists():
            words = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-12:]
            raise NothingPlanned("\n".join(["pytest could not read the tests:", *words]))
        found = json.loads(told.read_text(encoding="utf-8"))
    planned = [Planned(**{**one, "groups": tuple(one["groups"])}) for one in found]
    if not planned:
        raise NothingPlanned("pytest found no test on a board, expected some: see the paths, -m and -k")
    return planned
