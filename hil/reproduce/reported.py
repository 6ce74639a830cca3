"""What the field sent, held against the case's signature and against its trials.

A timeline among the evidence shows the failure as it was: the signature has to fit it, or it is not the signature of
this failure. Trials are compared by what became of their connections: a device of another make says the same things at
other times, with other ciphers, and on another port. A console log is compared by its lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hil.attempts import End, attempts
from hil.cases import Case
from hil.cases.case import EvidenceTable
from hil.contract import Retry
from hil.diagnose import Stretch, boards, stretches
from hil.report.legible import COLOUR
from hil.reproduce.attempt import signature_of
from hil.reproduce.sameness import without_numbers
from hil.reproduce.signature import State, cause_of, matching
from hil.reproduce.trial import Outcome, Trial
from hil.timeline import Event, load


@dataclass(frozen=True, slots=True)
class Recording:
    """A timeline that a case carries: its events, counted from 0, and the part of them in which it failed."""

    file: str
    events: tuple[Event, ...]
    stretch: Stretch

    @property
    def part(self) -> list[Event]:
        """The events of that part."""
        return list(self.events[self.stretch.after : self.stretch.before])


@dataclass(frozen=True, slots=True)
class Compared:
    """A file of the field beside the trials that failed: `alike` of `of`; `words`: what in."""

    file: str
    alike: int
    of: int
    words: str

    def facts(self) -> dict[str, Any]:
        """As JSON can hold it; docs/reproduction.md has the keys."""
        return {"file": self.file, "alike": self.alike, "of": self.of, "words": self.words}

    def __str__(self) -> str:
        return f"{self.file}: {self.words}"


def recordings(case: Case) -> list[Recording]:
    """The timelines among the case's evidence. Raises ValueError for one that cannot be read, or whose board is not
    known, and OSError."""
    return [_recording(case, evidence) for evidence in case.file.evidence if evidence.kind == "timeline"]


def _recording(case: Case, evidence: EvidenceTable) -> Recording:
    events = [replace(event, sequence=number) for number, event in enumerate(load(case.resolve(evidence.file)))]
    known = boards(events)
    board = evidence.board or (known[0] if len(known) == 1 else None)
    if board not in known:
        found = "found none" if board is None else f"found {board!r}"
        listed = ", ".join(known) or "none"
        raise ValueError(
            f"case {case.name}: evidence {evidence.file}: board: {found}, expected a board of it: {listed}"
        )
    return Recording(evidence.file, tuple(events), stretches(events, board)[-1])


def misfit(case: Case, one: Recording) -> str | None:
    """What of the case's signature a recording does not show, in one line; None if it shows all of it."""
    part, board = one.part, one.stretch.board
    contract = next((e for e in reversed(one.events) if (e.source, e.kind) == ("board", "contract")), None)
    longest = (contract.get("retry") or {}).get("most") if contract is not None else None
    signature = signature_of(case).for_pause(longest or Retry(kind="none").most)
    began = next((e.monotonic for e in part if e.source in ("power", "reset") and e.kind != "off"), part[0].monotonic)
    until = part[-1].monotonic
    found = matching(signature, part, board, began=began, until=until, limit=case.trial.limit)
    if found.state is not State.SEEN:
        return found.missing
    return cause_of(signature, one.events, board, one.stretch.after, until)


def compared(case: Case, trials: Sequence[Trial]) -> list[Compared]:
    """Each file that says something beside the failing trials; nothing where none failed.

    Raises what `recordings` raises, and ValueError or OSError for a timeline of the trials that cannot be read.
    """
    failing = [trial for trial in trials if trial.outcome in (Outcome.REPRODUCED, Outcome.OTHER)]
    if not failing or not any(each.kind in ("timeline", "console") for each in case.file.evidence):
        return []
    timelines = {name: load(Path(name)) for name in {trial.timeline for trial in failing}}
    windows = [(t.board, timelines[t.timeline][t.after : t.before]) for t in failing]
    found = [_beside(one, windows) for one in recordings(case)]
    for evidence in case.file.evidence:
        if evidence.kind == "console":
            text = case.resolve(evidence.file).read_text(encoding="utf-8", errors="replace")
            found.append(_said(evidence.file, text.splitlines(), [e for _, events in windows for e in events]))
    return found


def _beside(one: Recording, windows: Sequence[tuple[str, Sequence[Event]]]) -> Compared:
    expected = _way(one.part, one.stretch.board)
    ways = [_way(events, board) for board, events in windows]
    alike = sum(_same_way(way, expected) for way in ways)
    words = f"{alike} of {len(ways)} failing trials went the same way: {_listed(expected)}"
    other = next((way for way in ways if not _same_way(way, expected)), None)
    if other is not None:
        words += f"; not so: {_listed(other)}"
    return Compared(one.file, alike, len(ways), words)


def _way(events: Iterable[Event], board: str) -> list[End]:
    """What became of its connections, one after another; equal ones that follow each other are one.

    A last one that is under way says nothing: a trial ends as soon as it is decided.
    """
    ends = [each for each in attempts(events, board)]
    while ends and ends[-1].end is End.ALIVE and not ends[-1].accepted_by_broker:
        ends.pop()
    found: list[End] = []
    for each in ends:
        if not found or found[-1] is not each.end:
            found.append(each.end)
    return found


def _same_way(one: Sequence[End], other: Sequence[End]) -> bool:
    """Whether one begins as the other, which was watched for longer."""
    shorter = min(len(one), len(other))
    return (shorter > 0 or len(one) == len(other)) and list(one[:shorter]) == list(other[:shorter])


def _listed(way: Sequence[End]) -> str:
    return ", then ".join(way) or "no connection"


def _said(file: str, lines: Sequence[str], events: Sequence[Event]) -> Compared:
    """How many of the log's lines a failing trial's console had, too, numbers left out."""
    wanted = {plain for line in lines if (plain := _plain(line))}
    heard = "\n".join({_plain(str(e["text"])) for e in events if (e.source, e.kind) == ("console", "line")})
    alike = sum(line in heard for line in wanted)
    words = f"{alike} of its {len(wanted)} lines came on the console of a failing trial"
    return Compared(file, alike, len(wanted), words if alike else f"{words}: perhaps another firmware's words")


_STAMP = re.compile(r"^[\[(]? ?#[#:.,/TZ+ -]*[\])]?(?: ?->)? ")
"""The time that a serial monitor has put before a line, its numbers left out: `#:#:#.# -> `, `[#-#-# #:#:#] `."""


def _plain(line: str) -> str:
    return _STAMP.sub("", re.sub(r"\s+", " ", without_numbers(COLOUR.sub("", line))).strip())
