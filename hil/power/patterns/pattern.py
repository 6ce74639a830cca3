"""What all patterns of power cuts have in common: the thread, the switch, the events, and the end.

A thread of its own works the switch, since whoever records the event that a cut waits for must not be held up. What it
does stands on the timeline: the switch's `power` `on` and `off` as ever, and as `power` `fault` what was planned and
what became of it, each with {name, pattern, state}:

    armed     the pattern's own fields {shortest}           what the switch makes reliably, where that is known
    applied   {cut, planned, achieved, took, late, event}   the supply is gone
    restored  {cut, planned, achieved, late}                it is back
    failed    {reason}                                      the switch did not do it; the pattern is over
    cleared   {why, times}

Times are in seconds. Of `applied` they run from what the plan says (the pattern's start, the event that was waited
for, the last restore) to the switch's word that the supply is gone, `took` being the switch's own part of it. Of
`restored` they are those without supply.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Protocol

from hil.power import CannotCut, PowerError, PowerSwitch
from hil.timeline import Event, Match, NoSuchEvent, Timeline

#: Seconds to wait for the switch at the end of a block: each kind gives up by itself before that.
_PATIENCE = 60.0
_numbers = itertools.count(1)


class Cuttable(Protocol):
    """What is needed of a board."""

    @property
    def name(self) -> str: ...
    @property
    def power(self) -> PowerSwitch: ...
    @property
    def timeline(self) -> Timeline: ...


@dataclass(frozen=True, slots=True)
class Cut:
    """One cut as it came: `planned` and `achieved` as in the event `applied`, `took` by the switch alone.

    `without`: seconds until the supply was back, None: it stayed away. `late`: the cut or the restoring came later
    than planned by more than the pattern allows, so it may have missed what it was meant to hit.
    """

    number: int
    planned: float
    achieved: float
    took: float
    late: bool
    event: Event | None
    without: float | None = None


class Stopped(Exception):
    """The block has ended: nothing more is to be cut."""


class Pattern:
    """Plays `plan` in a thread between entering and leaving the block.

    `plan` calls this pattern's `cut` and `pause`; both raise Stopped when the block ends. `facts` stand in the `armed`
    event. `within`: seconds by which a cut may come later than planned. `hear` is called with each event of the
    timeline, in whatever thread records it. Leaving the block ends the plan at once, and restores the supply unless
    the plan meant it to stay away.
    """

    def __init__(
        self,
        board: Cuttable,
        name: str,
        plan: Callable[[Pattern], None],
        facts: dict[str, Any],
        *,
        within: float,
        hear: Callable[[Event], None] | None = None,
    ) -> None:
        self.board = board
        self.name = name
        self.cuts: list[Cut] = []
        self._plan = plan
        self._facts = facts
        self._within = within
        self._hear = hear
        self._number = next(_numbers)
        self._stop = threading.Event()
        self._error: PowerError | None = None
        self._owed = False  # the supply was cut, and is to be restored
        self._briefest = float("inf")  # the shortest cut that the plan asked for, in seconds
        self._armed: Event | None = None
        self._hush: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._play, name=f"hil-{name}-{board.name}", daemon=True)

    # -- for tests -------------------------------------------------------------------------------------------------

    def wait(self, *, timeout: float) -> list[Cut]:
        """Wait until the pattern has played to its end, and return its cuts.

        Raises PowerError if the switch failed, NoSuchEvent (with the stretch of the timeline) when time is up.
        """
        if self._armed is None:
            raise PowerError(f"{self._who}: wait() outside the block; write `with ... as cuts: cuts.wait(...)`")
        over = Match(self._ends, f"end of {self.name}", ("power", "fault", self.board.name))
        try:
            self.board.timeline.wait(over, timeout=timeout, after=self._armed.sequence)
        except NoSuchEvent as error:
            facts = ", ".join(f"{key}={value}" for key, value in self._facts.items())
            raise NoSuchEvent(f"{self.name} ({facts}), {len(self.cuts)} cuts made: {error}") from None
        self._raise()
        return list(self.cuts)

    def run(self, *, timeout: float = 3600.0) -> list[Cut]:
        """Enter the block, wait for the end of the pattern, leave; returns the cuts. Raises like `wait`."""
        with self:
            return self.wait(timeout=timeout)

    @property
    def finding(self) -> str | None:
        """What a test should tell if the switch was too slow for what was planned, or None."""
        late = [cut for cut in self.cuts if cut.late]
        if not late:
            return self._too_short()
        return (
            f"{self.name}: {len(late)} of {len(self.cuts)} power cuts came more than {self._within:g} s late (the "
            f"switch takes up to {max(cut.took for cut in self.cuts):.2g} s): they may have missed their moment"
        )

    def _too_short(self) -> str | None:
        """What a test should tell if cuts were asked for that this kind of switch does not make reliably, or None."""
        power = self.board.power
        if power.shortest is None or self._briefest >= power.shortest:
            return None
        return (
            f"{self.name}: power cuts of {self._briefest:.2g} s were asked for, and the {power.kind} switch makes none "
            f"below {power.shortest:g} s reliably: see the achieved times"
        )

    def __enter__(self) -> Pattern:
        if not self.board.power.can_cut:
            raise CannotCut(
                f"{self._who} needs a switch that can cut, found power kind {self.board.power.kind!r}: "
                "name a switch in the rig (docs/power.md)"
            )
        shortest = self.board.power.shortest
        self._armed = self._tell("armed", **self._facts, **({} if shortest is None else {"shortest": shortest}))
        if self._hear is not None:
            self._hush = self.board.timeline.listen(self._hear)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(_PATIENCE)
        if self._thread.is_alive():
            self._error = PowerError(
                f"{self._who}: the {self.board.power.kind} switch has not come back after {_PATIENCE:g} s; "
                "nobody knows whether the board has its supply"
            )
        if kind is None:
            self._raise()

    # -- for plans, in the pattern's thread ------------------------------------------------------------------------

    @property
    def start(self) -> float:
        """When the pattern began, as time.monotonic()."""
        return 0.0 if self._armed is None else self._armed.monotonic

    def pause(self, until: float) -> None:
        """Wait until that time.monotonic(). Raises Stopped at once when the block ends."""
        if self._stop.wait(max(0.0, until - time.monotonic())):
            raise Stopped

    def cut(
        self,
        off: float | None,
        *,
        since: float,
        planned: float,
        event: Event | None = None,
        over: Callable[[], None] = lambda: None,
    ) -> None:
        """Cut the supply, `planned` seconds after `since` (monotonic), and restore it `off` seconds later (None: not).

        A moment that has gone by is now. `over` is called once the supply is as it is to stay, before the timeline is
        told: who sees it there can count on what `over` has done. Raises PowerError, Stopped.
        """
        self.pause(since + planned)
        self._owed = off is not None
        self._briefest = self._briefest if off is None else min(self._briefest, off)
        told = time.monotonic()
        self.board.power.off()
        gone = time.monotonic()
        late = gone - since > planned + self._within
        cut = Cut(len(self.cuts) + 1, planned, gone - since, gone - told, late, event)
        self.cuts.append(cut)
        about = {} if event is None else {"event": event.sequence}
        if off is None:
            over()
        self._tell("applied", cut=cut.number, planned=planned, achieved=cut.achieved, took=cut.took, late=late, **about)
        if off is not None:
            stopped = self._stop.wait(max(0.0, gone + off - time.monotonic()))
            self._restore(off, gone, cut, over, cut_short=stopped)
            if stopped:
                raise Stopped

    # -- inside ----------------------------------------------------------------------------------------------------

    @property
    def _who(self) -> str:
        return f"power of {self.board.name}: {self.name}"

    def _play(self) -> None:
        why = "done"
        try:
            self._plan(self)
        except Stopped:
            why = "cleared"
        except PowerError as error:
            why = "failed"
            self._fail(error)
        except Exception as error:  # a plan's own mistake must end as clearly as a switch's
            why = "failed"
            self._fail(PowerError(f"{self._who} failed: {type(error).__name__}: {error}"))
        finally:
            self._hush()
            self._tell("cleared", why=why, times=len(self.cuts))

    def _raise(self) -> None:
        """Raise what went wrong, once."""
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _fail(self, error: PowerError) -> None:
        self._error = error
        self._tell("failed", reason=str(error))
        if self._owed:
            try:
                self.board.power.on()
            except PowerError as another:
                self._tell("failed", reason=f"the supply could not be restored: {another}")

    def _restore(self, planned: float, gone: float, cut: Cut, over: Callable[[], None], *, cut_short: bool) -> None:
        self.board.power.on()
        self._owed = False
        over()
        without = time.monotonic() - gone
        late = not cut_short and without > planned + self._within
        self.cuts[-1] = replace(cut, late=cut.late or late, without=without)
        self._tell("restored", cut=cut.number, planned=planned, achieved=without, late=late)

    def _ends(self, event: Event) -> bool:
        return event.source == "power" and (event.get("state"), event.get("pattern")) == ("cleared", self._number)

    def _tell(self, state: str, **data: Any) -> Event:
        return self.board.timeline.record(
            "power", "fault", self.board.name, name=self.name, pattern=self._number, state=state, **data
        )


def check_seconds(pattern: str, **values: float | None) -> None:
    """Raise ValueError for a duration that is none. None is fine."""
    for name, value in values.items():
        if value is not None and not 0 <= value < float("inf"):
            raise ValueError(f"{pattern}: {name} is {value}, expected a number of seconds, 0 or more")
