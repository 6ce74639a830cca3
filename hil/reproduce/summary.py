"""What trials of a case come to: how often it fails as reported, after how long, and whether that is the failure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from hil.evidence import Interval, wilson
from hil.evidence.survival import Duration, Watched, middle, time_until
from hil.reproduce.difference import Difference
from hil.reproduce.reported import Compared
from hil.reproduce.trial import Outcome, Trial


class Finding(StrEnum):
    """Whether the failure is the one that was reported."""

    REPRODUCED = "reproduced"
    """At least one trial failed as reported, and none otherwise."""
    BESIDE_OTHERS = "reproduced, beside other failures"
    OTHERWISE = "fails, but not as reported"
    NOT_REPRODUCED = "not reproduced"
    NOTHING_RAN = "nothing could be tried"


@dataclass(frozen=True, slots=True)
class Summary:
    """All that is said of a run. `difference`: None where there is none to see; `compared`: with what, in words.

    `reported`: the field's files beside the failing trials.
    """

    trials: Sequence[Trial]
    difference: Difference | None = None
    compared: str = ""
    reported: Sequence[Compared] = ()

    def of(self, *outcomes: Outcome) -> list[Trial]:
        """The trials with these outcomes."""
        return [trial for trial in self.trials if trial.outcome in outcomes]

    @property
    def tried(self) -> list[Trial]:
        """Those in which the board was tried."""
        return [trial for trial in self.trials if trial.outcome.counts]

    @property
    def finding(self) -> Finding:
        """The verdict."""
        as_reported, otherwise = self.of(Outcome.REPRODUCED), self.of(Outcome.OTHER)
        if as_reported:
            return Finding.BESIDE_OTHERS if otherwise else Finding.REPRODUCED
        if otherwise:
            return Finding.OTHERWISE
        return Finding.NOT_REPRODUCED if self.tried else Finding.NOTHING_RAN

    @property
    def rate(self) -> Interval:
        """Between what the rate of the reported failure lies."""
        return wilson(len(self.of(Outcome.REPRODUCED)), len(self.tried))

    @property
    def time_to_failure(self) -> Duration:
        """The median of the trials that failed as reported, from the first step of the trial on."""
        return middle([trial.seconds for trial in self.of(Outcome.REPRODUCED)])

    @property
    def half_failed(self) -> Duration:
        """After how long half of all trials have failed as reported, those that ended before allowed for."""
        return time_until(Watched(trial.seconds, trial.outcome is Outcome.REPRODUCED) for trial in self.tried)

    def lines(self) -> list[str]:
        """For people."""
        count, tried = len(self.of(Outcome.REPRODUCED)), len(self.tried)
        found = [f"{self.finding}: fails as reported {count} of {tried} times"]
        if tried:
            found[0] += f" ({self.rate} with {self.rate.confidence:.0%} confidence)"
        boards = list(dict.fromkeys(sorted(trial.board for trial in self.tried)))
        if len(boards) > 1:
            found.append("  on " + ", ".join(self._on(board) for board in boards))
        found += [f"  on firmware {', '.join(firmwares)}" for firmwares in [self._firmwares()] if firmwares]
        found += self.time_lines()
        if self.difference is not None:
            found += [f"  {line}" for line in self.difference.lines()]
        if self.compared:
            found.append(f"  compared: {self.compared}")
        found += [f"  {one}" for one in self.reported]
        return found + self.remarks()

    def time_lines(self) -> list[str]:
        """After how long it fails, for people."""
        failing = self.time_to_failure
        if failing.seconds is None:
            return []
        lines = [f"  time to failure: {failing.seconds:.2f} s, the median{_range(failing)}"]
        half = self.half_failed
        if half.seconds is not None and len(self.of(Outcome.REPRODUCED)) < len(self.tried):
            lines.append(f"  half of all trials have failed after {half.seconds:.2f} s{_range(half)}")
        return lines

    def remarks(self) -> list[str]:
        """What else became of trials, and why, for people."""
        return [
            f"  {words}, {number} times: {why}"
            for outcome, words in ((Outcome.OTHER, "failed otherwise"), (Outcome.NOT_RUN, "not run"))
            for why, number in Counter(trial.why for trial in self.of(outcome)).most_common(5)
        ]

    def facts(self) -> dict[str, Any]:
        """As JSON can hold it; docs/reproduction.md has the keys."""
        return {
            "finding": str(self.finding),
            "counts": {str(outcome): len(self.of(outcome)) for outcome in Outcome},
            "rate": {
                "value": len(self.of(Outcome.REPRODUCED)) / len(self.tried) if self.tried else None,
                "low": self.rate.low,
                "high": self.rate.high,
                "confidence": self.rate.confidence,
            },
            "time_to_failure": asdict(self.time_to_failure),
            "half_failed": asdict(self.half_failed),
            "difference": None if self.difference is None else self.difference.facts(),
            "compared": self.compared,
            "reported": [one.facts() for one in self.reported],
            "trials": [trial.facts() for trial in self.trials],
        }

    def _on(self, board: str) -> str:
        ours = [trial for trial in self.tried if trial.board == board]
        return f"{board} {sum(trial.outcome is Outcome.REPRODUCED for trial in ours)} of {len(ours)}"

    def _firmwares(self) -> list[str]:
        return list(dict.fromkeys(trial.firmware for trial in self.tried if trial.firmware))


def _range(duration: Duration) -> str:
    if duration.low is None or duration.high is None:
        return ""
    return f" ({duration.low:.2f} to {duration.high:.2f} s with {duration.confidence:.0%} confidence)"
