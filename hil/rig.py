"""The rig file: what stands on a bench. TOML, validated whole before anything is opened.

    rig = load(Path("rigs/virtual.toml"))
    rig.boards["esp32-a"].contract.mqtt.client_id

See docs/rig.md for every key. Secrets are never in the file: it names the environment variables that hold them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from hil import contract as contracts
from hil import templates
from hil.contract import Contract
from hil.flash.kinds import Flasher
from hil.gateway import policies
from hil.gateway.namespace import check_template
from hil.gateway.policies import TopicsTable
from hil.history import place as places
from hil.pki import filling as hierarchies
from hil.ports import PortTable
from hil.power.kinds import Power
from hil.power.outlet import OutletPower
from hil.secret import Secret
from hil.toml import FileError, Strict, read
from hil.wiring.choosing import Reset, misfit

Port = Annotated[int, Field(ge=0, le=65535)]
Denial = Literal["allow", "refuse", "drop", "disconnect"]


#: A port by its name or URL, or by its marks. Tags with a space are no keys of the file: messages leave them out.
SerialLine = Annotated[
    Annotated[str, Tag("a name")] | Annotated[PortTable, Tag("a table")],
    Discriminator(lambda value: "a name" if isinstance(value, str) else "a table"),
]


class Wifi(Strict):
    ssid: str | Secret
    password: Secret | None = None


class Identity(Strict):
    """Credentials from elsewhere: PEM files, the chain with the leaf first."""

    trust_anchors: str
    certificate_chain: str
    private_key: str


class BoardConfig(Strict):
    """One device under test: a real one on `port`, or a `virtual` one."""

    contract: str
    chip: str = "esp32"
    virtual: Literal["esp32", "uno"] | None = None
    port: SerialLine | None = None
    usb: bool = False
    speed: Annotated[float, Field(gt=0, le=1000)] = 1.0
    reset: Reset | None = None
    wiring: Literal["usb-uart", "usb-uart-inverted", "usb-serial-jtag", "usb-otg", "none"] | None = None
    flash_baud: Annotated[int, Field(gt=0)] = 460800
    flasher: Flasher | None = None
    power: Power | None = None
    off_time: Annotated[float, Field(ge=0)] = 1.0
    idle: Literal["off", "on"] = "off"
    wifi: Wifi | None = None
    options: list[str] = Field(default_factory=list)
    address: str | None = None
    identity: Identity | None = None
    mac: Annotated[str, Field(pattern=r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")] | None = None

    @model_validator(mode="after")
    def _reached(self) -> BoardConfig:
        if (self.virtual is None) == (self.port is None):
            raise ValueError(
                'expected either port (a serial port, pyserial URL, or table of marks) or virtual = "esp32" or "uno"'
            )
        if self.power is not None and (self.power.kind == "virtual") != (self.virtual is not None):
            raise ValueError(
                f"found power.kind {self.power.kind!r}: kind 'virtual' is for virtual boards and only for them"
            )
        if self.virtual is None and self.speed != 1.0:
            raise ValueError("found speed on a real board, expected it on a virtual one only")
        return self

    @model_validator(mode="after")
    def _wired(self) -> BoardConfig:
        if self.wiring is not None and self.virtual != "esp32":
            raise ValueError('found wiring, expected it beside virtual = "esp32" only; a real board has reset')
        if self.reset is not None and self.flasher is not None and self.flasher.kind != "esptool":
            raise ValueError(f"found reset beside flasher.kind {self.flasher.kind!r}, expected it with esptool only")
        for key, kind in (("reset", self.reset.kind if self.reset else ""), ("wiring", self.wiring or "")):
            if (wrong := misfit(key, kind, self.chip)) is not None:
                raise ValueError(wrong)
        return self

    @model_validator(mode="after")
    def _has_usb(self) -> BoardConfig:
        if self.usb and self.wiring not in ("usb-serial-jtag", "usb-otg"):
            raise ValueError(
                'found usb and no wiring of USB, expected wiring = "usb-serial-jtag" or "usb-otg": which port of the '
                "virtual chip it is that comes and goes with it"
            )
        return self

    @property
    def resets_by_dtr(self) -> bool:
        """Whether DTR alone resets it, as on an Arduino; else EN and IO0 are wired as on an ESP dev kit."""
        return self.virtual == "uno" or (self.flasher is not None and self.flasher.kind in ("avrdude", "arduino-cli"))

    @property
    def power_kind(self) -> str:
        if self.power is not None:
            return self.power.kind
        return "virtual" if self.virtual else "none"


class BrokerTls(Strict):
    """`ca`: a PEM file with the broker's trust anchors; the system's own are used without it."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None


class AutoBroker(Strict):
    """mosquitto where it is installed, the embedded broker otherwise."""

    kind: Literal["auto"] = "auto"
    shared: bool = False


class MosquittoBroker(Strict):
    kind: Literal["mosquitto"] = "mosquitto"
    program: str | None = None
    shared: bool = False


class EmbeddedBroker(Strict):
    kind: Literal["embedded"] = "embedded"
    shared: bool = False


class ExternalBroker(Strict):
    """A real deployment. The boards connect to it directly; the monitor uses the credentials given here."""

    kind: Literal["external"] = "external"
    host: str
    port: Port = 8883
    username: str | Secret | None = None
    password: Secret | None = None
    tls: BrokerTls | None = None


Broker = Annotated[AutoBroker | MosquittoBroker | EmbeddedBroker | ExternalBroker, Discriminator("kind")]


class NamespaceConfig(Strict):
    """Which topics the gateway lets boards use, and what becomes of those who ask for others."""

    allowed: list[str]
    will: Denial = "disconnect"
    subscribe: Denial = "disconnect"
    publish: Denial = "disconnect"

    @field_validator("allowed")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        for template in value:
            check_template(template)
        return value


class GatewayConfig(Strict):
    """`bind`: the address to listen on; `host`: the address boards are told; `name`: what its certificate says.

    `policy`: whose broker's policy is played, a name of hil.gateway.policies or the path of a file; `topics` the topics
    that exist on this bench. `namespace` alone is the short form of a policy.
    """

    bind: str = "127.0.0.1"
    host: str | None = None
    name: str = "gateway.hil.test"
    first_port: Port = 0
    client_certificates: bool = True
    namespace: NamespaceConfig | None = None
    policy: str | None = None
    topics: TopicsTable | None = None

    @model_validator(mode="after")
    def _reachable(self) -> GatewayConfig:
        if self.bind in ("0.0.0.0", "::") and self.host is None:
            raise ValueError(f"found bind {self.bind!r} and no host, expected host: the address that boards are to use")
        return self

    @model_validator(mode="after")
    def _one_policy(self) -> GatewayConfig:
        said = self.namespace.model_fields_set - {"allowed"} if self.namespace is not None else set()
        if self.policy is None and self.topics is not None:
            raise ValueError("found topics and no policy, expected policy: what becomes of those who leave the topics")
        if self.topics is not None and self.namespace is not None:
            raise ValueError("found topics and namespace, expected one of them")
        if self.policy is not None and said:
            raise ValueError(f"found namespace.{min(said)} beside policy, expected one: the policy says it already")
        return self


class TimeServerConfig(Strict):
    """`port` 0: a free port for each board; another number: one port that all boards share (real SNTP clients: 123)."""

    bind: str = "127.0.0.1"
    host: str | None = None
    port: Port = 0


class CredentialsConfig(Strict):
    """`directory`: a kept authority, made on first use. Without it each run makes its own.

    `pki`: the file of a hierarchy (`hil pki`), or its directory, which describes a device for each board;
    `authority`: which of its authorities issues the gateway's certificate, where it is not the one of the first board.
    """

    directory: str | None = None
    pki: str | None = None
    authority: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> CredentialsConfig:
        if self.directory is not None and self.pki is not None:
            raise ValueError("found directory and pki, expected one of them")
        if self.authority is not None and self.pki is None:
            raise ValueError("found authority and no pki, expected pki: the file that describes it")
        return self


class RigFile(Strict):
    """The file as it stands. `history`: where results of many runs are kept, see `hil.history.place`."""

    name: str
    description: str = ""
    artifacts: str = "artifacts"
    history: str | None = None
    wait: Annotated[float, Field(ge=0)] = 0.0
    broker: Broker = AutoBroker()
    gateway: GatewayConfig = GatewayConfig()
    time_server: TimeServerConfig = TimeServerConfig()
    credentials: CredentialsConfig = CredentialsConfig()
    boards: Annotated[dict[str, BoardConfig], Field(min_length=1)]

    @field_validator("history")
    @classmethod
    def _place(cls, value: str | None) -> str | None:
        if value is not None and value != places.OFF:
            places.parse(value, places.KEY, Path("/"))
        return value

    @field_validator("boards")
    @classmethod
    def _names(cls, value: dict[str, BoardConfig]) -> dict[str, BoardConfig]:
        for name in value:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", name):
                raise ValueError(f"found board name {name!r}, expected letters, digits, '-', '_' or '.', at most 63")
        return value


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
