"""What a case can lose: whole conditions, elements of lists within them, and the size of numbers. Pure.

    smaller(case, {Place("slow", ()), Place(TRIAL, ("steps", 1))}, {Place("cut", ("off",)): 0.1})

A number is lowered only where less of it is less of the condition: how long, how often. What is a name in the shape of
a number (a return code), or hurts more the less there is of it (bytes per second, a record's size), is left alone.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from hil.cases import Case, CaseFile
from hil.cases.conditions import Condition, FaultCondition, TimeCondition
from hil.cases.writing import text

Path = tuple[str | int, ...]

TRIAL: Final = "[trial]"
"""In place of a condition's name: no condition can be called so."""
SHORTEST: Final = 0.05
"""Seconds to which is lowered what cannot be 0."""

_WHEN: Final[tuple[tuple[Path, float], ...]] = ((("when", "count"), 1), (("when", "skip"), 0))
_AWAY: Final[tuple[tuple[Path, float], ...]] = ((("off",), SHORTEST), (("delay",), 0.0), *_WHEN)
SIZES: Final[Mapping[str, tuple[tuple[Path, float], ...]]] = {
    "gateway-fault": _WHEN,
    "time-server": _WHEN,
    "wifi-loss": _AWAY,
    "dns-outage": _AWAY,
    "power-cut": ((("off",), 0.0), (("delay",), 0.0), *_WHEN),
    "second-client": ((("times",), 1), (("pause",), 0.0)),
    "brown-out": ((("cuts",), 1), (("off",), 0.0), (("on",), 0.0)),
    "random-cuts": ((("seconds",), SHORTEST), (("least",), 0.0)),
    "wait": ((("seconds",), SHORTEST),),
}
"""By a condition's kind: what is lowered, and to what at least."""
_PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    "latency": ("seconds", "jitter"),
    "late": ("seconds",),
    "late-connack": ("seconds",),
    "slow-close": ("seconds",),
    "slice": ("pause",),
    "delayed": ("seconds",),
    "offset": ("seconds",),
}
"""By the name of a fault or of a mode of the time server: its parameters that are lowered, to 0 at least."""
_LISTS: Final[Mapping[str, Path]] = {
    "settings": ("values",),
    "contract": ("values",),
    "time-server": ("parameters", "offsets"),
}
"""By a condition's kind: the list or table of which elements are left out."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a case: in the condition `owner`, or in the trial."""

    owner: str
    path: Path

    @property
    def name(self) -> str:
        """For people."""
        return ".".join(map(str, (self.owner, *self.path)))

    def starts(self, path: Path) -> bool:
        """Whether its path begins with this one."""
        return self.path[: len(path)] == path


@dataclass(frozen=True, slots=True)
class Number:
    """A number of a case: what it is now, and what it may be at least."""

    place: Place
    value: float
    least: float

    @property
    def half(self) -> float:
        """Half way to the least; whole where it has to be."""
        if isinstance(self.value, int):
            return int(self.least + (self.value - self.least) // 2)
        return float(f"{(self.value + self.least) / 2:.3g}")


def elements(case: Case) -> list[Place]:
    """The elements of the case's lists that have more than one, each a part of its own."""
    found: list[Place] = []
    for condition in case.conditions:
        path = _LISTS.get(condition.kind)
        if path is not None:
            found += _elements(condition.name, path, _value(condition, path))
    return found + _elements(TRIAL, ("steps",), case.trial.steps)


def numbers(case: Case) -> list[Number]:
    """The numbers of the case that can be lowered, and are not at their least."""
    found: list[Number] = []
    for condition in case.conditions:
        found += _numbers(condition.name, condition, (*SIZES.get(condition.kind, ()), *_parameters(condition)))
    for place, step in enumerate(case.trial.steps):
        sizes: list[tuple[Path, float]] = [(("steps", place, "times"), 1)]
        if step.do == "wait":
            sizes.append((("steps", place, "seconds"), SHORTEST))
        found += _numbers(TRIAL, case.trial, sizes)
    return found


def smaller(case: Case, gone: Set[Place], lowered: Mapping[Place, float]) -> Case | None:
    """The case without what is gone, and with these numbers; None for one that cannot be, such as one of no steps.

    A condition is gone as the place with its name and no path; what lies in it goes along.
    """
    table = tomllib.loads(text(case.file))
    whole = {place.owner for place in gone if not place.path}
    for place, value in lowered.items():
        if place.owner not in whole:
            _set(_table_of(table, place.owner), place.path, value)
    # From behind: the places of a list are counted as they were.
    for place in sorted((place for place in gone if place.path), key=_count, reverse=True):
        if place.owner not in whole:
            _leave_out(_table_of(table, place.owner), place.path)
    table["condition"] = [one for one in table.get("condition", []) if one["name"] not in whole]
    try:
        return Case(case.folder, CaseFile.model_validate(table))
    except ValidationError:
        return None


# -- inside --------------------------------------------------------------------------------------------------------


def _elements(owner: str, path: Path, found: Any) -> list[Place]:
    keys: Sequence[str | int] = []
    if isinstance(found, Mapping):
        keys = list(found)
    elif isinstance(found, Sequence) and not isinstance(found, str):
        keys = range(len(found))
    return [Place(owner, (*path, key)) for key in keys] if len(keys) > 1 else []


def _parameters(condition: Condition) -> Iterator[tuple[Path, float]]:
    if isinstance(condition, FaultCondition | TimeCondition):
        name = condition.fault if isinstance(condition, FaultCondition) else condition.mode
        for key in _PARAMETERS.get(name, ()):
            yield ("parameters", key), 0.0


def _numbers(owner: str, model: Any, sizes: Sequence[tuple[Path, float]]) -> Iterator[Number]:
    for path, least in sizes:
        value = _value(model, path)
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) > least:
            yield Number(Place(owner, path), value, least)


def _value(found: Any, path: Path) -> Any:
    """What lies at the end of a path; None where it ends before."""
    for key in path:
        if isinstance(found, Mapping):
            found = found.get(key)
        elif isinstance(key, int):
            found = found[key]
        else:
            found = getattr(found, key, None)
    return found


def _table_of(table: dict[str, Any], owner: str) -> dict[str, Any]:
    if owner != TRIAL:
        found: dict[str, Any] = next(one for one in table["condition"] if one["name"] == owner)
        return found
    trial: dict[str, Any] = table.setdefault("trial", {})
    return trial


def _set(found: Any, path: Path, value: float) -> None:
    for key in path[:-1]:
        found = found[key] if isinstance(key, int) else found.setdefault(key, {})
    found[path[-1]] = value


def _count(place: Place) -> int:
    """The element's place in its list."""
    return place.path[-1] if isinstance(place.path[-1], int) else -1


def _leave_out(found: Any, path: Path) -> None:
    for key in path[:-1]:
        found = found[key]
    del found[path[-1]]
