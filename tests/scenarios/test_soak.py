"""What only time shows: the whole of a device's duties for as long as one says, on a network and a broker that fail.

Device Advisor calls it the long-duration test. Here it is one loop of trouble, drawn from a seed, with the same
questions after each round: is it back, does it answer, is all telemetry there, has it restarted, what is left of its
memory?
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest

from hil.bench import Bench
from hil.board import Board
from hil.broker import Monitor
from hil.gateway import Gateway
from hil.gateway.faults import BlackHole, Cut, Fault, RefuseConnack, RefuseConnect, Withhold
from hil.schedule import Schedule
from hil.soak import Measures, faults, measure, soak
from hil.timeline import NoSuchEvent, Timeline, where

from .asking import MARGIN, listens, must_answer, must_not_reboot
from .backoff import pauses
from .test_bears_odd_commands import padded

#: The draw of troubles: the same each time, so that a failure can be played again.
SEED = 30

#: Undisturbed seconds between two troubles, in keep-alives.
CALM = 2.0


def troubles(board: Board) -> list[tuple[str, Fault, Schedule]]:
    """What may happen to a connection in one round: words, the fault, and for how long."""
    keep_alive, most = max(board.contract.mqtt.keep_alive, 1), board.contract.retry.most
    return [
        ("the connection is reset", Cut("reset", 0.0), Schedule(count=1)),
        ("the server closes the connection", Cut("fin", 0.0), Schedule(count=1)),
        ("the network swallows everything", BlackHole(), Schedule(seconds=2.0 * keep_alive)),
        ("the uplink is gone", BlackHole("up"), Schedule(seconds=2.0 * keep_alive)),
        ("nothing is answered", Withhold("all"), Schedule(seconds=2.0 * keep_alive)),
        ("a PUBACK is lost", Withhold("puback"), Schedule(count=1)),
        ("an unstable network", Cut("reset", 0.3), Schedule(count=4)),
        ("the server is unavailable", RefuseConnack(3), Schedule(count=3)),
        ("a long server disconnect", RefuseConnect(), Schedule(seconds=2.0 * most)),
    ]


def ends_the_connection(fault: Fault) -> bool:
    """Whether the fault is felt only by a device that connects anew."""
    return isinstance(fault, RefuseConnect | RefuseConnack)


def must_be_well(board: Board, monitor: Monitor, timeline: Timeline, words: str, after: int) -> None:
    """After a trouble: connected, and it answers a command. It must not have restarted since `after`."""
    limit = board.contract.retry.most + 3 * board.contract.mqtt.keep_alive + 2 * MARGIN
    served = where("gateway", "puback", board.name, direction="down") | where("gateway", "pingresp", board.name)
    try:
        timeline.wait(served, timeout=limit, after=timeline.mark())
    except NoSuchEvent as silence:
        pytest.fail(f"{words}: it did not come back within {limit:g} s\n{silence}")
    must_not_reboot(timeline, board, after=after)
    if board.contract.command is None:
        return
    for last in (False, False, True):  # a command that comes before the subscription is lost, and nobody's fault
        try:
            must_answer(monitor, board)
            return
        except NoSuchEvent as silence:
            if last:
                pytest.fail(f"{words}: it is back, and deaf to commands\n{silence}")


def judge(found: Measures, board: Board) -> None:
    """Fail for what a whole soak shows: messages lost, restarts that nobody asked for, memory that goes away."""
    telemetry = board.contract.telemetry
    wrong = faults(found, telemetry.qos if telemetry is not None else None)
    assert not wrong, "; ".join(wrong)


@pytest.mark.needs("own-network", "gateway", "retry", "telemetry")
@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.scenario(
    "does its duties through a long and bad time",
    covers=(
        "Device Advisor: long duration (PUBACK QoS 1, large payload, persistent session, keep-alive, intermittent "
        "connectivity, reconnect backoff, long server disconnect)",
        "heap trend over reconnects",
        "esp-idf #5634",
        "esp-idf #12094",
    ),
    waits="--soak minutes",
)
def test_long_duration(
    online_board: Board,
    gateway: Gateway,
    monitor: Monitor,
    timeline: Timeline,
    soak_seconds: float,
    finding: Callable[[str], None],
) -> None:
    """Through troubles of all kinds, one after the other, it is back each time, answers, and keeps alive in between.

    No telemetry at QoS 1 is lost, no pause is longer than its contract says, its memory stays, it never restarts.
    """
    board, command, draw = online_board, online_board.contract.command, random.Random(SEED)
    if command is not None:
        listens(timeline, board, after=board.started())
    start, end, rounds = timeline.mark(), time.monotonic() + soak_seconds, 0
    kinds = troubles(board)
    while time.monotonic() < end or rounds < 1:
        words, fault, when = kinds[rounds % len(kinds)] if rounds < len(kinds) else draw.choice(kinds)
        began = timeline.mark()
        with gateway.fault(fault, board.name, when):
            if ends_the_connection(fault):
                gateway.drop(board.name)
            over = where("gateway", "fault", board.name, name=fault.name, state="cleared")
            timeline.wait(over, timeout=(when.seconds or 0.0) + 10 * board.contract.retry.most + MARGIN, after=began)
        must_be_well(board, monitor, timeline, words, start)
        if command is not None and command.max_payload is not None:
            monitor.publish(command.topic, padded(command.payload, command.max_payload), qos=1)
        calm = timeline.mark()
        silent = where("gateway", "close", board.name, how="keep-alive")
        timeline.never(silent, seconds=CALM * board.contract.mqtt.keep_alive, after=calm)
        rounds += 1
    must_be_well(board, monitor, timeline, "at the end", start)
    contract = timeline.events(where("board", "contract", board.name))[-1:]
    found = measure([*contract, *timeline.events(after=start)], board.name)
    judge(found, board)
    longest = max(pauses(timeline.events(where("gateway", None, board.name), after=start), board), default=0.0)
    assert longest < board.contract.retry.most + MARGIN, f"it stayed away for {longest:.1f} s"
    finding(
        f"{rounds} troubles, {len(found.absences)} reconnects, the longest pause {longest:.1f} s, "
        f"{found.received} telemetry messages"
    )


@pytest.mark.needs("own-network", "gateway", "retry", "telemetry")
@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.scenario(
    "comes back from whatever happens by chance",
    covers=("random power cuts over a soak", "Device Advisor: long duration (intermittent connectivity)"),
    waits="--soak minutes",
)
def test_random_disturbances(
    online_board: Board, bench: Bench, soak_seconds: float, finding: Callable[[str], None]
) -> None:
    """Cut off, slowed down, without broker, without power, at random moments: it is back from each, within its time.

    No connection ends without a cause, no telemetry of one boot at QoS 1 is lost, and its memory stays.
    """
    board = online_board
    found = soak(bench, board, seconds=soak_seconds, seed=SEED, mean=8.0)
    judge(found, board)
    assert not found.unexplained, f"a connection ended, and nothing had been done to it: {found.unexplained[0].words}"
    limit = board.contract.retry.most + board.contract.online.within
    slow = [seconds for seconds in found.returns if seconds > limit]
    assert not slow, f"it took {max(slow):.1f} s to come back; {limit:g} s are its longest gap and its start"
    finding(f"{sum(found.disturbed.values())} disturbances, the slowest return {max(found.returns, default=0.0):.1f} s")
