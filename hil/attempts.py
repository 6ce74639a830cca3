"""What became of each connection a board tried, read off the gateway's events.

Failures in the field look alike on the device ('MQTT connect failed'). On this side they differ: how far the attempt
came, who ended it, and why. `attempts` folds the events of a board into one `Attempt` a connection; the scenarios
judge by its `end`, and say its words when they fail.

How far an attempt came, in order:

    accepted -> tls -> connect -> connack -> (denied) -> closed
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from hil.timeline import Event


class End(StrEnum):
    """How a connection ended, or that it lives. Each value is a class of cause with a cure of its own."""

    ALIVE = "alive"
    UNREACHED = "ended before any TLS was spoken"
    NO_CERTIFICATE = "the device sent no client certificate"
    CERTIFICATE_REFUSED = "the gateway refused the device's certificate chain"
    SERVER_REFUSED = "the device refused the server's certificate chain"
    TLS_FAILED = "the TLS handshake failed"
    NO_CONNECT = "TLS was done, but no CONNECT came"
    CONNECT_REFUSED = "the CONNECT was refused"
    WILL_DENIED = "cut off for its will"
    SUBSCRIBE_DENIED = "cut off for a subscription"
    PUBLISH_DENIED = "cut off for a publication"
    DISCONNECTED = "the device disconnected as it should"
    LOST = "the connection was lost"
    SERVER_ENDED = "the server's side ended it"


#: Alerts by which a client says that it does not accept the server's certificate (RFC 8446, section 6.2).
_CERTIFICATE_ALERTS = {
    "bad_certificate",
    "unsupported_certificate",
    "certificate_revoked",
    "certificate_expired",
    "certificate_unknown",
    "unknown_ca",
}

_DENIALS = {"will": End.WILL_DENIED, "subscribe": End.SUBSCRIBE_DENIED, "publish": End.PUBLISH_DENIED}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One connection. `began` and `ended` are monotonic seconds; `detail` holds the deciding event's own words."""

    connection: int
    board: str | None
    began: float
    ended: float | None
    end: End
    detail: str
    events: tuple[Event, ...]

    @property
    def accepted_by_broker(self) -> bool:
        """Whether a CONNACK with code 0 was sent on it."""
        return any(e.kind == "connack" and e["code"] == 0 for e in self.events)

    def __str__(self) -> str:
        return f"connection {self.connection}: {self.end}" + (f" ({self.detail})" if self.detail else "")


def attempts(events: Iterable[Event], board: str | None = None) -> list[Attempt]:
    """The connections among `events`, oldest first; of one board, or of all. Pure: the timeline is not touched."""
    grouped: dict[int, list[Event]] = {}
    for event in events:
        if event.source == "gateway" and (board is None or event.board == board):
            number = event.get("connection")
            if number is not None and (event.kind == "accept" or number in grouped):
                grouped.setdefault(number, []).append(event)
    return [_attempt(number, seen) for number, seen in grouped.items()]


def _attempt(number: int, seen: list[Event]) -> Attempt:
    by_kind = {event.kind: event for event in seen}
    close = by_kind.get("close")
    end, detail = _end(by_kind)
    ended = close.monotonic if close is not None else None
    return Attempt(number, seen[0].board, seen[0].monotonic, ended, end, detail, tuple(seen))


def _end(seen: dict[str, Event]) -> tuple[End, str]:
    if "denied" in seen and seen["denied"].get("action") == "disconnect":
        denied = seen["denied"]
        return _DENIALS[denied["what"]], f"topic {denied['topic']!r} is not in the namespace"
    if "tls-failed" in seen:
        return _tls_end(seen["tls-failed"])
    connack = seen.get("connack")
    if connack is not None and connack["code"] != 0:
        return End.CONNECT_REFUSED, f"code {connack['code']}"
    if "close" not in seen:
        return End.ALIVE, ""
    close = seen["close"]
    how = f"by {close['by']}: {close['how']}"
    if "tls" not in seen:
        return End.UNREACHED, how
    if "connect" not in seen:
        return End.NO_CONNECT, how
    if close["how"] == "disconnect" and close["by"] == "device":
        return End.DISCONNECTED, ""
    return (End.LOST if close["by"] == "device" or close["how"] == "keep-alive" else End.SERVER_ENDED), how


def _tls_end(failed: Event) -> tuple[End, str]:
    detail = ", ".join(str(failed[k]) for k in ("reason", "verify_message") if failed.get(k))
    if failed.get("alert_from") == "device" and failed.get("alert") in _CERTIFICATE_ALERTS:
        return End.SERVER_REFUSED, f"alert {failed['alert']}"
    if failed.get("verify_code"):
        return End.CERTIFICATE_REFUSED, f"verify code {failed['verify_code']}: {failed.get('verify_message')}"
    if failed.get("reason") == "client certificate refused":
        return End.CERTIFICATE_REFUSED, f"alert {failed.get('alert')}"
    if failed.get("reason") == "no client certificate":
        return End.NO_CERTIFICATE, ""
    return End.TLS_FAILED, detail
