"""TLS records: too large for the device's buffer, or too small for what it thinks a record holds."""

from __future__ import annotations

from hil.attempts import Attempt
from hil.diagnose.case import Case, first, of, size
from hil.diagnose.cause import Cause, Found
from hil.diagnose.words import since, span, times
from hil.timeline import Event

_BUFFER = 4096
"""The smallest TLS buffer in common use, in bytes (CONFIG_MBEDTLS_SSL_IN_CONTENT_LEN)."""


def _small_buffer(case: Case) -> Found | None:
    for attempt in reversed(case.attempts):
        close = first(attempt, "close")
        if close is None or close["by"] != "device" or close["how"] == "disconnect":
            continue
        found = _at_chain(case, attempt, close) or _at_message(attempt, close)
        if found is not None and not [e for e in case.boots if 0 < e.monotonic - close.monotonic < 2]:
            return found
    return None


def _at_chain(case: Case, attempt: Attempt, close: Event) -> Found | None:
    large = [
        e
        for e in case.faults(attempt)
        if "large" in str(e.get("label", "")) or "deep" in str(e.get("label", "")) or "chain" in str(e.get("name"))
        or (e.get("name") == "record-size" and e["most"] >= _BUFFER)
    ]  # fmt: skip
    failed = first(attempt, "tls-failed")
    if not large or first(attempt, "tls") is not None:
        return None
    fault = large[-1]
    told = f"the alert {failed['alert']}" if failed is not None and failed.get("alert") else "no alert"
    return Found(
        explanation=f"The server's chain was unusual in its size alone ({fault.get('label') or fault.get('name')}); "
        f"the device left the handshake {span(close['seconds'])} after it began, with {told}. Smaller chains of the "
        "same authority are fine: its TLS buffer is too small for one record.",
        evidence=[e for e in (fault, failed, close) if e is not None],
        confidence=0.85,
        against=("a chain of more certificates than the stack's limit (MBEDTLS_X509_MAX_INTERMEDIATE_CA) looks alike",),
    )


def _at_message(attempt: Attempt, close: Event) -> Found | None:
    large = [e for e in of(attempt, "publish", direction="down") if size(e) >= _BUFFER - 512]
    if not large or close.monotonic - large[-1].monotonic > 3:
        return None
    message = large[-1]
    acknowledged = message.get("packet_id") is not None and of(
        attempt, "puback", direction="up", packet_id=message["packet_id"]
    )
    if acknowledged:
        return None
    return Found(
        explanation=f"A message of {size(message)} bytes went down in one TLS record; the device ended the connection "
        f"({close['how']}) {span(close.monotonic - message.monotonic)} later, and did not acknowledge it: its TLS "
        "buffer is too small for such a record (mbedTLS: -0x7200, then -0x7F00).",
        evidence=[message, close],
        confidence=0.85,
        against=("an MQTT buffer that is too small ends alike; records cut to 1 KB would tell the two apart",),
    )


def _leaves(case: Case, part: str) -> list[tuple[Attempt, Event, Event]]:
    """Connections that the device left when its records were cut small: the connection, the fault, the close."""
    found = []
    for attempt in case.attempts:
        cut = [e for e in case.faults(attempt, "record-size") if e.get("part") in (part, "all") and e["most"] < _BUFFER]
        close = attempt.events[-1]
        if cut and close.kind == "close" and close["by"] == "device" and close["how"] != "disconnect":
            found.append((attempt, cut[-1], close))
    return found


def _handshake_in_pieces(case: Case) -> Found | None:
    left = [x for x in _leaves(case, "handshake") if first(x[0], "tls") is None]
    if not left:
        return None
    attempt, fault, close = left[0]
    failed = first(attempt, "tls-failed")
    alert = failed.get("alert") if failed is not None else None
    words = f"the alert {alert}" if alert else "no alert"
    return Found(
        explanation=f"The server's handshake messages came in records of {fault['most']} bytes, as TLS allows, and the "
        f"device left {span(close['seconds'])} after the connection began, with {words}: "
        "it takes one record for one whole message.",
        evidence=[e for e in (fault, failed, close) if e is not None],
        confidence=0.9,
    )


def _packets_in_pieces(case: Case) -> Found | None:
    left = [x for x in _leaves(case, "application") if first(x[0], "tls") is not None]
    if not left:
        return None
    attempt, fault, close = left[0]
    down = [
        e
        for e in attempt.events
        if e.kind in ("connack", "suback", "puback", "pingresp") or e.get("direction") == "down"
    ]
    if not down or close.monotonic - down[-1].monotonic > 2:
        return None
    return Found(
        explanation=f"What the server sends came in TLS records of {fault['most']} bytes, and the device ended the "
        f"connection {since(down[-1], close)} after the {down[-1].kind.upper()}, {times(len(left))}: it takes what one "
        "read gives for one whole packet. TCP and TLS are streams: a packet may come in any number of pieces.",
        evidence=[fault, down[-1], close],
        confidence=0.9,
    )


CAUSES = (
    Cause(
        slug="tls-buffer-too-small",
        title="The device's TLS buffer is too small",
        shown_by="the device leaves after a large certificate chain, or after a message of some 4 KB or more, without "
        "an acknowledgement and without a restart",
        next_steps=(
            "raise CONFIG_MBEDTLS_SSL_IN_CONTENT_LEN to 16384, or ask for max_fragment_length",
            "look at the free heap at that moment: -0x7F00 is an allocation that failed",
        ),
        find=_small_buffer,
        outranks=("server-not-trusted", "tls-failed", "refuses-without-alert", "connection-lost"),
    ),
    Cause(
        slug="handshake-not-reassembled",
        title="The device cannot put a handshake together from small records",
        shown_by="handshake messages in small records, and a device that leaves in the handshake",
        next_steps=("let the TLS library reassemble handshake messages (mbedTLS does from 3.6.3 on)",),
        find=_handshake_in_pieces,
        outranks=("tls-failed", "server-not-trusted", "tls-buffer-too-small", "no-retry"),
    ),
    Cause(
        slug="packets-not-reassembled",
        title="The device takes one read for one whole packet",
        shown_by="the server's data in small TLS records, and a device that leaves right after a packet",
        next_steps=("read until the packet's remaining length is there; keep what is left over for the next packet",),
        find=_packets_in_pieces,
        outranks=("connection-lost", "retry-without-jitter", "retry-constant", "retry-linear", "never-online"),
    ),
)
