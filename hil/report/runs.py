"""A run, read back from its folder: tests, timelines, facts. All that a report is made from, and nothing else.

A run folder holds results.jsonl, and beside it timeline.jsonl and run.json; or, where workers of pytest-xdist had a
bench each, these two in a folder for each worker: see `hil.run_folder`. Events have the numbers that they have on the
run's own timeline, the merged one. They are read when somebody asks for them, and not kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from hil import facts
from hil.attribution import Attribution
from hil.diagnose import CANNOT_TELL, Diagnosis, boards, cannot_tell, diagnose, stretches
from hil.diagnose.case import Case
from hil.diagnose.looking_back import looked_at
from hil.report import results, since
from hil.report.results import Phase, Result
from hil.report.since import Since
from hil.run_folder import TIMELINE, merged_timeline, timelines_of_workers
from hil.timeline import Event, Stored, stored


class RunError(Exception):
    """A folder that holds no run. One line: what was found, what is expected."""


@dataclass
class Part:
    """What one bench of a run left: `name` is its worker's, or '' where there is one bench."""

    name: str
    folder: Path
    facts: Mapping[str, Any]
    events: Stored

    def of(self, *kinds: tuple[str, str]) -> Iterator[Event]:
        """The events of these kinds, each a source and a kind, in order."""
        return self.events.window(0, len(self.events), lambda source, kind, board: (source, kind) in kinds)

    @property
    def wall_offset(self) -> float:
        """What to add to a monotonic time to have seconds since 1970."""
        return self.events[0].wall - self.events[0].monotonic if self.events else 0.0


@dataclass
class Run:
    """`results` in order of their beginning; `parts` in order of their names; `since`: see `hil.report.since`."""

    folder: Path
    results: list[Result]
    parts: list[Part] = field(default_factory=list)
    since: Since = field(default_factory=dict)
    _diagnosed: dict[int, list[Diagnosis]] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """That of its folder."""
        return self.folder.resolve().name

    @property
    def facts(self) -> Mapping[str, Any]:
        """What its first bench said of rig, host and tools; empty where run.json is missing."""
        return next((part.facts for part in self.parts if part.facts), {})

    @property
    def boards(self) -> list[str]:
        """The names of its boards: those of the rig, and others that had tests."""
        return list(dict.fromkeys([*self.facts.get("boards", {}), *(result.board for result in self.results)]))

    @property
    def began(self) -> float:
        """Seconds since 1970; 0 if nothing tells."""
        told = [float(part.facts["began"]) for part in self.parts if part.facts]
        told += [part.events[0].wall for part in self.parts if part.events]
        told += [result.phases[0].wall - result.phases[0].seconds for result in self.results]
        return min(told, default=0.0)

    @property
    def ended(self) -> float:
        """Seconds since 1970."""
        told = [part.events[-1].wall for part in self.parts if part.events]
        told += [result.phases[-1].wall for result in self.results]
        return max(told, default=self.began)

    @cached_property
    def attribution(self) -> Attribution:
        """Whose the messages are that a monitor saw; workers that share a broker see those of each other's boards."""
        return Attribution.told_by(event for part in self.parts for event in part.of(("board", "contract")))

    def part_of(self, result: Result) -> Part | None:
        """The bench that a test ran on; None where its timeline is not there."""
        named = {part.name: part for part in self.parts}
        return named.get(result.worker or "") or named.get("")

    def ended_of(self, result: Result) -> float:
        """When a test ended (monotonic seconds); one that the run ended before went on until its bench did."""
        part = self.part_of(result)
        if result.ended_well or part is None or not part.events:
            return result.ended
        later = [one.began for one in self.results if one.began > result.began and self.part_of(one) is part]
        return max(result.ended, min(later, default=part.events[-1].monotonic))

    def events_of(self, result: Result) -> list[Event]:
        """What the timeline shows of a test: its board's events, and those of no board, from set-up to tear-down.

        Messages on topics of other boards are theirs: see `hil.attribution`.
        """
        part = self.part_of(result)
        if part is None:
            return []
        first, last = part.events.span(result.began, self.ended_of(result))
        found = part.events.window(first, last, lambda source, kind, board: board in (None, result.board))
        return [event for event in found if self.attribution.of(event) in (None, result.board)]

    def diagnoses(self, result: Result) -> list[Diagnosis]:
        """The probable causes of a failure, ranked; empty where the test did not fail, or nobody looked on."""
        if id(result) not in self._diagnosed:
            self._diagnosed[id(result)] = self._diagnose(result)
        return self._diagnosed[id(result)]

    def _diagnose(self, result: Result) -> list[Diagnosis]:
        part = self.part_of(result)
        if result.failed_at is None or part is None or not part.events:
            return []
        first, last = part.events.span(result.began, result.failed_at)
        if first >= last:
            return []
        starts = part.events.window(first, last, lambda *about: about == ("test", "start", result.board))
        started = next(starts, None)  # the board was ready then, and the test's own doing began
        if started is not None:
            first = part.events.position(started.sequence)
        events = looked_at(part.events, result.board, first, last)
        after, before = part.events[first].sequence, part.events[last - 1].sequence + 1
        try:
            found = diagnose(events, result.board, after=after, before=before, until=result.failed_at)
        except (KeyError, TypeError, ValueError) as error:  # events of another version of hil, or made by hand
            why = f"The timeline could not be read for causes: {error!r}. Its events are those of another hil."
            return [Diagnosis(CANNOT_TELL, "Cannot tell from outside", why, (), (), (), 0.1)]
        return found or [cannot_tell(Case(events, result.board, after=after, before=before))]


def read(folder: Path) -> Run:
    """The run in `folder`. A run without results (such as of `hil monitor`) has a test for each on its timeline.

    Raises RunError for a folder that holds no run, ValueError for a file in it that is damaged, OSError.
    """
    if not folder.is_dir():
        raise RunError(f"{folder}: found {'a file' if folder.exists() else 'nothing'}, expected the folder of a run")
    parts = list(_parts(folder))
    file = folder / results.FILE
    if not parts and not file.exists():
        raise RunError(f"{folder}: found neither {results.FILE} nor {TIMELINE}, expected the folder of a run")
    found = results.read(file) if file.exists() else [r for part in parts for r in _from_timeline(part)]
    return Run(folder, found, parts, since.read(folder))


def _parts(folder: Path) -> Iterator[Part]:
    workers = timelines_of_workers(folder)
    if not workers:
        if (folder / TIMELINE).exists():
            found = stored(folder / TIMELINE)
            yield from (Part(name, folder, _facts(folder / facts.FILE), found[name]) for name in found)
        return
    merged = merged_timeline(folder)
    numbered = stored(merged) if merged is not None else {}
    for name, path in workers.items():
        events = numbered.get(name) or stored(path).popitem()[1]
        yield Part(name, path.parent, _facts(path.parent / facts.FILE), events)


def _facts(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ValueError(f"{path}: not JSON ({error}); delete it to do without") from None
    if not isinstance(found, dict) or "began" not in found:
        raise ValueError(f"{path}: found no 'began', expected what hil wrote; delete it to do without")
    return found


def _from_timeline(part: Part) -> Iterator[Result]:
    """Tests without a result: what they came to is not known."""
    for board in boards(part.events):
        for stretch in stretches(part.events, board):
            end = part.events[-1].sequence + 1 if stretch.before is None else stretch.before
            first, last = part.events.position(stretch.after), part.events.position(end)
            if first >= last:
                continue
            began, ended = part.events[first], part.events[last - 1]
            seconds = ended.monotonic - began.monotonic
            phase = Phase("setup", "passed", began.monotonic, ended.monotonic, ended.wall, seconds)
            title = stretch.name.split("[")[0]
            yield Result(stretch.name, stretch.name, board, title, part.name or None, "", "", None, [], "", [phase])
