"""What the history's answers say in words: the same in a terminal and on a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from hil.history.firmware_names import short
from hil.history.questions import Drift, Flaky, Lonely, Regression
from hil.history.window import Run

Cell = tuple[int, str]
"""A board's id and a scenario's title."""

_BARS = "▁▂▃▄▅▆▇█"


def rate(failed: int, tries: int) -> str:
    """3 of 40 (8%)."""
    return f"{failed} of {tries}" + (f" ({failed / tries:.0%})" if tries else "")


def since(one: Regression) -> str:
    """Since when, and since which firmware."""
    if one.good is None:
        return f"failed in all {one.tries} of these runs" if one.tries > 1 else "failed in its only run here"
    how = "broken" if one.kind == "broken" else "fails more often"
    if one.new_firmware:
        return f"{how} since {one.since.name}, with {', good with '.join(short(one.firmware, one.good_firmware))}"
    return f"{how} since {one.since.name}, with the same firmware, {short(one.firmware)[0]}"


def certainty(one: Regression) -> str:
    """Whether it is more than what happened before."""
    if one.good is None:
        return "there is no good one to compare with"
    if not one.sure:
        return f"may be chance ({chance(one.chance)}): it failed {rate(one.failed_before, one.tries_before)} before"
    return f"failed {rate(one.failed, one.tries)}, {rate(one.failed_before, one.tries_before)} before"


def tally(one: Regression) -> str:
    """How often it failed since then, and before."""
    before = f", {one.failed_before} of {one.tries_before} before" if one.tries_before else ""
    return f"{one.failed} of {one.tries} failed{before}"


@dataclass(frozen=True, slots=True)
class Broke:
    """Regressions of one scenario that began at the same run with the same firmware: each on a board of its own."""

    regressions: Sequence[Regression]

    @property
    def scenario(self) -> str:
        """Its title."""
        return self.regressions[0].scenario

    @property
    def sure(self) -> bool:
        """Whether each of them is."""
        return self.regressions[0].sure

    @property
    def never(self) -> bool:
        """Whether none has passed in these runs."""
        return self.regressions[0].good is None

    @property
    def quarantined(self) -> bool:
        """Whether all of them may fail for a while."""
        return all(one.quarantined for one in self.regressions)

    @property
    def since(self) -> str:
        """Since when, and since which firmware."""
        return since(self.regressions[0])

    def alike(self, courses: Mapping[Cell, Sequence[object]]) -> list[list[Regression]]:
        """Boards whose results are the same in all runs, `courses` by board and scenario, stand together."""
        groups: list[list[Regression]] = []
        for one in self.regressions:
            course = courses[one.board.id, one.scenario]
            same = (group for group in groups if courses[group[0].board.id, one.scenario] == course)
            group = next((group for group in same if group[0].board.rig == one.board.rig), None)
            if group is None:
                groups.append([one])
            else:
                group.append(one)
        return groups


@dataclass(frozen=True, slots=True)
class Outbreak:
    """What broke at one run with one firmware. `new`: at the newest run of its rig."""

    broke: Sequence[Broke]
    new: bool

    @property
    def words(self) -> str:
        """Since when, since which firmware, and how many scenarios."""
        count = len(self.broke)
        return f"{'new: ' if self.new else ''}{self.broke[0].since}: {count} scenario{'s' * (count > 1)}"


def why(group: Broke, reasons: Mapping[Cell, str]) -> str:
    """Why it failed in the newest run, as the first of the boards says it; '' where it passed there."""
    told = (reasons.get((one.board.id, one.scenario)) for one in group.regressions)
    return next((reason for reason in told if reason), "")


def at_once(found: Sequence[Regression]) -> list[Broke]:
    """What broke on several boards at once stands once; in the order of the first of each."""
    groups: dict[tuple[object, ...], list[Regression]] = {}
    for one in found:
        groups.setdefault((one.scenario, one.sure, one.good is None, since(one)), []).append(one)
    return [Broke(group) for group in groups.values()]


def outbreaks(groups: Sequence[Broke], newest: Sequence[Run]) -> list[Outbreak]:
    """What is sure, put together by the run and the firmware at which it began. `newest`: the newest runs."""
    keys = {run.key for run in newest}
    found: dict[tuple[str, str], list[Broke]] = {}
    for group in groups:
        if group.sure:
            found.setdefault((group.regressions[0].since.key, group.since), []).append(group)
    return [Outbreak(broke, key in keys) for (key, _), broke in found.items()]


def chance(p: float) -> str:
    """A probability with as many digits as it is worth."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"


def moved(one: Drift) -> str:
    """From where to where, and how."""
    change, unit = one.change, f" {one.unit}" if one.unit else ""
    return f"{figure(change.before)} to {figure(change.after)}{unit} ({part(change.ratio)})"


def part(ratio: float) -> str:
    """By how much of what it was."""
    return f"{ratio:+.0%}" if abs(ratio) < 100 else "from nothing"


def how(one: Drift) -> str:
    """A step with its run and firmware, or a drift with its slope."""
    unit = f" {one.unit}" if one.unit else ""
    if one.change.kind == "step":
        firmware = f", with {one.firmware}" if one.firmware != one.firmware_before else ", with the same firmware"
        return f"step at {one.since.name}{firmware}"
    return f"drift of {one.change.slope:+.3g}{unit} a run ({one.change.low:+.3g} to {one.change.high:+.3g})"


@dataclass(frozen=True, slots=True)
class Moved:
    """Drifts of one board and one measurement in the same direction: the largest of them, and in how many scenarios."""

    drift: Drift
    scenarios: int

    @property
    def where(self) -> str:
        """In which scenarios."""
        if not self.drift.scenario:
            return "whatever the scenario"
        more = f" and {self.scenarios - 1} more" if self.scenarios > 1 else ""
        return f"in '{self.drift.scenario}'{more}"

    @property
    def direction(self) -> str:
        """To the good or to the bad side."""
        return "worse" if self.drift.worse else "better"


def together(drifts: Sequence[Drift]) -> list[Moved]:
    """What moved on a board moves in many scenarios at once: one entry for all of them."""
    groups: dict[tuple[int, str, bool], list[Drift]] = {}
    for one in drifts:
        groups.setdefault((one.board.id, one.name, one.worse), []).append(one)
    return [Moved(group[0], len(group)) for group in groups.values()]


def alone(one: Lonely) -> str:
    """How often, of how many."""
    return (
        f"{one.alone} of the {one.runs} runs in which one board failed alone; chance would make it {one.expected:.1f}"
    )


def flakiness(one: Flaky) -> str:
    """The rate and its range."""
    return f"{rate(one.failed, one.tries)}, truly {one.rate}"


def measured(figures: Mapping[str, tuple[float, str]]) -> str:
    """Each measurement with its value."""
    return ", ".join(f"{name} {figure(value)} {unit}".strip() for name, (value, unit) in figures.items())


def mark(quarantined: bool) -> str:
    """Behind what is in quarantine."""
    return " (quarantined)" if quarantined else ""


def figure(value: float) -> str:
    """A number for people: whole ones whole, others with three digits that count."""
    return f"{value:.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.3g}"


def bars(values: Sequence[float], most: int = 40) -> str:
    """The values as a row of at most so many bars from the lowest to the highest; of too many, neighbours are joined
    to their median."""
    edges = [round(n * len(values) / most) for n in range(most + 1)] if len(values) > most else range(len(values) + 1)
    few = [median(values[a:b]) for a, b in pairwise(edges)]
    low, high = min(few, default=0.0), max(few, default=0.0)
    reach = (high - low) or 1.0
    return "".join(_BARS[round((value - low) / reach * (len(_BARS) - 1))] for value in few)


def marks(verdicts: Sequence[str]) -> str:
    """A letter a run: . pass, w WARN, ~ flaky, F FAIL, E ERROR, - n/a; a gap where it did not run."""
    letters = {"": " ", "pass": ".", "WARN": "w", "flaky": "~", "FAIL": "F", "ERROR": "E", "n/a": "-"}
    return "".join(letters.get(verdict, "?") for verdict in verdicts)
