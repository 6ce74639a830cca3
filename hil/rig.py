"""The rig file: what stands on a bench. TOML, validated whole before anything is opened.

    rig = load(Path("rigs/virtual.toml"))
    rig.boards["esp32-a"].contract.mqtt.client_id

See docs/rig.md for every key. Secrets are never in the file: it names the environment variables that hold them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hil import contract as contracts
from hil import templates
from hil.contract import Contract
from hil.gateway import policies
from hil.pki import filling as hierarchies
from hil.power.outlet import OutletPower
from hil.rig_file import BoardConfig, CredentialsConfig, GatewayConfig, RigFile
from hil.toml import FileError, read


@dataclass(frozen=True)
class RigBoard:
    """A board of a rig, with the contract that its firmware keeps, placeholders filled in."""

    name: str
    config: BoardConfig
    contract: Contract
    contract_path: Path


@dataclass(frozen=True)
class Rig:
    """A rig file that has been read and found sound, with the contracts that it names."""

    path: Path
    file: RigFile
    boards: Mapping[str, RigBoard]

    @property
    def name(self) -> str:
        return self.file.name

    def select(self, names: list[str] | None) -> list[RigBoard]:
        """The boards of these names, or all. Raises FileError for a name that the rig does not have."""
        for name in names or ():
            if name not in self.boards:
                raise FileError(self.path, [f"boards: found no board {name!r}; the rig has {', '.join(self.boards)}"])
        return [self.boards[n] for n in names] if names else list(self.boards.values())

    def with_pki(self, pki: Path) -> Rig:
        """This rig with the credentials of a hierarchy, its file or folder, in place of those that its file says.

        Boards with an identity keep theirs. Raises FileError where the hierarchy is faulty, or does not fit the rig.
        """
        credentials = CredentialsConfig(pki=str(pki.expanduser().resolve()))
        file = self.file.model_copy(update={"credentials": credentials})
        faults = _pki_faults(self.path, file)
        if faults:
            raise FileError(self.path, faults)
        return replace(self, file=file)

    def waiting(self, seconds: float | None) -> Rig:
        """This rig, whose runs wait so long for boards that others have; as the file says if None."""
        return self if seconds is None else replace(self, file=self.file.model_copy(update={"wait": seconds}))

    def policy_path(self, policy: str) -> Path:
        """The file of a policy that the rig names. Raises ValueError for a name that there is not."""
        return _policy_path(self.path, policy)

    def resolve(self, path: str) -> Path:
        """A path from the file, taken from the folder in which the rig file lies."""
        return (self.path.parent / Path(path).expanduser()).resolve()


def load(path: Path) -> Rig:
    """Read a rig file and the contracts it names. Raises FileError with every fault that was found."""
    path = path.resolve()
    file = read(path, RigFile)
    boards, faults = {}, []
    for name, config in file.boards.items():
        contract_path = (path.parent / config.contract).resolve()
        try:
            contract = contracts.load(contract_path)
        except FileError as error:
            faults += [f"boards.{name}.contract: {line}" for line in str(error).split("\n")]
            continue
        if config.wifi is None and "wifi_ssid" in contract.placeholders_of_settings():
            faults.append(
                f"boards.{name}.wifi: found nothing, but {contract_path.name} puts {{wifi_ssid}} into the board"
            )
        names = {"board": name, "chip": config.chip} | ({"mac": config.mac} if config.mac else {})
        try:
            filled = contract.for_board(names)
        except templates.TemplateError as error:
            faults.append(f"boards.{name}: {contract_path.name}: {error}; if it is {{mac}}, give the board a mac")
            continue
        boards[name] = RigBoard(name, config, filled, contract_path)
    faults += _shared_ports(file) + _shared_outlets(file) + _policy_faults(path, file.gateway) + _pki_faults(path, file)
    if faults:
        raise FileError(path, faults)
    return Rig(path, file, boards)


def _policy_path(rig: Path, policy: str) -> Path:
    return (rig.parent / policies.path_of(policy)).resolve()


def _policy_faults(rig: Path, gateway: GatewayConfig) -> list[str]:
    if gateway.policy is None:
        return []
    faults = []
    try:
        policies.load(_policy_path(rig, gateway.policy))
    except ValueError as error:
        faults += [f"gateway.policy: {line}" for line in str(error).split("\n")]
    try:
        _ = gateway.topics.topics() if gateway.topics is not None else None
    except ValueError as error:
        faults.append(f"gateway.topics.{error}")
    return faults


def _pki_faults(rig: Path, file: RigFile) -> list[str]:
    if file.credentials.pki is None:
        return []
    try:
        plan = hierarchies.load((rig.parent / Path(file.credentials.pki).expanduser()).resolve())
    except FileError as error:
        return [f"credentials.pki: {line}" for line in str(error).split("\n")]
    known = {kind: [entry.name for entry in plan.of(kind)] for kind in ("authorities", "devices")}
    faults = [
        f"boards.{name}: found no device of that name in {plan.path.name}; add [devices.{name}], or give it an identity"
        for name, board in file.boards.items()
        if board.identity is None and name not in known["devices"]
    ]
    authority = file.credentials.authority
    if authority is not None and authority not in known["authorities"]:
        faults.append(f"credentials.authority: found {authority!r}, expected one of: {', '.join(known['authorities'])}")
    return faults


def _shared_ports(file: RigFile) -> list[str]:
    seen: dict[str, str] = {}
    faults = []
    for name, config in file.boards.items():
        port = None if config.port is None else str(config.port)
        if port is not None and port in seen:
            faults.append(f"boards.{name}.port: found {port!r}, which board {seen[port]!r} has already")
        elif port is not None:
            seen[port] = name
    return faults


def _shared_outlets(file: RigFile) -> list[str]:
    """Boards on one outlet are left with or without power together."""
    seen: dict[str, str] = {}
    faults = []
    for name, config in file.boards.items():
        if not isinstance(config.power, OutletPower):
            continue
        other = seen.setdefault(config.power.identity, name)
        if file.boards[other].idle != config.idle:
            faults.append(
                f"boards.{name}.idle: found {config.idle!r}, expected {file.boards[other].idle!r}, as board {other!r} "
                "has it: both are on one outlet"
            )
    return faults
