"""Runs trials of a case on a bench, a thread for each board, and keeps what became of them.

with BenchRunner(rig, ["esp32-a", "esp32-b"], folder=run) as runner:
    for trial in runner(case, times=50):
        print(trial.outcome, trial.why)
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from types import TracebackType

from hil.bench import Bench
from hil.board import Board
from hil.cases import Case
from hil.cases.applying import put_firmware, rig_for
from hil.flash import Image
from hil.flash.held import holds
from hil.reproduce.attempt import signature_of
from hil.reproduce.kept import keep
from hil.reproduce.reporting import note
from hil.reproduce.series import name_of, trials
from hil.reproduce.trial import Trial
from hil.rig import Rig


class BenchRunner:
    """Trials on the boards of a rig with these names. What is left behind lies in `folder`, a fresh one.

    `first`: the number of the first trial; what a trial draws from a seed hangs on its number.

    A bench is opened at the first case, and stays open until a case wants its firmware built in another way. Close it,
    or use it as a context manager. Raises BenchError for a bench that cannot be opened.
    """

    def __init__(self, rig: Rig, boards: Sequence[str], *, folder: Path, first: int = 1) -> None:
        # What a contract builds is looked for from the contract's folder on.
        self.folder = folder.absolute()
        self._rig = rig
        self._names = list(boards)
        self._bench: Bench | None = None
        self._built: object = None
        self._images: dict[str, list[Image]] = {}
        self._benches = 0
        self._next = first
        self._running: Generator[Trial, None, None] | None = None

    @property
    def bench(self) -> Bench | None:
        """The bench of the trials that ran last; None before the first."""
        return self._bench

    def __call__(
        self, case: Case, *, times: int, stop: Callable[[Sequence[Trial]], bool] | None = None
    ) -> Generator[Trial, None, None]:
        """See `hil.reproduce.trial.Runner`. Raises NoSignature, BenchError and hil.toml.FileError."""
        signature_of(case)
        bench = self._open(case)
        boards = self._boards(case, bench)
        running = self._running = trials(case, bench, boards, times=times, stop=stop, first=self._next)
        try:
            for trial in running:
                self._next = max(self._next, trial.number + 1)
                keep(trial, self.folder)
                note(trial, name_of(case, trial.number), bench)
                yield trial
        finally:
            running.close()

    def _open(self, case: Case) -> Bench:
        built = (case.firmware.options, case.firmware.contract and case.resolve(case.firmware.contract))
        if self._bench is not None and built == self._built:
            return self._bench
        self.close()
        self._benches += 1
        folder = self.folder if self._benches == 1 else self.folder / f"bench-{self._benches}"
        self._bench = Bench(rig_for(case, self._rig, self._names), boards=self._names, artifacts=folder)
        self._built = built
        self._images = {name: list(board.firmware.images) for name, board in self._bench.boards.items()}
        return self._bench

    def _boards(self, case: Case, bench: Bench) -> list[Board]:
        """The boards, each with the images that the case wants in its flash at its next make_ready."""
        for board in bench.boards.values():
            board.firmware.images = list(self._images[board.name])
            put_firmware(case, board)
            # A board that was given other settings meanwhile is asked once more, in one session with their removal.
            board.flashed = board.as_agreed and holds(bench.timeline, board.name, board.firmware.images)
        return list(bench.boards.values())

    def close(self) -> None:
        """End the trials that run, and close the bench. Closing twice does nothing."""
        running, self._running = self._running, None
        if running is not None:
            running.close()
        bench, self._bench, self._built = self._bench, None, None
        if bench is not None:
            bench.close()

    def __enter__(self) -> BenchRunner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
