"""A broken proxy, a broken broker: what they send must not crash a device, nor keep it away."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest

from hil.board import Board
from hil.gateway import Gateway
from hil.gateway.faults import Fault, Malformed, Unsolicited
from hil.gateway.faults.malformed import Kind
from hil.gateway.faults.unsolicited import Stray
from hil.schedule import Schedule
from hil.timeline import Event, NoSuchEvent, Timeline, where

from .asking import MARGIN, must_not_reboot

pytestmark = [pytest.mark.needs("own-network", "gateway", "retry"), pytest.mark.mqtt]

#: What is no error by itself: a packet of 256 MB is announced, and does not come.
NO_ERROR = "never-ending"


def end_of(board: Board, gateway: Gateway, timeline: Timeline, fault: Fault) -> Event | None:
    """Switch on and play the fault once. Fails if the board restarts, or does not live on.

    Returns the end of the connection on which it was played; None if it goes on.
    """
    keep_alive = board.contract.mqtt.keep_alive
    if keep_alive == 0:
        pytest.skip(f"not applicable: the contract '{board.contract.name}' has no keep-alive (mqtt.keep_alive 0)")
    mark = timeline.mark()
    gateway.arm(fault, board.name, Schedule(count=1))
    board.power_cycle()
    played = where("gateway", "fault", board.name, name=fault.name, state="applied")
    applied = timeline.wait(played, timeout=board.contract.online.within, after=mark)
    number = applied["connection"]
    lives = where("gateway", "pingreq", board.name, connection=number) | where(
        "gateway", "connack", board.name, code=0, connection=lambda other: other > number
    )
    limit = 2 * keep_alive + board.contract.retry.most + MARGIN
    try:
        timeline.wait(lives, timeout=limit, after=applied.sequence + 1)
    except NoSuchEvent as silence:
        pytest.fail(f"no sign of life within {limit:g} s after a bad packet\n{silence}")
    must_not_reboot(timeline, board, after=applied.sequence)
    board.wait_online(after=mark, timeout=limit)
    return timeline.last(where("gateway", "close", board.name, connection=number), after=applied.sequence)


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.scenario(
    "survives malformed packets",
    covers=("malformed packets", "MQTT-4.8.0-1"),
    waits="2 keep-alives, retry.most and 10 s at most",
)
def test_survives_malformed_packets(
    board: Board, gateway: Gateway, timeline: Timeline, warn: Callable[[str], None], kind: Kind
) -> None:
    """Bytes that are no MQTT come from the broker's side: it does not restart, and is back online.

    The standard wants it to close the connection; going on as if nothing had happened is a warning.
    """
    end = end_of(board, gateway, timeline, Malformed(kind))
    if kind != NO_ERROR and end is None:
        warn(f"it goes on after a malformed packet ({kind}) as if nothing had happened")


@pytest.mark.parametrize("packet", get_args(Stray))
@pytest.mark.scenario(
    "survives packets that nobody asked for",
    covers=("unsolicited packets",),
    waits="2 keep-alives, retry.most and 10 s at most",
)
def test_survives_unsolicited_packets(
    board: Board, gateway: Gateway, timeline: Timeline, finding: Callable[[str], None], packet: Stray
) -> None:
    """An answer to nothing comes from the broker's side: it does not restart, and is online."""
    end = end_of(board, gateway, timeline, Unsolicited(packet))
    finding(f"an unsolicited {packet}: {'it goes on' if end is None else 'it closes the connection'}")
