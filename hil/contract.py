"""The contract: what a firmware promises on the broker's side, and how it is put on a board.

A contract file is TOML. Its values may hold placeholders such as `{board}`; `Contract.for_board` fills them in. A user
with firmware of their own writes one of these, and the scenarios run unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, field_validator, model_validator

from hil import places, templates
from hil.placeholders import IS_BOARD_TEXT, BoardText, BuildText
from hil.places import AnyPlace, Places
from hil.toml import FileError, Strict, read

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Filled = TypeVar("Filled", bound=Strict)
Qos = Annotated[int, Field(ge=0, le=2)]


def _topic(value: str) -> str:
    if "+" in value or "#" in value:
        raise ValueError(f"found {value!r}, expected a topic without the wildcards + and #")
    return value


def _expression(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"found {value!r}, expected a regular expression ({error})") from None
    return value


class Image(Strict):
    """One file to flash. `offset` in bytes from the start of the flash; `chips` limits it to these chips."""

    offset: Annotated[int, Field(ge=0)]
    file: BuildText
    chips: list[str] | None = None


class Firmware(Strict):
    """Where the images are, and the command that builds them, if they are not built yet."""

    images: Annotated[list[Image], Field(min_length=1)]
    build: list[BuildText] | None = None
    build_timeout: Seconds = 600.0
    version: str | None = None


class Will(Strict):
    topic: BoardText
    payload: BoardText = ""
    qos: Qos = 0
    retain: bool = False

    _check = field_validator("topic")(_topic)


class Message(Strict):
    """A message that the device publishes once it is connected."""

    topic: BoardText
    payload: BoardText | None = None
    qos: Qos = 0
    retain: bool = False

    _check = field_validator("topic")(_topic)


class Mqtt(Strict):
    """How the device connects. `keep_alive` in seconds, as in its CONNECT.

    `connect_timeout`: seconds that it waits for a TLS handshake, or for its CONNACK, before it gives the attempt up.
    `resend`: seconds after which a PUBLISH (QoS 1) or SUBSCRIBE that had no answer is sent again on the same
    connection, as MQTT 3.1.1 allows and MQTT 5 forbids (section 4.4). None promises nothing.
    """

    client_id: BoardText
    version: Literal["3.1.1", "5"] = "3.1.1"
    keep_alive: Annotated[int, Field(ge=0, le=65535)]
    clean_session: bool = True
    will: Will | None = None
    online: Message | None = None
    connect_timeout: Seconds | None = None
    resend: Seconds | None = None

    @model_validator(mode="after")
    def _may_resend(self) -> Mqtt:
        if self.resend is not None and self.version == "5":
            raise ValueError('found resend with version "5", which forbids it while a connection lasts (section 4.4)')
        return self


class Telemetry(Strict):
    """`period` in seconds. `fields`: the keys that each JSON payload has, if it is JSON.

    `sequence`: the key that counts messages from 1 at each boot; `heap`: the one that holds the free heap in bytes.
    """

    topic: BoardText
    period: Seconds
    qos: Qos = 0
    fields: list[str] = Field(default_factory=list)
    sequence: str | None = None
    heap: str | None = None

    _check = field_validator("topic")(_topic)


class Command(Strict):
    """What is sent to `topic`, and a regular expression that the answer's payload on `answer_topic` must fit.

    `max_payload`: the longest payload, in bytes, that the device takes on `topic`. It need not understand it.
    """

    topic: BoardText
    payload: BoardText
    answer_topic: BoardText
    answer: str
    within: Seconds = 10.0
    max_payload: Annotated[int, Field(gt=0)] | None = None

    @field_validator("answer")
    @classmethod
    def _compiles(cls, value: str) -> str:
        return _expression(value)


class Setting(Strict):
    """A setting that outlives a power cut: payloads for `command.topic` that set it, ask for it, and set it back.

    `shows`: a regular expression that the answer to `get` fits once it is set, and not before.
    """

    set: BoardText
    get: BoardText
    shows: str
    restore: BoardText

    @field_validator("shows")
    @classmethod
    def _is_expression(cls, value: str) -> str:
        return _expression(value)


class LinkTopic(Strict):
    """The topic on the broker that a name on the line stands for; QoS and retain flag where the board says none."""

    topic: BoardText
    qos: Qos = 0
    retain: bool = False

    _check = field_validator("topic")(_topic)


class SerialLink(Strict):
    """How a board without a network reaches the broker: over its console, by hil.link (docs/serial-link.md).

    `start`: a regular expression for a line that it says at each start, and only then. `silence`: seconds without a
    line after which it is taken for dead. `longest`: bytes of the longest line, either way. `topics`: name on the line
    to topic on the broker.
    """

    kind: Literal["serial"] = "serial"
    start: Annotated[str, Field(min_length=1)]
    silence: Seconds
    longest: Annotated[int, Field(ge=64, le=65536)] = 4096
    topics: dict[str, LinkTopic] = Field(default_factory=dict)

    @field_validator("start")
    @classmethod
    def _is_expression(cls, value: str) -> str:
        return _expression(value)

    @field_validator("topics")
    @classmethod
    def _told_apart(cls, value: dict[str, LinkTopic]) -> dict[str, LinkTopic]:
        topics = [entry.topic for entry in value.values()]
        twice = next((topic for topic in topics if topics.count(topic) > 1), None)
        if twice is not None:
            raise ValueError(f"found {twice!r} for two names, expected each topic once: messages must find back")
        return value


class Retry(Strict):
    """How the device tries again after a failed or lost connection. `first` and `most` in seconds."""

    kind: Literal["none", "constant", "linear", "exponential", "exponential-jitter"]
    first: Seconds = 1.0
    most: Seconds = 60.0


class Time(Strict):
    """Where the device has its time from, whether it waits for it, and whether it checks certificates' dates by it."""

    source: Literal["sntp", "none"] = "sntp"
    required: bool = True
    dates: Literal["checked", "unchecked"] = "checked"


class ConsolePromise(Strict):
    """The serial console: `baud` in bit/s, a soft reset command, and commands that a scenario may use if they exist.

    `hang_command`: makes the firmware hang, until its watchdog restarts it. `tells_cause`: whether each start says why,
    in a line that hil.boot knows.
    """

    baud: Annotated[int, Field(gt=0)] = 115200
    reset_command: str | None = None
    disconnect_command: str | None = None
    hang_command: str | None = None
    tells_cause: bool = False


class Online(Strict):
    """How long the device may take, in seconds, from power-on until it is online in the broker's eyes."""

    within: Seconds = 30.0


class Contract(Strict):
    """A firmware's promises. See docs/contract.md for each key."""

    name: str
    description: str = ""
    firmware: Firmware
    mqtt: Mqtt
    telemetry: Telemetry | None = None
    command: Command | None = None
    setting: Setting | None = None
    retry: Retry
    time: Time = Time()
    console: ConsolePromise = ConsolePromise()
    online: Online = Online()
    link: SerialLink | None = None
    provision: Places

    def for_board(self, names: Mapping[str, str]) -> Contract:
        """The contract with `names` (of BOARD_NAMES) filled into its topics, ids and payloads.

        Raises templates.TemplateError for a placeholder that `names` has no value for.
        """
        return _filled(self, names)

    def promises(self) -> dict[str, Any]:
        """What the timeline says of this contract, so that a timeline alone tells what was promised: plain values.

        Times in seconds; None for what is not promised.
        """
        mqtt, telemetry, command = self.mqtt, self.telemetry, self.command
        return {
            "name": self.name,
            "client_id": mqtt.client_id,
            "version": mqtt.version,
            "keep_alive": mqtt.keep_alive,
            "clean": mqtt.clean_session,
            "connect_timeout": mqtt.connect_timeout,
            "resend": mqtt.resend,
            "will": mqtt.will.model_dump() if mqtt.will is not None else None,
            "online": mqtt.online.model_dump() if mqtt.online is not None else None,
            "telemetry": telemetry.model_dump() if telemetry is not None else None,
            "command": command.model_dump() if command is not None else None,
            "retry": self.retry.model_dump(),
            "time": self.time.model_dump(),
            "online_within": self.online.within,
            "link": self.link.model_dump() if self.link is not None else None,
        }

    @field_validator("provision")
    @classmethod
    def _told_apart(cls, provision: list[AnyPlace]) -> list[AnyPlace]:
        keys = [key for place in provision for key in place.values]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise ValueError(f"found key {twice!r} in the values of two tables, expected each key once")
        return provision

    @model_validator(mode="after")
    def _settable(self) -> Contract:
        if self.setting is not None and self.command is None:
            raise ValueError("found [setting] and no [command], expected the topics on which it is set")
        return self

    @model_validator(mode="after")
    def _linkable(self) -> Contract:
        if self.link is not None and self.mqtt.version != "3.1.1":
            raise ValueError(f'found mqtt.version "{self.mqtt.version}" with [link], which speaks "3.1.1" alone')
        return self

    @model_validator(mode="after")
    def _buildable(self) -> Contract:
        built_in = [isinstance(place, places.ConstantsPlace) for place in self.provision]
        if any(built_in) and self.firmware.build is None:
            raise ValueError('found provision.method "constants" and no firmware.build, expected the command to build')
        if any(built_in[1:]):
            raise ValueError(
                'found a [[provision]] table with method "constants" behind another, expected it once, and first: its '
                "build flashes the firmware that the others are read by"
            )
        return self

    @property
    def settings_in_firmware(self) -> bool:
        """Whether settings are built into the firmware: there is nothing to flash before they are known."""
        return any(isinstance(place, places.ConstantsPlace) for place in self.provision)

    def settings(self, names: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
        """Each setting to put into the board: key, type ('string', 'blob', 'u16', ...) and its text, filled in."""
        for place in self.provision:
            yield from places.filled(place, names)

    def placeholders_of_settings(self) -> set[str]:
        """All placeholders that the settings use."""
        return {name for place in self.provision for name in places.placeholders(place)}

    def secret_settings(self) -> set[str]:
        """The keys whose values must never be shown: those that hold the Wi-Fi password or the private key."""
        return {key for place in self.provision for key in places.secret_keys(place)}


def load(path: Path) -> Contract:
    """Read a contract file. Raises FileError, which names the file and the key."""
    contract = read(path, Contract)
    if contract.time.required and contract.time.source == "none":
        raise FileError(path, ["time.required: found true with time.source 'none', expected a source for the time"])
    return contract


def _filled(model: Filled, names: Mapping[str, str]) -> Filled:
    """A copy of `model` with the placeholders of all its BoardText fields replaced, nested tables included."""
    update: dict[str, Any] = {}
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, Strict) and not isinstance(value, Firmware):
            update[name] = _filled(value, names)
        elif isinstance(value, dict) and any(isinstance(entry, Strict) for entry in value.values()):
            update[name] = {key: _filled(entry, names) for key, entry in value.items()}
        elif isinstance(value, str) and IS_BOARD_TEXT in _metadata(field.annotation, field.metadata):
            update[name] = templates.fill(value, names)
    return model.model_copy(update=update)


def _metadata(annotation: Any, metadata: list[Any]) -> list[Any]:
    """What Annotated adds to a field's type, looked for inside `X | None` as well."""
    found = list(metadata)
    for inner in getattr(annotation, "__args__", ()):
        found += getattr(inner, "__metadata__", ())
    return found
