"""Virtual benches for the matrix: one run of pytest each, on a rig of its own, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hil import catalogue
from tests.defects.table import REFERENCE, UNO, Defect

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "tests" / "scenarios"
CONTRACTS = ROOT / "rigs" / "contracts"

WIFI_PASSWORD = "HIL_DEFECTS_WIFI"
"""The environment variable with the boards' Wi-Fi password: some firmware prints it."""

SPEED = 100
"""The boards' speed: what is slow on a real board takes a hundredth. Times of protocols are real. At 1000 a flash is
over before it can be interrupted."""

ONLINE_WITHIN = 8.0
"""Seconds for `online.within` of the contracts: most defects show as something that never comes."""

_KINDS = {
    REFERENCE: f'virtual = "esp32"\nspeed = {SPEED}\n'
    f'wifi = {{ ssid = "net", password = {{ env = "{WIFI_PASSWORD}" }} }}',
    UNO: 'virtual = "uno"\nchip = "atmega328p"\nflasher = { kind = "avrdude", board = "uno" }',
}

BENCH = "(bench)"
"""Stands in the place of a scenario where the bench as a whole failed."""

LEFT_OUT = ("cacheprovider", "hypothesispytest", "anyio", "unraisableexception")
"""Plugins of pytest that a bench does not need: imports and last collections of rubbish, a good part of a second."""

TEST_SECONDS = 150
"""The time limit of one scenario."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one scenario said of one board. `outcome`: pass, warn, fail, n/a or error; `text`: why."""

    board: str
    scenario: str
    case: str
    name: str
    outcome: str
    text: str
    seconds: float
    timeline: Path | None = None

    @property
    def caught(self) -> bool:
        """Whether the scenario noticed something."""
        return self.outcome in ("warn", "fail")


@dataclass(slots=True)
class Job:
    """One bench: its boards, and what to run on them: (board, scenario, case), or None for all scenarios."""

    folder: Path
    defects: Sequence[Defect]
    picked: list[tuple[str, str, str]] | None = None

    def run(self) -> list[Verdict]:
        """Run it to its end, or take what an earlier run has left. A bad end is an 'error' for each of its boards."""
        verdicts, ended = self.folder / "verdicts.jsonl", self.folder / "ended"
        if not ended.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            verdicts.unlink(missing_ok=True)
            ended.write_text(str(_run(self._command(verdicts), self._limit(), self.folder / "pytest.log")))
        done = int(ended.read_text())
        found = [Verdict(**json.loads(line)) for line in _lines(verdicts)]
        timeline = self.folder / "artifacts" / "timeline.jsonl"
        if timeline.exists():
            found = [replace(verdict, timeline=timeline) for verdict in found]
        if done not in (0, 1) or not found:
            log = self.folder / "pytest.log"
            words = f"pytest ended with {done}:\n{log.read_text(errors='replace')[-2000:]}"
            found += [Verdict(d.board, BENCH, "", "", "error", words, 0.0) for d in self.defects]
        for big in ("virtual", "firmware"):
            shutil.rmtree(self.folder / "artifacts" / big, ignore_errors=True)
        return found

    def _command(self, verdicts: Path) -> list[str]:
        rig = write_rig(self.folder, self.defects)
        command = [sys.executable, "-m", "pytest", "-q", *(word for name in LEFT_OUT for word in ("-p", f"no:{name}"))]
        command += ["-p", "tests.defects.recorder"]
        command += ["--reports=none", "--history=off"]  # a verdict is all that is wanted
        command += ["--tb=short", f"--timeout={TEST_SECONDS}", f"--rig={rig}", f"--verdicts={verdicts}"]
        command += [f"--artifacts={self.folder / 'artifacts'}"]
        if self.picked is None:
            command += ["-m", self._which(), *(f"--board={defect.board}" for defect in self.defects)]
        else:
            (self.folder / "picked.json").write_text(json.dumps(self.picked))
            command += [f"--picked={self.folder / 'picked.json'}"]
        return [*command, *self._files()]

    def _files(self) -> list[str]:
        """Where the wanted scenarios are: to import all of them takes longer than a bench takes to open."""
        if self.picked is None:
            return [str(SCENARIOS)]
        names = {name for _, name, _ in self.picked}
        return sorted({str(SCENARIOS / each.file) for each in catalogue.scenarios() if each.name in names})

    def _which(self) -> str:
        """All but soaks; what takes long only with firmware that it is meant for, and with good firmware."""
        meant = {catch.scenario for defect in self.defects for catch in defect.caught}
        long = {scenario.name for scenario in catalogue.scenarios() if scenario.long}
        good = any(not defect.options for defect in self.defects)
        return "not soak" if good or meant & long else "not soak and not long"

    def _limit(self) -> float:
        return 3600.0 if self.picked is None else 60.0 + TEST_SECONDS * len(self.picked)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _run(command: list[str], limit: float, log: Path) -> int:
    """Run pytest in a process group of its own, so that all of its bench ends with it."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {WIFI_PASSWORD: "open-sesame", "HIL_HISTORY": "off"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        _running.add(process)
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            process.terminate()  # the bench closes in order
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            return -1
        finally:
            _running.discard(process)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


_running: set[subprocess.Popen[bytes]] = set()


def stop() -> None:
    """End all benches that run now, in order: somebody has no more patience."""
    for process in list(_running):
        process.terminate()


def write_rig(folder: Path, defects: Sequence[Defect]) -> Path:
    """A rig file with a board for each of the defects (or several, where a row says so)."""
    text = 'name = "defects"\n[gateway]\nnamespace = { allowed = ["devices/{board}/#"] }\n'
    for defect in defects:
        for number in range(defect.boards):
            name = defect.board if number == 0 else f"{defect.board}-{number + 1}"
            flags = [word for option in defect.options for word in ("--" + option).split(" ", 1)]
            text += (
                f"[boards.{name}]\noptions = {json.dumps(flags)}\n{_KINDS[defect.firmware]}\n"
                f'contract = "{impatient(folder, defect.contract)}"\n'
            )
    path = folder / "rig.toml"
    path.write_text(text)
    return path


def impatient(folder: Path, contract: str) -> Path:
    """That contract with a short wait for being online."""
    text = (CONTRACTS / f"{contract}.toml").read_text()
    short, found = re.subn(r"^within = 15\.0$", f"within = {ONLINE_WITHIN}", text, flags=re.MULTILINE)
    if found != 1:
        raise ValueError(f"{contract}.toml: found {found} times 'within = 15.0', expected it once")
    path = folder / f"{contract}.toml"
    path.write_text(short)
    return path
