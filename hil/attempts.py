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
    SERVER_NAME_DENIED = "cut off for naming no server in its handshake"
    CLIENT_DENIED = "cut off for who it is"
    KEEP_ALIVE_DENIED = "cut off for its keep-alive"
    SIZE_DENIED = "cut off for too large a packet"
    QOS_DENIED = "cut off for a QoS that the broker does not have"
    RETAIN_DENIED = "cut off for a retained message"
    FORM_DENIED = "cut off for a kind of subscription that the broker does not have"
    NUMBER_DENIED = "cut off for too many subscriptions"
    RATE_DENIED = "cut off for its rate"
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

#: What a `denied` event with an ending action makes of its connection.
_DENIALS = {
    "sni": End.SERVER_NAME_DENIED,
    "authentication_name": End.CLIENT_DENIED,
    "client": End.CLIENT_DENIED,
    "client_id": End.CLIENT_DENIED,
    "empty_client_id": End.CLIENT_DENIED,
    "takeover": End.CLIENT_DENIED,
    "takeover_other": End.CLIENT_DENIED,
    "connect_rate": End.RATE_DENIED,
    "client_connect_rate": End.RATE_DENIED,
    "keep_alive": End.KEEP_ALIVE_DENIED,
    "will": End.WILL_DENIED,
    "will_qos": End.QOS_DENIED,
    "will_retain": End.RETAIN_DENIED,
    "packet_size": End.SIZE_DENIED,
    "subscribe": End.SUBSCRIBE_DENIED,
    "subscribe_qos": End.QOS_DENIED,
    "shared": End.FORM_DENIED,
    "subscription_identifier": End.FORM_DENIED,
    "filters": End.NUMBER_DENIED,
    "subscriptions": End.NUMBER_DENIED,
    "subscribe_rate": End.RATE_DENIED,
    "publish": End.PUBLISH_DENIED,
    "qos": End.QOS_DENIED,
    "retain": End.RETAIN_DENIED,
    "publish_rate": End.RATE_DENIED,
}

#: Actions of a policy that end the connection without a CONNACK that says no.
_ENDING = ("disconnect", "refuse-disconnect", "close")


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
    ending = next((e for e in seen if e.kind == "denied" and e.get("action") in _ENDING), None)
    refused = next((e for e in reversed(seen) if e.kind == "denied" and e.get("action") == "refuse"), None)
    end, detail = _denied_end(ending) if ending is not None else _end(by_kind, refused)
    ended = close.monotonic if close is not None else None
    return Attempt(number, seen[0].board, seen[0].monotonic, ended, end, detail, tuple(seen))


def _denied_end(denied: Event) -> tuple[End, str]:
    about = f"topic {denied['topic']!r}: " if denied.get("topic") is not None else ""
    return _DENIALS[denied["what"]], f"{about}{denied['rule']}"


def _end(seen: dict[str, Event], refused: Event | None) -> tuple[End, str]:
    if "tls-failed" in seen:
        return _tls_end(seen["tls-failed"])
    connack = seen.get("connack")
    if connack is not None and connack["code"] != 0:
        why = f", {refused['rule']}" if refused is not None else ""
        return End.CONNECT_REFUSED, f"code {connack['code']}{why}"
    if "close" not in seen:
        return End.ALIVE, ""
    close = seen["close"]
    how = f"by {close['by']}: {close.get('fault') or close['how']}"
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
