"""The statistics: against scipy's results, and against what they promise, counted over many made-up series."""

from __future__ import annotations

import math
import random
from statistics import NormalDist, median

import pytest

from hil.evidence import (
    Change,
    Rates,
    adjusted,
    at_least,
    change,
    fisher_more,
    inflation,
    learnt,
    mann_kendall,
    trend,
    wilson,
)


# scipy 1.17.1, stats.binomtest(count, tries).proportion_ci(confidence, method="wilson")
@pytest.mark.parametrize(
    ("count", "tries", "confidence", "low", "high"),
    [
        (0, 10, 0.95, 0.0, 0.2775328),
        (3, 40, 0.95, 0.025836026, 0.198642335),
        (23, 50, 0.95, 0.329696522, 0.596011286),
        (50, 50, 0.95, 0.928652401, 1.0),
        (1, 7, 0.99, 0.017000537, 0.616293345),
        (120, 1000, 0.90, 0.104114218, 0.137936447),
    ],
)
def test_intervals_are_those_of_scipy(count: int, tries: int, confidence: float, low: float, high: float) -> None:
    found = wilson(count, tries, confidence)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-8), pytest.approx(high, abs=1e-8))


def test_intervals_hold_the_true_rate_as_often_as_they_say() -> None:
    for tries in (10, 50):
        covered = []
        for percent in range(2, 99, 4):
            rate = percent / 100
            chances = [math.comb(tries, k) * rate**k * (1 - rate) ** (tries - k) for k in range(tries + 1)]
            bounds = [wilson(k, tries) for k in range(tries + 1)]
            covered.append(sum(p for p, b in zip(chances, bounds, strict=True) if b.low <= rate <= b.high))
        assert 0.94 < sum(covered) / len(covered) < 0.97
        assert min(covered) > 0.83  # Wilson's known dip at rates near 0 and 1
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)


def test_counts_that_cannot_be_are_refused() -> None:
    for count, tries in ((-1, 3), (4, 3)):
        with pytest.raises(ValueError, match=f"found {count} of 3"):
            wilson(count, tries)
        with pytest.raises(ValueError, match=f"found {count} of 3"):
            fisher_more(count, tries, 0, 1)


# scipy 1.17.1, stats.fisher_exact(table, alternative="greater")
@pytest.mark.parametrize(
    ("failed", "tries", "failed_before", "tries_before", "p"),
    [
        (5, 10, 1, 40, 0.000647548566),
        (1, 1, 0, 9, 0.1),
        (3, 3, 0, 20, 0.000564652739),
        (0, 5, 2, 10, 1.0),
        (8, 20, 9, 30, 0.333228337),
    ],
)
def test_fisher_is_that_of_scipy(failed: int, tries: int, failed_before: int, tries_before: int, p: float) -> None:
    assert fisher_more(failed, tries, failed_before, tries_before) == pytest.approx(p, rel=1e-8)


def test_unequal_chances_add_up_as_in_scipy() -> None:
    chances = [0.25, 0.5, 0.25, 1 / 3, 0.25, 0.5, 0.2]
    # scipy 1.17.1, stats.poisson_binom(chances).sf(count - 1)
    known = [1.0, 0.94375, 0.7328125, 0.41171875, 0.154166666667, 0.0359375, 0.0046875, 0.000260416667]
    assert [at_least(count, chances) for count in range(8)] == pytest.approx(known, abs=1e-12)
    assert at_least(8, chances) == 0.0


def test_false_discoveries_are_adjusted_as_in_scipy() -> None:
    chances = [0.205, 0.001, 0.039, 0.041, 0.042, 0.06, 0.074, 0.008, 0.212, 0.216]
    # scipy 1.17.1, stats.false_discovery_control
    known = [0.216, 0.01, 0.084, 0.084, 0.084, 0.1, 0.105714286, 0.04, 0.216, 0.216]
    assert adjusted(chances) == pytest.approx(known, abs=1e-9)
    assert adjusted([]) == []


def test_of_what_is_reported_few_are_false() -> None:
    dice = random.Random(5)
    false = reported = 0
    for _ in range(200):
        # 40 questions in which nothing is, and 10 in which something is.
        chances = [dice.random() for _ in range(40)] + [dice.random() ** 6 / 50 for _ in range(10)]
        clear = [n for n, rate in enumerate(adjusted(chances)) if rate <= 0.05]
        reported += len(clear)
        false += sum(n < 40 for n in clear)
    assert reported > 1500
    assert false / reported < 0.06


SERIES = [10.3, 10.9, 10.4, 8.8, 11.0, 10.6, 9.6, 10.8, 10.6, 10.6, 10.3, 10.9]
SERIES += [9.6, 10.2, 9.9, 11.0, 10.5, 10.2, 9.8, 10.3, 10.6, 10.4, 12.0, 11.7]


def test_trends_are_those_of_scipy_and_pymannkendall() -> None:
    # pymannkendall 1.4.3, original_test; scipy 1.17.1, stats.theilslopes
    assert mann_kendall(SERIES) == pytest.approx(0.5662602604626921, abs=1e-12)
    found = trend([(float(n), value) for n, value in enumerate(SERIES)])
    assert (found.slope, found.low, found.high) == pytest.approx((0.011805556, -0.025, 0.060869565), abs=2e-3)
    assert found.p == pytest.approx(mann_kendall(SERIES))


@pytest.mark.parametrize("levels", [3, 10, 10**9])
def test_kendall_s_score_counts_the_pairs(levels: int) -> None:
    dice = random.Random(levels)
    for count in (10, 11, 50):
        values = [float(dice.randrange(levels)) for _ in range(count)]
        pairs = [(b > a) - (b < a) for n, a in enumerate(values) for b in values[n + 1 :]]
        ties = [values.count(value) for value in set(values)]
        spread = (count * (count - 1) * (2 * count + 5) - sum(n * (n - 1) * (2 * n + 5) for n in ties)) / 18
        score = abs(sum(pairs))
        p = 2 * NormalDist().cdf(-(score - 1) / spread**0.5) if score else 1.0
        assert mann_kendall(values) == pytest.approx(p, rel=1e-12)


def test_what_neighbours_have_in_common_is_allowed_for() -> None:
    assert inflation(-0.3, 20) == inflation(0.0, 20) == 1.0
    # The variance of a sum of correlated values, added up term by term.
    direct = sum(0.5 ** abs(i - j) for i in range(30) for j in range(30)) / 30
    assert inflation(0.5, 30) == pytest.approx(direct)


def series(dice: random.Random, count: int, correlation: float = 0.0) -> list[float]:
    """Noise of deviation 1 around 100, each value so much like the one before."""
    value, found = dice.gauss(0, 1), list[float]()
    for _ in range(count):
        value = correlation * value + dice.gauss(0, math.sqrt(1 - correlation**2))
        found.append(100 + value)
    return found


def found_in(changes: list[Change | None]) -> list[Change]:
    return [one for one in changes if one is not None and one.p < 0.05]


@pytest.mark.parametrize(("correlation", "most"), [(0.0, 0.08), (0.3, 0.11)])
def test_where_nothing_moves_little_is_found(correlation: float, most: float) -> None:
    dice = random.Random(11)
    alarms = found_in([change(series(dice, 40, correlation)) for _ in range(400)])
    assert len(alarms) / 400 <= most
    if correlation:  # what the test would say that takes neighbours for strangers
        naive = sum(mann_kendall(series(dice, 40, correlation)) < 0.05 for _ in range(400))
        assert naive / 400 > 0.12


def test_a_step_is_found_where_it_is() -> None:
    dice = random.Random(12)
    made = [[value + 2.5 * (n >= 28) for n, value in enumerate(series(dice, 40))] for _ in range(60)]
    found = found_in([change(values) for values in made])
    assert len(found) >= 57
    assert abs(median(one.at for one in found) - 28) <= 1
    assert sum(one.kind == "step" for one in found) >= 0.8 * len(found)
    assert median(one.after - one.before for one in found) == pytest.approx(2.5, abs=0.3)


def test_a_drift_is_found_with_its_slope() -> None:
    dice = random.Random(13)
    made = [[value + 0.08 * n for n, value in enumerate(series(dice, 40))] for _ in range(60)]
    found = found_in([change(values) for values in made])
    assert len(found) >= 57
    assert sum(one.kind == "drift" for one in found) >= 0.8 * len(found)
    assert sum(one.low <= 0.08 <= one.high for one in found) >= 0.88 * len(found)


def test_a_few_wild_values_are_no_change() -> None:
    dice = random.Random(14)
    made = [series(dice, 40) for _ in range(60)]
    for values in made:
        values[-1] += 50
        values[7] += 80
    assert len(found_in([change(values) for values in made])) <= 7


def test_little_data_claims_nothing() -> None:
    assert change([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]) is None
    assert change([5.0] * 30) is None
    assert change([]) is None
    rising = change([float(n) for n in range(10)])
    assert rising is not None
    assert (rising.kind, rising.before, rising.after) == ("drift", 2.0, 7.0)
    assert rising.ratio == 2.5


# -- rates that others tell of -------------------------------------------------------------------------------------


def test_the_chance_to_fail_again_is_that_of_a_beta_distribution() -> None:
    # With beta (2, 3) and 1 of 4: (3/9) (4/10); drawn in a row these are the odds of Polya's urn.
    assert Rates(((2.0, 3.0, 1.0),)).again(1, 4, 2) == pytest.approx(3 / 9 * 4 / 10)
    # Of two such distributions the one counts more that explains 1 of 3 better: (2 3 4) / (5 6 7) to (1 1 2) / (2 3 4).
    both = Rates(((2.0, 3.0, 0.5), (1.0, 1.0, 0.5)))
    explained, follows = (24 / 210, 2 / 24), (3 / 8, 2 / 5)
    told = sum(e * f for e, f in zip(explained, follows, strict=True)) / sum(explained)
    assert both.again(1, 3, 1) == pytest.approx(told)


def test_others_tell_whether_a_failure_is_news() -> None:
    good, bad = learnt([(0, 49)] * 200), learnt([(k % 5, 49) for k in range(200)])
    assert good.again(0, 49, 1) < 0.0002 < 0.01 < bad.again(0, 49, 1)
    assert bad.again(0, 49, 1) < bad.again(10, 49, 1)  # its own runs count as well
    assert 0.001 < learnt([]).again(0, 0, 1) < 0.5


def test_what_is_learnt_is_as_often_right_as_it_says() -> None:
    dice = random.Random(21)
    told = came = 0.0
    for _ in range(20):
        rates = [dice.betavariate(0.3, 6.0) for _ in range(100)]
        counts = [(sum(dice.random() < rate for _ in range(30)), 30) for rate in rates]
        known = learnt(counts)
        told += sum(known.again(*count, 1) for count in counts)
        came += sum(dice.random() < rate for rate in rates)
    assert told == pytest.approx(came, rel=0.2)
