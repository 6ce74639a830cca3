"""What is asked of the history, asked of made-up labs: what was put in is found, and little else."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from histories import past

from hil.history.questions import flaky, lonely, regressions
from hil.history.questions.drifts import Series, judge
from hil.history.window import Window


def noisy(dice: random.Random, rate: float) -> str:
    return "FAIL" if dice.random() < rate else "pass"


# -- regressions ---------------------------------------------------------------------------------------------------


def test_a_regression_is_dated_to_the_first_bad_run_and_its_firmware() -> None:
    lab = past(
        lambda board, scenario, run: "FAIL" if (board, scenario) == (1, 2) and run >= 33 else "pass",
        firmware=lambda board, run: 1 + run // 11,
    )
    (found,) = regressions(lab)
    assert (found.kind, found.board.name, found.scenario) == ("broken", "board-1", "does 2")
    assert (found.since.order, found.good and found.good.order) == (33, 32)
    assert found.new_firmware
    assert (found.firmware, found.good_firmware) == (lab.firmware[4].name, lab.firmware[3].name)
    assert (found.failed, found.tries, found.failed_before, found.tries_before) == (7, 7, 0, 33)
    assert found.sure


def test_what_was_mended_and_what_was_not_judged_is_no_regression() -> None:
    mended = past(lambda board, scenario, run: "FAIL" if 10 <= run < 20 else "pass", boards=1, scenarios=1)
    assert regressions(mended) == []
    unjudged = past(lambda board, scenario, run: "ERROR" if run > 30 else "n/a", boards=1, scenarios=1)
    assert regressions(unjudged) == []


def test_runs_in_which_the_bench_failed_do_not_part_a_regression() -> None:
    course = {20: "FAIL", 21: "ERROR", 22: "FAIL"}
    (found,) = regressions(past(lambda b, s, run: course.get(run, "pass"), runs=23, boards=1, scenarios=1))
    assert (found.since.order, found.failed) == (20, 2)
    assert not found.new_firmware


def test_what_failed_in_all_runs_is_listed_as_such() -> None:
    (found,) = regressions(past(lambda board, scenario, run: "FAIL", runs=5, boards=1, scenarios=1))
    assert found.good is None
    assert not found.sure


def test_one_failure_of_what_fails_now_and_then_is_not_sure() -> None:
    lab = past(lambda b, s, run: "FAIL" if run % 5 == 4 else "pass", runs=40, boards=1, scenarios=1)
    (found,) = regressions(lab)
    assert not found.sure
    assert found.chance > 0.1


def test_more_failures_since_a_firmware_are_found_though_it_passes_now() -> None:
    dice = random.Random(3)
    hits = 0
    for _ in range(40):
        lab = past(
            lambda board, scenario, run: (
                "pass" if run == 39 else noisy(dice, 0.6 if (board, scenario) == (0, 0) and run >= 24 else 0.02)
            ),
            firmware=lambda board, run: 1 + run // 8,
        )
        worse = [one for one in regressions(lab) if one.kind == "worse"]
        hit = [one for one in worse if (one.board.id, one.scenario) == (0, "does 0")]
        hits += bool(hit) and hit[0].since.order in (16, 24, 32)
    assert hits >= 32


#: How often each of a lab's hundred cells fails: all alike, hardly ever, some flaky ones among good ones, anything.
LABS: dict[str, Callable[[random.Random, int], float]] = {
    "noisy": lambda dice, cell: 0.05,
    "clean": lambda dice, cell: 0.002,
    "mixed": lambda dice, cell: 0.15 if cell % 10 == 1 else 0.002,
    "anything": lambda dice, cell: dice.random() * 0.3,
}


def a_night(dice: random.Random, kind: str, broken: dict[int, int]) -> Window:
    """Thirty runs of five boards with twenty scenarios each; `broken`: cells that fail for so many nights now."""
    rates = [LABS[kind](dice, cell) for cell in range(100)]

    def course(board: int, scenario: int, run: int) -> str:
        cell = board * 20 + scenario
        return "FAIL" if run >= 30 - broken.get(cell, 0) else noisy(dice, rates[cell])

    return past(course, runs=30, boards=5, scenarios=20, firmware=lambda board, run: 1 + run // 8)


@pytest.mark.parametrize("kind", LABS)
def test_where_nothing_changed_hardly_a_lab_has_a_sure_regression(kind: str) -> None:
    dice = random.Random(4)
    labs = [regressions(a_night(dice, kind, {})) for _ in range(40)]
    # Of each kind of regression one lab in twenty may have a false one; and chance may double that in forty labs.
    assert sum(any(one.sure for one in found) for found in labs) / 40 <= 0.15
    assert any(found for found in labs), "there was something to be careful with"


@pytest.mark.parametrize(("kind", "nights"), [("noisy", 3), ("clean", 2), ("mixed", 3)])
def test_what_broke_is_found_among_many_and_little_of_what_is_claimed_is_false(kind: str, nights: int) -> None:
    dice = random.Random(5)
    hits, parts = 0, []
    for _ in range(20):
        broken = dict.fromkeys(dice.sample(range(100), 4), nights)
        found = regressions(a_night(dice, kind, broken))
        sure = {one.board.id * 20 + int(one.scenario.split()[1]) for one in found if one.sure}
        hits += len(sure & set(broken))
        parts.append(len(sure - set(broken)) / max(1, len(sure)))
    assert hits / 80 >= 0.8
    assert sum(parts) / 20 <= 0.12  # one in twenty of each kind, and what chance makes of that in twenty labs


def test_where_nothing_ever_failed_one_failure_is_sure_and_where_much_does_it_is_none() -> None:
    lab = past(lambda board, scenario, run: "FAIL" if (board, scenario, run) == (1, 2, 39) else "pass", scenarios=20)
    (found,) = regressions(lab)
    assert found.sure
    odd = past(
        lambda board, scenario, run: (
            "FAIL"
            if (run == 39) == ((board, scenario) == (1, 2)) and (run + 7 * scenario + board) % 20 == 0
            else "pass"
        ),
        scenarios=20,
    )
    assert not any(one.sure for one in regressions(odd))


# -- flaky ---------------------------------------------------------------------------------------------------------


def test_what_fails_now_and_then_is_flaky_with_its_rate() -> None:
    dice = random.Random(6)
    lab = past(lambda b, s, run: noisy(dice, 0.25 if s == 3 else 0.0), boards=2)
    found = flaky(lab)
    assert [(one.board.name, one.scenario) for one in sorted(found, key=lambda one: one.board.id)] == [
        ("board-0", "does 3"),
        ("board-1", "does 3"),
    ]
    for one in found:
        assert one.tries == 40
        assert one.rate.low < 0.25 < one.rate.high
        assert one.firmware == lab.firmware[1].name


def test_the_interval_holds_the_true_rate_nineteen_times_in_twenty() -> None:
    dice = random.Random(7)
    lab = past(lambda b, s, run: noisy(dice, 0.3), boards=20, scenarios=20)
    found = flaky(lab)
    assert len(found) == 400
    assert 0.92 < sum(one.rate.low <= 0.3 <= one.rate.high for one in found) / 400 < 0.98


@pytest.mark.parametrize(
    ("course", "is_flaky"),
    [
        ("pppppFFFFF", False),  # it broke
        ("FFFFFppppp", False),  # it was mended
        ("pppFpppppp", True),
        ("FFFpFFFFFF", True),
        ("pppppp~ppp", True),  # it failed, and passed when it was run again
        ("pppEpppnpE", False),  # the bench failed, or nobody asked
        ("pwpwpwpwpw", False),  # a warning is a pass
    ],
)
def test_what_counts_as_flaky(course: str, is_flaky: bool) -> None:
    names = {"p": "pass", "F": "FAIL", "~": "flaky", "E": "ERROR", "n": "n/a", "w": "WARN"}
    lab = past(lambda board, scenario, run: names[course[run]], runs=len(course), boards=1, scenarios=1)
    assert bool(flaky(lab)) is is_flaky


def test_a_new_firmware_that_behaves_differently_makes_nothing_flaky() -> None:
    lab = past(
        lambda board, scenario, run: "FAIL" if (run // 5) % 2 else "pass",
        boards=1,
        scenarios=1,
        firmware=lambda board, run: run // 5,
    )
    assert flaky(lab) == []


def test_what_newer_firmware_has_mended_is_flaky_no_more_once_that_is_sure() -> None:
    def lab(clean: int) -> list[object]:
        return list(
            flaky(
                past(
                    lambda b, s, run: "FAIL" if run < 20 and run % 4 == 2 else "pass",
                    runs=20 + clean,
                    boards=1,
                    scenarios=1,
                    firmware=lambda board, run: 1 + (run >= 20),
                )
            )
        )

    assert lab(3)  # three passes are no proof where it failed in one of four
    assert not lab(15)


def test_among_many_that_passed_since_one_has_to_have_passed_more_often_to_be_mended() -> None:
    def listed(others: int) -> set[str]:
        lab = past(
            lambda b, s, run: "FAIL" if run < 20 and run % 4 == 2 else "pass" if s == 0 or run < 23 else None,
            runs=35,
            boards=1,
            scenarios=1 + others,
            firmware=lambda board, run: 1 + (run >= 20),
        )
        return {one.scenario for one in flaky(lab)}

    assert "does 0" not in listed(0)
    assert "does 0" in listed(20)


# -- boards that fail alone ----------------------------------------------------------------------------------------


def test_a_board_with_trouble_of_its_own_is_found() -> None:
    dice = random.Random(8)
    lab = past(lambda board, scenario, run: noisy(dice, 0.1 if board == 2 else 0.005), runs=40)
    (found,) = lonely(lab)
    assert found.board.name == "board-2"
    assert found.alone > 2 * found.expected
    assert found.chance < 0.01


def test_firmware_that_fails_on_all_boards_is_no_trouble_of_one() -> None:
    dice = random.Random(9)
    bad = {run: dice.random() < 0.4 for run in range(40)}
    assert lonely(past(lambda board, scenario, run: "FAIL" if bad[run] else "pass")) == []


def test_a_board_with_firmware_of_its_own_is_not_judged() -> None:
    lab = past(
        lambda board, scenario, run: "FAIL" if board == 2 else "pass",
        firmware=lambda board, run: 7 if board == 2 else 1,
    )
    assert lonely(lab) == []


def test_one_bad_night_of_a_board_is_one_event() -> None:
    lab = past(lambda board, scenario, run: "ERROR" if board == 2 and run == 17 else "pass", scenarios=50)
    assert lonely(lab) == []


def test_where_no_board_has_trouble_few_are_suspected() -> None:
    dice = random.Random(10)
    labs = [past(lambda board, scenario, run: noisy(dice, 0.05), runs=30, boards=4, scenarios=4) for _ in range(150)]
    assert sum(bool(lonely(lab)) for lab in labs) / 150 <= 0.06


# -- drifts --------------------------------------------------------------------------------------------------------


def measurements(dice: random.Random, moves: dict[int, float], count: int = 40) -> Series:
    """A series for each of 60 scenarios of a board, around 2 s with a deviation of 5 %; `moves`: by so much in all."""
    return {
        (0, scenario, "time_to_online"): (
            range(count),
            [2 * (1 + dice.gauss(0, 0.05) + moves.get(scenario, 0.0) * run / count) for run in range(count)],
            "s",
        )
        for scenario in range(60)
    }


def a_lab() -> object:
    return past(lambda board, scenario, run: "pass", boards=1, scenarios=60, firmware=lambda board, run: 1 + run // 20)


def test_drifts_are_found_among_many_series_and_little_else() -> None:
    dice, lab = random.Random(15), a_lab()
    found = [one.scenario for _ in range(10) for one in judge(lab, measurements(dice, {7: 0.3, 31: -0.3}))]  # type: ignore[arg-type]
    assert found.count("does 7") == found.count("does 31") == 10
    assert len(found) - 20 <= 3


def test_where_nothing_moves_few_labs_have_a_drift() -> None:
    dice, lab = random.Random(16), a_lab()
    assert sum(bool(judge(lab, measurements(dice, {}))) for _ in range(40)) <= 4  # type: ignore[arg-type]


def test_a_step_is_dated_to_its_run_and_firmware() -> None:
    dice = random.Random(17)
    lab = past(lambda b, s, run: "pass", boards=1, scenarios=1, firmware=lambda board, run: 1 + (run >= 25))
    values = [100_000 + dice.gauss(0, 500) - 20_000 * (run >= 25) for run in range(40)]
    (found,) = judge(lab, {(0, 0, "heap_least"): (range(40), values, "B")})
    assert (found.change.kind, found.since.order) == ("step", 25)
    assert (found.firmware_before, found.firmware) == (lab.firmware[1].name, lab.firmware[2].name)
    assert found.worse  # less heap


def test_what_moves_by_next_to_nothing_is_left_out() -> None:
    values = [10 + 0.001 * run for run in range(40)]
    lab = past(lambda b, s, run: "pass", boards=1, scenarios=1)
    assert judge(lab, {(0, 0, "duration"): (range(40), values, "s")}) == []
