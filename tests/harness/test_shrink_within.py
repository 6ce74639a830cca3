"""What a case loses within its conditions, elements of lists and the size of numbers; and what survives a kill."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from made_up_trials import MadeUpRunner

from hil.cases import Case, CaseFile, load
from hil.cases.conditions import KINDS
from hil.reproduce.journal import Journal
from hil.shrink import Ending, Plan, Result, Shrinking
from hil.shrink.parts import SIZES, TRIAL, Number, Place, elements, numbers, smaller
from hil.shrink.resuming import Resuming, asked

EVERYTHING = """
title = "made up"
[signature]
never = [{ online = true }]
[trial]
steps = [{ do = "power-on" }, { do = "wait", seconds = 8 }, { do = "hard-reset", times = 9 }, { do = "wait-online" }]
[[condition]]
name = "slow"
kind = "gateway-fault"
fault = "latency"
parameters = { seconds = 4.0, jitter = 0.5 }
when = { count = 12, skip = 3 }
[[condition]]
name = "narrow"
kind = "gateway-fault"
fault = "bandwidth"
parameters = { bytes_per_second = 100 }
[[condition]]
name = "refused"
kind = "gateway-fault"
fault = "refuse-connack"
parameters = { code = 5 }
[[condition]]
name = "dips"
kind = "brown-out"
cuts = 20
[[condition]]
name = "cut"
kind = "power-cut"
at = { source = "gateway", kind = "connect" }
[[condition]]
name = "lies"
kind = "time-server"
mode = "jump"
parameters = { offsets = [10.0, 20.0, 30.0] }
[[condition]]
name = "old"
kind = "time-server"
mode = "offset"
parameters = { seconds = -86400.0 }
[[condition]]
name = "set"
kind = "settings"
values = { "a.b" = "1", c = "2", d = "3" }
"""

Fails = Callable[[Case], bool]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "case.toml").write_text(EVERYTHING)
    return load(tmp_path / "case")


def condition(case: Case, name: str) -> Any:
    return next((one for one in case.conditions if one.name == name), None)


def shrunk(case: Case, fails: Fails, plan: Plan | None = None, rate: float = 1.0, seed: int = 1) -> Result:
    shrinking = Shrinking(case, plan or Plan())
    for _ in shrinking.go(MadeUpRunner(lambda tried, _: (rate if fails(tried) else 0.0, 0.0), seed=seed)):
        pass
    return shrinking.result()


# -- what it can lose ----------------------------------------------------------------------------------------------


def test_what_is_less_of_a_condition_is_lowered_and_no_other_number(case: Case) -> None:
    found = {number.place.name: (number.value, number.least) for number in numbers(case)}
    assert found == {
        "slow.parameters.seconds": (4.0, 0.0),
        "slow.parameters.jitter": (0.5, 0.0),
        "slow.when.count": (12, 1),
        "slow.when.skip": (3, 0),
        "dips.cuts": (20, 1),
        "dips.off": (0.05, 0.0),
        "dips.on": (0.3, 0.0),
        "cut.off": (0.5, 0.0),
        "old.parameters.seconds": (-86400.0, 0.0),
        "[trial].steps.1.seconds": (8.0, 0.05),
        "[trial].steps.2.times": (9, 1),
    }
    assert [place.name for place in elements(case)] == [
        *("lies.parameters.offsets.0", "lies.parameters.offsets.1", "lies.parameters.offsets.2"),
        *("set.values.a.b", "set.values.c", "set.values.d"),
        *("[trial].steps.0", "[trial].steps.1", "[trial].steps.2", "[trial].steps.3"),
    ]


def test_every_kind_of_condition_that_has_a_length_or_a_number_of_times_is_lowered(case: Case) -> None:
    """As many as are of these names; a new kind has to say how it is made less."""
    named = {"times", "cuts", "off", "delay", "pause", "on", "when"}
    kinds = [kind for kind in KINDS if named & set(kind.model_fields)]
    missing = [kind for kind in kinds if get_args(kind.model_fields["kind"].annotation)[0] not in SIZES]
    assert not missing
    away = {"name": "away", "kind": "wifi-loss", "off": 8.0}
    rival = {"name": "rival", "kind": "second-client", "times": 4}
    file = CaseFile.model_validate({"title": "x", "condition": [away, rival]})
    found = {number.place.name: number.least for number in numbers(replace(case, file=file))}
    assert found == {"away.off": 0.05, "rival.times": 1, "rival.pause": 0.0}


def test_numbers_are_halved_towards_their_least() -> None:
    here = Place("x", ("y",))
    assert Number(here, 20, 1).half == 10
    assert Number(here, 2, 1).half == 1
    assert Number(here, 1, 0).half == 0
    assert isinstance(Number(here, 9, 0).half, int)
    assert Number(here, 0.3333, 0.0).half == 0.167
    assert Number(here, -86400.0, 0.0).half == -43200.0


def test_a_case_is_made_without_what_is_gone(case: Case) -> None:
    gone = {Place("slow", ()), Place("slow", ("when",)), Place("lies", ("parameters", "offsets", 0))}
    gone |= {Place(TRIAL, ("steps", 0)), Place(TRIAL, ("steps", 1)), Place("set", ("values", "a.b"))}
    lowered = {Place(TRIAL, ("steps", 2, "times")): 4, Place("dips", ("off",)): 0.01, Place("slow", ("x",)): 1}
    made = smaller(case, gone, lowered)
    assert made is not None
    assert condition(made, "slow") is None
    assert condition(made, "lies").parameters == {"offsets": [20.0, 30.0]}
    assert [(step.do, step.times) for step in made.trial.steps] == [("hard-reset", 4), ("wait-online", 1)]
    assert condition(made, "set").values == {"c": "2", "d": "3"}
    assert (condition(made, "dips").off, condition(made, "dips").cuts) == (0.01, 20)
    assert smaller(case, {Place("set", ("values", key)) for key in ("a.b", "c", "d")}, {}) is None
    assert smaller(case, {Place("lies", ())}, {Place("dips", ("cuts",)): 0}) is None


# -- what is lost --------------------------------------------------------------------------------------------------


def test_what_the_failure_does_not_need_goes_within_conditions_too(case: Case) -> None:
    def fails(tried: Case) -> bool:
        dips, own = condition(tried, "dips"), condition(tried, "set")
        steps = [step for step in tried.trial.steps if step.do == "hard-reset"]
        enough = dips is not None and dips.cuts >= 4 and dips.off >= 0.01
        return bool(enough and own is not None and "c" in own.values and steps and steps[0].times >= 3)

    found = shrunk(case, fails)
    assert found.ending is Ending.SMALLEST
    assert [one.name for one in found.case.conditions] == ["dips", "set"]
    dips = condition(found.case, "dips")
    assert (dips.cuts, dips.off, dips.on) == (5, 0.0125, 0.0)
    assert condition(found.case, "set").values == {"c": "2"}
    assert [(step.do, step.times) for step in found.case.trial.steps] == [("hard-reset", 3)]
    assert {less.name: less.now for less in found.less} == {
        "dips.cuts": 5,
        "dips.off": 0.0125,
        "dips.on": 0.0,
        "[trial].steps.2.times": 3,
    }
    assert {kept.name for kept in found.kept if kept.needed} == {"dips", "set", "[trial].steps.2"}


def test_whole_conditions_alone_if_so_wished(case: Case) -> None:
    found = shrunk(case, lambda tried: condition(tried, "dips") is not None, Plan(within=False))
    assert [one.name for one in found.case.conditions] == ["dips"]
    assert (found.less, len(found.case.trial.steps)) == ((), 4)


def steps_down(case: Case, found: Case) -> list[Case]:
    """Every case that is one step smaller: a condition or an element less, a number at its least, or halved."""
    places = [Place(one.name, ()) for one in found.conditions] + elements(found)
    cases = [smaller(found, {place}, {}) for place in places]
    cases += [smaller(found, set(), {one.place: value}) for one in numbers(found) for value in (one.least, one.half)]
    return [one for one in cases if one is not None and one != found]


@pytest.mark.parametrize("seed", range(6))
def test_what_is_left_cannot_lose_any_one_part(case: Case, seed: int) -> None:
    """Of failures that need this or that, and enough of it, whatever it is."""
    dice = random.Random(seed)
    names = [one.name for one in case.conditions]
    either, need = dice.sample(names, 2), dice.choice(names)
    floors = {one.place: abs(one.value) * dice.uniform(0, 1) for one in numbers(case)}

    def fails(tried: Case) -> bool:
        if condition(tried, need) is None or not any(condition(tried, name) for name in either):
            return False
        there = {one.place: abs(one.value) for one in numbers(tried) if one.place.owner == need}
        return all(there.get(place, 0.0) >= low for place, low in floors.items() if place.owner == need)

    found = shrunk(case, fails)
    assert found.ending is Ending.SMALLEST
    assert fails(found.case)
    assert not [one for one in steps_down(case, found.case) if fails(one)]


def test_a_failure_that_comes_now_and_then_loses_nothing_that_it_needs(case: Case) -> None:
    def fails(tried: Case) -> bool:
        dips = condition(tried, "dips")
        return dips is not None and dips.cuts >= 4

    few = case.without([one.name for one in case.conditions if one.name not in ("dips", "cut")])
    few = replace(few, file=few.file.model_copy(update={"trial": few.trial.model_copy(update={"steps": []})}))
    found = [shrunk(few, fails, rate=0.5, seed=seed) for seed in range(8)]
    assert sum(not fails(one.case) for one in found) <= 1
    assert sum(condition(one.case, "dips").cuts == 5 for one in found if fails(one.case)) >= 5


# -- after a kill --------------------------------------------------------------------------------------------------


class _Killed(Exception):
    pass


def resumed(case: Case, fails: Fails, folder: Path, stops: list[int]) -> tuple[Result, int]:
    """The result of a shrinking that is killed after so many trials, each time it goes on; and all that were tried."""
    tried = 0
    for stop in [*stops, 10**6]:
        run = MadeUpRunner(lambda one, _: (1.0 if fails(one) else 0.0, 0.0))
        trials = itertools.count(1)

        def dies(_: object, trials: Any = trials, stop: int = stop) -> None:
            if next(trials) == stop:
                raise _Killed

        with Journal(folder, asked(case), what="shrinking", option="--run") as journal:
            shrinking = Shrinking(case, Plan(first=5))
            try:
                for _ in shrinking.go(Resuming(run, journal, dies)):
                    pass
            except _Killed:
                tried += run.trials
                continue
            return shrinking.result(), tried + run.trials
    raise AssertionError("never came to its end")


def test_a_shrinking_that_is_killed_goes_on_where_it_was(case: Case, tmp_path: Path) -> None:
    case = case.without(["slow", "narrow", "dips", "lies"])

    def fails(tried: Case) -> bool:
        return condition(tried, "set") is not None and "d" in condition(tried, "set").values

    at_once, trials = resumed(case, fails, tmp_path / "at-once", [])
    after_kills, same = resumed(case, fails, tmp_path / "killed", [1, 4, 17, 30])
    assert after_kills == at_once
    assert same == trials == at_once.trials
    again, none = resumed(case, fails, tmp_path / "killed", [])
    assert (again, none) == (at_once, 0)


def test_what_the_bench_could_not_run_is_tried_again(case: Case, tmp_path: Path) -> None:
    with Journal(tmp_path, asked(case), what="shrinking", option="--run") as journal:
        shrinking = Shrinking(case, Plan())
        run = MadeUpRunner(lambda one, _: (1.0, 0.0), not_run=1.0)
        assert list(shrinking.go(Resuming(run, journal, lambda trial: None))) == [
            "given up: the bench fails all the time"
        ]
    with Journal(tmp_path, asked(case), what="shrinking", option="--run") as journal:
        assert len(journal.entries) == run.trials > 0
        assert Resuming(run, journal, lambda trial: None).known == 0


def test_the_journal_of_another_case_is_refused(case: Case, tmp_path: Path) -> None:
    Journal(tmp_path, asked(case), what="shrinking", option="--run").close()
    other = case.without(["slow"])
    with pytest.raises(
        ValueError, match=r"journal\.jsonl: is of another shrinking .* give another --run, or delete it"
    ):
        Journal(tmp_path, asked(other), what="shrinking", option="--run")
