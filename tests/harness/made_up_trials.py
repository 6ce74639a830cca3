"""A runner without a bench: trials by chance, at rates that a test says."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hil.reproduce import Outcome, Trial

#: The chance that a case fails as reported, and the chance that it fails otherwise, on a board.
Rates = Callable[[Any, str], tuple[float, float]]


class MadeUpRunner:
    """Boards that fail by chance. `asked` keeps, in order, of what case how many trials were asked for."""

    def __init__(self, rates: Rates, *, boards: Sequence[str] = ("a",), seed: int = 1, not_run: float = 0.0) -> None:
        self.rates = rates
        self.boards = list(boards)
        self.not_run = not_run
        self.asked: list[tuple[Any, int]] = []
        self.trials = 0
        self._dice = random.Random(seed)

    def __call__(
        self, case: Any, *, times: int, stop: Callable[[Sequence[Trial]], bool] | None = None
    ) -> Iterator[Trial]:
        self.asked.append((case, times))
        done: list[Trial] = []
        for turn in range(times):
            board = self.boards[turn % len(self.boards)]
            self.trials += 1
            done.append(Trial(self.trials, board, str(case), self._outcome(case, board), 1.0, "made up"))
            yield done[-1]
            if stop is not None and stop(done):
                return

    def _outcome(self, case: Any, board: str) -> Outcome:
        if self._dice.random() < self.not_run:
            return Outcome.NOT_RUN
        reported, other = self.rates(case, board)
        drawn = self._dice.random()
        if drawn < reported:
            return Outcome.REPRODUCED
        return Outcome.OTHER if drawn < reported + other else Outcome.PASSED
