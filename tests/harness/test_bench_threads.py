"""Boards are made ready from several threads, each board one after the other, and written once for the first time; a
first writing that failed is tried again."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hil.bench import Bench, BenchError
from hil.flash import FlashError
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


def test_a_first_writing_that_failed_is_tried_again_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Counter[str]()
    broken = {"replugged": 1, "dead": 1000, "well": 0}

    def write(bench: Bench, board: Any) -> None:
        written[board.name] += 1
        if written[board.name] <= broken[board.name]:
            raise FlashError(f"board {board.name}: nobody answers")

    monkeypatch.setattr(Bench, "_write", write)
    monkeypatch.setattr(Bench, "calm", lambda bench, board: None)
    monkeypatch.setattr("hil.guardian.identity.mates", lambda rig, name: [])
    with Bench(RIG, boards=[], broker_side=False, artifacts=tmp_path / "run") as bench:
        boards: dict[str, Any] = {name: SimpleNamespace(name=name) for name in broken}
        bench.boards.update(boards)
        for _ in range(2):
            with pytest.raises(BenchError, match=r"^board dead: nobody answers$"):
                bench.make_ready(boards["dead"])
        with pytest.raises(BenchError, match=r"^board replugged: nobody answers$"):
            bench.make_ready(boards["replugged"])
        for name in ("replugged", "well"):
            bench.make_ready(boards[name])
        for _ in range(5):
            with pytest.raises(BenchError, match="nobody answers"):
                bench.make_ready(boards["dead"])
        bench.boards.clear()
    assert written == {"replugged": 3, "dead": 3, "well": 2}, "the last is the call that finds it done"
