"""Nights whose parts are made up: a script says what each test comes to, and results lie as pytest leaves them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hil import rig
from hil.nightly.images import Images
from hil.nightly.journal import Journal
from hil.nightly.night import Night
from hil.nightly.outcome import Outcome
from hil.nightly.part import BEGUN, Ended
from hil.nightly.plan import Plan
from hil.nightly.planned import Planned
from hil.nightly.policy import Policy
from hil.nightly.test_flash import TITLE
from hil.rig import Rig

RIG = rig.load(Path(__file__).parents[2] / "rigs" / "virtual.toml")
BOARDS = ("esp32-a", "esp32c3-a")


def planned(name: str, board: str = "esp32-a", *groups: str) -> Planned:
    """A test; its argument is what it is called."""
    test = f"test_it.py::{name}[{board}]"
    return Planned(test, test, board, name, groups)


def line(one: Planned, phase: str, outcome: str, *, at: float, failure: str | None = None) -> str:
    """A line of results.jsonl."""
    told: dict[str, Any] = {
        **{"test": one.test, "name": one.test, "board": one.board, "scenario": one.scenario, "worker": None},
        **{"groups": list(one.groups), "phase": phase, "outcome": outcome, "began": at, "ended": at, "wall": at},
        **{"seconds": 1.0, "failure": failure, "file": "test_it.py", "line": 1},
    }
    return json.dumps(told) + "\n"


@dataclass
class Parts:
    """Stands for `hil.nightly.part.run`. `script`: what a test comes to, its n-th time; 'passed' without.

    'passed', 'failed', 'skipped', 'error'; 'dies': the runner is killed in it, and with it the night, as by SIGKILL;
    'crashes': pytest alone is; 'late': the part is ended in it. `broken`: the part in which pytest does nothing at all.
    """

    script: dict[str, list[str]] = field(default_factory=dict)
    ran: list[tuple[str, list[str]]] = field(default_factory=list)
    options: list[list[str]] = field(default_factory=list)
    broken: str = ""
    tests: dict[str, Planned] = field(default_factory=dict)

    def __call__(self, folder: Path, arguments: Sequence[str], *, until: float | None) -> Ended:
        folder.mkdir(parents=True)
        if folder.name == self.broken:
            (folder / BEGUN).touch()
            return Ended("died", 4)
        tests = [argument for argument in arguments if "::" in argument]
        self.options.append([argument for argument in arguments if "::" not in argument])
        self.ran.append((folder.name, []))
        for number, test in enumerate(tests):
            one = self.tests.get(test) or Planned(test, test, test.split("[")[1].rstrip("]"), TITLE)
            self.ran[-1][1].append(one.scenario if one.scenario != TITLE else f"flash {one.board}")
            with (folder / BEGUN).open("a") as file:
                file.write(f"{one.test}\n")
            steps = self.script.get(self.ran[-1][1][-1], [])
            outcome = steps.pop(0) if steps else "passed"
            at = len(self.ran) * 1000.0 + number
            with (folder / "results.jsonl").open("a") as file:
                if outcome in ("dies", "crashes", "late"):
                    file.write(line(one, "setup", "passed", at=at))
                    if outcome != "dies":
                        return Ended("died", -9) if outcome == "crashes" else Ended("deadline", -15)
                    raise Killed
                if outcome == "error":
                    file.write(line(one, "setup", "failed", at=at, failure="E  the port is gone"))
                else:
                    file.write(line(one, "setup", "skipped" if outcome == "skipped" else "passed", at=at))
                    if outcome != "skipped":
                        file.write(line(one, "call", outcome, at=at, failure="E  no" if outcome == "failed" else None))
                file.write(line(one, "teardown", "passed", at=at))
        return Ended("done", 1)


class Killed(BaseException):
    """Nothing of the night's process runs any more."""


class Lab:
    """A night again and again in one folder. `unfit`: boards with what the doctor says of them.

    `rig`: whose firmware is made as in a real night; without it nobody makes any.
    """

    def __init__(
        self, folder: Path, *planned: Planned, policy: Policy | None = None, rig: Rig | None = None, **script: list[str]
    ) -> None:
        self.folder = folder
        self.planned = list(planned)
        self.parts = Parts({name.replace("__", " "): steps for name, steps in script.items()})
        self.parts.tests = {one.argument: one for one in planned}
        self.unfit: dict[str, list[str]] = {}
        self.said: list[str] = []
        self.images = NoImages if rig is None else Images
        self.plan = Plan(rig or RIG, BOARDS, (), policy or Policy(), history="off")

    def night(self, **changes: Any) -> Outcome:
        """Begin it, or go on with it. Raises Killed."""
        self.plan = replace(self.plan, **changes)
        journal = Journal(self.folder)
        try:
            if not journal.records:
                journal.write("night", identity={}, soak_until=None, deadline=None)
            stand_ins = {
                "run": self.parts,
                "faults": lambda rig, board, options, until: self.unfit.get(board, []),
                "images": self.images,
            }
            return Night(self.plan, self.folder, _Mortal(journal), self.planned, self.said.append, **stand_ins).go()
        finally:
            journal.close()


class NoImages(Images):
    """Firmware that nobody has to make."""

    def make(self, boards: Iterable[str]) -> dict[str, str]:
        """None fails."""
        return {}


class _Mortal:
    """A journal that a killed process writes nothing into, whatever its `except` clauses would do."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.records = journal.records

    def write(self, what: str, **facts: Any) -> None:
        if facts.get("how") != "terminated":
            self._journal.write(what, **facts)
