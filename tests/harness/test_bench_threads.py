"""Boards are made ready from several threads, each board one after the other, and written once for the first time."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hil.bench import Bench
from hil.rig import load

RIG = load(Path(__file__).parents[2] / "rigs" / "virtual.toml")
THREADS = 8


def test_no_board_is_made_ready_by_two_threads_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Barrier(THREADS)
    lock, at_once, most, first = threading.Lock(), Counter[str](), Counter[str](), Counter[str]()
    turn = threading.Event()

    def busy(bench: Bench, board: Any) -> None:
        with lock:
            at_once[board.name] += 1
            most[board.name] = max(most[board.name], at_once[board.name])
            first[board.name] += threading.current_thread().name.startswith("hil-writer")
        turn.wait(0.02)  # time enough for another to step in, where one may
        with lock:
            at_once[board.name] -= 1

    monkeypatch.setattr(Bench, "_write", busy)
    monkeypatch.setattr(Bench, "calm", busy)
    with Bench(RIG, boards=[], broker_side=False, artifacts=tmp_path / "run") as bench:
        boards: list[Any] = [SimpleNamespace(name=board) for board in RIG.boards]
        bench.boards.update({board.name: board for board in boards})

        def make_ready(number: int) -> None:
            begun.wait(60)
            bench.make_ready(boards[number % len(boards)])

        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(make_ready, range(THREADS)))
        bench.boards.clear()
    assert most == dict.fromkeys(RIG.boards, 1)
    assert first == dict.fromkeys(RIG.boards, 1)
