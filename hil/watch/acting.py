"""What keys do to boards: in a thread for each board, so that neither the screen nor another board waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from hil import reset
from hil.bench import FAULTS, Bench, BenchError
from hil.board import Board, NotPromised
from hil.guardian import identity
from hil.report.legible import one_line

_EXPECTED = (BenchError, NotPromised, *FAULTS)


class Acting:
    """Does one thing at a time to each board of an open bench. All methods return at once, but for `close`."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._doing: dict[str, str] = {}
        self._said: deque[str] = deque()
        self._threads = {
            name: ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"hil-watch-{name}") for name in bench.boards
        }

    @property
    def doing(self) -> Mapping[str, str]:
        """What is done to which board now."""
        return dict(self._doing)

    def said(self) -> str | None:
        """The next line on what something came to; None if there is none."""
        return self._said.popleft() if self._said else None

    def make_ready(self, name: str) -> None:
        """Have the board flashed and provisioned as the rig says, and switch it on."""

        def work(board: Board) -> str:
            self._bench.make_ready(board)
            board.power_on()
            return "is ready"

        self._do(name, "being made ready", work)

    def reset(self, name: str) -> None:
        """A hard reset, as `hil reset`."""
        self._do(name, "being reset", lambda board: _done(board.hard_reset, f"was reset{_but(board)}"))

    def soft_reset(self, name: str) -> None:
        """By the firmware's own command, as `hil reset --soft`."""
        words = "was asked to restart"
        self._do(name, "being asked to restart", lambda board: _done(board.soft_reset, f"{words}{_but(board)}"))

    def download(self, name: str) -> None:
        """Hold it in its ROM loader, which waits for a flasher, as `hil reset --download`."""

        def work(board: Board) -> str:
            reset.download(board.console)
            but = _but(board)
            return f"was told to wait in its ROM loader{but}" if but else "waits in its ROM loader: r restarts it"

        self._do(name, "being held in its ROM loader", work)

    def switch(self, name: str) -> None:
        """Power off where it is on, and on where it is off; as `hil power`."""
        self._do(name, "being switched", self._switch)

    def cycle(self, name: str) -> None:
        """Power off and on again, with the rig's off_time between."""
        self._do(name, "being power-cycled", lambda board: _done(board.power_cycle, "was power-cycled"))

    def send(self, name: str, line: str) -> None:
        """Send a line to the console, as `hil console` does."""

        def work(board: Board) -> str:
            board.console.send_line(line)
            but = _but(board)
            return f"was sent a line{but}" if but else ""

        self._do(name, "being sent a line", work)

    def _switch(self, board: Board) -> str:
        is_on = board.power.is_on()
        if is_on is None:  # a switch that cannot be asked: what it was told last counts
            is_on = _last_told(board) != "off"
        with_it = ", ".join(identity.mates(self._bench.rig, board.name))
        shared = f" (and {with_it}: one outlet)" if with_it else ""
        if is_on:
            board.power_off()
            return f"power off{shared}"
        board.power_on()
        return f"power on{shared}"

    def _do(self, name: str, words: str, work: Callable[[Board], str]) -> None:
        if name in self._doing:
            self._said.append(f"{name} is {self._doing[name]}: wait until that is done")
            return
        self._doing[name] = words

        def run() -> None:
            try:
                told = work(self._bench.boards[name])
                line = f"{name} {told}" if told else ""
            except _EXPECTED as error:
                line = one_line(f"{name}: {error}")
            except Exception as error:  # a fault of this program: the screen says so, and goes on
                line = one_line(f"{name}: {type(error).__name__}: {error}")
            self._doing.pop(name, None)  # before it is said: who reads it may act again
            if line:
                self._said.append(line)

        self._threads[name].submit(run)

    def close(self) -> None:
        """End what is being written, and wait until nothing is done to any board any more."""
        for name in list(self._doing):
            self._bench.boards[name].flasher.stop()
        for thread in self._threads.values():
            thread.shutdown(wait=True, cancel_futures=True)
        self._doing.clear()


def _last_told(board: Board) -> str | None:
    """'on' or 'off', as its switch was told last; None where it was told nothing yet."""
    last = board.timeline.last(lambda e: e.source == "power" and e.kind in ("on", "off") and e.board == board.name)
    return None if last is None else last.kind


def _but(board: Board) -> str:
    """What has to be said behind anything that a board without power takes no notice of."""
    return ", but its power is off" if _last_told(board) == "off" else ""


def _done(work: Callable[[], None], words: str) -> str:
    work()
    return words
