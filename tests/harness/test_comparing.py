"""Firmwares compared on made-up trials: verdicts, how soon they come, and what they are worth."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from made_up_trials import MadeUpRunner

from hil.reproduce import Outcome, Trial
from hil.reproduce.comparing import BARREN, Comparing, Comparison, Plan, Verdict, drive


def compared(rates: Mapping[str, float], plan: Plan, run: MadeUpRunner | None = None, seed: int = 1) -> Comparison:
    run = run or MadeUpRunner(lambda case, board: (rates[case], 0.0), seed=seed)
    comparing = Comparing(list(rates), plan)
    for _ in drive(comparing, {name: name for name in rates}, run):
        pass
    return comparing.result()


def test_a_difference_is_told_with_its_numbers_and_no_trial_is_made_after_that() -> None:
    found = compared({"1.4.1": 0.0, "1.4.2": 0.46}, Plan())
    old, new = found.counts
    assert old.reproduced == 0
    assert new.reproduced > 3
    assert old.tries == new.tries < 30
    told = found.told[0]
    assert told.verdict is Verdict.DIFFER
    assert 0 < told.error <= 0.05
    assert 0 < told.excess.low < 0.46 < told.excess.high
    text = str(found).split("\n")
    assert text[0].startswith(f"fails 0 of {old.tries} on 1.4.1 (0% to ")
    assert text[1].startswith(f"fails {new.reproduced} of {new.tries} on 1.4.2 (")
    assert text[2].startswith("1.4.2 fails more often than 1.4.1: the rates differ by +")


def test_it_is_told_the_same_whichever_comes_first() -> None:
    found = compared({"new": 0.6, "old": 0.0}, Plan())
    assert str(found).split("\n")[2].startswith("new fails more often than old: the rates differ by +")
    assert found.told[0].excess.high < 0


def test_rates_that_are_alike_end_it_too() -> None:
    found = compared({"one": 0.0, "other": 0.0}, Plan(times=100))
    assert found.told[0].verdict is Verdict.ALIKE
    assert found.counts[0].tries < 30
    assert "one and other fail about as often" in str(found)


def test_what_cannot_be_told_ends_with_the_trials_that_there_may_be() -> None:
    found = compared({"one": 0.4, "other": 0.5}, Plan(times=20))
    assert [count.tries for count in found.counts] == [20, 20]
    assert found.told[0].verdict is Verdict.OPEN
    assert "are not told apart after 20 trials of each" in str(found)


def test_false_verdicts_are_as_rare_as_was_asked_for() -> None:
    """Also with several boards, of which one fails often, whatever runs on it."""
    wrong = 0
    for seed in range(120):
        run = MadeUpRunner(lambda case, board: (0.9 if board == "b" else 0.1, 0.0), boards="abc", seed=seed)
        found = compared({"one": 0, "other": 0}, Plan(times=60, boards=3, seed=seed), run)
        wrong += found.told[0].verdict is Verdict.DIFFER
    assert wrong / 120 <= 0.05


def test_trials_of_one_board_are_no_difference_of_the_firmwares() -> None:
    comparing = Comparing(["one", "other"], Plan())
    for number in range(40):
        comparing.add("one", Trial(number, "good board", "", Outcome.PASSED, 1.0, ""))
        comparing.add("other", Trial(number, "bad board", "", Outcome.REPRODUCED, 1.0, ""))
    told = comparing.result().told[0]
    assert (told.pairs, told.verdict) == (0, Verdict.OPEN)


def test_the_order_of_a_round_is_drawn_anew() -> None:
    comparing = Comparing(["one", "other"], Plan(times=1000))
    found = {tuple(comparing.next_round()) for _ in range(20)}
    assert found == {("one", "other"), ("other", "one")}
    assert (
        Comparing(["one", "other"], Plan(seed=7)).next_round() == Comparing(["one", "other"], Plan(seed=7)).next_round()
    )


def test_of_many_firmwares_each_is_compared_with_each() -> None:
    rates = {"1.0": 0.0, "1.1": 0.0, "1.2": 0.7, "1.3": 0.7}
    found = compared(rates, Plan(times=200, least=0.3))
    verdicts = {told.names: told.verdict for told in found.told}
    for (one, other), verdict in verdicts.items():
        assert verdict is (Verdict.ALIKE if rates[one] == rates[other] else Verdict.DIFFER), (one, other)
    wrong = 0
    for seed in range(25):
        alike = compared({name: 0.3 for name in "abcd"}, Plan(times=40), seed=seed)
        wrong += any(told.verdict is Verdict.DIFFER for told in alike.told)
    assert wrong <= 2


def test_a_firmware_of_which_all_is_told_is_not_tried_any_more() -> None:
    run = MadeUpRunner(lambda case, board: ({"a": 0.0, "b": 1.0, "c": 0.5}[case], 0.0), seed=3)
    found = compared({"a": 0, "b": 0, "c": 0}, Plan(times=80), run)
    assert all(told.verdict is Verdict.DIFFER for told in found.told)
    tries = {count.firmware: count.tries for count in found.counts}
    assert min(tries.values()) < max(tries.values())


def test_other_failures_and_trials_that_were_not_run_are_counted_apart() -> None:
    run = MadeUpRunner(lambda case, board: (0.0, 0.5), not_run=0.2)
    found = compared({"one": 0, "other": 0}, Plan(times=20), run)
    for count in found.counts:
        assert count.reproduced == 0
        assert count.other > 0
        assert count.not_run > 0
        assert f"{count.other} of {count.tries} in another way" in str(count)
        assert "could not be run" in str(count)
    assert found.told[0].first == found.told[0].second == 0
    assert json.loads(json.dumps(found.facts()))["counts"][0]["other"] == found.counts[0].other


def test_a_bench_that_fails_all_the_time_ends_it() -> None:
    run = MadeUpRunner(lambda case, board: (0.0, 0.0), not_run=1.0)
    found = compared({"one": 0, "other": 0}, Plan(), run)
    assert len(run.asked) == 2 * BARREN
    assert found.trials == 0
    assert found.told[0].verdict is Verdict.OPEN


def test_two_firmwares_are_needed() -> None:
    for names in (["one"], ["one", "one"]):
        with pytest.raises(ValueError, match="expected two or more of different names"):
            Comparing(names, Plan())
