"""A case becomes a scenario: a test file that tries the case on each board, beside a copy of the case."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

from hil.cases import Case
from hil.reproduce.attempt import signature_of
from hil.reproduce.needing import needs
from hil.reproduce.trial import Outcome, Trial

MISSED = 0.05
"""How often a scenario may pass although the failure is as frequent as it was seen to be."""
MOST = 50
"""Trials of a scenario at most: what fails more rarely belongs into a nightly run of its own."""
_SPARE = 60
"""Seconds that a test gets beside its trials, to flash and to provision."""


def times_for(trials: Sequence[Trial]) -> int:
    """How many trials a scenario needs, so that a failure as frequent as in these is missed once in twenty runs.

    One, where all of them failed as reported. Else the lower end of the rate's range is held for the rate. Raises
    ValueError where none did.
    """
    from hil.reproduce.summary import Summary

    summary = Summary(trials)
    failed, tried = len(summary.of(Outcome.REPRODUCED)), len(summary.tried)
    if not failed:
        raise ValueError("no trial of that run failed as reported: the case is not reproduced, and no scenario yet")
    if failed == tried:
        return 1
    return min(MOST, math.ceil(math.log(MISSED) / math.log(1 - summary.rate.low)))


def write(case: Case, folder: Path, *, times: int = 1) -> Path:
    """Write the scenario into `folder`, and the case below its cases/; returns the test's file.

    Raises NoSignature, FileExistsError for a test that is there already, ValueError for a name that no test can have,
    OSError.
    """
    signature_of(case)
    name = re.sub(r"\W", "_", case.name)
    test = folder / f"test_{name}.py"
    if test.exists():
        raise FileExistsError(f"{test} is there already; remove it, or name another folder with --to")
    copy = folder / "cases" / case.name
    folder.mkdir(parents=True, exist_ok=True)
    if copy.resolve() != case.folder.resolve():
        case.write(copy)
    test.write_text(_text(case, name, times), encoding="utf-8")
    return test


def _text(case: Case, name: str, times: int) -> str:
    told = signature_of(case).summary or case.title
    needed = ", ".join(_quoted(need) for need in needs(case))
    marks = [f"@pytest.mark.needs({needed})"] if needed else []
    seconds = math.ceil(times * (case.trial.limit + case.trial.settle)) + _SPARE
    marked = "\n".join([*marks, f"@pytest.mark.timeout({seconds})"])
    trials = "one trial" if times == 1 else f"each of {times} trials"
    return f'''"""{_words(case.title)}: a failure from the field that must not come back.

Made of the case in cases/{case.name}; docs/reproduction.md of hil says how it is judged. Yours to change.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.bench import Bench
from hil.board import Board
from hil.cases import load
from hil.reproduce.regression import must_stay_away

CASE = load(Path(__file__).parent / "cases" / {_quoted(case.name)})

TIMES = {times}
"""Trials: a failure that comes now and then is missed by one alone."""


{marked}
@pytest.mark.scenario(
    {_quoted("stays away: " + case.title)},
    covers=({_quoted("case " + case.name)},),
    waits={_quoted(f"up to {case.trial.limit:g} s in {trials}")},
)
def test_{name}_stays_away(board: Board, bench: Bench) -> None:
{_docstring(f"What was reported does not happen: {_words(told)}.")}
    must_stay_away(CASE, bench, board, times=TIMES)
'''


def _docstring(words: str) -> str:
    """A function's docstring, in lines that a linter lets pass."""
    text = textwrap.fill(words, 112, initial_indent='    """', subsequent_indent="    ")
    return f'{text}\n    """' if "\n" in text else f'{text}"""'


def _words(text: str) -> str:
    """A text from a case, for a docstring."""
    line = " ".join(text.split()).rstrip(".")
    return line.replace("\\", "\\\\").replace('"', "'")


def _quoted(text: str) -> str:
    """A text as a Python literal in double quotes."""
    return '"' + _words(text) + '"'
