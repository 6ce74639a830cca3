"""The first writing of a run's boards: all side by side, since what waits most is the serial line.

first = FirstWriting(write)
first.result(board.name, first.of(board, boards))  # begins it for all of them, and waits for this one
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from hil.board import Board

_TRIES: Final = 3
"""So often a board is written for the first time, at most: a cable that is put back is noticed at the next test, and a
board that is dead does not cost each of a hundred tests the time-outs of its flasher."""
_AT_ONCE: Final = 8


class FirstWriting:
    """Has `write` called once for each board, several at once; again where it failed, for whoever asks next."""

    def __init__(self, write: Callable[[Board], None]) -> None:
        self._write = write
        self._writers = ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="hil-writer")
        self._begun: dict[str, Future[None]] = {}
        self._failed: Counter[str] = Counter()
        self._lock = threading.Lock()

    def of(self, board: Board, boards: Iterable[Board]) -> Future[None]:
        """That of `board`, begun by now for all of `boards`; where it failed before, for `board` alone."""
        with self._lock:
            for each in boards:
                if each.name not in self._begun and (each is board or not self._failed[each.name]):
                    self._begun[each.name] = self._writers.submit(self._write, each)
            return self._begun[board.name]

    def result(self, name: str, writing: Future[None]) -> None:
        """Wait for it. Raises what `write` raised; who asks for the board after that has it written again."""
        if (error := writing.exception()) is None:
            return
        with self._lock:
            if self._begun.get(name) is writing:
                self._failed[name] += 1
                if self._failed[name] < _TRIES:
                    del self._begun[name]
        raise error

    def settle(self, name: str) -> None:
        """Wait until nothing of it is going on for this board, whatever came of it."""
        with self._lock:
            writing = self._begun.get(name)
        if writing is not None:
            writing.exception()

    def close(self) -> None:
        """Wait for those that run; none is begun any more."""
        self._writers.shutdown(wait=True, cancel_futures=True)
