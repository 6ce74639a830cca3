"""Watches one trial on the timeline until it is known what became of it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from hil.attempts import Attempt, End, attempts
from hil.bench import Bench
from hil.board import Board
from hil.cases import TrialTable
from hil.cases.signature import Signature
from hil.diagnose import Diagnosis
from hil.reproduce.signature import Matching, State, cause_of, diagnosed, matching, words_of
from hil.reproduce.trial import Outcome
from hil.timeline import Event, NoSuchEvent

_SURE = 0.6
"""How sure a diagnosis must be to call a trial a failure that ended in no other way."""
_SLICE = 0.5
"""Seconds after which a wait looks whether somebody wants it to end."""
_TELLING = ("gateway", "link", "board", "time")
"""Sources whose events may decide a trial, beside those that the signature names."""


class Stopped(Exception):
    """Somebody wants the trials to end; this one is not known."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a trial. `seconds`: from its first step to the failure, or to its end; `why`: one line.

    `evidence`: a line for each step of the signature that was seen.
    """

    outcome: Outcome
    seconds: float
    why: str
    evidence: tuple[str, ...] = ()


@dataclass
class Watch:
    """One trial of `board`. `first`: the position of its first event; `after`: where the signature begins to look.

    `stopped`: set when it is to end at once.
    """

    bench: Bench
    board: Board
    plan: TrialTable
    signature: Signature
    first: int
    after: int
    stopped: threading.Event
    began: float = field(default_factory=time.monotonic)
    _found: Matching = field(default=Matching(State.OPEN), init=False)
    _verdict: Verdict | None = field(default=None, init=False)
    _waited: int = field(default=0, init=False)
    """The timeline's position at which the last pause ended: what came since may have been looked at, or not."""

    def __post_init__(self) -> None:
        patterns = [*self.signature.seen, *self.signature.never]
        self._wanted = [pattern.match(self.board.name, self.board.online_event()) for pattern in patterns]

    @property
    def ends(self) -> float:
        """When the trial is over at the latest, in monotonic seconds."""
        return self.began + self.plan.limit

    @property
    def decided(self) -> bool:
        """Whether it is known what became of the trial."""
        return self._verdict is not None

    def comes_online(self, seconds: float) -> bool:
        """Wait for so long for the board to be online, whatever else happens. Raises Stopped."""
        moment = time.monotonic() + seconds
        while self._online_since() is None:
            if time.monotonic() >= moment:
                return False
            self._pause(moment)
        return True

    def wait(self, seconds: float, *, until_online: bool = False) -> None:
        """Let so much of the trial pass; less if it is decided, or over, or if being online is waited for and comes.

        Raises Stopped.
        """
        moment = min(time.monotonic() + seconds, self.ends)
        while self._verdict is None and time.monotonic() < moment:
            self._look()
            if until_online and self._online_since() is not None:
                return
            if self._verdict is None:
                self._pause(moment)

    def verdict(self) -> Verdict:
        """Watch on, all steps being done, until it is known what became of the trial. Raises Stopped."""
        while self._verdict is None:
            now = time.monotonic()
            self._look()
            since = self._online_since() if self.plan.good == "online" else None
            settled = None if since is None else since + self.plan.settle
            if self._verdict is not None:
                break
            if settled is not None and now >= settled:
                self._verdict = Verdict(Outcome.PASSED, now - self.began, f"online for {self.plan.settle:g} s")
            elif now >= self.ends:
                self._verdict = self._at_the_limit()
            else:
                self._pause(min(self.ends, settled or self.ends))
        return self._verdict

    # -- inside ----------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Lay the signature over what is there; if the failure is there, that is the verdict."""
        now = time.monotonic()
        events = self.bench.timeline.events(after=self.after)
        self._found = matching(
            self.signature,
            events,
            self.board.name,
            began=self.began,
            until=now,
            limit=self.plan.limit,
            online=self.board.online_event(),
        )
        if self._found.state is not State.SEEN:
            return
        missing = cause_of(self.signature, self._events(), self.board.name, self.first, now)
        if missing is not None:
            self._found = Matching(State.OPEN, self._found.evidence, missing, now + _SLICE)
            return
        evidence = self._found.evidence
        failed = evidence[-1][-1].monotonic if evidence else now
        lines = tuple(words_of(evidence, self.began))
        why = lines[-1].split("  ", 1)[-1] if lines else "nothing came that the failure does not have"
        self._verdict = Verdict(Outcome.REPRODUCED, max(0.0, failed - self.began), why, lines)

    def _pause(self, moment: float) -> None:
        """Until something comes that may decide, or that moment, or the one at which the signature wants to know."""
        if self.stopped.is_set():
            raise Stopped
        now = time.monotonic()
        until = min(moment, self._found.due if self._found.due > now else moment, now + _SLICE)
        timeline = self.bench.timeline
        with contextlib.suppress(NoSuchEvent):
            timeline.wait(self._telling, timeout=max(0.0, until - now), after=max(self._waited, self.after))
        self._waited = timeline.mark()

    def _telling(self, event: Event) -> bool:
        if event.board == self.board.name and event.source in _TELLING:
            return True
        return any(match(event) for match in self._wanted)

    def _events(self) -> list[Event]:
        """The trial's events, with what the board's contract says before them: what a diagnosis asks for."""
        timeline = self.bench.timeline
        contract = timeline.events(
            lambda e: e.board == self.board.name and (e.source, e.kind) == ("board", "contract"), before=self.first
        )
        return [*contract[-1:], *timeline.events(after=self.first)]

    def _attempts(self) -> list[Attempt]:
        return attempts(self.bench.timeline.events(after=self.first), self.board.name)

    def _online_since(self) -> float | None:
        """Since when it is online, in monotonic seconds; None if it is not."""
        match, timeline = self.board.online_event(), self.bench.timeline
        if self.bench.gateway is None:
            seen = timeline.events(match, after=max(self.first, self.board.started()))
            return seen[0].monotonic if seen else None
        tried = self._attempts()
        if not tried or tried[-1].end is not End.ALIVE or not tried[-1].accepted_by_broker:
            return None
        seen = timeline.events(match, after=tried[-1].events[0].sequence)
        return seen[0].monotonic if seen else None

    def _at_the_limit(self) -> Verdict:
        now = time.monotonic()
        seconds, lines = now - self.began, tuple(words_of(self._found.evidence, self.began))
        found = diagnosed(self._events(), self.board.name, self.first, now)
        if self.plan.good == "online":
            if self._online_since() is not None:
                return Verdict(Outcome.PASSED, seconds, "online at the end", lines)
            return Verdict(Outcome.OTHER, seconds, self._otherwise(found), lines)
        sure = [one for one in found if one.confidence >= _SURE]
        if sure:
            return Verdict(Outcome.OTHER, seconds, self._otherwise(sure), lines)
        return Verdict(Outcome.PASSED, seconds, f"not seen within {self.plan.limit:g} s", lines)

    def _otherwise(self, found: Sequence[Diagnosis]) -> str:
        """How it failed, where that is not as was reported."""
        tried = self._attempts()
        how = f"{found[0].title} ({found[0].cause})" if found else str(tried[-1]) if tried else "no connection"
        return f"{how}; of the reported failure: {self._found.missing or 'nothing'}"
