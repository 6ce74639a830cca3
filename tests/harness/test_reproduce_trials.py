"""Trials side by side, on boards that are made up: who tries what, what ends them, and what is left of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hil.bench import BenchError
from hil.cases import Case, CaseFile
from hil.reproduce import Outcome, Trial
from hil.reproduce.attempt import NoSignature, attempt
from hil.reproduce.kept import first_difference, keep, kept
from hil.reproduce.series import GIVES_UP, trials
from hil.reproduce.watching import Stopped
from hil.timeline import Match, Timeline, where
from hil.toml import FileError

Course = Callable[["MadeUpBoard", int], None]


class MadeUpBoard:
    """A board that does what `course` says at each start, which it counts from 1."""

    def __init__(self, name: str, timeline: Timeline, course: Course) -> None:
        self.name = name
        self.timeline = timeline
        self.firmware = SimpleNamespace(images=[])
        self.power = SimpleNamespace(can_cut=False)
        self.contract = SimpleNamespace(online=SimpleNamespace(within=1.0), retry=SimpleNamespace(most=60.0))
        self.credentials = None
        self.starts = 0
        self._course = course

    def power_cycle(self) -> None:
        self.starts += 1
        self.timeline.record("power", "on", self.name)
        self._course(self, self.starts)

    def online_event(self) -> Match:
        return where("gateway", "connack", self.name, code=0)

    def started(self) -> int:
        return 0

    def connection(self, *kinds: str) -> None:
        for kind in ("accept", *kinds):
            data = {"code": 0} if kind == "connack" else {"by": "broker", "how": "fin"} if kind == "close" else {}
            self.timeline.record("gateway", kind, self.name, connection=self.starts, **data)


class MadeUpBench:
    """A bench of such boards."""

    gateway = object()

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.broken: set[str] = set()
        self.blind = ""

    def make_ready(self, board: MadeUpBoard) -> None:
        pass

    def lacks(self, board: MadeUpBoard, need: str) -> str | None:
        return "no gateway sees it" if need == "gateway" and self.blind == board.name else None

    def calm(self, board: MadeUpBoard) -> None:
        if board.name in self.broken:
            raise BenchError(f"board {board.name}: the port is gone\nmore words")


def good(board: MadeUpBoard, start: int) -> None:
    board.connection("tls", "connect", "connack")


def fails(board: MadeUpBoard, start: int) -> None:
    board.connection("tls-failed", "close")


def every_second(board: MadeUpBoard, start: int) -> None:
    (fails if start % 2 else good)(board, start)


@pytest.fixture
def timeline(tmp_path: Path) -> Iterator[Timeline]:
    opened = Timeline(tmp_path / "timeline.jsonl")
    yield opened
    opened.close()


def a_case(**changes: Any) -> Case:
    told = {
        "title": "made up",
        "trial": {"limit": 5, "good": "online", "settle": 0.01},
        "signature": {"seen": [{"source": "gateway", "kind": "tls-failed"}]},
        **changes,
    }
    return Case(Path("made-up"), CaseFile.model_validate(told))


def run(case: Case, timeline: Timeline, *courses: Course, bench: Any = None, **more: Any) -> list[Trial]:
    boards: Any = [MadeUpBoard(f"board-{number}", timeline, course) for number, course in enumerate(courses)]
    opened: Any = bench or MadeUpBench(timeline)
    return list(trials(case, opened, boards, **more))


def test_each_board_has_its_share_of_the_numbers(timeline: Timeline) -> None:
    found = run(a_case(), timeline, good, every_second, times=7)
    shares = {board: sorted(t.number for t in found if t.board == board) for board in ("board-0", "board-1")}
    assert shares == {"board-0": [1, 3, 5, 7], "board-1": [2, 4, 6]}
    assert [t.outcome for t in found if t.board == "board-0"] == [Outcome.PASSED] * 4
    ours = sorted((t for t in found if t.board == "board-1"), key=lambda t: t.number)
    assert [t.outcome for t in ours] == [Outcome.REPRODUCED, Outcome.PASSED, Outcome.REPRODUCED]
    assert ours[0].why == "gateway.tls-failed"


def test_more_boards_than_trials_are_left_alone(timeline: Timeline) -> None:
    assert [t.board for t in run(a_case(), timeline, good, good, times=1)] == ["board-0"]
    assert run(a_case(), timeline, good, times=0) == []


def test_a_failure_that_nobody_reported_is_told_apart(timeline: Timeline) -> None:
    def closes(board: MadeUpBoard, start: int) -> None:
        board.connection("tls", "close")

    (trial,) = run(a_case(trial={"limit": 0.2, "good": "online", "settle": 0.01}), timeline, closes, times=1)
    assert trial.outcome is Outcome.OTHER
    assert "of the reported failure: step 1: no gateway.tls-failed" in trial.why


def test_until_a_failure_no_further_trial_begins(timeline: Timeline) -> None:
    def third(board: MadeUpBoard, start: int) -> None:
        (fails if start == 3 else good)(board, start)

    found = run(a_case(), timeline, third, times=50, stop=lambda done: done[-1].outcome is Outcome.REPRODUCED)
    # The board may have begun its next one before anybody has looked at the third.
    assert len(found) in (3, 4)
    assert found[2].outcome is Outcome.REPRODUCED


def test_what_a_broken_board_cannot_try_others_do(timeline: Timeline) -> None:
    bench = MadeUpBench(timeline)
    bench.broken.add("board-0")
    slow = threading.Event()

    def waits(board: MadeUpBoard, start: int) -> None:
        slow.wait(10)
        good(board, start)

    def note(found: Any) -> bool:
        if sum(t.outcome is Outcome.NOT_RUN for t in found) == GIVES_UP:
            slow.set()
        return False

    found = run(a_case(), timeline, good, waits, bench=bench, times=20, stop=note)
    broken = [t for t in found if t.board == "board-0"]
    assert [(t.outcome, t.why) for t in broken] == [(Outcome.NOT_RUN, "board board-0: the port is gone")] * GIVES_UP
    assert len(found) == 20
    assert sorted(t.number for t in found) == list(range(1, 21))


def test_a_board_on_which_the_case_says_nothing_is_not_tried(timeline: Timeline) -> None:
    """Nothing seen where nobody looks would be called a pass."""
    bench = MadeUpBench(timeline)
    bench.blind = "board-0"
    found = run(a_case(), timeline, fails, fails, bench=bench, times=2)
    assert {t.board: t.outcome for t in found} == {"board-0": Outcome.NOT_RUN, "board-1": Outcome.REPRODUCED}
    assert next(t.why for t in found if t.board == "board-0") == "not applicable: no gateway sees it"


def test_closing_ends_what_runs(timeline: Timeline) -> None:
    def silent(board: MadeUpBoard, start: int) -> None:
        if start == 1:
            fails(board, start)

    case = a_case(trial={"limit": 3600, "good": "online"})
    bench: Any = MadeUpBench(timeline)
    boards: Any = [MadeUpBoard("board-0", timeline, silent)]
    running = trials(case, bench, boards, times=9)
    assert next(running).outcome is Outcome.REPRODUCED
    running.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "hil-trials-board-0"]
    assert timeline.last(where("test", "end", "board-0")) is not None


def test_a_wait_that_is_a_condition_ends_with_the_trials(timeline: Timeline) -> None:
    case = a_case(condition=[{"name": "long", "kind": "wait", "seconds": 36000}])
    bench: Any = MadeUpBench(timeline)
    board: Any = MadeUpBoard("board-0", timeline, good)
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(Stopped):
        attempt(case, bench, board, number=1, first=0, stopped=stopped)
    assert board.starts == 0, "nothing is done to it any more"


def test_a_case_without_a_signature_cannot_be_judged(timeline: Timeline) -> None:
    with pytest.raises(NoSignature, match=r"case made-up: has no \[signature\]"):
        run(a_case(signature=None), timeline, good, times=1)


def test_a_trial_begins_online_or_has_failed_before_it_began(timeline: Timeline) -> None:
    def stays_away(board: MadeUpBoard, start: int) -> None:
        board.contract.online.within = 0.05

    trial = {"limit": 1, "begin": "online", "good": "online", "settle": 0.01, "steps": []}
    online, away = run(a_case(trial=trial), timeline, good, stays_away, times=2)
    by_board = {t.board: t for t in (online, away)}
    assert by_board["board-0"].outcome is Outcome.PASSED
    assert by_board["board-1"].outcome is Outcome.OTHER


def test_steps_are_done_in_order_until_it_is_decided(timeline: Timeline) -> None:
    steps = [{"do": "power-cycle"}, {"do": "wait-online", "seconds": 5}, {"do": "wait", "seconds": 0.01}]
    trial = {"limit": 30, "good": "limit", "steps": [*steps, {"do": "power-cycle", "times": 3}, *steps[:1]]}

    def last_fails(board: MadeUpBoard, start: int) -> None:
        (fails if start == 3 else good)(board, start)

    bench: Any = MadeUpBench(timeline)
    boards: Any = [MadeUpBoard("board-0", timeline, last_fails)]
    (found,) = trials(a_case(trial=trial), bench, boards, times=1)
    assert found.outcome is Outcome.REPRODUCED
    assert boards[0].starts >= 3


def test_trials_are_kept_as_they_end_and_read_back(timeline: Timeline, tmp_path: Path) -> None:
    found = run(a_case(), timeline, every_second, times=4)
    for trial in found:
        keep(trial, tmp_path)
    with (tmp_path / "trials.jsonl").open("a") as file:
        file.write('{"number": 5, "boa')
    assert kept(tmp_path) == found
    assert json.loads((tmp_path / "trials.jsonl").read_text().split("\n")[0])["timeline"] == "timeline.jsonl"
    difference, words = first_difference(kept(tmp_path))
    assert difference is not None
    assert (difference.failing, difference.passing) == ("gateway.tls-failed", "gateway.tls")
    assert words == "2 failing with 2 passing trials"


def test_where_nothing_passed_another_run_may_be_compared(timeline: Timeline) -> None:
    failing, passing = run(a_case(), timeline, fails, times=2), run(a_case(), timeline, good, times=1)
    assert first_difference(failing)[1].startswith("nothing: no trial passed")
    assert first_difference(passing)[1] == "nothing: no trial failed as reported"
    difference, words = first_difference(failing, passing)
    assert difference is not None
    assert words == "2 failing with 1 passing trials of the other run"


def test_a_folder_without_trials_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"trials\.jsonl: No such file or directory; expected the folder"):
        kept(tmp_path)
    (tmp_path / "trials.jsonl").write_text('{"number": 1}\n{}\n')
    with pytest.raises(FileError, match="line 1 is no trial"):
        kept(tmp_path)
