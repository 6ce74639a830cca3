"""What a contract says of where settings and credentials live on a board: one model for each method.

A contract has one `[provision]` table, or several `[[provision]]` tables for firmware that keeps its settings in one
place and its credentials in another. The methods themselves are in hil/provision/, one file each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from hil import templates, wording
from hil.placeholders import BuildText, SettingText
from hil.sources import Language
from hil.toml import Strict
from hil.wire import secure_cert, spiffs

_SECRET = {"wifi_password", "private_key"}


class Value(Strict):
    """A setting with a type of its own; exactly one key."""

    string: SettingText | None = None
    blob: SettingText | None = None
    u8: SettingText | int | None = None
    i8: SettingText | int | None = None
    u16: SettingText | int | None = None
    i16: SettingText | int | None = None
    u32: SettingText | int | None = None
    i32: SettingText | int | None = None
    u64: SettingText | int | None = None
    i64: SettingText | int | None = None

    @model_validator(mode="after")
    def _one(self) -> Value:
        if len(self.model_fields_set) != 1:
            raise ValueError('found several or no types, expected exactly one, such as { u16 = "{gateway_port}" }')
        return self

    @property
    def kind(self) -> str:
        return next(iter(self.model_fields_set))

    @property
    def text(self) -> str:
        return str(getattr(self, self.kind))


class Place(Strict):
    """What every place has. `values`: key to text, or to a typed value. What a key is, the method says."""

    #: The most characters a key may have, and what is called so in the error.
    longest_key: ClassVar[int | None] = None

    values: dict[str, SettingText | Value] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _keys(self) -> Place:
        for key in self.values:
            if self.longest_key is not None and not 1 <= len(key) <= self.longest_key:
                raise ValueError(f"found key {key!r} in values, expected 1 to {self.longest_key} characters")
        return self


class NvsPlace(Place):
    """ESP-IDF's NVS, Arduino's Preferences: keys of a namespace."""

    longest_key: ClassVar[int | None] = 15

    method: Literal["nvs"]
    namespace: str
    partition: str | None = None

    @model_validator(mode="after")
    def _named(self) -> NvsPlace:
        if not 1 <= len(self.namespace) <= 15:
            raise ValueError(f"found namespace {self.namespace!r}, expected 1 to 15 characters (a limit of NVS)")
        return self


class LittlefsPlace(Place):
    """A LittleFS file system; keys are paths of files ("/certs/ca.pem")."""

    method: Literal["littlefs"]
    partition: str | None = None
    format: bool = False
    block_size: int = Field(default=4096, ge=128, multiple_of=8)
    name_max: int = Field(default=64, ge=1, le=1022)

    @model_validator(mode="after")
    def _paths(self) -> LittlefsPlace:
        for key in self.values:
            if not key.startswith("/"):
                raise ValueError(f'found key {key!r} in values, expected the path of a file, such as "/certs/ca.pem"')
        return self


class SpiffsPlace(Place):
    """A SPIFFS file system; keys are names of files ("/ca.pem")."""

    method: Literal["spiffs"]
    partition: str | None = None
    format: bool = False
    page_size: int = 256
    name_length: int = 32
    meta_length: int = 4

    @property
    def geometry(self) -> spiffs.Geometry:
        """What the firmware was built with. Raises ValueError for sizes that cannot be."""
        return spiffs.Geometry(self.page_size, name_length=self.name_length, meta_length=self.meta_length)

    @model_validator(mode="after")
    def _names(self) -> SpiffsPlace:
        for name, value in self.values.items():
            self.geometry.check_name(name)
            if not name.startswith("/"):
                raise ValueError(
                    f"found key {name!r} in values, expected a name that begins with '/': firmware asks so"
                )
            if not isinstance(value, str) and value.kind not in ("string", "blob"):
                raise ValueError(
                    f"found {value.kind} for {name!r} in values, expected string or blob: a file holds text"
                )
        return self


class SecureCertPlace(Place):
    """The esp_secure_cert partition; keys are what its entries hold ("device_cert", "ca_cert", "private_key")."""

    method: Literal["esp-secure-cert"]
    partition: str | None = None

    @model_validator(mode="after")
    def _entries(self) -> SecureCertPlace:
        for key, value in self.values.items():
            secure_cert.entry_of(key)
            if isinstance(value, Value) and value.kind not in ("string", "blob"):
                raise ValueError(f"found {value.kind} for {key!r} in values, expected a string or a blob")
        return self


class ConstantsPlace(Place):
    """Constants of the firmware's source, or files that its build embeds; keys are their names.

    `file`: the source, whose `language` its ending tells where it is not said; or `folder`: for each key a file of its
    own. `style` and `class_name` (of C#): see hil.sources. `in_images`: whether the images show what they are built of.
    """

    method: Literal["constants"]
    file: BuildText | None = None
    folder: BuildText | None = None
    language: Literal["c", "csharp", "python"] | None = None
    style: Literal["lines", "raw"] = "lines"
    class_name: str = "Credentials"
    in_images: bool = True

    @property
    def source_language(self) -> Language | None:
        """That of `file`, None for files that are embedded as they are."""
        if self.file is None:
            return None
        return Language(self.language) if self.language else Language.of(self.file)

    @model_validator(mode="after")
    def _one_target(self) -> ConstantsPlace:
        if (self.file is None) == (self.folder is None):
            raise ValueError("expected either file (a source with constants) or folder (a file for each of values)")
        if self.source_language is Language.PEM:
            raise ValueError(
                f"found file {self.file!r}, expected the ending of a source (.h, .cs, .py), or language; folder is for "
                "files that are embedded as they are"
            )
        return self

    @model_validator(mode="after")
    def _names(self) -> ConstantsPlace:
        for key, value in self.values.items():
            if self.file is not None and not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", key):
                raise ValueError(f"found key {key!r} in values, expected the name of a constant")
            if self.folder is None:
                continue
            if not re.fullmatch("[A-Za-z0-9_][A-Za-z0-9_.-]*", key):
                raise ValueError(
                    f'found key {key!r} in values, expected the name of a file in folder, such as "ca.pem"'
                )
            if not isinstance(value, str) and value.kind not in ("string", "blob"):
                raise ValueError(
                    f"found {value.kind} for {key!r} in values, expected string or blob: a file holds text"
                )
        return self


def _lines(value: Any) -> Any:
    entries = value if isinstance(value, list) else [value]
    return [{"send": entry} if isinstance(entry, str) else entry for entry in entries]


def _expression(text: str) -> str:
    """`text`, if it can be part of a regular expression."""
    try:
        re.compile(f"^.*?(?:{text}).*$")
    except re.error as error:
        raise ValueError(f"found {text!r}, expected a regular expression ({error}); flags as in (?i:ok)") from None
    return text


class Line(Strict):
    """A line to send; `answer`: a regular expression to wait for, "" for none, None for what is usual there."""

    send: str
    answer: Annotated[str, AfterValidator(_expression)] | None = None


Lines = Annotated[list[Line], BeforeValidator(_lines)]
_Expression = Annotated[str, AfterValidator(_expression)]


class Talk(Place):
    """What places have that the running firmware is asked to fill, over its serial console. Times in seconds.

    `reset` and `ready`: the board is reset, and what it says when it listens. `burst` bytes are sent at once, then
    `pause`: for chips whose FIFO (128 bytes on an ESP32) has no flow control.
    """

    ready: _Expression | None = None
    ready_within: float = Field(default=15.0, gt=0)
    answer_within: float = Field(default=5.0, gt=0)
    reset: bool = True
    burst: int | None = Field(default=None, ge=1)
    pause: float = Field(default=0.01, ge=0)


class ConsolePlace(Talk):
    """Lines on the serial console. What the lines may name: see hil.wording.

    `reads_then`: what ends the answer to `check`, behind the line with the value; `answer` if None, nothing if "".
    """

    method: Literal["console"]
    newline: Literal["\n", "\r", "\r\n"] = "\n"
    enter: Lines = Field(default_factory=list)
    write: Lines = Field(min_length=1)
    answer: _Expression = "^OK$"
    refusal: _Expression = "^ERROR"
    check: str | None = None
    reads: str | None = None
    reads_then: _Expression | None = None
    save: Lines = Field(default_factory=list)
    leave: Lines = Field(default_factory=list)
    longest_line: int | None = Field(default=None, ge=1)
    chunk: int = Field(default=48, ge=4)

    @model_validator(mode="after")
    def _wording(self) -> ConsolePlace:
        if (self.check is None) != (self.reads is None):
            raise ValueError("found check or reads alone, expected both: what asks for a value, and what is answered")
        wording.check_lines([line.send for line in self.write])
        if self.check is not None and self.reads is not None:
            templates.check(self.check, ("key",))
            wording.Reading(self.reads)
        return self


class EspAtPlace(Talk):
    """ESP-AT's manufacturing NVS, through AT+SYSMFG; keys are "mqtt_ca", or "client_ca/client_ca.0".

    Before the slash stands the namespace; without one, the key is called as its namespace is.
    """

    method: Literal["esp-at"]
    ready: _Expression | None = "^ready$"

    @model_validator(mode="after")
    def _names(self) -> EspAtPlace:
        for key, value in self.values.items():
            if not re.fullmatch('[^"/]{1,15}(/[^"/]{1,15})?', key):
                raise ValueError(
                    f'found key {key!r} in values, expected a namespace, such as "mqtt_ca", or a namespace and a key, '
                    'such as "client_ca/client_ca.0", of at most 15 characters each'
                )
            if not isinstance(value, str) and value.kind in ("u64", "i64"):
                raise ValueError(f"found {value.kind} for {key!r} in values, which AT+SYSMFG cannot write")
        return self


class Nowhere(Place):
    """A firmware whose settings are none of the bench's business."""

    method: Literal["none"]


AnyPlace = Annotated[
    NvsPlace | LittlefsPlace | SpiffsPlace | SecureCertPlace | ConstantsPlace | ConsolePlace | EspAtPlace | Nowhere,
    Field(discriminator="method"),
]


def _several(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


#: The `provision` key of a contract: one table or several.
Places = Annotated[list[AnyPlace], BeforeValidator(_several), Field(min_length=1)]


def filled(place: Place, names: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Each setting of a place: key, type ('string', 'blob', 'u16', ...) and its text, placeholders replaced."""
    for key, value in place.values.items():
        kind, text = ("string", value) if isinstance(value, str) else (value.kind, value.text)
        yield key, kind, templates.fill(text, names)


def placeholders(place: Place) -> set[str]:
    """All placeholders that the settings of a place use."""
    return {name for value in place.values.values() for name in templates.placeholders(_text(value))}


def secret_keys(place: Place) -> set[str]:
    """The keys whose values must never be shown: those that hold the Wi-Fi password or the private key."""
    return {key for key, value in place.values.items() if _SECRET.intersection(templates.placeholders(_text(value)))}


def _text(value: str | Value) -> str:
    return value if isinstance(value, str) else value.text
