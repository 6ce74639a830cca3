"""What a mosquitto's log shows. Its wording changes between releases: what is not recognised is passed over.

The lines are those of mosquitto 2.0.11, tried. Newer releases name the address, and the reason in other words, as logs
that people have published show: 'Client a [10.0.0.7:50112] disconnected: session taken over.' What journald, syslog or
Docker put before a line is passed over.
"""

from __future__ import annotations

import datetime
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from hil.cases.proposing.sighting import LONGEST_LINE, Sighting, rule
from hil.diagnose.words import times

_WHO: Final = r"Client (?P<client>\S+)(?: \[\S+\])?"
"""Who a line is about: its id, in newer releases with its address."""

_RULES: Final = (
    rule(r"peer did not return a certificate", "no-client-certificate", 0.85, "the client sent no certificate"),
    rule(r"certificate verify failed", "client-certificate-refused", 0.75, "the client's chain was not accepted"),
    rule(r"alert unknown ca", "server-not-trusted", 0.8, "the client does not know the server's authority"),
    rule(r"alert certificate expired", "server-not-trusted", 0.8, "to the client the server's certificate has expired"),
    rule(
        r"alert (bad certificate|certificate unknown|unsupported certificate)",
        "server-not-trusted",
        0.7,
        "the client does not accept the server's certificate",
    ),
    rule(r"wrong version number|http request|unknown protocol", "plain-fallback", 0.7, "what came was no TLS"),
    rule(r"no shared cipher|no suitable signature", "weak-ciphers", 0.8, "no cipher suite in common"),
    rule(r"unsupported protocol|alert protocol version", "no-common-tls-version", 0.8, "no TLS version in common"),
    rule(r"Sending CONNACK to \S+ \(\d+, (?P<code>[1-9]\d*)\)", "connect-refused", 0.9, "the CONNECT was refused"),
    rule(
        r"Denied PUBLISH from (?P<client>\S+) \(.*?'(?P<topic>[^']*)'", "publish-denied", 0.8, "a topic is not allowed"
    ),
    rule(
        _WHO + r" (has exceeded timeout|disconnected: exceeded timeout)",
        "keep-alive-missed",
        0.7,
        "silent for one and a half keep-alives",
    ),
    rule(
        _WHO + r" (disconnected due to|disconnected:) (protocol error|malformed packet)",
        "malformed-packet",
        0.6,
        "it sent what is no MQTT",
    ),
    rule(
        _WHO + r" (disconnected due to|disconnected:) oversize packet",
        "packet-too-large",
        0.8,
        "a packet was too large",
    ),
    rule(r"Socket error on client (?P<client>\S+),", "connection-lost", 0.6, "its connection ended with an error"),
)

_SERVER_FLAWS: Final = {
    "the client does not know the server's authority": "unknown-authority",
    "to the client the server's certificate has expired": "expired",
}
"""What a client's alert says of the server's certificate, by the words of its rule."""

_CONNECTED: Final = re.compile(
    r"connected from (?P<peer>\S+) as (?P<client>\S+) \(p(?P<version>\d), c(?P<clean>\d), k(?P<keep>\d+)"
)
_CLOSED: Final = re.compile(_WHO + r" (closed its connection|disconnected: connection closed by client)")
_TAKEN: Final = re.compile(_WHO + r" (already connected, closing old connection|disconnected: session taken over)")
_WILL: Final = re.compile(r"Will message specified")
_STAMP: Final = re.compile(
    r"^(?:.{0,80}?[\s|])?(?:(?P<seconds>\d{9,11})(?:\.\d+)?: |(?P<iso>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)\S* "
    r"|(?P<syslog>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) )"
)
"""mosquitto's own, in seconds or as `log_timestamp_format` is usually set; or that of who has kept the log: journald,
syslog (RFC 3164, without a year), Docker."""
_ABOUT: Final = re.compile(r"(?:Client|as|from|to|client) (?P<client>[^\s,]+)")
_SOON: Final = 3.0  # seconds after its CONNACK within which an end is one straight after connecting
_NOBODYS: Final = 0.6  # how much of its sureness is left to a line that names no client, where one was asked for
_TURNS: Final = 3  # takeovers from which on it is two clients with one id, and not one that came back


@dataclass(slots=True)
class _Client:
    """What one client did: `taken`, `quick`: lines of takeovers, and of ends straight after connecting."""

    connected: list[float | None] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    quick: list[int] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def look(name: str, text: str, client: str | None = None) -> tuple[list[Sighting], dict[str, str]]:
    """What the log `name` shows, of all clients or of one, and what it tells of the device, in words by field.

    Lines that name no client count in any case: a handshake that fails has none.
    """
    seen: list[Sighting] = []
    clients: dict[str, _Client] = defaultdict(_Client)
    last: _Client | None = None
    expects_will = False
    for number, line in enumerate((line[:LONGEST_LINE] for line in text.splitlines()), 1):
        if client is not None and _names_another(line, client):
            last, expects_will = None, False
            continue
        seen += [_doubted(each) if client is not None else each for each in _ruled(name, number, line)]
        if (match := _CONNECTED.search(line)) is not None:
            last = clients[match["client"]]
            last.connected.append(_time(line))
            last.facts = {k: match[k] for k in ("version", "clean", "keep")}
        elif expects_will and last is not None:
            last.facts["will"] = _STAMP.sub("", line).strip()
        elif (match := _TAKEN.search(line)) is not None:
            taken = clients[match["client"]].taken
            if number - 1 not in taken[-1:]:  # a release that says it in both ways says it twice
                taken.append(number)
        elif (match := _CLOSED.search(line)) is not None:
            _close(clients[match["client"]], number, _time(line))
        expects_will = _WILL.search(line) is not None
    seen += [sighting for who, what in clients.items() for sighting in _of_client(name, who, what)]
    return seen, _told(clients)


def _ruled(name: str, number: int, line: str) -> Iterator[Sighting]:
    for expression, what, sure, words in _RULES:
        if (match := expression.search(line)) is not None:
            details: dict[str, Any] = {k: v for k, v in match.groupdict().items() if v is not None}
            if "code" in details:
                details["code"] = _code(int(details["code"]))
            if what == "server-not-trusted" and (flaw := _SERVER_FLAWS.get(words)) is not None:
                details["cure"] = {"name": "server-certificate", "kind": "server-certificate", "flaw": flaw}
            if what == "publish-denied":
                details["known_policy"] = "mosquitto"  # who is denied so stays connected, and is told nothing in 3.1.1
            yield Sighting(what=what, sure=sure, words=words, where=(f"{name}:{number}",), details=details)
            return


def _doubted(sighting: Sighting) -> Sighting:
    """Who asks for one client is less sure of what names none, such as a handshake that failed."""
    return sighting if "client" in sighting.details else replace(sighting, sure=sighting.sure * _NOBODYS)


def _code(code: int) -> int:
    """The CONNACK's code as the fault takes it: those of 3.1.1 end with 5; other numbers below 128 are none."""
    return code if code <= 5 or code >= 0x80 else 5


def _close(client: _Client, number: int, now: float | None) -> None:
    client.closed.append(number)
    since = client.connected[-1] if client.connected else None
    if since is not None and now is not None and now - since <= _SOON:
        client.quick.append(number)


def _of_client(name: str, who: str, client: _Client) -> Iterator[Sighting]:
    def places(numbers: list[int]) -> tuple[str, ...]:
        return tuple(f"{name}:{number}" for number in numbers)

    if len(client.taken) >= _TURNS:
        words = f"the id {who} was taken over {times(len(client.taken))}"
        yield Sighting(what="client-id-not-its-own", sure=0.8, words=words, where=places(client.taken))
    if len(client.quick) >= _TURNS:
        words = f"{who} closed its connection within {_SOON:g} s of connecting, {times(len(client.quick))}"
        yield Sighting(what="connection-lost", sure=0.6, words=words, where=places(client.quick))
    elif client.closed:
        words = f"{who} closed its connection without DISCONNECT, {times(len(client.closed))}"
        yield Sighting(what="connection-lost", sure=0.4, words=words, where=places(client.closed))


def _told(clients: dict[str, _Client]) -> dict[str, str]:
    if not clients:
        return {}
    who, client = max(clients.items(), key=lambda item: len(item[1].connected))
    if not client.facts:
        return {"broker": "mosquitto"}
    facts = client.facts
    version = {"3": "3.1", "2": "3.1.1", "4": "3.1.1", "5": "5"}.get(facts["version"], facts["version"])
    session = "clean session" if facts["clean"] == "1" else "kept session"
    will = f", will on {facts['will']}" if "will" in facts else ""
    others = f"; {len(clients) - 1} other client(s)" if len(clients) > 1 else ""
    device = f"client {who}: MQTT {version}, {session}, keep-alive {facts['keep']} s{will}, "
    return {"broker": "mosquitto", "device": f"{device}connected {times(len(client.connected))}{others}"}


def _names_another(line: str, client: str) -> bool:
    named = [match["client"].strip(".,()'") for match in _ABOUT.finditer(_STAMP.sub("", line))]
    named = [name for name in named if not re.match(r"[\d.:\[\]a-fA-F]+$|<unknown>$|connection$|connected$", name)]
    return bool(named) and client not in named


def _time(line: str) -> float | None:
    """When the line was written, in seconds, for what lies between two lines of one log."""
    stamp = _STAMP.match(line)
    if stamp is None:
        return None
    if stamp["seconds"]:
        return float(stamp["seconds"])
    try:
        if stamp["iso"]:
            return datetime.datetime.fromisoformat(stamp["iso"]).timestamp()
        return datetime.datetime.strptime(f"2000 {stamp['syslog']}", "%Y %b %d %H:%M:%S").timestamp()
    except ValueError:
        return None
