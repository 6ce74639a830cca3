"""Growing gaps are told from equal ones, jitter or not."""

from __future__ import annotations

import random

import pytest

from hil.retry import classify


def test_equal_gaps_do_not_grow() -> None:
    generator = random.Random(1)
    assert not classify([1.0] * 5).grows
    for _ in range(200):
        assert not classify([generator.uniform(0.95, 1.05) for _ in range(5)]).grows


def test_doubling_grows_by_two() -> None:
    found = classify([0.1 * 2**n for n in range(5)])
    assert found.grows
    assert found.growth == pytest.approx(2)


def test_doubling_with_equal_jitter_grows() -> None:
    generator = random.Random(2)
    for _ in range(500):
        assert classify([generator.uniform(0.5, 1) * 2**n for n in range(5)]).grows


def test_too_few_gaps_say_nothing() -> None:
    assert not classify([1, 2, 4]).grows
    assert not classify([]).grows


def test_a_gap_of_no_length_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than 0 s"):
        classify([1, 0])
