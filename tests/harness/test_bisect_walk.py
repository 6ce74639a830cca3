"""Walks over made-up versions: how often the answer is right, after how many trials, and what is said without one."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from made_up_trials import MadeUpRunner

from hil.bisect import Ending, Result, Walk
from hil.evidence.culprit import Culprit, in_a_row, most_telling


def walked(walk: Walk, run: MadeUpRunner, broken: Sequence[int] = (), seen: Callable[[int], None] = int) -> Result:
    """A walk over versions that are called by their places; those in `broken` cannot be built."""
    while (turn := walk.next_turn()) is not None:
        seen(turn.version)
        if turn.version in broken:
            walk.skip(turn.version, "does not build")
            continue
        for trial in run(turn.version, times=turn.times):
            walk.add(turn.version, trial)
    return walk.result()


def a_row(first_bad: int, bad: float, good: float = 0.0, *, seed: int = 1, not_run: float = 0.0) -> MadeUpRunner:
    return MadeUpRunner(lambda version, _: (bad if version >= first_bad else good, 0.0), seed=seed, not_run=not_run)


def test_a_failure_that_always_comes_is_found_by_halving() -> None:
    seen: list[int] = []
    found = walked(Walk(in_a_row(64)), a_row(40, 1.0), seen=seen.append)
    assert (found.ending, found.suspects) == (Ending.FOUND, (40,))
    between = [version for version in seen if 0 < version < 63]
    assert between[0] in range(28, 36)
    assert found.trials < 20
    assert found.probability >= 0.95
    assert not found.odd


@pytest.mark.parametrize(("bad", "good"), [(0.46, 0.0), (0.5, 0.03)])
def test_the_answer_is_right_as_often_as_it_says(bad: float, good: float) -> None:
    dice, right, trials = random.Random(31), 0, 0
    for seed in range(60):
        first_bad = dice.randrange(1, 16)
        found = walked(Walk(in_a_row(16)), a_row(first_bad, bad, good, seed=seed))
        assert found.ending is Ending.FOUND
        right += found.suspects == (first_bad,)
        trials += found.trials
    assert right >= 55
    assert trials / 60 < 85


def test_rates_that_vary_from_version_to_version_do_little_harm() -> None:
    dice, right = random.Random(32), 0
    for seed in range(60):
        first_bad = dice.randrange(1, 12)
        bad = [dice.uniform(0.3, 0.8) for _ in range(12)]
        run = MadeUpRunner(lambda v, _, f=first_bad, b=bad: (b[v] if v >= f else 0.0, 0.0), seed=seed)
        right += walked(Walk(in_a_row(12)), run).suspects == (first_bad,)
    assert right >= 54


def test_the_ends_are_verified_first() -> None:
    for good, bad in ((0.0, 0.0), (1.0, 1.0), (0.4, 0.0)):
        found = walked(Walk(in_a_row(8), ends=60), a_row(4, bad, good))
        assert found.ending is Ending.NO_DIFFERENCE
        assert sum(tally.tries for tally in found.tallies[1:-1]) == 0
        assert found.nothing > 0.9


def test_versions_that_cannot_be_tried_are_passed_over() -> None:
    found = walked(Walk(in_a_row(16)), a_row(12, 1.0), broken=[6, 7, 8])
    assert found.suspects == (12,)
    around = walked(Walk(in_a_row(16)), a_row(8, 1.0), broken=[6, 7, 8])
    assert around.ending is Ending.FOUND
    assert around.suspects == (6, 7, 8, 9)
    assert around.tallies[7].skipped == "does not build"


def test_an_end_that_cannot_be_tried_ends_it() -> None:
    for end in (0, 7):
        found = walked(Walk(in_a_row(8)), a_row(4, 1.0), broken=[end])
        assert found.ending is Ending.UNFINISHED
        assert found.tallies[end].skipped


def test_a_bench_that_fails_all_the_time_ends_it() -> None:
    run = a_row(4, 1.0, not_run=1.0)
    found = walked(Walk(in_a_row(8)), run)
    assert found.ending is Ending.UNFINISHED
    assert run.trials < 20
    some = walked(Walk(in_a_row(8)), a_row(4, 1.0, not_run=0.3))
    assert some.suspects == (4,)
    assert sum(tally.not_run for tally in some.tallies) > 0


def test_trials_that_are_used_up_leave_a_range() -> None:
    found = walked(Walk(in_a_row(64), most=14), a_row(40, 0.5))
    assert found.ending is Ending.UNFINISHED
    assert found.trials == 14
    assert 40 in found.suspects
    assert len(found.suspects) > 1


def test_what_was_known_before_goes_on() -> None:
    first = Walk(in_a_row(32), most=25)
    trials = []
    run = a_row(20, 0.6)
    while (turn := first.next_turn()) is not None:
        for trial in run(turn.version, times=1):
            trials.append((turn.version, trial))
            first.add(turn.version, trial)
    again = Walk(in_a_row(32))
    for version, trial in trials:
        again.add(version, trial)
    found = walked(again, a_row(20, 0.6, seed=2))
    assert found.suspects == (20,)
    assert found.trials > 25


def test_two_changes_are_no_first_bad_one_and_that_is_said() -> None:
    """Bad, good again, and bad again: a fit is found, but some versions do not belong to it."""
    walk = Walk(in_a_row(32))
    run = MadeUpRunner(lambda version, _: (float(version in range(8, 12) or version >= 24), 0.0))
    for version in [9, 20] * 6:
        for trial in run(version, times=1):
            walk.add(version, trial)
    found = walked(walk, run)
    assert (found.suspects, found.odd) in (((24,), (9,)), ((8,), (20,)))


def test_merged_branches_are_told_apart() -> None:
    """0 is good; 1-2-3 and 4-5 are branches from it, 6 merges them, 7 follows. A fault of 2 is not in 4 and 5."""
    follow = {1: [1, 2, 3, 6, 7], 2: [2, 3, 6, 7], 3: [3, 6, 7], 4: [4, 5, 6, 7], 5: [5, 6, 7], 6: [6, 7], 7: [7]}
    contained = [sum(1 << version for version in follow[first]) for first in range(1, 8)]
    for first_bad in range(1, 8):
        run = MadeUpRunner(lambda version, _, f=first_bad: (float(version in follow[f]), 0.0))
        assert walked(Walk(contained), run).suspects == (first_bad,)


def test_probabilities_are_those_of_bayes_rule() -> None:
    """Two candidates, and that there is nothing to find."""
    culprit = Culprit(in_a_row(3))
    untried = culprit.groups({})
    assert [group.probability for group in untried] == pytest.approx([0.25, 0.25, 0.5])
    assert [group.candidates for group in untried] == [(0,), (1,), ()]
    groups = culprit.groups({0: (0, 20), 1: (1, 1), 2: (10, 20)})
    assert groups[0].probability > 0.9
    assert groups[-1].probability < 0.01
    assert groups[0].good < 0.05
    assert groups[0].bad == pytest.approx(0.5, abs=0.05)
    told = most_telling(groups, [0, 1, 2])
    assert max(told, key=told.__getitem__) == 1
    assert told[0] == pytest.approx(0.0, abs=0.01)


def test_many_versions_are_no_trouble() -> None:
    found = walked(Walk(in_a_row(300)), a_row(277, 1.0))
    assert found.suspects == (277,)
    assert found.trials < 30
