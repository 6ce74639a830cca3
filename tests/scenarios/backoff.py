"""How a device comes back: the pauses between its connections, and what to think of them.

The rules are those of AWS IoT Device Advisor: gaps that stay the same, or grow by equal steps, fail; gaps that double
without any jitter are a warning, since all devices that lost the same broker come back to it in step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest

from hil.attempts import attempts
from hil.board import Board
from hil.contract import Retry
from hil.retry import classify
from hil.timeline import Event, NoSuchEvent, Timeline, where

from .asking import MARGIN

#: Gaps that tell growing ones from equal ones, jitter included.
ENOUGH = 6

#: Gaps that show for certain whether there is jitter.
PLENTY = 7

#: How likely exponential growth must be at least: with so few gaps good firmware, too, may look a bit straight.
DOUBT = 0.2

#: How likely it must be where the longest gap is shorter than it should be.
SURE = 0.8

#: Parts of the last promised gap that the longest one hardly ever, and seldom, stays below with full jitter: by chance
#: in one run of five hundred, and in one of forty. With less jitter it cannot.
NEVER, SELDOM = 1 / 16, 1 / 6

#: How likely it must be that there is no jitter. Six gaps with jitter look like it by chance in one run of a hundred.
CERTAIN = 0.99


def tries(timeline: Timeline, board: Board, times: int, *, after: int, each: float = 0.0) -> list[Event]:
    """The first so many connects since `after`, which is from before the board's start.

    `each`: how long a connection may last before it fails, in seconds. Fails if the device gives up.
    """
    accept, retry, found = where("gateway", "accept", board.name), board.contract.retry, list[Event]()
    position = after
    for number in range(times):
        gap = min(retry.first * 2**number, retry.most)
        limit = board.contract.online.within if number == 0 else gap + each + MARGIN
        try:
            found.append(timeline.wait(accept, timeout=limit, after=position))
        except NoSuchEvent as silence:
            what = f"it gives up: {number} of {times} connects, and no more" if number else "it never connects, not"
            pytest.fail(f"{what} within {limit:.1f} s\n{silence}")
        position = found[-1].sequence + 1
    return found


def pauses(events: Iterable[Event], board: Board) -> list[float]:
    """Seconds from the end of each connection to the begin of the next, oldest first.

    A connection that the network has swallowed may end, for the gateway, when the next is there: that is no pause.
    """
    ends = ((early.ended, late.began) for early, late in pairwise(attempts(events, board.name)))
    return [late - early for early, late in ends if early is not None and early < late]


def judge(gaps: list[float], retry: Retry, warn: Callable[[str], None]) -> None:
    """Fail for gaps that are none, stay equal or grow by equal steps; warn for those that double without jitter.

    A contract that promises no more than equal gaps is held to that, and warned.
    """
    found = classify(gaps, retry.most)
    assert max(gaps) >= 0.5 * retry.first, f"it comes back at once, again and again: {found}"
    if not retry.kind.startswith("exponential"):
        warn(f"the contract promises {retry.kind} gaps: all devices come back at once ({found})")
        return
    last = min(retry.first * 2 ** (len(gaps) - 1), retry.most)
    promise = f"the contract promises {retry.kind}, of up to {last:g} s by then"
    assert found.grows, f"the gaps do not grow: {found}; {promise}"
    longest = max(gaps[len(gaps) // 2 :])  # a busy host may have drawn out an early one
    assert longest > NEVER * last, f"the gaps do not grow: {found}; {promise}"
    exponential = found.likely("exponential", "exponential-jitter")
    enough = DOUBT if longest > SELDOM * last else SURE
    assert exponential > enough, f"the gaps do not grow exponentially: {found}; {promise}"
    if found.likely("exponential") > CERTAIN:
        warn(f"the gaps double without jitter: all devices come back in step ({found})")
