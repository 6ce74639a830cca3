"""The bench: an opened rig. Boards, broker, gateway, monitor and time server, closed in reverse order whatever happens.

with Bench(rig) as bench:
    board = bench.boards["esp32-a"]
    bench.make_ready(board)
    board.power_cycle()
    board.wait_online()
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from hil import facts, needs
from hil.attribution import Attribution
from hil.background import Loop
from hil.board import Board
from hil.broker import Broker, BrokerError, Monitor, MonitorError, SharedBroker, session
from hil.console import ConsoleError
from hil.credentials import CredentialsError, Flaw, ServerIdentity, broken
from hil.diagnose import Case, cannot_tell, diagnose
from hil.diagnose import render as render_diagnoses
from hil.firmware import FirmwareError
from hil.first_writing import FirstWriting
from hil.flash import FlashError
from hil.folders import new_run_folder
from hil.gateway import Fault, Gateway, GatewayError, PresentCertificate, RevokeClient, TrustClients
from hil.guardian import identity, supply
from hil.guardian.guardian import Watch
from hil.guardian.locks import Locks, Taken
from hil.parts.board import make_board, setting_names
from hil.parts.broker_side import (
    authority,
    make_broker,
    make_gateway,
    make_monitor,
    make_time_server,
    policy,
    serve,
    server_names,
)
from hil.power import PowerError
from hil.provision import ProvisionError
from hil.report.stretch import stretch
from hil.rig import Rig, RigBoard
from hil.secret import MissingSecret
from hil.timeline import Event, Timeline
from hil.timeserver import TimeServer, TimeServerError, TrueTime
from hil.tools.used import of_boards, of_broker
from hil.tools.versions import Told, Versions
from hil.virtual_board import VirtualBoardError, VirtualBoardUnavailable

_Part = TypeVar("_Part")

#: What can go wrong on a bench, each with a message of one line that says the cure.
FAULTS = (
    BrokerError,
    ConsoleError,
    CredentialsError,
    FirmwareError,
    FlashError,
    GatewayError,
    MissingSecret,
    MonitorError,
    PowerError,
    ProvisionError,
    Taken,
    TimeServerError,
    VirtualBoardError,
)

#: Events after which a board is no longer as `calm` left it: (source, kind).
_STIRRING = {
    ("power", "on"),
    ("reset", "hard"),
    ("reset", "soft"),
    ("reset", "download"),
    ("flash", "start"),
    ("provision", "start"),
    ("gateway", "accept"),
}


def _stirred(name: str, event: Event) -> bool:
    return event.board == name and (event.source, event.kind) in _STIRRING


class BenchError(Exception):
    """A part of the bench cannot be opened or used. One line: which, why, and the cure."""


class BoardUnavailable(BenchError):
    """A virtual board that this machine cannot run, for want of packages: its tests are not applicable here."""


class Bench:
    """Open everything that `rig` names, for the boards in `boards`: all without, none yet with an empty list.

    `artifacts`: the folder of this run; a new one below the rig's artifacts folder without. `state`: where virtual
    boards keep their flash; in the run's own folder without. `broker_side` False leaves broker, gateway, monitor and
    time server out: enough for flashing, power and console. `broker`: one that runs already, shared with
    others. Raises BenchError, with everything closed again.
    """

    def __init__(
        self,
        rig: Rig,
        *,
        boards: list[str] | None = None,
        artifacts: Path | None = None,
        state: Path | None = None,
        broker_side: bool = True,
        broker: SharedBroker | None = None,
    ) -> None:
        self.rig = rig
        self.artifacts = artifacts or new_run_folder(rig)
        self.artifacts.mkdir(parents=True, exist_ok=True)
        self._facts = facts.write(rig, self.artifacts)
        self.timeline = Timeline(self.artifacts / "timeline.jsonl")
        self.boards: dict[str, Board] = {}
        self._state = state or self.artifacts / "virtual"
        self._exit = contextlib.ExitStack()
        # Virtual boards in a new folder are this run's alone.
        shared = self._state if state is not None or artifacts is not None else None
        self._watch = Watch()
        self._watch.timeline(self.artifacts / "timeline.jsonl")
        self._locks = Locks(rig, folder=self.artifacts, state=shared, watch=self._watch)
        self._exit.callback(self._locks.free)
        self._exit.callback(self._watch.close)
        self._exit.callback(self.timeline.close)
        self._tools = Versions(self._tell_tools)
        self._exit.callback(self._tools.close)
        self._broker: Broker | None = None
        self._shared_broker = broker
        self._monitor: Monitor | None = None
        self._time_server: TimeServer | None = None
        self.gateway: Gateway | None = None
        self._calm_at: dict[str, int] = {}
        self._policy = policy(rig)
        self._power_as_idle = True
        self._first = FirstWriting(self._write)
        self._making_ready_of = threading.Lock()
        self._making_ready: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._exit.callback(self._first.close)
        try:
            self._open([] if boards == [] else rig.select(boards), broker_side)
        except FAULTS as error:
            self.close()
            raise BenchError(str(error)) from error
        except BaseException:
            self.close()
            raise

    def _open(self, boards: Sequence[RigBoard], broker_side: bool) -> None:
        self._locks.take(board.name for board in boards)
        self.authority = authority(self.rig)
        if broker_side:
            self._open_broker_side()
        for board in boards:
            self._open_board(board.name)

    # -- parts -----------------------------------------------------------------------------------------------------

    @property
    def broker(self) -> Broker:
        """The message broker. Raises BenchError on a bench that was opened without its broker's side."""
        return self._there(self._broker, "broker")

    @property
    def monitor(self) -> Monitor:
        """The client that sees what every other subscriber would. Raises BenchError like `broker`."""
        return self._there(self._monitor, "monitor")

    @property
    def time_server(self) -> TimeServer:
        """The SNTP server that boards ask. Raises BenchError like `broker`."""
        return self._there(self._time_server, "time server")

    @property
    def broker_words(self) -> str:
        """The broker, for a summary."""
        broker = self._broker
        return "none" if broker is None else f"{broker.kind} at {broker.host}:{broker.port}"

    @staticmethod
    def _there(part: _Part | None, name: str) -> _Part:
        if part is None:
            raise BenchError(f"this bench was opened without its {name}")
        return part

    def _tell_tools(self, tools: list[Told]) -> None:
        """Write run.json anew; a folder that is gone or full is no reason to disturb the run."""
        with contextlib.suppress(OSError):
            facts.put({**self._facts, "tools": tools}, self.artifacts)

    def _open_broker_side(self) -> None:
        self._tools.ask([of_broker(self.rig)])
        loop = Loop()
        self._exit.callback(loop.close)
        self._broker = broker = make_broker(self.rig, self.timeline, self.artifacts, self._shared_broker)
        self._exit.callback(broker.close)
        broker.start()
        self._monitor = make_monitor(broker, self.timeline)
        self._monitor.start()
        self._exit.callback(self._monitor.close)
        self._time_server = make_time_server(self.rig, self.timeline, loop)
        self._time_server.start()
        self._exit.callback(self._time_server.close)
        self.gateway = make_gateway(self.rig, broker, self.timeline, loop, self.authority)
        if self.gateway is not None:
            self.gateway.start()
            self._exit.callback(self.gateway.close)

    def open_board(self, name: str) -> Board:
        """The board of that name, opened if it is not yet. Raises BenchError; BoardUnavailable is one."""
        if name not in self.boards:
            try:
                self._locks.take([name])
                self._open_board(name)
            except VirtualBoardUnavailable as error:
                raise BoardUnavailable(str(error)) from error
            except FAULTS as error:
                raise BenchError(f"board {name}: {error}") from error
        return self.boards[name]

    def _open_board(self, name: str) -> None:
        if self._broker is not None:  # it is a run, of which somebody will want a report
            self._tools.ask(of_boards(self.rig, [self.rig.boards[name]]))
        if self.gateway is not None:
            serve(self.rig, self.gateway, name)
        for duty in (supply.duty(self.rig, name, self._state), supply.access_point(self.rig, name)):
            self._watch.power(duty)
        names = setting_names(self.rig, name, self.gateway, self._broker, self._time_server, self.timeline)
        board = make_board(
            self.rig, name, names, self.authority, self.timeline, self.artifacts, self._state, self._exit
        )
        self.boards[name] = board
        for around in (board.access_point, board.name_server):
            if around is not None and around.is_on() is False:
                around.on()  # a run that was killed has left it away
        self.timeline.record("board", "contract", name, **board.contract.promises())
        self._exit.callback(self._leave, board)
        self._exit.callback(board.flasher.stop)

    def _leave(self, board: Board) -> None:
        """Leave the board as the rig says for idle; nothing may keep the rest of the bench from closing."""
        with contextlib.suppress(PowerError):
            if board.power.can_cut and self._power_as_idle:
                board.power.off() if board.config.idle == "off" else board.power.on()

    # -- between tests ---------------------------------------------------------------------------------------------

    def make_ready(self, board: Board) -> None:
        """Have the board flashed, with good credentials, and without power (if it can be cut). Raises BenchError.

        What is there already is left alone: a second call costs next to nothing, and what failed is tried again. From
        any thread: for one board one after the other, for several side by side.
        """
        with self._making_ready_of:
            making_ready = self._making_ready[board.name]
        try:
            with making_ready:
                self._first.result(board.name, self._first.of(board, self.boards.values()))
                for mate in identity.mates(self.rig, board.name):
                    self._first.settle(mate)  # it loses its power with this one
                self._write(board)
                self.calm(board)
        except FAULTS as error:
            raise BenchError(f"board {board.name}: {str(error).removeprefix(f'board {board.name}: ')}") from error

    def _write(self, board: Board) -> None:
        """Flash and provision what is not as it should be; in one session where it can: one reset, one boot."""
        if board.flashed and board.as_agreed:
            return
        board.power_on()
        together = board.provisioner is None or board.provisioner.in_flash
        with board.flasher.session() if together else contextlib.nullcontext():
            if not board.flashed and not (board.contract.settings_in_firmware and not board.as_agreed):
                board.flash()
            if not board.as_agreed:
                board.provision()

    def calm(self, board: Board) -> None:
        """Undo all that a test may have left behind for the board: faults, lies, power, retained state."""
        if self._time_server is not None:
            self._time_server.set(TrueTime(), board.name)
        if self.gateway is not None:
            self.gateway.clear_faults(board.name)
            self.gateway.set_policy(self._policy, board.name)
        if not self.timeline.events(partial(_stirred, board.name), after=self._calm_at.get(board.name, 0)):
            return
        if board.power.can_cut:
            board.power.off()
            if board.link is not None:
                board.link.rest()
            if self.gateway is not None:
                self.gateway.drop(board.name)
        self._forget_session(board)
        self._forget_retained(board)
        self._calm_at[board.name] = self.timeline.mark()

    def _forget_session(self, board: Board) -> None:
        broker = self._broker
        if broker is None or broker.kind == "external" or "persistent-sessions" not in broker.capabilities:
            return
        if board.power.can_cut and not board.contract.mqtt.clean_session:
            session.forget(broker.host, broker.port, board.contract.mqtt.client_id)

    def _forget_retained(self, board: Board) -> None:
        if self._monitor is None or (self._broker is not None and self._broker.kind == "external"):
            return  # what a real deployment keeps is not ours to delete
        mqtt = board.contract.mqtt
        for topic in {m.topic for m in (mqtt.will, mqtt.online) if m is not None and m.retain}:
            self._monitor.clear_retained(topic)

    # -- for tests -------------------------------------------------------------------------------------------------

    def lacks(self, board: Board | None, need: str) -> str | None:
        """Why `need` is not met for this board, or None if it is; see hil.needs."""
        return needs.lacks(self, board, need)

    @contextlib.contextmanager
    def presenting(self, board: Board, flaw: str | ServerIdentity) -> Iterator[None]:
        """Inside, the gateway shows this board a certificate with a flaw: a name of hil.credentials.Flaw.

        An identity is shown as it is, such as one of `broken.large_server`. Raises BenchError for what no server shows.
        """
        if isinstance(flaw, str):
            flaw = broken.server(self.authority, server_names(self.rig), Flaw.named(flaw))
        try:
            fault = PresentCertificate(flaw.chain_pem, flaw.key_pem, flaw.flaw or "another certificate")
        except ValueError as error:
            raise BenchError(str(error)) from None
        with self._playing(fault, board):
            yield

    @contextlib.contextmanager
    def revoking(self, board: Board) -> Iterator[None]:
        """Inside, the certificate that the bench's authority gave this board is revoked, for connects from now on."""
        if board.credentials is None:
            raise BenchError(f"board {board.name} has no certificate of the bench's authority that could be revoked")
        with self._playing(RevokeClient(self.authority.revocation_list(board.credentials)), board):
            yield

    @contextlib.contextmanager
    def trusting(self, board: Board, anchors_pem: bytes) -> Iterator[None]:
        """Inside, the gateway accepts client certificates of these authorities alone for connects of this board."""
        with self._playing(TrustClients(anchors_pem), board):
            yield

    @contextlib.contextmanager
    def _playing(self, fault: Fault, board: Board) -> Iterator[None]:
        if self.gateway is None:
            raise BenchError(f"no gateway: with an external broker there is nobody to play {fault.name}")
        with self.gateway.fault(fault, board=board.name):
            yield

    def stretch(self, board: str, *, after: int = 0) -> str:
        """What concerns one board from position `after` on, as text; see hil.report.stretch."""
        whose = Attribution({name: one.contract.promises() for name, one in self.rig.boards.items()})
        return stretch(self.timeline.events(after=after), board, whose)

    def diagnosis(self, board: str, *, after: int = 0) -> str:
        """What probably went wrong with one board from position `after` on, as text; see hil.diagnose."""
        events = self.timeline.events()
        start = next((e.monotonic for e in events[after:]), 0.0)
        found = diagnose(events, board, after=after, until=time.monotonic())
        return render_diagnoses(found or [cannot_tell(Case(events, board, after=after))], start=start)

    def leave_power_alone(self) -> None:
        """Leave the power at closing as it is then, not as the rig says for idle: for a person's commands."""
        self._power_as_idle = False

    # -- closing ---------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close everything in reverse order, boards first: power as the rig says for idle. Closing twice is fine."""
        self._exit.close()

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
