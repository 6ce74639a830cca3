"""What trials come to, in words and as JSON; and how long it takes until something fails."""

from __future__ import annotations

import json

import pytest

from hil.evidence.survival import Watched, middle, survival, time_until
from hil.reproduce import Outcome, Trial
from hil.reproduce.difference import Difference
from hil.reproduce.summary import Finding, Summary


def some(*outcomes: tuple[Outcome, float], board: str = "a", firmware: str = "1.4.2") -> list[Trial]:
    return [
        Trial(number, board, firmware, outcome, seconds, f"why {outcome}")
        for number, (outcome, seconds) in enumerate(outcomes, 1)
    ]


FAILS = [(Outcome.REPRODUCED, 2.0 + number / 10) for number in range(23)]
PASSES = [(Outcome.PASSED, 5.0)] * 27


def test_a_flaky_failure_has_a_rate_a_range_and_a_time() -> None:
    difference = Difference("TLS", 2.31, "gateway.accept", "gateway.close", "gateway.hello", 23, 23)
    summary = Summary(some(*FAILS, *PASSES), difference, "23 failing with 27 passing trials")
    assert summary.finding is Finding.REPRODUCED
    assert summary.lines() == [
        "reproduced: fails as reported 23 of 50 times (33% to 60% with 95% confidence)",
        "  on firmware 1.4.2",
        "  time to failure: 3.10 s, the median (2.60 to 3.60 s with 95% confidence)",
        "  first difference, at +2.31 s in 23 of 23 (lane TLS), after gateway.accept:",
        "    passing: gateway.hello",
        "    failing: gateway.close",
        "  compared: 23 failing with 27 passing trials",
    ]
    facts = json.loads(json.dumps(summary.facts()))
    assert facts["counts"] == {"reproduced": 23, "other": 0, "passed": 27, "not run": 0}
    assert facts["rate"]["value"] == pytest.approx(0.46)
    assert facts["time_to_failure"]["seconds"] == pytest.approx(3.1)
    assert facts["half_failed"]["seconds"] is None
    assert facts["difference"]["at"] == 2.31
    assert len(facts["trials"]) == 50


@pytest.mark.parametrize(
    ("outcomes", "finding"),
    [
        ([Outcome.REPRODUCED, Outcome.OTHER], Finding.BESIDE_OTHERS),
        ([Outcome.OTHER, Outcome.PASSED], Finding.OTHERWISE),
        ([Outcome.PASSED, Outcome.NOT_RUN], Finding.NOT_REPRODUCED),
        ([Outcome.NOT_RUN], Finding.NOTHING_RAN),
        ([], Finding.NOTHING_RAN),
    ],
)
def test_another_failure_is_never_taken_for_the_reported_one(outcomes: list[Outcome], finding: Finding) -> None:
    summary = Summary(some(*((outcome, 1.0) for outcome in outcomes)))
    assert summary.finding is finding
    assert summary.lines()[0].startswith(f"{finding}: fails as reported")
    for outcome, words in ((Outcome.OTHER, "failed otherwise"), (Outcome.NOT_RUN, "not run")):
        assert (f"  {words}, 1 times: why {outcome}" in summary.lines()) == (outcome in outcomes)


def test_what_was_not_run_is_part_of_no_rate() -> None:
    summary = Summary(some((Outcome.REPRODUCED, 1.0), (Outcome.NOT_RUN, 0.0), (Outcome.NOT_RUN, 0.0)))
    assert "1 of 1 times" in summary.lines()[0]


def test_each_board_is_told_where_there_are_several() -> None:
    trials = some((Outcome.REPRODUCED, 1.0), board="b") + some((Outcome.PASSED, 1.0), (Outcome.PASSED, 1.0))
    assert "  on a 0 of 2, b 1 of 1" in Summary(trials).lines()


def test_nothing_seen_is_no_proof_of_nothing() -> None:
    assert "0% to 7%" in Summary(some(*[(Outcome.PASSED, 1.0)] * 50)).lines()[0]


#: Remissions of leukaemia under 6-MP, in weeks (E. J. Freireich and others, Blood 21, 1963): a set that textbooks of
#: survival analysis work through.
REMISSIONS = [
    *[(6, True)] * 3,
    *[(7, True), (10, True), (13, True), (16, True), (22, True), (23, True)],
    *[(6, False), (9, False), (10, False), (11, False), (17, False), (19, False), (20, False), (25, False)],
    *[(32, False), (32, False), (34, False), (35, False)],
]


def test_the_curve_is_that_of_the_textbooks() -> None:
    watched = [Watched(float(weeks), happened) for weeks, happened in REMISSIONS]
    left = [(point.seconds, round(point.left, 3)) for point in survival(watched)]
    assert left == [(6, 0.857), (7, 0.807), (10, 0.753), (13, 0.690), (16, 0.627), (22, 0.538), (23, 0.448)]
    half = time_until(watched)
    assert (half.seconds, half.low, half.high) == (23, 13, None)
    assert time_until(watched, 0.9).seconds is None


def test_where_all_fail_the_curve_s_middle_is_the_median() -> None:
    watched = [Watched(float(number), True) for number in range(1, 100)]
    assert time_until(watched).seconds == middle([one.seconds for one in watched]).seconds == 50


@pytest.mark.parametrize(
    ("count", "low", "high"),
    # Ranks of the tables for the sign test's interval of the median, 95 %.
    [(5, None, None), (6, 1, 6), (10, 2, 9), (20, 6, 15), (50, 18, 33)],
)
def test_the_range_of_a_median_is_between_two_of_the_values(count: int, low: int | None, high: int | None) -> None:
    found = middle([float(number) for number in range(1, count + 1)])
    assert (found.low, found.high) == (low, high)


def test_of_nothing_there_is_no_median() -> None:
    assert middle([]).seconds is None
