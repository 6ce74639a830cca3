"""Patterns of power cuts: what is planned, what is achieved and told, and that all is over when the block ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from virtual_parts import BoardProcess, Telnet, board_process

from hil.power import CannotCut, PowerError, PowerSwitch, record
from hil.power.control_port import VirtualSwitch
from hil.power.none import NoSwitch
from hil.power.patterns import brown_out, cut_at, plan_random_cuts, random_cuts
from hil.schedule import Schedule
from hil.timeline import Event, NoSuchEvent, Timeline, where

LIMIT = 60.0


class Fake:
    """A switch that takes `slow` seconds, and fails at its calls in `fails` ('off 2': the second off)."""

    kind = "fake"
    can_cut = True
    shortest: float | None = None

    def __init__(self, timeline: Timeline, *, slow: float = 0.0, fails: tuple[str, ...] = ()) -> None:
        self.timeline = timeline
        self.slow = slow
        self.fails = fails
        self.power = True
        self.calls: list[str] = []
        self.threads: set[threading.Thread] = set()
        self.may_answer = threading.Event()
        self.may_answer.set()

    def on(self) -> None:
        record(self.timeline, "on", "a", self.kind)
        self._act("on")
        self.power = True

    def off(self) -> None:
        self._act("off")
        self.power = False
        record(self.timeline, "off", "a", self.kind)

    def is_on(self) -> bool | None:
        return self.power

    def close(self) -> None:
        pass

    def _act(self, word: str) -> None:
        self.calls.append(word)
        self.threads.add(threading.current_thread())
        assert self.may_answer.wait(LIMIT)
        time.sleep(self.slow)
        if f"{word} {self.calls.count(word)}" in self.fails:
            raise PowerError(f"power of a: no {word}")


@dataclass
class FakeBoard:
    name: str = "a"
    timeline: Timeline = field(default_factory=Timeline)
    power: PowerSwitch = field(init=False)

    def __post_init__(self) -> None:
        self.power = self.fake = Fake(self.timeline)

    def fakes(self, **how: object) -> Fake:
        self.power = self.fake = Fake(self.timeline, **how)  # type: ignore[arg-type]
        return self.fake

    def told(self, state: str | None = None) -> list[Event]:
        return self.timeline.events(where("power", "fault", "a", **({"state": state} if state else {})))

    def states(self) -> list[str]:
        return [e["state"] for e in self.told()]


@pytest.fixture
def board() -> Iterator[FakeBoard]:
    before = set(threading.enumerate())
    yield FakeBoard()
    assert not set(threading.enumerate()) - before, "a pattern's thread is still there"


PUBLISH = where("gateway", "publish", "a", direction="up")


# -- at an event -------------------------------------------------------------------------------------------------------


def test_the_supply_goes_at_the_event_and_comes_back(board: FakeBoard) -> None:
    with cut_at(board, PUBLISH, off=0.01, within=LIMIT) as pattern:
        board.timeline.record("gateway", "publish", "b", direction="up")
        board.timeline.record("gateway", "publish", "a", direction="down")
        hit = board.timeline.record("gateway", "publish", "a", direction="up")
        (cut,) = pattern.wait(timeout=LIMIT)
    assert board.fake.calls == ["off", "on"]
    assert board.fake.threads != {threading.current_thread()}, "whoever records must not be held up"
    assert cut.event == hit
    armed, applied, restored, cleared = board.told()
    assert (armed["at"], armed["off"], armed["delay"]) == (str(PUBLISH), 0.01, 0.0)
    assert (applied["event"], applied["planned"], applied["late"]) == (hit.sequence, 0.0, False)
    assert 0 < applied["took"] <= applied["achieved"] <= applied.monotonic - hit.monotonic
    assert restored["achieved"] >= restored["planned"] == 0.01
    assert (cleared["state"], cleared["why"], cleared["times"]) == ("cleared", "done", 1)
    assert len({e["pattern"] for e in board.told()}) == 1


def test_an_event_at_once_after_entering_is_not_missed(board: FakeBoard) -> None:
    for _ in range(20):
        with cut_at(board, PUBLISH, off=0.0) as pattern:
            board.timeline.record("gateway", "publish", "a", direction="up")
            pattern.wait(timeout=LIMIT)


def test_which_of_the_events(board: FakeBoard) -> None:
    when = Schedule(count=2, skip=1, after=where("gateway", "connect", "a"))
    with cut_at(board, PUBLISH, off=0.0, when=when) as pattern:
        for number in range(9):
            if number == 2:
                board.timeline.record("gateway", "connect", "a")
            board.timeline.record("gateway", "publish", "a", direction="up", number=number)
            # What comes between a cut and the restoring is no occasion: let each cut be over.
            done = 0 if number < 3 else min(2, number - 2)
            board.timeline.wait_count(where("power", "fault", "a", state="restored"), done, timeout=LIMIT)
        cuts = pattern.wait(timeout=LIMIT)
    assert [cut.event["number"] for cut in cuts if cut.event] == [3, 4]
    assert board.told("armed")[0]["schedule"] == {"count": 2, "skip": 1, "after": str(when.after)}


def test_what_comes_with_the_word_that_the_supply_is_back_is_an_occasion_again(board: FakeBoard) -> None:
    def at_once(event: Event) -> None:
        if event.get("state") == "restored":
            board.timeline.record("gateway", "publish", "a", direction="up", number=2)

    board.timeline.listen(at_once)
    with cut_at(board, PUBLISH, off=0.0, when=Schedule(count=2)) as pattern:
        board.timeline.record("gateway", "publish", "a", direction="up", number=1)
        cuts = pattern.wait(timeout=LIMIT)
    assert [cut.event["number"] for cut in cuts if cut.event] == [1, 2]


def test_a_delay_counts_from_the_event(board: FakeBoard) -> None:
    with cut_at(board, PUBLISH, off=0.0, delay=0.1) as pattern:
        board.timeline.record("gateway", "publish", "a", direction="up")
        (cut,) = pattern.wait(timeout=LIMIT)
    assert (cut.planned, cut.achieved >= 0.1) == (0.1, True)


def test_left_without_power_where_that_is_asked(board: FakeBoard) -> None:
    with cut_at(board, PUBLISH, off=None) as pattern:
        board.timeline.record("gateway", "publish", "a", direction="up")
        (cut,) = pattern.wait(timeout=LIMIT)
    assert (board.fake.power, cut.without, board.fake.calls) == (False, None, ["off"])


def test_an_event_that_does_not_come_is_told_with_the_stretch(board: FakeBoard) -> None:
    with cut_at(board, PUBLISH) as pattern:
        board.timeline.record("gateway", "connect", "a")
        with pytest.raises(NoSuchEvent, match=r"cut-at \(at=gateway.publish of a .*0 cuts made.*\n(.*\n)*.*connect"):
            pattern.wait(timeout=0.05)
    assert board.states() == ["armed", "cleared"]
    board.timeline.record("gateway", "publish", "a", direction="up")
    assert board.fake.calls == []
    assert not board.timeline._listeners


def test_time_for_the_event_may_run_out(board: FakeBoard) -> None:
    with cut_at(board, PUBLISH, when=Schedule(seconds=0.05)) as pattern:
        assert pattern.wait(timeout=LIMIT) == []


def test_a_match_that_raises_breaks_no_recorder(board: FakeBoard) -> None:
    with cut_at(board, where("gateway", payload=lambda p: p[7] == 1)) as pattern:
        board.timeline.record("gateway", "publish", "a", payload=b"x")
        with pytest.raises(PowerError, match=r"cut-at: the match gateway.*failed: IndexError"):
            pattern.wait(timeout=LIMIT)


# -- the end of a block ------------------------------------------------------------------------------------------------


def test_the_end_of_the_block_restores_what_was_cut(board: FakeBoard) -> None:
    with pytest.raises(KeyboardInterrupt), cut_at(board, PUBLISH, off=600.0):  # noqa: PT012
        board.timeline.record("gateway", "publish", "a", direction="up")
        board.timeline.wait(where("power", "fault", "a", state="applied"), timeout=LIMIT)
        assert not board.fake.power
        raise KeyboardInterrupt
    assert board.fake.power
    assert board.states() == ["armed", "applied", "restored", "cleared"]
    assert board.told("restored")[0]["late"] is False
    assert board.told("cleared")[0]["why"] == "cleared"


def test_nothing_is_cut_after_the_end_even_if_the_event_has_come(board: FakeBoard) -> None:
    with cut_at(board, PUBLISH, delay=600.0):
        board.timeline.record("gateway", "publish", "a", direction="up")
    assert board.fake.calls == []


def test_a_switch_that_is_at_work_is_waited_for(board: FakeBoard) -> None:
    board.fake.may_answer.clear()
    left = threading.Event()

    def block() -> None:
        with brown_out(board, cuts=100, off=0.0, on=600.0):
            while not board.fake.calls:
                time.sleep(0.001)
        left.set()

    thread = threading.Thread(target=block)
    thread.start()
    assert not left.wait(0.1)
    board.fake.may_answer.set()
    thread.join(LIMIT)
    assert left.is_set()
    assert (board.fake.calls, board.fake.power) == (["off", "on"], True)


# -- switches ----------------------------------------------------------------------------------------------------------


def test_no_switch_no_cut(board: FakeBoard) -> None:
    board.power = NoSwitch(board="a")
    for pattern in (cut_at(board, PUBLISH), brown_out(board), random_cuts(board, seconds=10, mean=1)):
        with pytest.raises(
            CannotCut, match="needs a switch that can cut, found power kind 'none': name a switch in the rig"
        ):
            pattern.__enter__()
    assert board.told() == []


def test_a_switch_that_cannot_cut_so_short_is_told(board: FakeBoard) -> None:
    board.fakes().shortest = 0.05
    pattern = brown_out(board, cuts=2, off=0.01, on=0.0, within=LIMIT)
    pattern.run(timeout=LIMIT)
    assert pattern.finding == (
        "brown-out: power cuts of 0.01 s were asked for, and the fake switch makes none below 0.05 s reliably: see the "
        "achieved times"
    )
    assert board.told("armed")[0]["shortest"] == 0.05
    longer = brown_out(board, cuts=1, off=0.05, within=LIMIT)
    longer.run(timeout=LIMIT)
    assert longer.finding is None


def test_a_slow_switch_is_told(board: FakeBoard) -> None:
    board.fakes(slow=0.15)
    pattern = brown_out(board, cuts=2, off=0.01, on=0.0)
    assert [cut.late for cut in pattern.run(timeout=LIMIT)] == [True, True]
    assert pattern.finding is not None
    assert "2 of 2 power cuts came more than 0.1 s late (the switch takes up to 0." in pattern.finding
    assert [e["late"] for e in board.told("applied")] == [True, True]
    quick = cut_at(board, PUBLISH, within=LIMIT, off=0.0)
    with quick:
        board.timeline.record("gateway", "publish", "a", direction="up")
        quick.wait(timeout=LIMIT)
    assert quick.finding is None


@pytest.mark.parametrize(("fails", "power"), [("off 2", True), ("on 2", True), ("on 1", True)])
def test_a_switch_that_fails_ends_it_with_the_supply_restored(board: FakeBoard, fails: str, power: bool) -> None:
    board.fakes(fails=(fails,))
    with pytest.raises(PowerError, match=f"power of a: no {fails[:-2]}$"):
        brown_out(board, cuts=9, off=0.0, on=0.0).run(timeout=LIMIT)
    assert board.fake.power is power
    assert board.states()[-2:] == ["failed", "cleared"]
    assert board.told("failed")[0]["reason"] == f"power of a: no {fails[:-2]}"
    assert board.fake.calls.count("off") <= 2


def test_a_failure_of_the_switch_does_not_hide_that_of_the_test(board: FakeBoard) -> None:
    board.fakes(fails=("off 1",))
    with pytest.raises(AssertionError, match="the test's own"), brown_out(board):  # noqa: PT012
        board.timeline.wait(where("power", "fault", "a", state="failed"), timeout=LIMIT)
        raise AssertionError("the test's own")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda b: cut_at(b, PUBLISH, off=-1), "cut-at: off is -1, expected a number of seconds, 0 or more"),
        (lambda b: brown_out(b, cuts=0), "cuts is 0, expected 1 or more"),
        (lambda b: brown_out(b, on=float("nan")), "on is nan"),
        (lambda b: random_cuts(b, seconds=9, mean=1, off=(2, 1)), r"found mean=1, least=0.0, off=\(2, 1\)"),
        (lambda b: cut_at(b, PUBLISH).wait(timeout=1), r"wait\(\) outside the block"),
    ],
)
def test_mistakes_are_told(board: FakeBoard, wrong: object, says: str) -> None:
    with pytest.raises((ValueError, PowerError), match=says):
        wrong(board)  # type: ignore[operator]


# -- trains and chance -------------------------------------------------------------------------------------------------


def test_a_train_of_brown_outs(board: FakeBoard) -> None:
    cuts = brown_out(board, cuts=4, off=0.01, on=0.02).run(timeout=LIMIT)
    assert board.fake.calls == ["off", "on"] * 4
    assert [cut.planned for cut in cuts] == [0.0, 0.02, 0.02, 0.02]
    assert all(cut.achieved >= cut.planned for cut in cuts)
    assert all(cut.without is not None and cut.without >= 0.01 for cut in cuts)
    assert len(board.told("restored")) == 4


def test_chance_has_a_seed_and_a_mean() -> None:
    one, same, other = (plan_random_cuts(seed=s, mean=20, seconds=20000, off=(0.1, 2), least=5) for s in (1, 1, 2))
    assert one == same != other
    gaps = [b.at - a.at - a.off for a, b in pairwise(one)]
    assert 17 < sum(gaps) / len(gaps) < 23
    assert min(gaps) >= 5
    assert all(0.1 <= cut.off <= 2 for cut in one)
    assert one[-1].at + one[-1].off <= 20000
    assert plan_random_cuts(seed=1, mean=20, seconds=0, off=(0, 0)) == []


def test_random_cuts_come_as_planned(board: FakeBoard) -> None:
    planned = plan_random_cuts(seed=3, mean=0.05, seconds=0.5, off=(0.0, 0.01))
    assert len(planned) > 2
    with random_cuts(board, seed=3, mean=0.05, seconds=0.5, off=(0.0, 0.01)) as pattern:
        cuts = pattern.wait(timeout=LIMIT)
    assert [cut.planned for cut in cuts] == [p.at for p in planned]
    assert [e["planned"] for e in board.told("restored")] == [p.off for p in planned]
    assert board.told("armed")[0]["cuts"] == len(planned)
    assert board.fake.power


# -- a virtual board ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardProcess]:
    with board_process(tmp_path_factory.mktemp("board"), "--speed", "1000", "--powered") as running:
        yield running


@dataclass
class VirtualOne:
    timeline: Timeline
    power: VirtualSwitch
    name: str = "board"


@pytest.fixture
def virtual(device: BoardProcess) -> VirtualOne:
    timeline = Timeline()
    facts = device.facts
    return VirtualOne(timeline, VirtualSwitch(facts["control"], facts["token"], board="board", timeline=timeline))


def test_a_cut_in_mid_flash_leaves_what_was_written_until_then(
    device: BoardProcess, virtual: VirtualOne, tmp_path: Path
) -> None:
    """The event is the block that was acknowledged; the block after it is never sent."""
    data = bytes(range(256)) * 16
    client = Telnet(device.facts["serial"])
    virtual.power.on()
    client.download_mode()
    client.sync()
    assert client.flash_begin(0x30000, len(data)).data[0] == 0
    with cut_at(virtual, where("flash", "progress", "board", percent=50), off=None) as pattern:
        for number in range(2):
            client.flash_block(number, data[number * 1024 : number * 1024 + 1024])
            virtual.timeline.record("flash", "progress", "board", percent=25 * (number + 1))
        (cut,) = pattern.wait(timeout=LIMIT)
    assert virtual.power.is_on() is False
    there = device.json.with_suffix(".flash").read_bytes()[0x30000 : 0x30000 + len(data)]
    assert there == data[:2048] + b"\xff" * 2048
    off = virtual.timeline.last(where("power", "off", "board"))
    assert cut.event is not None
    assert off is not None
    assert cut.achieved >= off.monotonic - cut.event.monotonic
    client.close()


def test_a_board_boots_once_for_each_brown_out(device: BoardProcess, virtual: VirtualOne) -> None:
    client = Telnet(device.facts["serial"])
    virtual.power.on()
    cuts = brown_out(virtual, cuts=3, off=0.05, on=0.3).run(timeout=LIMIT)
    assert len(cuts) == 3
    assert virtual.power.is_on() is True
    client.until(b"rst:0x1 (POWERON_RESET)")
    client.close()
