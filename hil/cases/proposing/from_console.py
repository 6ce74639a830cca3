"""What a device's own log shows: mbedTLS's numbers, words of BearSSL, esp-tls, esp-mqtt and PubSubClient, reset causes.

Sources: mbedTLS's error.h and x509_crt.c, esp-mqtt, arduino-esp32's NetworkClientSecure, the names that the ESP8266
core's WiFiClientSecure gives to BearSSL's errors (getLastSSLError), PubSubClient.h. A log says
what the device believes: a refused certificate and a cut line are often one message to it, so most is less than sure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from hil.boot import BootLines
from hil.cases.proposing.cycle import Cycle
from hil.cases.proposing.hypotheses import ALERTS
from hil.cases.proposing.sighting import LONGEST_LINE, Sighting, rule
from hil.diagnose.words import times
from hil.gateway.tls.alerts import alert_name
from hil.report.legible import COLOUR

#: mbedTLS's numbers, as positive ones: what they show, how surely, and in words.
CODES: Final = {
    0x2700: ("server-not-trusted", 0.8, "the server's certificate was not verified (-0x2700)"),
    0x7780: ("client-certificate-refused", 0.5, "the server ended the handshake with an alert (-0x7780)"),
    0x7280: ("handshake-cut", 0.5, "the server closed the connection in the handshake (-0x7280)"),
    0x0050: ("handshake-cut", 0.4, "the connection was reset (-0x0050)"),
    0x004C: ("connection-lost", 0.4, "receiving failed (-0x004C)"),
    0x7F00: ("heap-lost-on-failed-connect", 0.7, "no memory for TLS (-0x7F00)"),
    0x0010: ("heap-lost-on-failed-connect", 0.6, "no memory for a number (-0x0010)"),
    0x7200: ("tls-buffer-too-small", 0.5, "a record that it does not take (-0x7200)"),
    0x6800: ("handshake-silent", 0.6, "the handshake took too long (-0x6800)"),
    0x112C: ("damaged-anchors", 0.7, "white space inside base64 (-0x112C)"),
    0x2780: ("damaged-anchors", 0.7, "no PEM: line ends or the END line are missing (-0x2780)"),
    0x2180: ("damaged-anchors", 0.7, "no certificate in the PEM text (-0x2180)"),
    0x3000: ("damaged-anchors", 0.5, "an X.509 error (-0x3000)"),
    0x7680: ("damaged-anchors", 0.7, "no authority to verify against (-0x7680)"),
    0x3D00: ("damaged-key", 0.8, "the key cannot be read (-0x3D00)"),
    0x3C00: ("damaged-key", 0.8, "the key has a passphrase (-0x3C00)"),
}

_BY_NOBODY: Final = "signed by nobody it trusts"
_OTHER_NAME: Final = "another name in it"
_DATES: Final = "to its clock the dates do not fit"

_RULES: Final = (
    rule(
        r"validity (starts|is) in the future|CERT_FUTURE",
        "connects-before-time",
        0.85,
        "the certificate is of the future",
    ),
    rule(
        r"(?i)certificate validity has expired|certificate.{0,20}\bexpired",
        "server-not-trusted",
        0.7,
        "the certificate has expired",
    ),
    rule(
        r"(?i)not correctly signed by the trusted CA|Chain could not be linked to a trust anchor",
        "server-not-trusted",
        0.85,
        _BY_NOBODY,
    ),
    rule(
        r"(?i)\bCN\b.{0,20}mismatch|Common Name \(CN\) does not match|Expected server name was not found in the chain",
        "server-not-trusted",
        0.85,
        _OTHER_NAME,
    ),
    rule(r"Certificate is expired or not yet valid", "server-not-trusted", 0.8, _DATES),
    rule(r"(?i)connection refused,? (bad )?protocol", "connect-refused", 0.9, "refused: protocol"),
    rule(r"(?i)connection refused,? (client )?id", "connect-refused", 0.9, "refused: client id"),
    rule(r"(?i)connection refused,? server unavailable", "connect-refused", 0.9, "refused: server unavailable"),
    rule(r"(?i)connection refused,? bad username", "connect-refused", 0.9, "refused: user name or password"),
    rule(r"(?i)connection refused,? not authori[sz]ed", "connect-refused", 0.9, "refused: not authorised"),
    rule(r"No PING_?RESP", "network-silent", 0.7, "no answer to its ping"),
    rule(r"(?i)no CONNACK in time|CONNACK.{0,20}time-?out", "connack-missing", 0.8, "no CONNACK"),
    rule(
        r"(?i)select\(\) timeout|errno=11\b.*connect|connect.{0,20}timed out",
        "no-answer",
        0.5,
        "connecting took too long",
    ),
    rule(
        r"(?i)ECONNREFUSED|\(errno 111\)|Connection refused \(|errno[= ]111\b",
        "network-refused",
        0.7,
        "nobody at the port",
    ),
    rule(
        r"(?i)Writing failed: errno=|transport_read\(\) error|ECONNRESET|errno[= ]104\b",
        "connection-lost",
        0.5,
        "its connection broke",
    ),
    rule(
        r"(?i)couldn't get hostname|getaddrinfo|DNS (lookup )?failed|Host not found",
        "name-unresolved",
        0.8,
        "no address for a name",
    ),
    rule(
        r"(?i)wifi.{0,40}(disconnect|beacon timeout|no AP found)|STA_DISCONNECTED|cannot join",
        "wifi-lost",
        0.6,
        "Wi-Fi was lost",
    ),
    rule(
        r"(?i)\b(s?ntp|time (server|sync\w*))\b.{0,60}(no answer|timed? ?out|failed)",
        "time-unanswered",
        0.6,
        "no answer from the time server",
    ),
    rule(r"\b1970-01-01|\bThu Jan +1 \d\d:\d\d:\d\d 1970|Jan 01 1970", "time-never-asked", 0.4, "a clock of 1970"),
    rule(r"Brownout detector was triggered", "brown-out", 0.9, "its brown-out detector"),
    rule(
        r"Guru Meditation|abort\(\) was called|Task watchdog got triggered|Stack canary|assert failed|CORRUPT HEAP",
        "crash",
        0.9,
        "a panic",
    ),
    rule(
        r"invalid header: 0x|flash read err|No bootable app|invalid magic byte",
        "firmware-damaged",
        0.9,
        "the boot loader finds nothing to start",
    ),
    rule(
        r"missing in NVS|ESP_ERR_NVS_NOT_FOUND|not provisioned|nothing to do without it",
        "settings-lost",
        0.6,
        "settings are missing",
    ),
    rule(r"(?i)\bgiving up\b|no more (re)?tries|will not retry", "no-retry", 0.7, "it gives up"),
)

_FAILED: Final = re.compile(
    r"(?i)\b(mqtt|broker|event ?grid|aws iot|iot ?hub)\b.{0,40}\bconnect(ion|ing)?\b.{0,20}\bfail(ed|ure)?\b"
    r"|\bfail(ed)? to connect\b.{0,40}\b(mqtt|broker)|Error transport connect|\brc ?= ?-2\b"
)
"""Words for a connect that failed, and no reason: the last resort, where nothing else in the log says more."""

_REFUSALS: Final = {
    "protocol": 1,
    "client id": 2,
    "server unavailable": 3,
    "user name or password": 4,
    "not authorised": 5,
}
_ALERT: Final = re.compile(
    r"(?i)fatal alert message \(msg (?P<number>\d+)\)"
    r"|\balert (?P<words>unknown ca|bad certificate|(?:un\w+ )?certificate(?: expired| revoked| unknown| required)?"
    r"|handshake failure|decrypt error|access denied)"
)
_ASKS_TIME: Final = re.compile(r"(?i)\bs?ntp\b|time sync|configTime|waiting for (the )?time")
_EARLY: Final = "connects-before-time"
_HEX: Final = re.compile(r"-0x([0-9a-fA-F]{1,4})\b")
_TLS: Final = re.compile(r"(?i)tls|ssl|x509|handshake|\bcert|\bpem\b")
_SMALL: Final = 0xFF
"""Numbers up to this are anybody's: they count only in a line that speaks of TLS."""
_DECIMAL: Final = re.compile(r"start_ssl_client(?:\(\))?:(?: connect failed:)? -(\d{2,5})\b|\(-(\d{2,5})\) ")
_PUBSUB: Final = re.compile(r"(?i)(?:\brc ?=|\bstate ?[=:]|\bstate\(\) ?[=:]?) ?(-?\d+)\b")
_PUBSUB_STATES: Final = {
    -4: ("connack-missing", 0.6, "PubSubClient -4: no answer"),
    -3: ("connection-lost", 0.5, "PubSubClient -3: connection lost"),
}
_ROM: Final = re.compile(
    r"^(ets |rst:|configsip|clk_drv|mode:|load:|entry|ESP-ROM|boot:|ho \d|csum)|invalid header|flash read err"
)
_SAYS_MORE: Final = 0.4  # from how sure on another sighting says more than that a connect failed
_RUNS: Final = 10  # lines behind it that are not the ROM's: something runs
_WATCHDOGS: Final = (0x7, 0x8, 0x9, 0xB, 0xD, 0x10, 0x12)
_BROWN_OUT: Final = 0xF


def look(name: str, text: str) -> tuple[list[Sighting], dict[str, str]]:
    """What the log `name` shows, and what it tells of the device, in words by field."""
    seen: list[Sighting] = []
    boots, causes = BootLines(), list[str]()
    cycle, failed = Cycle(name), list[int]()
    lines = text.splitlines()
    for number, raw in enumerate(lines, 1):
        line = COLOUR.sub("", raw[:LONGEST_LINE])
        where = (f"{name}:{number}",)
        seen += _ruled(line, where)
        seen += _numbered(line, where)
        cycle.read(line, number)
        failed += [number] if _FAILED.search(line) else []
        if (boot := boots.read(line)) is not None:
            causes.append(boot.name)
            seen += _booted(boot.cause, boot.name, where, first=len(causes) == 1)
    seen += cycle.sightings()
    if _ASKS_TIME.search(text) is None:
        seen = [replace(each, details={"never_asked": True}) if each.what == _EARLY else each for each in seen]
    seen = [each for each in seen if each.what != "firmware-damaged" or _stays(each, lines)]
    if failed and failed[-1] > cycle.connected_at and not any(each.sure >= _SAYS_MORE for each in seen):
        words = f"its connect fails, {times(len(failed))}, and the log does not say why"
        seen.append(Sighting(what="never-online", sure=0.5, words=words, where=tuple(f"{name}:{n}" for n in failed)))
    power = f"started {times(len(causes))}: {', '.join(dict.fromkeys(causes))}" if causes else ""
    return seen, {"power": power} if power else {}


def _alerted(line: str, where: tuple[str, ...]) -> Sighting | None:
    """What the server's alert says of the device, where the line has one: by its number (mbedTLS), or in words."""
    found = _ALERT.search(line)
    if found is None:
        return None
    alert = alert_name(int(found["number"])) if found["number"] else found["words"].lower().replace(" ", "_")
    words = f"the server ended the handshake: {alert}"
    if alert in ("handshake_failure", "certificate_required"):
        return Sighting(what="no-client-certificate", sure=0.55, words=f"{words}, as without one", where=where)
    if alert in ALERTS or alert in ("certificate_unknown", "decrypt_error", "access_denied"):
        return Sighting(what="client-certificate-refused", sure=0.6, words=words, where=where, details={"alert": alert})
    return None


def _ruled(line: str, where: tuple[str, ...]) -> Iterator[Sighting]:
    if (alerted := _alerted(line, where)) is not None:
        yield alerted
        return
    for expression, what, sure, words in _RULES:
        if expression.search(line) is not None:
            details: dict[str, object] = (
                {"code": code} if (code := _REFUSALS.get(words.removeprefix("refused: "))) else {}
            )
            if what == "server-not-trusted":
                details = _server_flaw(words)
            yield Sighting(what=what, sure=sure, words=words, where=where, details=details)
            return


def _stays(damaged: Sighting, lines: list[str]) -> bool:
    """Whether it is the end of the story: a new chip says so before it is flashed for the first time."""
    number = int(damaged.where[0].rpartition(":")[2])
    behind = [line for line in lines[number:] if line.strip() and not _ROM.search(line)]
    return len(behind) < _RUNS


def _server_flaw(words: str) -> dict[str, object]:
    """The condition that this word of the device's fits best; of dates alone its clock may as well be wrong."""
    if words == _DATES:
        return {}
    flaw = {_BY_NOBODY: "unknown-authority", _OTHER_NAME: "wrong-name"}.get(words, "expired")
    return {"cure": {"name": "server-certificate", "kind": "server-certificate", "flaw": flaw}}


def _numbered(line: str, where: tuple[str, ...]) -> Iterator[Sighting]:
    numbers = [int(text, 16) for text in _HEX.findall(line)]
    numbers += [int(a or b) for a, b in _DECIMAL.findall(line)]
    speaks_of_tls = _TLS.search(line) is not None
    for number in dict.fromkeys(numbers):
        if number in CODES and (speaks_of_tls or number > _SMALL):
            what, sure, words = CODES[number]
            if what == "damaged-anchors" and re.search(r"(?i)client|own|device|key", line):
                what, sure = "damaged-key", sure - 0.2
            yield Sighting(what=what, sure=sure, words=words, where=where)
    state = _PUBSUB.search(line) if re.search(r"(?i)mqtt|pubsub|broker|\brc ?=", line) else None
    if state is not None:
        code = int(state[1])
        if code in _PUBSUB_STATES:  # -2 is TCP or TLS: other lines say which
            what, sure, words = _PUBSUB_STATES[code]
            yield Sighting(what=what, sure=sure, words=words, where=where)
        elif 1 <= code <= 7:
            words = f"PubSubClient {code}: the CONNECT was refused"
            yield Sighting(what="connect-refused", sure=0.8, words=words, where=where, details={"code": min(code, 5)})


def _booted(cause: int, name: str, where: tuple[str, ...], *, first: bool) -> Iterator[Sighting]:
    if cause == _BROWN_OUT:
        yield Sighting(what="brown-out", sure=0.85, words="reset by its brown-out detector", where=where)
    elif cause in _WATCHDOGS:
        yield Sighting(what="crash", sure=0.7, words=f"reset by its {name}", where=where)
    elif cause == 0xC and not first:
        yield Sighting(what="crash", sure=0.3, words="it restarted itself", where=where)
