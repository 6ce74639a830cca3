"""Failures that have one probable cause on one board, together: thirty tests that fail of one thing are one thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hil.diagnose import CANNOT_TELL
from hil.report.verdicts import worse

Told = Mapping[str, Any]

BAD = ("FAIL", "ERROR", "unfinished")
"""Verdicts of tests that are not as they should be."""


@dataclass(frozen=True, slots=True)
class Alike:
    """`numbers`: which of the tests, as summary.json has them; `cause`: the surest diagnosis, None where none is."""

    numbers: list[int]
    tests: list[Told]
    cause: Told | None

    @property
    def since(self) -> list[str]:
        """Since when they fail, as far as the history was asked: one line if all began together."""
        return list(dict.fromkeys(test["since"] for test in self.tests if test["since"]))

    @property
    def verdict(self) -> str:
        """The worst of them."""
        found = ""
        for test in self.tests:
            found = worse(found, test["verdict"])
        return found


def alike(tests: Sequence[Told]) -> list[Alike]:
    """The failures among `tests`, those of one board and one cause together, in order of the first of each."""
    found: dict[tuple[str, ...], list[int]] = {}
    for number, test in enumerate(tests):
        if test["verdict"] in BAD:
            cause = _cause(test)
            key = (test["board"], cause["cause"]) if cause is not None else (str(number),)
            found.setdefault(key, []).append(number)
    return [_of(numbers, [tests[number] for number in numbers]) for numbers in found.values()]


def _of(numbers: list[int], tests: list[Told]) -> Alike:
    causes = [cause for test in tests if (cause := _cause(test)) is not None]
    return Alike(numbers, tests, max(causes, key=lambda cause: float(cause["confidence"]), default=None))


def _cause(test: Told) -> Told | None:
    """The most probable cause that was named."""
    first: Told | None = next(iter(test["diagnoses"]), None)
    return None if first is None or first["cause"] == CANNOT_TELL else first
