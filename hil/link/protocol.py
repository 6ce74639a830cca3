"""The line protocol of boards without a network: what they say to the broker's side, and what is said to them.

A line is UTF-8 text that ends in LF; a CR before it does not count. A line that begins with '{' is one JSON object, and
one of these; any other is text for people, and concerns nobody here.

    {"topic": T, ...}                       publish the other members, as a JSON object
    {"topic": T, "payload": P}              publish P: a text as it stands, anything else as JSON
    {"topic": T, "payload": P, "base64": true}      publish the bytes of which P is the base64
    {"subscribe": F}  {"unsubscribe": F}
    {"disconnect": true}                    goodbye, on purpose: no will
    {}                                      I am still here

"qos" (0, 1, 2) and "retain" may stand beside "topic", "qos" beside "subscribe". To the board goes, for each message:

    {"topic": T, "payload": P}              P: the object itself where it is a JSON object, else a text
    ... "base64": true, "retain": true, "dup": true     where that is so

Pure functions on bytes: no port, no broker. docs/serial-link.md tells the same to who writes firmware.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from dataclasses import dataclass
from typing import Any, NoReturn


class BadLine(ValueError):
    """A line that begins like a message and is none; the text says why, and is fit for an event."""


@dataclass(frozen=True, slots=True)
class Publish:
    """`qos` and `retain` are None where the board does not say."""

    topic: str
    payload: bytes
    qos: int | None = None
    retain: bool | None = None


@dataclass(frozen=True, slots=True)
class Subscribe:
    """`qos` is None where the board does not say."""

    topic_filter: str
    qos: int | None = None


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    topic_filter: str


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The board leaves on purpose."""


@dataclass(frozen=True, slots=True)
class Alive:
    """The board says only that it is there."""


Said = Publish | Subscribe | Unsubscribe | Goodbye | Alive

_BESIDE_A_TOPIC = {"qos", "retain"}
_WITH_A_PAYLOAD = {"topic", "payload", "base64", *_BESIDE_A_TOPIC}


def parse(line: bytes) -> Said | None:
    """What the board says by `line`, without its line end; None for text that is for people. Raises BadLine."""
    try:
        text = line.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise BadLine(f"it is no UTF-8 (byte {error.start})") from None
    if not text.startswith("{"):
        return None
    said = _object(text)
    if not said:
        return Alive()
    if "topic" in said:
        return _publish(said)
    if "subscribe" in said:
        _only(said, {"subscribe", "qos"})
        return Subscribe(_text(said, "subscribe"), _qos(said))
    if "unsubscribe" in said:
        _only(said, {"unsubscribe"})
        return Unsubscribe(_text(said, "unsubscribe"))
    if "disconnect" in said:
        _only(said, {"disconnect"})
        if said["disconnect"] is not True:
            raise BadLine(f"found disconnect {_shown(said['disconnect'])}, expected true")
        return Goodbye()
    raise BadLine("found none of the keys topic, subscribe, unsubscribe and disconnect")


def message(topic: str, payload: bytes, *, retain: bool = False, dup: bool = False) -> bytes:
    """The line, with its LF, that brings a message to the board: plain ASCII but for what is in a JSON payload."""
    embedded = _embedded(payload)
    about = f'"topic":{json.dumps(topic)},"payload":'
    if embedded is not None:
        about += embedded
    else:
        try:
            about += json.dumps(payload.decode("utf-8"))
        except UnicodeDecodeError:
            about += json.dumps(base64.b64encode(payload).decode("ascii")) + ',"base64":true'
    about += ',"retain":true' * retain + ',"dup":true' * dup
    return b"{" + about.encode("utf-8") + b"}\n"


def _publish(said: dict[str, Any]) -> Publish:
    topic, qos, retain = _text(said, "topic"), _qos(said), said.get("retain")
    if retain is not None and not isinstance(retain, bool):
        raise BadLine(f"found retain {_shown(retain)}, expected true or false")
    if "payload" not in said:
        fields = {key: value for key, value in said.items() if key not in ("topic", *_BESIDE_A_TOPIC)}
        return Publish(topic, _json(fields), qos, retain)
    _only(said, _WITH_A_PAYLOAD)
    payload = said["payload"]
    if said.get("base64", False) is not False:
        return Publish(topic, _decoded(said), qos, retain)
    return Publish(topic, _bytes(payload) if isinstance(payload, str) else _json(payload), qos, retain)


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except RecursionError:
        raise BadLine("it is nested too deeply") from None
    except BadLine:
        raise
    except ValueError as error:
        raise BadLine(f"it is no JSON object ({error})") from None
    assert isinstance(found, dict)  # it begins with a brace
    return found


def _no_number(name: str) -> NoReturn:
    raise BadLine(f"found {name}, expected a number that JSON has")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise BadLine(f"found {text[:20]}, expected a number that is not so large")
    return number


def _text(said: dict[str, Any], key: str) -> str:
    found = said[key]
    if not isinstance(found, str) or not found:
        raise BadLine(f"found {key} {_shown(found)}, expected a text")
    return found


def _qos(said: dict[str, Any]) -> int | None:
    found = said.get("qos")
    if found is not None and (isinstance(found, bool) or found not in (0, 1, 2)):
        raise BadLine(f"found qos {_shown(found)}, expected 0, 1 or 2")
    return None if found is None else int(found)


def _decoded(said: dict[str, Any]) -> bytes:
    if said["base64"] is not True or not isinstance(said["payload"], str):
        raise BadLine("found base64, expected true, and a payload that is a text")
    try:
        return base64.b64decode(said["payload"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadLine(f"the payload is no base64 ({error})") from None


def _json(value: Any) -> bytes:
    return _bytes(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise BadLine("it holds half a character (a lone surrogate)") from None


def _only(said: dict[str, Any], known: set[str]) -> None:
    more = sorted(set(said) - known)
    if more:
        raise BadLine(f"found the key {_shown(more[0])}, expected {', '.join(sorted(known))} alone")


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:40] + "..."


def _embedded(payload: bytes) -> str | None:
    """The payload as it may stand in a line, if it is a JSON object: a small parser need not look into a text then."""
    try:
        text = payload.decode("utf-8").strip()
        if not text.startswith("{") or not isinstance(json.loads(text, parse_constant=_no_number), dict):
            return None
    except (ValueError, RecursionError):
        return None
    return text.replace("\r", " ").replace("\n", " ")  # between its tokens: inside of a text JSON allows none
