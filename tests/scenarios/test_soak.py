"""What only time shows: the whole of a device's duties for as long as one says, on a network and a broker that fail.

Device Advisor calls it the long-duration test. Here it is one loop of trouble, drawn from a seed, with the same
questions after each round: is it back, does it answer, is all telemetry there, has it restarted, what is left of its
memory?
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable

import pytest

from hil.board import Board
from hil.broker import Monitor
from hil.gateway import Gateway
from hil.gateway.faults import BlackHole, Cut, Fault, RefuseConnack, RefuseConnect, Withhold
from hil.schedule import Schedule
from hil.timeline import Event, NoSuchEvent, Timeline, where

from .asking import MARGIN, listens, must_answer, must_not_reboot
from .backoff import pauses
from .test_bears_odd_commands import padded

#: The draw of troubles: the same each time, so that a failure can be played again.
SEED = 30

#: Bytes of heap that may be gone at the end: what a few rounds need once.
HEAP_NOISE = 2_048

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


def facts(event: Event) -> dict[str, object]:
    """The JSON body of a telemetry message; empty if it is none."""
    try:
        body = json.loads(event["payload"])
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


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


def judge_telemetry(board: Board, timeline: Timeline, after: int) -> list[int]:
    """Fail for a number that is missing; returns the readings of free heap, if the contract promises them."""
    telemetry = board.contract.telemetry
    if telemetry is None:
        return []
    bodies = [facts(e) for e in timeline.events(where("monitor", "message", None, topic=telemetry.topic), after=after)]
    if telemetry.sequence is not None and telemetry.qos > 0:
        numbers = {int(str(body[telemetry.sequence])) for body in bodies if telemetry.sequence in body}
        missing = sorted(set(range(min(numbers), max(numbers))) - numbers)
        assert not missing, f"{len(missing)} of {len(numbers)} telemetry messages at QoS 1 were lost: {missing[:20]}"
    return [int(str(body[telemetry.heap])) for body in bodies if telemetry.heap in body] if telemetry.heap else []


def judge_memory(readings: list[int]) -> None:
    """Fail if the best of the last quarter is well below the best of the first."""
    quarter = max(len(readings) // 4, 1)
    lost = max(readings[:quarter]) - max(readings[-quarter:])
    assert lost <= HEAP_NOISE, f"{lost} bytes of heap are gone, of {max(readings[:quarter])}"


@pytest.mark.needs("gateway", "retry", "telemetry")
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
    readings = judge_telemetry(board, timeline, start)
    if readings:
        judge_memory(readings)
    gaps = pauses(timeline.events(where("gateway", None, board.name), after=start), board)
    longest = max(gaps, default=0.0)
    assert longest < board.contract.retry.most + MARGIN, f"it stayed away for {longest:.1f} s"
    finding(f"{rounds} troubles, {len(gaps)} reconnects, the longest pause {longest:.1f} s")
