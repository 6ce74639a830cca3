"""Puts conditions in force on an open bench, and takes them back: an ExitStack over what the bench can do.

    bench = Bench(rig_for(case, rig, ["esp32-a"]))
    put_firmware(case, bench, board)
    bench.make_ready(board)
    with lasting(case, bench, board):
        for number in range(50):
            with in_force(case, bench, board, draw=number):
                board.power_cycle()

`lasting` writes into the board, once for all trials; `bench.make_ready` writes back what was agreed. `in_force` is for
one trial; between two `bench.calm(board)` is enough.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from hil import contract as contracts
from hil.bench import Bench, BenchError
from hil.board import Board
from hil.broker.rival import Rival
from hil.cases import making
from hil.cases.case import Case
from hil.cases.conditions import (
    BrownOutCondition,
    ClientRefusedCondition,
    Condition,
    ContractCondition,
    DeviceCertificateCondition,
    DnsOutageCondition,
    FaultCondition,
    PolicyCondition,
    PowerCutCondition,
    RandomCutsCondition,
    ResetCondition,
    SecondClientCondition,
    ServerCertificateCondition,
    SettingsCondition,
    TimeCondition,
    WaitCondition,
    WifiLossCondition,
    WrongNameCondition,
    policy_path,
    schedule,
)
from hil.cases.damage import flawed
from hil.contract import Contract
from hil.credentials import Authority
from hil.firmware_given import is_whole_flash
from hil.flash import Image
from hil.gateway import Gateway, policies
from hil.power import PowerSwitch
from hil.power.patterns import brown_out, cut_at, random_cuts
from hil.rig import Rig, RigBoard
from hil.surroundings import DNS_OUTAGE, WIFI_LOSS, loss
from hil.toml import Strict

Model = TypeVar("Model", bound=Strict)

# -- before the bench is opened ------------------------------------------------------------------------------------


def rig_for(case: Case, rig: Rig, boards: Sequence[str]) -> Rig:
    """The rig whose boards of these names have the contract and the build options of the case, where it has any.

    Raises hil.toml.FileError for a contract that cannot be used, hil.templates.TemplateError where it needs a mac.
    """
    table = case.firmware
    if table.contract is None and table.options is None:
        return rig
    changed = {name: _with_firmware(case, rig.boards[name]) for name in boards}
    return replace(rig, boards={**rig.boards, **changed})


def _with_firmware(case: Case, board: RigBoard) -> RigBoard:
    table = case.firmware
    if table.options is not None:
        board = replace(board, config=board.config.model_copy(update={"options": list(table.options)}))
    if table.contract is not None:
        path = case.resolve(table.contract)
        names = {"board": board.name, "chip": board.config.chip}
        names |= {"mac": board.config.mac} if board.config.mac else {}
        board = replace(board, contract=contracts.load(path).for_board(names), contract_path=path)
    return board


# -- before the trials ---------------------------------------------------------------------------------------------


def put_firmware(case: Case, board: Board) -> None:
    """Have the board flashed with the image of the case at its next `make_ready`; without one nothing changes.

    A folder: its files of the names that the contract has. A single file: in place of all of them, if it is an image of
    the whole flash; else of the contract's image of that name, or of the one with the highest offset, which is the
    application. Raises BenchError.
    """
    if case.firmware.image is None:
        return
    path = case.resolve(case.firmware.image)
    images = board.firmware.images
    if not images:
        raise BenchError(f"board {board.name}: firmware with settings built in has no images that a case could replace")
    if path.is_dir():
        found = [Image(image.offset, path / image.path.name) for image in images if (path / image.path.name).is_file()]
        if not found:
            names = ", ".join(image.path.name for image in images)
            raise BenchError(f"board {board.name}: {path} has none of the images of its contract: {names}")
        kept = [image for image in images if image.offset not in {new.offset for new in found}]
        board.firmware.images = sorted([*kept, *found], key=lambda image: image.offset)
    elif len(images) > 1 and path.is_file() and is_whole_flash(path):
        board.firmware.images = [Image(0, path)]
    else:
        replaced = next((image for image in images if image.path.name == path.name), images[-1])
        board.firmware.images = [Image(i.offset, path) if i is replaced else i for i in images]
    board.flashed = False


@contextlib.contextmanager
def lasting(case: Case, bench: Bench, board: Board) -> Iterator[None]:
    """Inside, the board holds what the lasting conditions say; it is left without power, where that can be cut.

    Raises BenchError and what `Board.provision` raises.
    """
    contract = board.contract
    credentials, settings = board.credentials, dict[str, str]()
    promises: dict[str, Any] = {}
    for condition in case.conditions:
        match condition:
            case DeviceCertificateCondition():
                if credentials is None:
                    raise BenchError(f"condition {condition.name}: board {board.name} has no credentials of the bench")
                credentials = flawed(bench.authority, contract.mqtt.client_id, credentials, condition.flaw)
            case SettingsCondition():
                settings |= {key: _filled(text, board.name) for key, text in condition.values.items()}
            case WrongNameCondition():
                settings |= _hosts(board, condition.host)
            case DnsOutageCondition():
                settings |= _hosts(board, _own_name(board))
            case ContractCondition():
                promises |= condition.values
    try:
        if promises:
            board.contract = _promising(contract, promises, board.name)
            bench.timeline.record("board", "contract", board.name, **board.contract.promises())
        if credentials is not board.credentials or settings:
            _provision(board, credentials if credentials is not board.credentials else None, settings)
        yield
    finally:
        if board.contract is not contract:
            board.contract = contract
            bench.timeline.record("board", "contract", board.name, **contract.promises())


def _own_name(board: Board) -> str:
    """A name for the gateway's host that a virtual board resolves by itself. Raises BenchError where there is none."""
    host = board.names["gateway_host"]
    if not host.startswith("127."):
        raise BenchError(f"board {board.name}: reaches its broker at {host}, which has no name that it could look up")
    return "localhost"


def _hosts(board: Board, host: str) -> dict[str, str]:
    """The board's settings that hold the broker's host, with another one. Raises BenchError if there are none."""
    mark = "\0"
    # A certificate is no place for a host, and stands here as what it is called.
    names = {name: name for name in board.contract.placeholders_of_settings()} | dict(board.names)
    filled = board.contract.settings(names | {"gateway_host": mark})
    found = {key: text.replace(mark, host) for key, _, text in filled if mark in text}
    if not found:
        raise BenchError(f"contract {board.contract.name}: no setting holds {{gateway_host}}: no name to be wrong")
    return found


def _provision(board: Board, credentials: Any, settings: Mapping[str, str]) -> None:
    try:
        board.provision(credentials, settings)
    except KeyError as error:
        raise BenchError(str(error.args[0])) from None
    if board.power.can_cut:
        board.power_off()


def _promising(contract: Contract, values: Mapping[str, Any], board: str) -> Contract:
    """The contract with other promises, by keys with dots. Raises BenchError."""
    for key, value in values.items():
        try:
            contract = _with_value(contract, key.split("."), _filled(value, board))
        except KeyError:
            raise BenchError(
                f"contract {contract.name}: found no key {key!r} to change; docs/contract.md lists them"
            ) from None
        except ValidationError as error:
            raise BenchError(f"contract {contract.name}: {key}: {error.errors()[0]['msg']}") from None
    return contract


def _with_value(model: Model, path: Sequence[str], value: Any) -> Model:
    """A copy with another value of one field. Raises KeyError for a field that there is not, ValidationError."""
    name, deeper = path[0], path[1:]
    if name not in type(model).model_fields:
        raise KeyError(name)
    if deeper:
        table = getattr(model, name)
        if not isinstance(table, Strict):
            raise KeyError(name)
        return model.model_copy(update={name: _with_value(table, deeper, value)})
    field = type(model).model_fields[name]
    form: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    checked = TypeAdapter(form)
    return model.model_copy(update={name: checked.validate_python(value, strict=True)})


def _filled(value: Any, board: str) -> Any:
    """A value of a case, with the board's name for {board}."""
    return value.replace("{board}", board) if isinstance(value, str) else value


# -- in each trial -------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def in_force(
    case: Case, bench: Bench, board: Board, *, draw: int = 0, pause: Callable[[float], object] = time.sleep
) -> Iterator[None]:
    """Inside, all conditions hold that are not lasting, put in force in their order and ended in reverse.

    `draw`: the number of the trial; what is drawn from a seed is drawn anew in each. `pause`: lets so many seconds pass
    between two conditions, or fewer. Raises BenchError, and what a power switch raises.
    """
    with contextlib.ExitStack() as stack:
        for condition in case.conditions:
            if not condition.lasting:
                _Applying(bench, board, case, draw, stack, pause).apply(condition)
        yield


class _Applying:
    """One condition, put on a stack."""

    def __init__(
        self,
        bench: Bench,
        board: Board,
        case: Case,
        draw: int,
        stack: contextlib.ExitStack,
        pause: Callable[[float], object],
    ) -> None:
        self._bench = bench
        self._board = board
        self._case = case
        self._draw = draw
        self._stack = stack
        self._pause = pause

    def apply(self, condition: Condition) -> None:
        board, enter = self._board, self._stack.enter_context
        match condition:
            case FaultCondition():
                parameters = {key: _filled(value, board.name) for key, value in condition.parameters.items()}
                fault = making.fault(condition.fault, parameters, draw=self._draw)
                enter(self._gateway(condition).fault(fault, board.name, self._when(condition.when)))
            case TimeCondition():
                mode = making.mode(condition.mode, condition.parameters)
                enter(self._bench.time_server.fault(mode, board.name, self._when(condition.when)))
            case PolicyCondition():
                self._policy(condition)
            case ServerCertificateCondition():
                enter(self._bench.presenting(board, condition.flaw.value))
            case ClientRefusedCondition(why="revoked"):
                enter(self._bench.revoking(board))
            case ClientRefusedCondition():
                enter(self._bench.trusting(board, Authority.create("somebody else").trust_anchors_pem))
            case WaitCondition():
                self._pause(condition.seconds)
            case ResetCondition():
                _RESETS[condition.how](board)
            case SecondClientCondition():
                self._second_client(condition)
            case WifiLossCondition():
                self._without(condition, WIFI_LOSS, board.access_point, "access-point")
            case DnsOutageCondition():
                self._without(condition, DNS_OUTAGE, board.name_server, "name-server")
            case _:
                self._cut(condition)

    def _second_client(self, condition: SecondClientCondition) -> None:
        self._gateway(condition)  # with an external broker nobody may connect in the board's place
        board, broker = self._board, self._bench.broker
        mqtt = board.contract.mqtt
        at = condition.at.match(board.name, board.online_event()) if condition.at is not None else None
        rival = Rival(
            (broker.host, broker.port), mqtt.client_id, board.timeline, board.name,
            at=at, times=condition.times, pause=condition.pause, clean=mqtt.clean_session,
        )  # fmt: skip
        self._stack.enter_context(rival)

    def _without(
        self, condition: WifiLossCondition | DnsOutageCondition, what: str, switch: PowerSwitch | None, need: str
    ) -> None:
        board = self._board
        if switch is None:
            raise BenchError(f"condition {condition.name}: {self._bench.lacks(board, need)}")
        at = condition.at.match(board.name, board.online_event()) if condition.at is not None else None
        once = {} if condition.when is None else {"when": self._when(condition.when)}
        away = loss(what, board.name, switch, board.timeline, at=at, off=condition.off, delay=condition.delay, **once)
        self._stack.enter_context(away)

    def _cut(self, condition: Condition) -> None:
        board, enter = self._board, self._stack.enter_context
        match condition:
            case PowerCutCondition():
                at = condition.at.match(board.name, board.online_event())
                when = self._when(condition.when)
                once = {} if condition.when is None else {"when": when}
                enter(cut_at(board, at, off=condition.off, delay=condition.delay, **once))
            case BrownOutCondition():
                enter(brown_out(board, cuts=condition.cuts, off=condition.off, on=condition.on))
            case RandomCutsCondition():
                shortest, longest = condition.off
                seed, off = condition.seed + self._draw, (shortest, longest)
                seconds, mean, least = condition.seconds, condition.mean, condition.least
                enter(random_cuts(board, seed=seed, mean=mean, seconds=seconds, off=off, least=least))

    def _policy(self, condition: PolicyCondition) -> None:
        gateway = self._gateway(condition)
        before = gateway.policy(self._board.name)
        own = condition.topics.topics() if condition.topics is not None else None
        policy = policies.load(policy_path(self._case.folder, condition.policy), own)
        if policy.topics is None:
            policy = policy.with_topics(before.topics) if before.topics is not None else policy
        gateway.set_policy(policy, self._board.name)
        self._stack.callback(gateway.set_policy, before, self._board.name)

    def _when(self, when: Any) -> Any:
        return schedule(when, self._board.name, self._board.online_event(), draw=self._draw)

    def _gateway(self, condition: Condition) -> Gateway:
        if self._bench.gateway is None:
            raise BenchError(f"condition {condition.name}: no gateway: with an external broker nobody can play it")
        return self._bench.gateway


_RESETS: Mapping[str, Callable[[Board], None]] = {
    "power": Board.power_cycle,
    "hard": Board.hard_reset,
    "soft": Board.soft_reset,
}
