"""For each thing that can be seen in the field's files: what a case says to bring it about, and how it is known again.

The keys are those of the causes of `hil.diagnose` where there is one; the others are things that only a device's log,
a broker's log or a capture tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Table = dict[str, Any]
Details = Mapping[str, Any]

POLICY: Final = "policy.toml"
"""The file of a case with the rules of a broker that no policy of hil describes."""
AGAIN: Final = 2
"""How often something has to come in a trial that came again and again in the field."""


def _none(_: Details) -> list[Table]:
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What a case says about one thing.

    `words`: the thing, for people. `conditions`: what brings it about from outside, as tables of a case. `perhaps`:
    what may be behind it as well, left as hints with the condition's own note. `seen`, `never`: its signature on the
    timeline, beside the diagnosis of that name where `diagnosed`. `options`: how a virtual board's firmware is built
    that fails so. `ask`: what is to be found out by a person.
    """

    words: str
    conditions: Callable[[Details], list[Table]] = _none
    perhaps: Sequence[Table] = ()
    seen: Callable[[Details], list[Table]] = _none
    never: Sequence[Table] = ()
    diagnosed: bool = True
    options: tuple[str, ...] = ()
    ask: str = ""


def _always(*tables: Table) -> Callable[[Details], list[Table]]:
    return lambda _: list(tables)


def _fault(name: str, fault: str, /, note: str = "", when: Table | None = None, **parameters: Any) -> Table:
    table: Table = {"name": name, "kind": "gateway-fault", "fault": fault}
    if note:
        table["note"] = note
    return table | ({"parameters": parameters} if parameters else {}) | ({"when": when} if when else {})


def _condition(name: str, kind: str, note: str = "", **keys: Any) -> Table:
    return {"name": name, "kind": kind, **({"note": note} if note else {}), **keys}


def _event(source: str, kind: str, count: int = 1, **data: Any) -> Table:
    table: Table = {"source": source, "kind": kind}
    return table | ({"data": data} if data else {}) | ({"count": count} if count > 1 else {})


def _denied(what: str) -> Callable[[Details], list[Table]]:
    """The gateway plays the broker's rule: that of a policy that comes with hil, or one that drafting.py writes."""

    def conditions(details: Details) -> list[Table]:
        table = _condition("broker", "broker-policy", policy=details.get("known_policy") or POLICY)
        return [table | {"topics": {"allowed": details["allowed"]}} if details.get("allowed") else table]

    return conditions


def _denied_seen(what: str) -> Callable[[Details], list[Table]]:
    return _always(_event("gateway", "denied", AGAIN, what=what))


def _refused_connect(details: Details) -> list[Table]:
    return [_fault("refused", "refuse-connack", code=details.get("code", 5))]


def _injected(details: Details) -> list[Table]:
    return [dict(details["condition"])]


def _tls_failed(**data: Any) -> Callable[[Details], list[Table]]:
    return _always(_event("gateway", "tls-failed", AGAIN, **data))


_CLOCK_HINT = _condition("no-time", "time-server", "no answer from the time server: a wrong clock", mode="silent")
_SERVER_HINTS = (
    _condition("unknown-server", "server-certificate", "a chain of nobody it knows", flaw="unknown-authority"),
    _condition("server-chain", "server-certificate", "the server leaves its intermediate out", flaw="no-intermediate"),
    _condition("anchors", "device-certificate", "its trust anchors are damaged", flaw="damaged-anchors"),
    _CLOCK_HINT,
)
_CHAIN_HINTS = (
    _condition("revoked", "client-refused", "it was revoked", why="revoked"),
    _condition("unregistered", "client-refused", "the broker does not know its authority", why="unknown-authority"),
    _condition("expired", "device-certificate", "it has expired", flaw="expired"),
    _condition("poor-intermediate", "device-certificate", "its intermediate may not sign", flaw="no-key-cert-sign"),
)
_CUT_OFF_HINTS = (
    _fault("cut", "cut", "an unstable connection: each one ends", how="reset", after=1.0),
    _fault("not-authorised", "refuse-connack", "it is refused", code=5),
)
_LOST_HINTS = (
    _fault("cut", "cut", "something between ends the connection", how="fin", after=2.0),
    _fault("hole", "black-hole", "the network goes silent", when={"count": 1}),
    _condition("power", "power-cut", "its power was cut", at={"online": True}),
)

REMEDIES: Final[Mapping[str, Remedy]] = {
    "injected": Remedy(words="the bench did this to the board", conditions=_injected, diagnosed=False),
    "no-client-certificate": Remedy(
        words="the device sends no client certificate",
        conditions=_always(_condition("no-certificate", "device-certificate", flaw="no-certificate")),
        seen=_tls_failed(reason="no client certificate"),
        options=("--without", "client-certificate"),
        ask="does the library support client certificates, and were both certificate and key set?",
    ),
    "client-chain-incomplete": Remedy(
        words="the device sends its certificate without the intermediate",
        conditions=_always(_condition("chain", "device-certificate", flaw="no-intermediate")),
        seen=_tls_failed(verify_code={"one_of": [2, 20, 21]}),
        options=("--with", "partial-chain"),
    ),
    "client-certificate-refused": Remedy(
        words="the broker refuses the device's certificate",
        conditions=lambda d: [_condition("chain", "device-certificate", flaw=d.get("flaw", "no-intermediate"))],
        perhaps=_CHAIN_HINTS,
        seen=_tls_failed(reason="client certificate refused"),
        diagnosed=False,
        ask="what does `openssl verify` say of the device's chain against the authority that the broker knows?",
    ),
    "server-not-trusted": Remedy(
        words="the device does not accept the server's certificate",
        conditions=lambda d: [d["cure"]] if d.get("cure") else [],
        perhaps=_SERVER_HINTS,
        seen=_tls_failed(alert_from="device"),
        diagnosed=False,
        ask="which anchors does it have, which name does it expect, and what does its clock say when it connects?",
    ),
    "damaged-anchors": Remedy(
        words="the device cannot read its trust anchors",
        conditions=_always(_condition("anchors", "device-certificate", flaw="damaged-anchors")),
        never=({"source": "gateway", "kind": "connect"},),
        diagnosed=False,
        ask="what does `hil pem` say of the PEM texts in the firmware?",
    ),
    "damaged-key": Remedy(
        words="the device cannot read its key",
        conditions=_always(_condition("key", "device-certificate", flaw="damaged-key")),
        never=({"source": "gateway", "kind": "connect"},),
        diagnosed=False,
        ask="what does `hil pem` say of the PEM texts in the firmware?",
    ),
    "will-topic-denied": Remedy(
        words="the topic of the last will is not allowed, and the broker cuts the device off",
        conditions=_denied("will"),
        seen=_denied_seen("will"),
        options=("--with", "foreign-will"),
    ),
    "subscribe-denied": Remedy(
        words="a subscription is not allowed, and the broker cuts the device off",
        conditions=_denied("subscribe"),
        seen=_denied_seen("subscribe"),
        options=("--with", "foreign-subscribe"),
    ),
    "publish-denied": Remedy(
        words="a topic that it publishes on is not allowed",
        conditions=_denied("publish"),
        seen=_denied_seen("publish"),
        options=("--with", "foreign-publish"),
    ),
    "retain-denied": Remedy(
        words="a retained message or will is not allowed",
        conditions=_denied("will_retain"),
        seen=_always(_event("gateway", "denied", AGAIN, what={"one_of": ["will_retain", "retain"]})),
        options=("--with", "retained-will"),
    ),
    "cut-off": Remedy(
        words="it connects, and is cut off, again and again",
        conditions=_denied("any"),
        perhaps=_CUT_OFF_HINTS,
        seen=_always(_event("gateway", "connack", AGAIN, code=0), _event("gateway", "denied")),
        diagnosed=False,
        ask="which will, filters and topics does it use, and which does the broker allow it? Virtual boards have the "
        "options --with foreign-will, foreign-subscribe and foreign-publish",
    ),
    "connect-refused": Remedy(
        words="the broker refuses the CONNECT",
        conditions=_refused_connect,
        seen=lambda d: [_event("gateway", "connack", AGAIN, code={"at_least": 1})],
        diagnosed=False,
        ask="which client id, user name and certificate does the broker expect of it?",
    ),
    "connack-missing": Remedy(
        words="no CONNACK comes",
        conditions=_always(_fault("no-connack", "withhold", packet="connack")),
        seen=_always(_event("gateway", "connect", AGAIN)),
        never=(_event("gateway", "connack"),),
        diagnosed=False,
    ),
    "client-id-not-its-own": Remedy(
        words="two clients have one id, and throw each other out",
        conditions=_none,
        options=("--with", "shared-id"),
        seen=_always(_event("gateway", "close", AGAIN, how="takeover")),
        diagnosed=False,
        ask="which two devices have this client id? Two boards with one id are needed on the bench",
    ),
    "network-refused": Remedy(
        words="nobody answers at the broker's port",
        conditions=_always(_fault("port-closed", "refuse-connect", how="reset", when={"count": 3})),
        seen=_always(_event("gateway", "close", AGAIN, fault="refuse-connect")),
        diagnosed=False,
    ),
    "no-answer": Remedy(
        words="nobody answers when it connects, not even to refuse",
        conditions=_always(_fault("no-answer", "refuse-connect", how="no-answer", when={"count": 3})),
        seen=_always(_event("gateway", "fault", name="refuse-connect", state="applied")),
        diagnosed=False,
    ),
    "network-silent": Remedy(
        words="the network is silent: no answers, no end",
        conditions=_always(_fault("hole", "black-hole", when={"after": {"online": True}, "seconds": 30})),
        seen=_always(_event("gateway", "fault", name="black-hole", state="applied")),
        diagnosed=False,
        ask="which way was silent, and for how long?",
    ),
    "handshake-silent": Remedy(
        words="the server says no more in the TLS handshake",
        conditions=_always(_fault("stalled", "stall-handshake", step="client-hello")),
        seen=_always(_event("gateway", "tls-stalled", AGAIN)),
        diagnosed=False,
    ),
    "handshake-cut": Remedy(
        words="the connection ends in the TLS handshake, without an alert",
        conditions=_always(_fault("handshake-cut", "close-handshake", step="client-hello", how="reset")),
        seen=_always(_event("gateway", "close", AGAIN, how="fault")),
        diagnosed=False,
        ask="does it send a certificate at all? With TLS 1.3 a refusal looks so, too",
    ),
    "keep-alive-missed": Remedy(
        words="the broker has not heard from it for one and a half keep-alives",
        perhaps=_LOST_HINTS[1:],
        seen=_always(_event("gateway", "close", how="keep-alive")),
        diagnosed=False,
        options=("--with", "no-keepalive"),
        ask="had it power and a network then?",
    ),
    "connection-lost": Remedy(
        words="its connections are lost",
        conditions=_always(_fault("cut", "cut", how="reset", after=2.0)),
        perhaps=_LOST_HINTS[1:],
        seen=_always(_event("gateway", "close", AGAIN)),
        diagnosed=False,
    ),
    "server-ends-connection": Remedy(
        words="the broker ends its connections",
        conditions=lambda d: [_fault("cut", "cut", how="fin", after=d.get("seconds", 1.0))],
        seen=_always(_event("gateway", "close", AGAIN, by={"one_of": ["gateway", "broker"]})),
        diagnosed=False,
    ),
    "no-retry": Remedy(
        words="one connection fails, and it does not try again",
        conditions=_always(_fault("one-failure", "refuse-connect", how="reset", when={"count": 1})),
        seen=_always(_event("gateway", "close")),
        never=({"source": "gateway", "kind": "accept", "after": 1},),
        options=("--without", "retry"),
        diagnosed=False,
    ),
    "time-never-asked": Remedy(
        words="it has no time after its power was cut, and never asks for it",
        seen=_tls_failed(alert_from="device"),
        never=({"source": "time", "kind": "request"},),
        options=("--without", "time-sync"),
    ),
    "connects-before-time": Remedy(
        words="it connects before it has the time",
        conditions=_always(_condition("late-time", "time-server", mode="delayed", parameters={"seconds": 5})),
        seen=_always(_event("gateway", "tls-failed", alert_from="device")),
        options=("--without", "time-wait"),
        diagnosed=False,
        ask="does it ask for the time at all, and whom? --without time-sync is a virtual board that never does",
    ),
    "time-unanswered": Remedy(
        words="the time server does not answer",
        conditions=_always(_condition("no-time", "time-server", mode="silent")),
        seen=_always(_event("time", "request", AGAIN)),
        never=({"online": True},),
        diagnosed=False,
    ),
    "plain-fallback": Remedy(
        words="something that is no TLS comes to the TLS port",
        conditions=_none,
        options=("--with", "plain-fallback"),
        ask="does it speak plain MQTT to the TLS port?",
    ),
    "weak-ciphers": Remedy(words="it offers no cipher suite that the broker takes", options=("--with", "weak-ciphers")),
    "no-common-tls-version": Remedy(
        words="it speaks no TLS version that the broker takes", options=("--with", "old-tls")
    ),
    "tls-buffer-too-small": Remedy(
        words="its TLS buffer is too small",
        conditions=_always(_condition("long-chain", "server-certificate", flaw="large-chain")),
        options=("--with", "small-tls-buffer"),
        seen=_always(_event("gateway", "close", AGAIN, by="device")),
        diagnosed=False,
    ),
    "heap-lost-on-failed-connect": Remedy(
        words="it has no memory left for a TLS handshake",
        conditions=_always(_fault("failures", "close-handshake", step="client-hello", how="reset", when={"count": 40})),
        options=("--with", "heap-leak"),
        never=({"online": True},),
        diagnosed=False,
        ask="how much heap was free, and after how many failed connects?",
    ),
    "malformed-packet": Remedy(words="it sends what is no MQTT", ask="which library, and with which buffer size?"),
    "packet-too-large": Remedy(words="it sends a packet that is too large", options=("--with", "big-packet")),
    "brown-out": Remedy(
        words="its supply dips",
        conditions=_always(_condition("dips", "brown-out", cuts=3, off=0.05, on=0.5)),
        seen=_always(_event("board", "boot", AGAIN)),
        diagnosed=False,
        ask="cable, hub, supply, and what it does at that moment? Wi-Fi needs some 500 mA in bursts",
    ),
    "crash": Remedy(
        words="it crashes",
        ask="decode the backtrace against the ELF file; what came on the wire in the second before it?",
    ),
    "settings-lost": Remedy(
        words="it has lost its settings",
        conditions=_always(_condition("cuts", "random-cuts", seconds=20, mean=2, off=[0.05, 0.5])),
        options=("--with", "fragile-nvs"),
        never=({"online": True},),
    ),
    "firmware-damaged": Remedy(
        words="there is no firmware that can start", never=({"source": "gateway", "kind": "accept"},)
    ),
    "name-unresolved": Remedy(
        words="it does not find the broker's name",
        never=({"source": "gateway", "kind": "accept"},),
        diagnosed=False,
        ask="a bench has no DNS of its own: put a name that does not resolve into its settings",
    ),
    "wifi-lost": Remedy(
        words="it loses its Wi-Fi",
        perhaps=_LOST_HINTS[1:2],
        diagnosed=False,
        ask="a bench has no access point of its own: a black hole comes closest",
    ),
    "never-online": Remedy(words="it never comes online", never=({"online": True},), diagnosed=False),
    "other-cause": Remedy(words="hil diagnose names a cause", diagnosed=True),
}
