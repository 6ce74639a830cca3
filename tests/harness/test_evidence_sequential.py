"""Statistics that may be looked at at any time: what they promise, added up or counted."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import pytest

from hil.evidence import above, alike, below, differ, difference, exceeds_by_less, held, lasting


def spread(rates: Sequence[float]) -> list[float]:
    """How probable each number of failures is, for trials with these rates."""
    found = [1.0]
    for rate in rates:
        found = [stays * (1 - rate) + rises * rate for stays, rises in zip([*found, 0.0], [0.0, *found], strict=True)]
    return found


def expected(value: Callable[[int, int], float], first: Sequence[float], second: Sequence[float]) -> float:
    """The mean of an e-value over all that can happen."""
    one, other = spread(first), spread(second)
    return sum(p * q * value(a, b) for a, p in enumerate(one) for b, q in enumerate(other))


# scipy 1.17.1: optimize.brentq on stats.betabinom(n, 0.5, 0.5).pmf(k) / stats.binom(n, p).pmf(k) - 20
@pytest.mark.parametrize(
    ("count", "tries", "low", "high"),
    [(23, 50, 0.249508792, 0.680883436), (0, 50, 0.0, 0.104642477), (3, 4, 0.130989030, 0.998035318)],
)
def test_lasting_intervals_are_those_of_the_formula(count: int, tries: int, low: float, high: float) -> None:
    found = lasting(count, tries)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))


def test_a_lasting_interval_holds_the_rate_at_every_look() -> None:
    dice = random.Random(21)
    for rate in (0.0, 0.3):
        missed = 0
        for _ in range(150):
            count, out = 0, False
            for tries in range(1, 61):
                count += dice.random() < rate
                found = lasting(count, tries, 0.8)
                out |= not found.low <= rate <= found.high
            missed += out
        assert missed / 150 <= 0.2, rate
    assert str(lasting(0, 0)) == "0% to 100%"


@pytest.mark.parametrize("rate", [0.01, 0.2, 0.5, 0.97])
def test_a_bet_on_one_rate_gains_nothing_where_the_hypothesis_holds(rate: float) -> None:
    for tries in (1, 5, 20):
        for truth in (rate, rate / 2, 0.0):
            assert expected(lambda count, _, n=tries: above(count, n, rate), [truth] * tries, []) <= 1 + 1e-9
            assert expected(lambda count, _, n=tries: below(n - count, n, 1 - rate), [truth] * tries, []) <= 1 + 1e-9
    assert above(23, 50, 0.23) > 20
    assert below(0, 20, 0.23) > 20
    assert above(3000, 3000, 0.01) == math.inf


@pytest.mark.parametrize(
    "rates", [[0.0] * 6, [0.02] * 6, [0.5] * 6, [0.9, 0.1, 0.9, 0.1, 0.5, 0.0], [1.0, 0.0, 1.0, 0.0]]
)
def test_a_bet_on_a_difference_gains_nothing_where_each_pair_has_one_rate(rates: list[float]) -> None:
    """Also where the pairs are of boards that fail at rates of their own."""
    pairs = len(rates)
    assert expected(lambda a, b: differ(a, b, pairs), rates, rates) <= 1 + 1e-9


@pytest.mark.parametrize("least", [-0.3, -0.1, 0.05, 0.2, 0.7])
def test_a_bet_on_less_gains_nothing_where_the_difference_is_there(least: float) -> None:
    pairs = 6
    for extra in (0.0, 0.02, 0.3):
        for low in (0.0, 0.1, 0.3, 0.6):
            a, b = max(0.0, -least) + low, max(0.0, -least) + low + least + extra
            if a <= 1 and 0 <= b <= 1:
                assert expected(lambda x, y: exceeds_by_less(x, y, pairs, least), [a] * pairs, [b] * pairs) <= 1 + 1e-9
                if least > 0:
                    assert expected(lambda x, y: alike(x, y, pairs, least), [a] * pairs, [b] * pairs) <= 1 + 1e-9


def first_look(dice: random.Random, rates: Callable[[int], tuple[float, float]], most: int) -> tuple[str, int]:
    """What is said, and after how many pairs, by somebody who looks after each."""
    first = second = 0
    for pairs in range(1, most + 1):
        a, b = rates(pairs)
        first += dice.random() < a
        second += dice.random() < b
        if differ(first, second, pairs) >= 20:
            return "differ", pairs
        if alike(first, second, pairs, 0.2) >= 20:
            return "alike", pairs
    return "open", most


@pytest.mark.parametrize("rate", [0.03, 0.3])
def test_looking_after_each_pair_makes_no_false_alarms(rate: float) -> None:
    dice = random.Random(22)
    found = [first_look(dice, lambda _: (rate, rate), 60)[0] for _ in range(200)]
    assert found.count("differ") / 200 <= 0.05


def test_boards_that_fail_at_rates_of_their_own_make_no_false_alarms() -> None:
    dice = random.Random(23)
    found = [first_look(dice, lambda pair: (0.9, 0.9) if pair % 2 else (0.05, 0.05), 60)[0] for _ in range(200)]
    assert found.count("differ") / 200 <= 0.05


def test_a_difference_of_less_than_what_matters_is_rarely_said_of_more() -> None:
    dice = random.Random(24)
    found = [first_look(dice, lambda _: (0.1, 0.3), 60)[0] for _ in range(150)]
    assert found.count("alike") / 150 <= 0.05


@pytest.mark.parametrize(
    ("first", "second", "said", "pairs"),
    [(0.0, 0.46, "differ", 18), (0.0, 1.0, "differ", 4), (0.1, 0.5, "differ", 32), (0.0, 0.0, "alike", 23)],
)
def test_what_there_is_is_found_soon(first: float, second: float, said: str, pairs: int) -> None:
    dice = random.Random(25)
    found = [first_look(dice, lambda _: (first, second), 120) for _ in range(60)]
    assert sum(words == said for words, _ in found) >= 57
    assert sum(count for _, count in found) / 60 <= pairs


def test_the_difference_lies_where_it_is_said_to_at_every_look() -> None:
    dice = random.Random(26)
    for a, b in ((0.0, 0.0), (0.1, 0.4)):
        missed = 0
        for _ in range(25):
            first = second = 0
            out = False
            for pairs in range(1, 31):
                first += dice.random() < a
                second += dice.random() < b
                if pairs % 5 == 0:
                    found = difference(first, second, pairs, 0.8)
                    out |= not found.low <= b - a <= found.high
            missed += out
        assert missed <= 5


def test_the_difference_of_the_field_failure() -> None:
    found = difference(0, 23, 50)
    assert 0.2 < found.low < 0.3
    assert 0.6 < found.high < 0.75
    assert differ(0, 23, 50) > 1e6
    mirrored = difference(23, 0, 50)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))
    nothing = difference(0, 0, 0)
    assert (nothing.low, nothing.high) == (-1.0, 1.0)


def test_bounds_of_the_difference_are_where_all_beyond_is_refuted() -> None:
    """The bounds are found by halving: nothing beyond them may be unrefuted."""
    for first, second, pairs in ((0, 23, 50), (5, 5, 20), (9, 2, 10), (0, 0, 13)):
        found = difference(first, second, pairs)
        beyond = [step / 40 for step in range(-39, 40) if step / 40 >= found.high]
        assert all(exceeds_by_less(first, second, pairs, least) >= 40 - 1e-6 for least in beyond)


def test_what_cannot_be_is_refused() -> None:
    for refused in (
        lambda: lasting(3, 2),
        lambda: above(-1, 2, 0.5),
        lambda: differ(3, 0, 2),
        lambda: difference(0, 3, 2),
        lambda: alike(0, 0, -1, 0.2),
    ):
        with pytest.raises(ValueError, match="expected a count"):
            refused()
    with pytest.raises(ValueError, match="expected one between 0 and 1"):
        below(0, 2, 1.0)
    with pytest.raises(ValueError, match="above 0 and below 1"):
        alike(0, 0, 2, 1.0)
    with pytest.raises(ValueError, match="above -1 and below 1"):
        exceeds_by_less(0, 0, 2, -1.0)


def test_many_questions_at_once_are_paid_for() -> None:
    # By hand: 4 times the least, 3 times the next, ...; none less than the one before.
    assert held([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert held([]) == []
    assert held([0.9, 0.8]) == [1.0, 1.0]
