"""Makes a case smaller as long as it goes on failing, and keeps all of which that is not shown.

    shrinking = Shrinking(case, Plan())
    for line in shrinking.go(run):
        print(line)
    print(shrinking.result().case)

First it is counted how often the whole case fails. Then whole conditions are left out, then elements of their lists,
then numbers are lowered; and once more from the beginning, until nothing of what is left can be taken away alone: left
out, put to its least, or halved. Where a limited number of trials does not show whether it can, it stays.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from hil.cases import Case
from hil.reproduce.trial import Runner
from hil.shrink.guessing import Guess
from hil.shrink.parts import Number, Place, elements, numbers, smaller
from hil.shrink.tried import Barren, Count, Plan, Trying

_TESTS: Final = 3
"""So many smaller cases are tried for each condition and each element, at most."""
_HALVINGS: Final = 6
"""A number is halved so often, at most: to a 64th."""

State = tuple[frozenset[Place], tuple[tuple[str, float], ...]]


class Ending(StrEnum):
    """How it ended, or that it did not."""

    SMALLEST = "the failure needs each part that is left, or it is in doubt"
    NEVER_FAILED = "the whole case did not fail as reported"
    GIVEN_UP = "no more smaller cases are tried, so that the chance of an error stays as small as was asked"
    UNFINISHED = "not finished"


@dataclass(frozen=True, slots=True)
class Kept:
    """A part that is left. `without`: what became of the case without it. `needed`: whether that shows it."""

    name: str
    without: Count
    needed: bool


@dataclass(frozen=True, slots=True)
class Less:
    """A number that was lowered."""

    name: str
    before: float
    now: float


@dataclass(frozen=True, slots=True)
class Result:
    """`case`: the smallest so far. `whole` and `last`: counts of the case as it was, and of the smallest.

    `removed` and `kept`: conditions, and elements of lists in those that are left; `less`: numbers in them.
    """

    ending: Ending
    case: Case
    removed: tuple[str, ...]
    kept: tuple[Kept, ...]
    less: tuple[Less, ...]
    whole: Count
    last: Count
    trials: int


@dataclass(frozen=True, slots=True)
class _Refusal:
    """`state`: what was gone when it was tried without this, too."""

    state: State
    count: Count
    needed: bool


class Shrinking:
    """One shrinking of a case. `go` does it; `result` may be asked at any time."""

    def __init__(self, case: Case, plan: Plan) -> None:
        self._case = case
        self._conditions = [Place(condition.name, ()) for condition in case.conditions]
        self._elements = elements(case) if plan.within else []
        self._numbers = {number.place: number for number in numbers(case)} if plan.within else {}
        parts = len(self._conditions) + len(self._elements)
        self._trying = Trying(plan, _TESTS * parts + (_HALVINGS + 2) * len(self._numbers))
        self._gone: frozenset[Place] = frozenset()
        self._lowered: dict[Place, float] = {}
        self._refusals: dict[Place, _Refusal] = {}
        self._last: Count | None = None
        self._ending = Ending.UNFINISHED

    def result(self) -> Result:
        """What is known now."""
        refusals = {place: self._refusals.get(place) for place in self._left([*self._conditions, *self._elements])}
        kept = [
            Kept(place.name, told.count, told.needed) if told else Kept(place.name, Count(), False)
            for place, told in refusals.items()
            if not place.path or (told is not None and told.count.tries)
        ]
        less = [
            Less(place.name, self._numbers[place].value, now) for place, now in self._lowered.items() if self._is(place)
        ]
        removed = [place.name for place in [*self._conditions, *self._elements] if place in self._gone]
        case, last = smaller(self._case, self._gone, self._lowered) or self._case, self._last or self._trying.whole
        return Result(
            self._ending, case, tuple(removed), tuple(kept), tuple(less), self._trying.whole, last, self._trying.trials
        )

    def go(self, run: Runner) -> Iterator[str]:
        """Do it; yields a line for each thing that is known. Raises what `run` raises."""
        try:
            self._trying.measure(self._case, run)
            whole = self._trying.whole
            yield f"the whole case fails {whole.failed} of {whole.tries} times"
            if not whole.failed:
                self._ending = Ending.NEVER_FAILED
                return
            before: State | None = None
            while before != self._state:
                before = self._state
                yield from self._remove(self._conditions, run)
                yield from self._remove(self._elements, run)
                yield from self._lower(run)
            self._ending = Ending.SMALLEST
        except Barren:
            yield "given up: the bench fails all the time"
        except _Spent:
            self._ending = Ending.GIVEN_UP
            yield "given up: no more smaller cases are tried; what is left stays"

    # -- what is left out ------------------------------------------------------------------------------------------

    def _remove(self, places: Sequence[Place], run: Runner) -> Iterator[str]:
        """Leave out what can be, of these; what was needed beside others that are gone by now is tried again."""
        while doubtful := self._left(place for place in places if not self._is_judged(place)):
            named = {place.name: place for place in doubtful}
            guess = Guess(list(named), again={place.name for place in doubtful if place in self._refusals})
            while out := guess.next():
                verdict, count = yield from self._try(
                    f"without {', '.join(out)}", self._gone | {named[name] for name in out}, self._lowered, run
                )
                if verdict:
                    guess.gone(out)
                    continue
                guess.refused(out)
                if len(out) == 1:
                    self._refusals[named[out[0]]] = _Refusal(self._state, count, verdict is False)

    def _left(self, places: Iterable[Place]) -> list[Place]:
        return [place for place in places if place not in self._gone and self._is(place)]

    def _is(self, place: Place) -> bool:
        """Whether what it lies in is still there."""
        return not any(place != gone and place.owner == gone.owner and place.starts(gone.path) for gone in self._gone)

    def _is_judged(self, place: Place) -> bool:
        """Whether it is known to be needed in the case as it is now, or was in doubt: that is not looked at again."""
        known = self._refusals.get(place)
        return known is not None and (not known.needed or known.state == self._state)

    # -- what is lowered -------------------------------------------------------------------------------------------

    def _lower(self, run: Runner) -> Iterator[str]:
        """Put each number to its least if that will do, or else halve it as often as it will."""
        for place, number in self._numbers.items():
            if self._is(place) and not self._is_judged(place):
                yield from self._lower_one(number, run)

    def _lower_one(self, number: Number, run: Runner) -> Iterator[str]:
        now = replace(number, value=self._lowered.get(number.place, number.value))
        if now.value == now.least:
            return
        verdict, count = yield from self._put(now, now.least, run)
        if verdict:
            return
        for _ in range(_HALVINGS):
            if now.half in (now.value, now.least):
                break
            verdict, count = yield from self._put(now, now.half, run)
            if not verdict:
                break
            now = replace(now, value=now.half)
        self._refusals[now.place] = _Refusal(self._state, count, verdict is False)

    def _put(self, number: Number, value: float, run: Runner) -> Generator[str, None, tuple[bool | None, Count]]:
        words = f"with {number.place.name} = {value:g} in place of {number.value:g}"
        return (yield from self._try(words, self._gone, {**self._lowered, number.place: value}, run))

    # -- one smaller case ------------------------------------------------------------------------------------------

    @property
    def _state(self) -> State:
        return self._gone, tuple(sorted((place.name, value) for place, value in self._lowered.items()))

    def _try(
        self, words: str, gone: frozenset[Place], lowered: dict[Place, float], run: Runner
    ) -> Generator[str, None, tuple[bool | None, Count]]:
        """Whether it goes on failing so; then that is the case from now on. One that cannot be does not fail."""
        case = smaller(self._case, gone, lowered)
        if case is None:
            return False, Count()
        if not self._trying.left:
            raise _Spent
        yield f"{words}:"
        verdict, count = self._trying.test(case, run)
        if verdict:
            self._gone, self._lowered, self._last = gone, lowered, count
        told = {True: "will do", False: "will not do", None: "in doubt"}[verdict]
        yield f"  fails {count.failed} of {count.tries} times: {told}"
        return verdict, count


class _Spent(Exception):
    """As many smaller cases were tried as the error that is put up with allows."""
