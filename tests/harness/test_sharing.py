"""A real board's tests stay in one worker; a virtual board's are shared."""

from __future__ import annotations

from hil.sharing import groups


def test_virtual_boards_are_shared_among_the_workers() -> None:
    tests = ["a", "b"] * 4
    shared = groups(tests, frozenset("ab"), 4)
    assert shared == ["a/1", "b/1", "a/2", "b/2"] * 2


def test_a_real_board_goes_to_one_worker() -> None:
    assert groups(["a", "b", "a"], frozenset("b"), 8) == ["a", "b/1", "a"]


def test_with_fewer_workers_than_boards_nothing_is_shared() -> None:
    assert groups(["a", "b", "a"], frozenset("ab"), 1) == ["a/1", "b/1", "a/1"]
    assert groups([], frozenset(), 4) == []
