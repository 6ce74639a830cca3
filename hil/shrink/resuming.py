"""A runner that knows what was tried before an interruption.

Which smaller case is tried next hangs on nothing but what became of the trials before. So a shrinking that is begun
anew, and is told the same outcomes in the same order, comes to the place where it was, and goes on from there.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from hil.cases import Case
from hil.cases.writing import text
from hil.reproduce.firmwares import identity
from hil.reproduce.journal import Journal
from hil.reproduce.trial import Runner, Trial


class Resuming:
    """Tells the journal's trials of a case first, and has `run` try it after that. `told` hears each new trial."""

    def __init__(self, run: Runner, journal: Journal, told: Callable[[Trial], None]) -> None:
        self._run, self._journal, self._told = run, journal, told
        self._known: dict[str, deque[Trial]] = {}
        for entry in journal.entries:
            # What could not be run is tried again: the bench may be well by now.
            if entry.trial is not None and entry.trial.outcome.counts:
                self._known.setdefault(entry.of, deque()).append(entry.trial)

    @property
    def known(self) -> int:
        """How many trials are known that nobody has asked for yet."""
        return sum(map(len, self._known.values()))

    def __call__(
        self, case: Case, *, times: int, stop: Callable[[Sequence[Trial]], bool] | None = None
    ) -> Iterator[Trial]:
        """See `hil.reproduce.trial.Runner`."""
        key = content(case)
        known, done = self._known.get(key, deque()), list[Trial]()
        while known and len(done) < times:
            done.append(known.popleft())
            yield done[-1]
            if stop is not None and stop(done):
                return
        if len(done) == times:
            return
        for trial in self._run(case, times=times - len(done), stop=stop):
            self._journal.trial(key, trial)
            self._told(trial)
            yield trial


def content(case: Case) -> str:
    """What makes it this case: its file's hash."""
    return hashlib.sha256(text(case.file).encode()).hexdigest()


def asked(case: Case) -> dict[str, str | None]:
    """What a journal is of: trials of another case, or of another firmware, must not be taken for this one's.

    Raises OSError.
    """
    image = case.firmware.image
    return {
        "case": case.name,
        "content": content(case),
        "image": identity(case.resolve(image)) if image is not None else None,
    }
