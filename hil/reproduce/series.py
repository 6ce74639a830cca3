"""Trials of one case on an open bench: a thread for each board does one after the other."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence

from hil.bench import FAULTS, Bench, BenchError
from hil.board import Board, NotPromised
from hil.cases import Case
from hil.cases.applying import lasting
from hil.flash.fingerprint import fingerprint
from hil.reproduce.attempt import attempt, signature_of
from hil.reproduce.needing import lacks
from hil.reproduce.trial import Outcome, Trial
from hil.reproduce.watching import Stopped, Verdict

GIVES_UP = 3
"""A board on which so many trials in a row could not be run gets no more."""
_PATIENCE = 20.0
"""Seconds that a board's thread gets to end when the trials are stopped; the bench then closes below it."""

#: What leaves a trial not run, with a message of one line.
_EXPECTED = (BenchError, NotPromised, *FAULTS)


def trials(
    case: Case,
    bench: Bench,
    boards: Sequence[Board],
    *,
    times: int,
    stop: Callable[[Sequence[Trial]], bool] | None = None,
    first: int = 1,
) -> Generator[Trial, None, None]:
    """Try `case` on these boards of an open bench, side by side; yields each trial as it ends, numbered from `first`.

    `stop`: see `hil.reproduce.trial.Runner`. The boards are made ready first; the case's firmware is left to the
    caller. When the iterator is closed, what runs is ended. Raises NoSignature.
    """
    signature_of(case)
    series = _Series(case, bench, times, first)
    found: list[Trial] = []
    try:
        series.start(boards)
        for trial in series.trials():
            found.append(trial)
            if stop is not None and stop(found):
                series.enough()
            yield trial
    finally:
        series.stop()


def name_of(case: Case, number: int) -> str:
    """What a trial is called on the timeline and in reports."""
    return f"{case.name} #{number}"


class _Series:
    """Trials of one case on an open bench, a thread for each board."""

    def __init__(self, case: Case, bench: Bench, times: int, first: int) -> None:
        self._case = case
        self._bench = bench
        self._all = range(first, first + times)
        self._share: dict[str, deque[int]] = {}
        self._left_over: deque[int] = deque()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._done: queue.SimpleQueue[Trial | BaseException | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def start(self, boards: Sequence[Board]) -> None:
        """Begin. All boards are flashed side by side.

        Each board has its share of the numbers, the same ones in each run: what a number draws from a seed, it draws on
        the same board again.
        """
        chosen = list(boards)[: len(self._all)]
        if not chosen:
            return
        # The first call has them all written; from several threads at once each would be written twice.
        with contextlib.suppress(*_EXPECTED):
            self._bench.make_ready(chosen[0])
        for place, board in enumerate(chosen):
            self._share[board.name] = deque(self._all[place :: len(chosen)])
        for board in chosen:
            thread = threading.Thread(target=self._drive, args=(board,), name=f"hil-trials-{board.name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def trials(self) -> Iterator[Trial]:
        """Each trial as it ends. Raises what a thread did not expect."""
        running = len(self._threads)
        while running:
            try:
                done = self._done.get(timeout=1.0)  # a Ctrl-C just before a wait is noticed only when it ends
            except queue.Empty:
                continue
            if done is None:
                running -= 1
            elif isinstance(done, BaseException):
                raise done
            else:
                yield done

    def enough(self) -> None:
        """Begin no more trials."""
        with self._lock:
            for share in (self._left_over, *self._share.values()):
                share.clear()

    def stop(self) -> None:
        """End those that run, too."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(_PATIENCE)

    def _take(self, board: Board) -> int | None:
        """The number of this board's next trial: of its share, then of what others have left."""
        with self._lock:
            if self._stopped.is_set():
                return None
            share = self._share[board.name] or self._left_over
            return share.popleft() if share else None

    def _leave(self, board: Board) -> None:
        """What is left of its share is for the others."""
        with self._lock:
            self._left_over.extend(self._share[board.name])
            self._share[board.name].clear()

    # -- in the board's thread -------------------------------------------------------------------------------------

    def _drive(self, board: Board) -> None:
        try:
            self._run(board)
        except Stopped:
            pass
        except BaseException as error:
            self._done.put(error)
        finally:
            self._done.put(None)

    def _run(self, board: Board) -> None:
        missing = lacks(self._case, self._bench, board)
        if missing is not None:
            self._not_run(board, self._case.firmware.version or "", f"not applicable: {missing}")
            return
        try:
            self._bench.make_ready(board)
            firmware = self._case.firmware.version or _version(board)
            with lasting(self._case, self._bench, board):
                self._repeat(board, firmware)
        except _EXPECTED as error:
            self._not_run(board, self._case.firmware.version or "", str(error))

    def _not_run(self, board: Board, firmware: str, why: str) -> None:
        """Nothing can be tried on this board: one trial says so, in the place of all that it would have run."""
        number = self._take(board)
        self._leave(board)
        if number is not None:
            at = self._bench.timeline.mark()
            self._done.put(self._trial(number, board, firmware, Verdict(Outcome.NOT_RUN, 0.0, _line(why)), at, at))

    def _repeat(self, board: Board, firmware: str) -> None:
        failures = 0
        while failures < GIVES_UP and (number := self._take(board)) is not None:
            after = self._bench.timeline.mark()
            try:
                self._bench.calm(board)
                after = self._bench.timeline.mark()
                verdict = self._try(board, number)
            except _EXPECTED as error:
                verdict = Verdict(Outcome.NOT_RUN, 0.0, _line(str(error)))
            failures = failures + 1 if verdict.outcome is Outcome.NOT_RUN else 0
            before = self._bench.timeline.mark()
            self._done.put(self._trial(number, board, firmware, verdict, after, before))
        self._leave(board)

    def _trial(self, number: int, board: Board, firmware: str, verdict: Verdict, after: int, before: int) -> Trial:
        seconds, timeline = round(verdict.seconds, 3), str(self._bench.timeline.path or "")
        return Trial(number, board.name, firmware, verdict.outcome, seconds, verdict.why, after, before, timeline)

    def _try(self, board: Board, number: int) -> Verdict:
        """One trial. The timeline has it as it has a test, so that a report and a diagnosis find it."""
        bench, name = self._bench, name_of(self._case, number)
        first = bench.timeline.record("test", "start", board.name, name=name).sequence
        verdict = Verdict(Outcome.NOT_RUN, 0.0, "ended early")
        try:
            verdict = attempt(self._case, bench, board, number=number, first=first, stopped=self._stopped)
        finally:
            told = {"outcome": str(verdict.outcome), "why": verdict.why, "evidence": list(verdict.evidence)}
            bench.timeline.record("test", "end", board.name, name=name, **told)
        return verdict


def _version(board: Board) -> str:
    """What the images say of themselves, and how their hash begins: two builds of one version are two firmwares."""
    told = fingerprint(board.firmware.images)
    return " ".join(str(part) for part in (told["version"], told["sha256"][:8]) if part)


def _line(text: str) -> str:
    return text.strip().split("\n", 1)[0]
