"""What may stand in a rig file: its keys, and what each may be. docs/rig.md has them for people."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from hil.flash.kinds import Flasher
from hil.gateway.namespace import check_template
from hil.gateway.policies import TopicsTable
from hil.history import place as places
from hil.ports import PortTable
from hil.power.kinds import Power
from hil.secret import Secret
from hil.toml import Strict
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
    access_point: Power | None = None
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
        if self.access_point is not None and (self.virtual or self.access_point.kind in ("virtual", "none")):
            raise ValueError(
                "found access_point, expected it on a real board only, and a kind of switch that can cut "
                "(docs/power.md): a virtual board has an access point of its own"
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
