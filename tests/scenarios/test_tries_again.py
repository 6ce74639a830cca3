"""Establishing a connection fails often in the field. A device that gives up stays offline until somebody comes."""

from __future__ import annotations

import itertools

import pytest

from hil.board import Board
from hil.gateway import Gateway
from hil.gateway.faults import RefuseConnect
from hil.retry import classify
from hil.schedule import Schedule
from hil.timeline import Timeline, where

#: Enough refusals to tell growing gaps from equal ones, jitter included.
REFUSALS = 6

#: How likely exponential growth must be at least: with so few gaps good firmware, too, may look a bit straight.
DOUBT = 0.2


@pytest.mark.needs("gateway", "retry")
@pytest.mark.mqtt
@pytest.mark.quick
@pytest.mark.scenario(
    "tries again until it is let in",
    covers=("field failure 6: connects fail often", "arduino-mqtt #115"),
    waits="6 refusals, each for its gap, and online.within twice",
)
def test_tries_again_until_it_is_let_in(board: Board, gateway: Gateway, timeline: Timeline) -> None:
    """Refused several times, then let in: online in the end, and with gaps of the kind that its contract promises."""
    retry = board.contract.retry
    mark = timeline.mark()
    with gateway.fault(RefuseConnect(), board.name, Schedule(count=REFUSALS)):
        board.power_cycle()
        longest = min(retry.most, retry.first * 2**REFUSALS)
        tries = timeline.wait_count(
            where("gateway", "accept", board.name),
            REFUSALS + 1,
            timeout=2 * board.contract.online.within + REFUSALS * longest,
            after=mark,
        )
        board.wait_online(after=tries[-1].sequence)
    gaps = [late.monotonic - early.monotonic for early, late in itertools.pairwise(tries)]
    found = classify(gaps, retry.most)
    if retry.kind.startswith("exponential"):
        assert found.grows, f"the gaps do not grow: {found}; the contract promises {retry.kind}"
        exponential = found.likely("exponential", "exponential-jitter")
        assert exponential > DOUBT, f"the gaps do not grow exponentially: {found}; the contract promises {retry.kind}"
