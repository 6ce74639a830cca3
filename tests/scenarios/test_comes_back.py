"""Whatever the broker's side does to it, a device is back when that is over."""

from __future__ import annotations

import time

import pytest

from hil.bench import Bench
from hil.board import Board
from hil.broker import Monitor
from hil.gateway import Gateway
from hil.gateway.faults import RefuseConnack, RefuseConnect
from hil.schedule import Schedule
from hil.timeline import NoSuchEvent, Timeline, where

from .asking import MARGIN, listens, must_answer
from .backoff import pauses

pytestmark = [pytest.mark.needs("own-network", "gateway", "retry"), pytest.mark.mqtt]

#: Connects of which a third fails.
FLAKY = 30

#: CONNACK codes that say no: MQTT 3.1.1 table 3.1, MQTT 5 section 3.2.2.2.
REFUSALS = {
    "3.1.1": (1, 2, 3, 4, 5),
    "5": (
        *(0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A),
        *(0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F),
    ),
}


@pytest.mark.scenario(
    "comes back after each refusal of CONNACK",
    covers=("each CONNACK refusal code",),
    waits="online.within for each code",
)
def test_comes_back_after_each_refusal(board: Board, gateway: Gateway, timeline: Timeline) -> None:
    """One CONNACK of each code that refuses it, and it is online at its next try: no code makes it give up."""
    for code in REFUSALS[board.contract.mqtt.version]:
        mark = timeline.mark()
        gateway.arm(RefuseConnack(code), board.name, Schedule(count=1))
        board.power_cycle()
        refused = timeline.wait(
            where("gateway", "connack", board.name, code=code), timeout=board.contract.online.within, after=mark
        )
        limit = board.contract.retry.first + MARGIN
        try:
            timeline.wait(where("gateway", "connack", board.name, code=0), timeout=limit, after=refused.sequence)
        except NoSuchEvent as silence:
            pytest.fail(f"a CONNACK with code {code} made it give up: not back within {limit:g} s\n{silence}")


@pytest.mark.scenario(
    "comes online though a third of all connects fails",
    covers=("arduino-mqtt #115", "field failure 6: connects fail often"),
    waits="30 connects, with about 20 starts of the board",
)
def test_comes_online_though_connects_fail(board: Board, gateway: Gateway, timeline: Timeline) -> None:
    """Of 30 connects a third fails, by chance: it is online after each start all the same."""
    mark = timeline.mark()
    failing = gateway.arm(RefuseConnect(), board.name, Schedule(probability=1 / 3, seed=115))
    while len(timeline.events(where("gateway", "accept", board.name), after=mark)) < FLAKY:
        board.power_cycle()
        board.wait_online()
    assert failing.applied >= FLAKY // 6, "the fault was hardly there: nothing is proven"


@pytest.mark.scenario(
    "comes back after a long outage",
    covers=("Device Advisor: long server disconnect", "esp-idf #5634", "a device that gives up stays offline"),
    waits="an outage until two gaps of retry.most or 6 s, then retry.most and 10 s",
)
def test_comes_back_after_a_long_outage(online_board: Board, gateway: Gateway, timeline: Timeline) -> None:
    """However long nobody lets it in, it goes on trying, and is back within its longest gap once it may."""
    board, retry = online_board, online_board.contract.retry
    mark = timeline.mark()
    outage = gateway.arm(RefuseConnect(), board.name)
    gateway.drop(board.name)
    time.sleep(6.0 if board.config.virtual else 2 * retry.most)
    over = timeline.mark()
    outage.clear()
    try:
        board.wait_online(after=over, timeout=retry.most + MARGIN)
    except NoSuchEvent as silence:
        pytest.fail(f"the outage is over, and it never came back\n{silence}")
    gaps = pauses(timeline.events(after=mark), board)
    assert max(gaps) < retry.most + MARGIN, f"it stayed away for {max(gaps):.1f} s; its contract says {retry.most:g} s"


@pytest.mark.needs("command")
@pytest.mark.scenario(
    "comes back after the broker has restarted",
    covers=("Device Advisor: MQTT reconnect backoff on server disconnect", "broker restart under the board"),
    waits="a restart of the broker, retry.most and 10 s",
)
def test_comes_back_after_a_broker_restart(
    online_board: Board, bench: Bench, monitor: Monitor, timeline: Timeline
) -> None:
    """The broker restarts and has forgotten everything: it is back, online for all to see, and takes commands."""
    board, broker = online_board, bench.broker
    if broker.kind == "external" or not hasattr(broker, "restart"):
        pytest.skip(f"not applicable: the {broker.kind} broker cannot be restarted from here")
    listens(timeline, board, after=board.started())
    mark = timeline.mark()
    broker.restart(down_for=0.5)
    timeline.wait(where("monitor", "connected"), timeout=2 * MARGIN, after=mark)
    try:
        back = timeline.wait(
            where("gateway", "connack", board.name, code=0), timeout=board.contract.retry.most + MARGIN, after=mark
        )
    except NoSuchEvent as silence:
        pytest.fail(f"the broker has restarted, and it never came back\n{silence}")
    listens(timeline, board, after=back.sequence)
    must_answer(monitor, board)
