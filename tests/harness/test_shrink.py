"""Cases made smaller on made-up trials: what is removed, what stays, and what that is worth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from made_up_trials import MadeUpRunner

from hil.cases import Case, load
from hil.shrink import Ending, Plan, Result, Shrinking, wording
from hil.shrink.guessing import Guess


def made(folder: Path, names: Sequence[str]) -> Case:
    waits = "".join(f'[[condition]]\nname = "{name}"\nkind = "wait"\nseconds = 1\n' for name in names)
    folder.mkdir(exist_ok=True)
    (folder / "case.toml").write_text(f'title = "made up"\n{waits}[signature]\nnever = [{{ online = true }}]\n')
    return load(folder)


def left(case: Case) -> set[str]:
    return {condition.name for condition in case.conditions}


def shrunk(case: Case, needed: set[str], rate: float, *, seed: int = 1, plan: Plan | None = None) -> Result:
    run = MadeUpRunner(lambda tried, _: (rate if needed <= left(tried) else 0.0, 0.1), seed=seed)
    shrinking = Shrinking(case, plan or Plan())
    for _ in shrinking.go(run):
        pass
    found = shrinking.result()
    assert found.trials == run.trials
    return found


@pytest.mark.parametrize("needed", [set(), {"c"}, {"a", "h"}, set("bdf"), set("abcdefgh")])
def test_what_the_failure_needs_is_left_and_nothing_else(tmp_path: Path, needed: set[str]) -> None:
    found = shrunk(made(tmp_path / "case", "abcdefgh"), needed, 0.9)
    assert found.ending is Ending.SMALLEST
    assert left(found.case) == needed
    assert {kept.name for kept in found.kept if kept.needed} == needed
    assert set(found.removed) == set("abcdefgh") - needed


def test_a_failure_that_comes_now_and_then_is_shrunk_as_surely(tmp_path: Path) -> None:
    case = made(tmp_path / "case", "abcde")
    lost = smallest = 0
    for seed in range(40):
        found = shrunk(case, {"b", "d"}, 0.5, seed=seed, plan=Plan(within=False))
        lost += not {"b", "d"} <= left(found.case)
        smallest += left(found.case) == {"b", "d"}
    assert lost <= 2
    assert smallest >= 32


def test_a_condition_that_only_helps_is_kept_in_doubt(tmp_path: Path) -> None:
    """Without it the failure comes about half as often: that shows neither."""
    run = MadeUpRunner(lambda case, _: (0.8 if "a" in left(case) else 0.4, 0.0), seed=4)
    shrinking = Shrinking(made(tmp_path / "case", "ab"), Plan(times=30))
    said = list(shrinking.go(run))
    found = shrinking.result()
    assert "a" in left(found.case)
    kept = next(kept for kept in found.kept if kept.name == "a")
    assert not kept.needed
    assert any("in doubt" in line for line in said)
    assert any(line.startswith("  a: kept in doubt: without it ") for line in wording.lines(found, 0.95))


def test_either_of_two_is_enough_and_one_of_them_goes(tmp_path: Path) -> None:
    run = MadeUpRunner(lambda case, _: (0.9 if left(case) & {"a", "b"} else 0.0, 0.0))
    shrinking = Shrinking(made(tmp_path / "case", "abc"), Plan())
    for _ in shrinking.go(run):
        pass
    assert len(left(shrinking.result().case)) == 1


def test_what_was_needed_in_other_company_is_tried_again(tmp_path: Path) -> None:
    """'a' is needed only as long as 'b' is there, which is taken out after it."""
    run = MadeUpRunner(lambda case, _: (0.0 if "b" in left(case) and "a" not in left(case) else 1.0, 0.0))
    shrinking = Shrinking(made(tmp_path / "case", "ab"), Plan())
    shrinking._removed = set()
    for _ in shrinking.go(run):
        pass
    assert left(shrinking.result().case) == set()


def test_a_case_that_never_fails_is_left_as_it_is(tmp_path: Path) -> None:
    found = shrunk(made(tmp_path / "case", "ab"), {"a"}, 0.0)
    assert (found.ending, found.removed, found.trials) == (Ending.NEVER_FAILED, (), 20)
    assert wording.lines(found, 0.95)[0] == "nothing to shrink: the whole case failed 0 of 20 times"


def test_a_bench_that_fails_all_the_time_ends_it(tmp_path: Path) -> None:
    run = MadeUpRunner(lambda case, _: (1.0, 0.0), not_run=1.0)
    shrinking = Shrinking(made(tmp_path / "case", "ab"), Plan(boards=2))
    assert "the bench fails all the time" in list(shrinking.go(run))[-1]
    assert shrinking.result().ending is Ending.UNFINISHED
    assert run.trials < 20
    assert wording.lines(shrinking.result(), 0.95) == ["nothing is known: no trial could be run"]


def test_it_says_what_it_came_to(tmp_path: Path) -> None:
    found = shrunk(made(tmp_path / "case", "abc"), {"b"}, 1.0)
    text = wording.lines(found, 0.95)
    assert text[0] == "the whole case fails 20 of 20 times (78% to 100%)"
    assert text[1].startswith("what is left of it fails ")
    assert text[2:4] == ["  gone: a, c", "  less: b.seconds = 0.05 in place of 1"]
    assert text[4].startswith("  b: needed: without it 0 of ")
    assert text[-1] == f"2 of 3 parts removed, 1 number(s) lowered after {found.trials} trials"
    told = json.loads(json.dumps(wording.facts(found)))
    assert (told["removed"], [kept["name"] for kept in told["kept"]]) == (["a", "c"], ["b"])
    assert told["less"] == [{"name": "b.seconds", "before": 1.0, "now": 0.05}]
    nothing = shrunk(made(tmp_path / "none", ""), set(), 1.0)
    assert nothing.ending is Ending.SMALLEST


def test_many_are_left_out_at_first_and_what_resists_singly() -> None:
    guess = Guess("abcdef")
    assert guess.next() == ["a", "b", "c"]
    guess.refused(["a", "b", "c"])
    assert guess.next() == ["d", "e", "f"]
    guess.gone(["d", "e", "f"])
    assert guess.next() == ["a", "b"]  # one of the three is needed, and it may be any
    guess.refused(["a", "b"])
    assert guess.next() == ["c"]
    guess.gone(["c"])
    assert guess.next() == ["a"]
    guess.refused(["a"])
    assert guess.next() == ["b"]
    guess.gone(["b"])
    assert guess.next() == []
