"""Which kind of retry a series of gaps shows: with noise, jitter, ceilings and resets, and how sure that is."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from hil.retry import KINDS, Kind, RetryPattern, classify

#: Series of each kind in a confusion matrix.
SERIES = 30

Model = Callable[[random.Random, float, int], float]
"""Randomness, first gap, number of the gap: the device's pause, in seconds."""

MODELS: dict[Kind, list[Model]] = {
    "constant": [lambda rng, first, n: first],
    "linear": [lambda rng, first, n: first * (1 + n), lambda rng, first, n: first * (1 + n / 2)],
    "exponential": [lambda rng, first, n: first * 2**n, lambda rng, first, n: first * 1.6**n],
    "exponential-jitter": [
        lambda rng, first, n: first * 2**n * rng.random(),
        lambda rng, first, n: first * 2**n * rng.uniform(0.5, 1),
    ],
}


def measured(rng: random.Random, pauses: list[float], relative: float, scheduling: float = 0.02) -> list[float]:
    """What a bench sees of a device's pauses: a handshake longer, and blurred."""
    handshake = rng.uniform(0.005, 0.05)
    return [max(0.001, pause * rng.gauss(1, relative) + handshake + abs(rng.gauss(0, scheduling))) for pause in pauses]


def series(kind: Kind, rng: random.Random, count: int, most: float = 1e9) -> list[float]:
    model, first = rng.choice(MODELS[kind]), 10 ** rng.uniform(-0.7, 1)
    return [min(model(rng, first, n), most * first) for n in range(count)]


def matrix(
    count: int, relative: float, *, seed: int, most: float = 1e9, scheduling: float = 0.02
) -> dict[Kind, Counter[Kind]]:
    """What is found, for each kind that is there."""
    rng = random.Random(seed)
    return {
        kind: Counter(
            classify(measured(rng, series(kind, rng, count, most), relative, scheduling)).kind for _ in range(SERIES)
        )
        for kind in MODELS
    }


def right(found: dict[Kind, Counter[Kind]]) -> float:
    return sum(found[kind][kind] for kind in found) / sum(sum(row.values()) for row in found.values())


@pytest.mark.parametrize(
    ("count", "relative", "most", "scheduling", "at_least", "each"),
    [
        pytest.param(8, 0.05, 1e9, 0.02, 0.95, 0.85, id="8 gaps, 5 % noise"),
        pytest.param(8, 0.02, 1e9, 0.02, 0.97, 0.92, id="8 gaps, 2 % noise"),
        pytest.param(8, 0.02, 1e9, 0.1, 0.9, 0.8, id="8 gaps, a busy host"),
        pytest.param(8, 0.05, 16, 0.02, 0.9, 0.8, id="8 gaps, ceiling at 16 x the first"),
        pytest.param(5, 0.05, 1e9, 0.02, 0.8, 0.6, id="5 gaps, 5 % noise"),
    ],
)
def test_confusion_matrix(
    count: int, relative: float, most: float, scheduling: float, at_least: float, each: float
) -> None:
    found = matrix(count, relative, seed=11, most=most, scheduling=scheduling)
    shown = "\n".join(f"{kind:<20}{dict(row)}" for kind, row in found.items())
    print(shown)
    assert right(found) >= at_least, shown
    assert all(row[kind] >= each * SERIES for kind, row in found.items()), shown


def test_decorrelated_jitter_is_exponential_with_jitter() -> None:
    """AWS's variant: each gap is random between the first and three times the one before."""
    rng = random.Random(5)

    def pauses() -> Iterator[float]:
        gap = 1.0
        for _ in range(10):
            gap = min(60.0, rng.uniform(1, 3 * gap))
            yield gap

    found = Counter(classify(measured(rng, list(pauses()), 0.02)).kind for _ in range(SERIES))
    assert found["exponential-jitter"] >= 0.85 * SERIES, found


def test_equal_gaps_do_not_grow() -> None:
    rng = random.Random(1)
    assert not classify([1.0] * 5).grows
    assert not any(classify([rng.uniform(0.95, 1.05) for _ in range(5)]).grows for _ in range(50))


def test_small_equal_gaps_are_constant_whatever_ceiling_is_promised() -> None:
    for most in (None, 5.0, 60.0):
        found = classify([0.106, 0.104, 0.105, 0.103, 0.106, 0.105], most)
        assert found.kind == "constant", found
        assert found.confidence > 0.8


def test_a_first_gap_that_is_off_bends_no_line() -> None:
    """As measured on a busy host: a linear back-off of 0.1 s, whose first gap was 0.16 s late."""
    found = classify([0.265, 0.234, 0.329, 0.419, 0.527, 0.62, 0.709], 5.0)
    assert found.kind == "linear"
    assert found.confidence > 0.7


def test_equal_gaps_with_jitter_are_constant() -> None:
    rng = random.Random(2)
    found = Counter(classify([rng.uniform(4, 6) for _ in range(10)]).kind for _ in range(SERIES))
    assert found["constant"] >= 0.9 * SERIES, found


def test_doubling_with_equal_jitter_grows_exponentially_at_five_gaps() -> None:
    """Good firmware may not be blamed: gaps as small as the reference firmware's, on a busy host."""
    rng = random.Random(3)
    for _ in range(60):
        found = classify(measured(rng, [0.1 * 2**n * rng.uniform(0.5, 1) for n in range(5)], 0.0, 0.05))
        assert found.likely("exponential", "exponential-jitter") > 0.3, found


def test_the_growth_is_told() -> None:
    assert classify([0.1 * 2**n for n in range(6)]).growth == pytest.approx(2, rel=0.05)
    assert classify([1.0] * 6).growth == 1


def test_a_ceiling_is_found() -> None:
    found = classify([1, 2, 4, 8, 10, 10.1, 9.9, 10])
    assert found.kind == "exponential"
    assert found.ceiling == pytest.approx(10, rel=0.02)
    straight = classify([1, 2, 3, 4, 5, 5, 5, 5.02])
    assert straight.kind == "linear"
    assert straight.ceiling == pytest.approx(5, rel=0.02)


def test_a_promised_ceiling_is_met_after_two_gaps() -> None:
    """Without the promise, 2 and 4 and then always 5 could as well be constant gaps with a quick start."""
    gaps = [2.01, 4.03, 5.02, 4.98, 5.0]
    assert classify(gaps, 5.0).likely("exponential") > classify(gaps).likely("exponential")


def test_a_reset_of_the_back_off_is_found() -> None:
    found = classify([1, 2, 4, 8, 1, 2, 4, 8])
    assert found.kind == "exponential"
    assert found.resets == (4,)


def test_the_handshake_is_part_of_each_gap() -> None:
    found = classify([0.3 + 0.1 * 2**n for n in range(8)])
    assert found.kind == "exponential"
    assert found.growth == pytest.approx(2, rel=0.1)


def test_one_gap_that_is_off_changes_nothing() -> None:
    assert classify([5, 5.01, 4.99, 7.5, 5, 5.02, 5]).kind == "constant"
    assert classify([1, 2, 4, 8, 22, 32, 64, 128]).kind.startswith("exponential")


def test_few_gaps_give_little_confidence() -> None:
    assert classify([1.0]).confidence <= 0.25
    assert classify([1.0, 2.0]).confidence < 0.75
    assert not classify([1, 2, 4]).grows


def test_no_gaps_are_no_retry() -> None:
    found = classify([])
    assert found.kind == "none"
    assert not found.grows


def test_the_shares_of_the_kinds_add_up() -> None:
    found = classify([1, 2.2, 3.9, 8.3, 15])
    assert found.likely(*KINDS) == pytest.approx(1)
    assert found.confidence == found.shares[found.kind] == max(found.shares.values())


def test_many_gaps_are_no_trouble() -> None:
    assert classify([min(2.0**n, 60.0) for n in range(500)]).kind == "exponential"


def test_it_says_what_it_found() -> None:
    assert str(RetryPattern("constant", 0.93, 1.0, (5.0, 5.01))) == "constant (93% sure) from gaps of 5.00, 5.01 s"


def test_a_gap_of_no_length_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than 0 s"):
        classify([1, 0])
