"""Establishing a connection fails often in the field. A device that gives up stays offline until somebody comes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hil.board import Board
from hil.gateway import Gateway
from hil.gateway.faults import RefuseConnect
from hil.schedule import Schedule
from hil.timeline import Timeline

from .backoff import PLENTY, judge, pauses, tries


@pytest.mark.needs("own-network", "gateway", "retry")
@pytest.mark.mqtt
@pytest.mark.quick
@pytest.mark.scenario(
    "tries again until it is let in",
    covers=("Device Advisor: MQTT connect, exponential backoff retries", "field failure 6: connects fail often"),
    waits="7 refusals, each for its gap, and online.within twice",
)
def test_tries_again_until_it_is_let_in(
    board: Board, gateway: Gateway, timeline: Timeline, warn: Callable[[str], None]
) -> None:
    """Refused several times, then let in: online in the end, and with gaps of the kind that its contract promises.

    Where it promises exponential ones, equal gaps or equal steps fail, and doubling without jitter is a warning.
    """
    retry = board.contract.retry
    mark = timeline.mark()
    gateway.arm(RefuseConnect(), board.name, Schedule(count=PLENTY))
    board.power_cycle()
    accepts = tries(timeline, board, PLENTY + 1, after=mark)
    board.wait_online(after=accepts[-1].sequence)
    judge(pauses(timeline.events(after=mark, before=accepts[-1].sequence + 1), board), retry, warn)
