"""The true test of the network between a board and the gateway: the board is restarted, and does it arrive?"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

from hil import reset
from hil.attempts import Attempt, attempts
from hil.bench import Bench, BenchError
from hil.doctor.check import Case, Check
from hil.doctor.finding import Finding, fault, note, ok
from hil.doctor.line import HINDRANCES, opened, reason
from hil.doctor.syn import SynWatch
from hil.folders import state_folder
from hil.gateway import GatewayError
from hil.parts.broker_side import serve
from hil.rig import RigBoard
from hil.rig_file import ExternalBroker
from hil.timeline import NoSuchEvent, where


@dataclass(frozen=True)
class Arrival:
    """What came of a board within `within` seconds of its start.

    `tried`: its connections; `syns`: who else knocked at its port, None where this user may not look; `asked_time`:
    whether it asked the time server.
    """

    within: float
    tried: list[Attempt]
    syns: list[str] | None
    asked_time: bool


def judge(about: str, port: int, arrival: Arrival) -> Finding:
    """How far the board came, and what stands in the way."""
    within = f"within {arrival.within:g} s"
    accepted = [attempt for attempt in arrival.tried if attempt.accepted_by_broker]
    if accepted:
        return ok(about, f"it arrives at port {port}, and is connected ({accepted[0].events[0].get('peer', '?')})")
    if arrival.tried:
        last = arrival.tried[-1]
        return fault(
            about,
            f"the network is well, it arrives at port {port}; but {last}",
            "hil provision writes what this bench expects; hil diagnose says more of each connection",
        )
    if arrival.syns:
        return fault(
            about,
            f"{', '.join(arrival.syns)} knocked at port {port} {within}, and no connection came of it",
            f"a firewall on this host (sudo nft list ruleset; sudo ufw allow {port}/tcp), or no route back to it",
        )
    if arrival.asked_time:
        return fault(
            about,
            f"it asked the time server {within}, and never tried port {port}: the network is well",
            "hil provision: the board may have another address or port; or it waits for something else: hil console",
        )
    unseen = "" if arrival.syns is not None else " (with sudo it is seen even if a firewall of this host drops it)"
    return fault(
        about,
        f"nothing of it arrived at port {port} {within}{unseen}",
        "Wi-Fi name and password, the address in the board (hil provision), an access point that keeps its clients "
        "apart (client isolation, guest network), a firewall in between; hil console shows what the board says",
    )


def _arrival(case: Case) -> Iterator[Finding]:
    config = case.rig.file.gateway
    if isinstance(case.rig.file.broker, ExternalBroker):
        yield note("arrival", "boards connect to an external broker, where nobody sees them arrive", "ask its operator")
        return
    if not config.first_port:
        cure = "set first_port under [gateway], and run hil provision"
        yield fault("arrival", "the gateway has other ports at each run, so that no board can know its own", cure)
        return
    for board in case.boards:
        about = f"{board.name} arrival"
        case.say(f"{board.name}: is restarted now, and waited for")
        port = config.first_port + list(case.rig.boards).index(board.name)
        try:
            yield judge(about, port, _waited_for(case, board, port))
        except (BenchError, GatewayError, *HINDRANCES) as error:
            yield fault(about, reason(error, board), "as it says")


def _waited_for(case: Case, board: RigBoard, port: int) -> Arrival:
    """Restart a board in front of the open gateway. Raises BenchError, GatewayError, or one of HINDRANCES."""
    within, name = board.contract.online.within, board.name
    with contextlib.ExitStack() as closing:
        bench = closing.enter_context(
            Bench(case.rig, boards=[], artifacts=case.artifacts, state=state_folder(case.rig))
        )
        if bench.gateway is not None:
            serve(case.rig, bench.gateway, name)
        watch = None
        with contextlib.suppress(OSError):
            watch = closing.enter_context(contextlib.closing(SynWatch(port)))
        line = closing.enter_context(opened(case, board))
        start, deadline = bench.timeline.mark(), time.monotonic() + within
        if line.power.can_cut:
            line.power.off()
            time.sleep(0.0 if board.config.virtual else board.config.off_time)
            line.power.on()
        else:
            reset.hard(line.console)
        with contextlib.suppress(NoSuchEvent):
            bench.timeline.wait(where("gateway", "connack", name, code=0), timeout=deadline - time.monotonic())
        events = bench.timeline.events(after=start)
        return Arrival(
            within,
            attempts(events, name),
            watch.sources() if watch is not None else None,
            any(event.source == "time" and event.board == name for event in events),
        )


CHECKS = (
    Check(
        "arrival",
        "restarts each board in front of the open gateway, and says how far it comes: a packet at its port, a "
        "connection, TLS, CONNECT",
        "`hil provision`; the Wi-Fi; client isolation; the firewall of this host or one in between",
        _arrival,
        asked="--wait-for-board",
    ),
)
