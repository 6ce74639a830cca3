"""Which tests go to one worker, where pytest-xdist runs several side by side (`--dist loadgroup`).

A real board is one, so all its tests go to the worker that has opened it. A virtual board is a program that each
worker starts for itself: its tests may be shared among as many workers as there are.
"""

from __future__ import annotations

from collections.abc import Sequence


def groups(boards: Sequence[str], virtual: frozenset[str], workers: int) -> list[str]:
    """For each test, by the board that it is for, the name of its group.

    `virtual` names the boards of which there may be several. `workers`: how many there are; 1 or less: no sharing.
    """
    copies = max(1, workers // max(1, len(set(boards))))
    seen: dict[str, int] = {}
    found = []
    for board in boards:
        number = seen[board] = seen.get(board, -1) + 1
        found.append(f"{board}/{number % copies + 1}" if board in virtual else board)
    return found
