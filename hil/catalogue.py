"""Which scenarios there are: read from the tests themselves, for `hil scenarios` and for docs/scenarios.md."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from hil.natural_order import natural

_HEADING = "| scenario | rule | covers | needs | waits |"

GROUPS = ("tls", "mqtt", "time", "power", "soak")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario, as its markers and its docstring say.

    `quick`, `long`: whether it has that marker. `rule`: what a device has to do. `covers`: the cases of other suites
    and the public bug reports that it stands for. `waits`: how long it waits for what. `needs`: what must be there.
    `cases`: its parameters, if it has any.
    """

    title: str
    group: str
    quick: bool
    long: bool
    rule: str
    covers: tuple[str, ...]
    waits: str
    needs: tuple[str, ...]
    cases: tuple[str, ...]
    file: str
    name: str

    @property
    def node(self) -> str:
        """What pytest calls it: 'test_last_will.py::test_last_will_after_a_power_cut'."""
        return f"{self.file}::{self.name}"


def folder() -> Path:
    """Where the scenarios lie: beside the sources in a checkout, inside the package where hil is installed."""
    here = Path(__file__).parent
    checkout = here.parent / "tests" / "scenarios"
    return checkout if checkout.is_dir() else here / "scenarios"


def scenarios(where: Path | None = None) -> list[Scenario]:
    """All scenarios of a folder of tests, by group and title. Nothing is run."""
    found = [
        scenario
        for path in sorted((where or folder()).glob("test_*.py"))
        for scenario in _of_module(path.name, _import(path))
    ]
    return sorted(found, key=lambda s: (GROUPS.index(s.group) if s.group in GROUPS else len(GROUPS), natural(s.title)))


def markdown(listed: list[Scenario]) -> str:
    """docs/scenarios.md: one table a group."""
    lines = [
        "# Scenarios",
        "",
        "Made from the code by `hil scenarios --markdown`: a line says what stands in a test's markers and docstring.",
        f"{len(listed)} scenarios; those with * are in the quick set (`-m quick`), those with + take long",
        '(`-m "not long"` leaves them out). Groups are markers, too: `-m tls`.',
    ]
    for group in dict.fromkeys(s.group for s in listed):
        lines += ["", f"## {group}", "", _HEADING, "|---|---|---|---|---|"]
        for s in (s for s in listed if s.group == group):
            cases = f" ({', '.join(s.cases)})" if s.cases else ""
            title = f"{s.title}{'*' if s.quick else ''}{'+' if s.long else ''}{cases}"
            needs = ", ".join(f"`{need}`" for need in s.needs)
            cells = (title, s.rule, "; ".join(s.covers), needs, s.waits)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _of_module(file: str, module: ModuleType) -> Iterator[Scenario]:
    common = _marks(getattr(module, "pytestmark", []))
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if not name.startswith("test_") or function.__module__ != module.__name__:
            continue
        marks = common + _marks(getattr(function, "pytestmark", []))
        named = [mark for mark in marks if mark.name == "scenario"]
        if named:
            yield _scenario(file, name, function, marks, named[0])


def _scenario(file: str, name: str, function: Any, marks: list[Any], named: Any) -> Scenario:
    names = {mark.name for mark in marks}
    rule = (inspect.getdoc(function) or "").split("\n\n")[0]
    needs = dict.fromkeys(str(need) for mark in marks if mark.name == "needs" for need in mark.args)
    return Scenario(
        title=str(named.args[0]),
        group=next((group for group in GROUPS if group in names), "other"),
        quick="quick" in names,
        long="long" in names,
        rule=" ".join(rule.split()),
        covers=tuple(named.kwargs.get("covers", ())),
        waits=str(named.kwargs.get("waits", "")),
        needs=tuple(needs),
        cases=tuple(str(value) for mark in marks if mark.name == "parametrize" for value in mark.args[1]),
        file=file,
        name=name,
    )


def _marks(found: Any) -> list[Any]:
    return list(found) if isinstance(found, list | tuple) else [found]


def _import(path: Path) -> ModuleType:
    """Import a test as pytest does: under the name of the package that it lies in, from the folder above that."""
    parts, top = [path.stem], path.parent
    while (top / "__init__.py").exists():
        parts.insert(0, top.name)
        top = top.parent
    added = str(top) not in sys.path
    if added:
        sys.path.insert(0, str(top))
    try:
        return importlib.import_module(".".join(parts))
    finally:
        if added:
            sys.path.remove(str(top))
