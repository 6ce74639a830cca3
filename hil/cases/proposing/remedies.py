"""For each thing that can be seen in the field's files: what a case says to bring it about, and how it is known again.

The keys are those of the causes of `hil.diagnose` where there is one; the others are things that only a device's log,
a broker's log or a capture tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hil.cases.proposing import hypotheses
from hil.cases.proposing.hypotheses import POLICY, Hypothesis
from hil.cases.proposing.tables import Table
from hil.cases.proposing.tables import condition as _condition
from hil.cases.proposing.tables import event as _event
from hil.cases.proposing.tables import fault as _fault

Details = Mapping[str, Any]

AGAIN: Final = 2
"""How often something has to come in a trial that came again and again in the field."""
KEPT_OFFLINE: Final = 2.0
"""Seconds online after which a device has not got a failure that would have kept it offline."""
CUT_SOON: Final = 10.0
"""The same for a failure by which it is cut off soon after it came online."""


def _none(_: Details) -> list[Table]:
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What a case says about one thing.

    `words`: the thing, for people. `conditions`: what brings it about from outside, as tables of a case. `fits`: what
    may be behind it, the likeliest first, where that is more than one thing; in place of `conditions` and `options`.
    `apart`: what tells these apart. `seen`, `never`: its signature on the timeline, beside the diagnosis of that name
    where `diagnosed`. `settle`: seconds online after which a trial has passed; None: it may come at any time, and each
    trial is watched up to its limit. `options`: how a virtual board's firmware is built that fails so. `ask`: what is
    to be found out by a person.
    """

    words: str
    conditions: Callable[[Details], list[Table]] = _none
    fits: Callable[[Details], list[Hypothesis]] | None = None
    apart: str = ""
    seen: Callable[[Details], list[Table]] = _none
    never: Sequence[Table] = ()
    diagnosed: bool = True
    settle: float | None = None
    options: tuple[str, ...] = ()
    ask: str = ""

    def hypotheses(self, details: Details) -> list[Hypothesis]:
        """What may be behind it, the likeliest first; at least one."""
        if self.fits is not None:
            return self.fits(details)
        return [Hypothesis(words=self.words, tables=self.conditions(details), options=self.options)]


def _always(*tables: Table) -> Callable[[Details], list[Table]]:
    return lambda _: list(tables)


def _denied(details: Details) -> list[Table]:
    """The gateway plays the broker's rule: that of a policy that comes with hil, or one that drafting.py writes."""
    table = _condition("broker", "broker-policy", policy=details.get("known_policy") or POLICY)
    return [table | {"topics": {"allowed": details["allowed"]}} if details.get("allowed") else table]


def _denied_seen(what: str) -> Callable[[Details], list[Table]]:
    return _always(_event("gateway", "denied", AGAIN, what=what))


def _refused_connect(details: Details) -> list[Table]:
    return [_fault("refused", "refuse-connack", code=details.get("code", 5))]


def _injected(details: Details) -> list[Table]:
    return [dict(details["condition"])]


def _tls_failed(**data: Any) -> Callable[[Details], list[Table]]:
    return _always(_event("gateway", "tls-failed", AGAIN, **data))


def _refused_chain_seen(details: Details) -> list[Table]:
    alert = {"alert": details["alert"], "alert_from": "gateway"} if details.get("alert") else {}
    return [_event("gateway", "tls-failed", AGAIN, reason="client certificate refused", **alert)]


def _unreadable(words: str, what: str) -> Remedy:
    return Remedy(
        words=f"the device cannot read {words}",
        conditions=_always(_condition(what, "device-certificate", flaw=f"damaged-{what}")),
        never=({"source": "gateway", "kind": "connect"},),
        diagnosed=False,
        settle=KEPT_OFFLINE,
        ask="what does `hil pem` say of the PEM texts in the firmware?",
    )


REMEDIES: Final[Mapping[str, Remedy]] = {
    "injected": Remedy(words="the bench did this to the board", conditions=_injected, diagnosed=False),
    "no-client-certificate": Remedy(
        words="the device sends no client certificate",
        conditions=_always(_condition("no-certificate", "device-certificate", flaw="no-certificate")),
        seen=_tls_failed(reason="no client certificate"),
        options=("--without", "client-certificate"),
        ask="does the library support client certificates, and were both certificate and key set?",
        settle=KEPT_OFFLINE,
    ),
    "client-chain-incomplete": Remedy(
        words="the device sends its certificate without the intermediate",
        conditions=_always(_condition("chain", "device-certificate", flaw="no-intermediate")),
        seen=_tls_failed(verify_code={"one_of": [2, 20, 21]}),
        options=("--with", "partial-chain"),
        settle=KEPT_OFFLINE,
    ),
    "client-certificate-refused": Remedy(
        words="the broker refuses the device's certificate",
        fits=hypotheses.refused_chain,
        apart="the code with which the broker's TLS refuses it (20: no issuer, 79: an issuer that may not be one), a "
        "capture beside the broker with TLS 1.2, in which the chain is in clear, or the chain itself as PEM, named as "
        "one more file",
        seen=_refused_chain_seen,
        diagnosed=False,
        ask="what does `openssl verify` say of the device's chain against the authority that the broker knows?",
        settle=KEPT_OFFLINE,
    ),
    "server-not-trusted": Remedy(
        words="the device does not accept the server's certificate",
        fits=hypotheses.refused_server,
        apart="what its clock says when it connects, `hil chain` of the server, and the anchors in the device",
        seen=_tls_failed(alert_from="device"),
        diagnosed=False,
        ask="which anchors does it have, which name does it expect, and what does its clock say when it connects?",
        settle=KEPT_OFFLINE,
    ),
    "damaged-anchors": _unreadable("its trust anchors", "anchors"),
    "damaged-certificate": _unreadable("its certificate", "certificate"),
    "damaged-key": _unreadable("its key", "key"),
    "will-topic-denied": Remedy(
        words="the topic of the last will is not allowed, and the broker cuts the device off",
        conditions=_denied,
        seen=_denied_seen("will"),
        options=("--with", "foreign-will"),
        settle=CUT_SOON,
    ),
    "subscribe-denied": Remedy(
        words="a subscription is not allowed, and the broker cuts the device off",
        conditions=_denied,
        seen=_denied_seen("subscribe"),
        options=("--with", "foreign-subscribe"),
        settle=CUT_SOON,
    ),
    "publish-denied": Remedy(
        words="a topic that it publishes on is not allowed",
        conditions=_denied,
        seen=_denied_seen("publish"),
        options=("--with", "foreign-publish"),
        settle=CUT_SOON,
    ),
    "retain-denied": Remedy(
        words="a retained message or will is not allowed",
        conditions=_denied,
        seen=_always(_event("gateway", "denied", AGAIN, what={"one_of": ["will_retain", "retain"]})),
        options=("--with", "retained-will"),
        settle=CUT_SOON,
    ),
    "cut-off": Remedy(
        words="it connects, and is cut off, again and again",
        fits=hypotheses.cut_off,
        apart="the will, the filters and the topics of the firmware beside those that the broker allows, a capture "
        "beside the broker, which shows what the device had said last, or the broker's own log",
        seen=_always(
            _event("gateway", "connack", AGAIN, code=0),
            _event("gateway", "close", by={"one_of": ["gateway", "broker"]}) | {"within": 5},
        ),
        diagnosed=False,
        ask="which will, filters and topics does it use, and which does the broker allow it?",
        settle=CUT_SOON,
    ),
    "connect-refused": Remedy(
        words="the broker refuses the CONNECT",
        conditions=_refused_connect,
        seen=lambda d: [_event("gateway", "connack", AGAIN, code={"at_least": 1})],
        diagnosed=False,
        ask="which client id, user name and certificate does the broker expect of it?",
        settle=KEPT_OFFLINE,
    ),
    "connack-missing": Remedy(
        words="no CONNACK comes",
        conditions=_always(_fault("no-connack", "withhold", packet="connack")),
        seen=_always(_event("gateway", "connect", AGAIN)),
        never=(_event("gateway", "connack"),),
        diagnosed=False,
        settle=KEPT_OFFLINE,
    ),
    "client-id-not-its-own": Remedy(
        words="two clients have one id, and throw each other out",
        fits=hypotheses.two_of_one_id,
        apart="the ids of the other devices: does the other one run the same firmware, or is it a tool or a gateway?",
        seen=_always(_event("gateway", "close", AGAIN, by="broker")),
        diagnosed=False,
        ask="which two devices have this client id?",
    ),
    "network-refused": Remedy(
        words="nobody answers at the broker's port",
        conditions=_always(_fault("port-closed", "refuse-connect", how="reset", when={"count": 3})),
        seen=_always(_event("gateway", "close", AGAIN, fault="refuse-connect")),
        diagnosed=False,
        settle=KEPT_OFFLINE,
    ),
    "no-answer": Remedy(
        words="nobody answers when it connects, not even to refuse",
        conditions=_always(_fault("no-answer", "refuse-connect", how="no-answer", when={"count": 3})),
        seen=_always(_event("gateway", "fault", name="refuse-connect", state="applied")),
        diagnosed=False,
        settle=KEPT_OFFLINE,
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
        settle=KEPT_OFFLINE,
    ),
    "handshake-cut": Remedy(
        words="the connection ends in the TLS handshake, without an alert",
        conditions=_always(_fault("handshake-cut", "close-handshake", step="client-hello", how="reset")),
        seen=_always(_event("gateway", "close", AGAIN, how="fault")),
        diagnosed=False,
        ask="does it send a certificate at all? With TLS 1.3 a refusal looks so, too",
        settle=KEPT_OFFLINE,
    ),
    "keep-alive-missed": Remedy(
        words="the broker has not heard from it for one and a half keep-alives",
        fits=hypotheses.silent,
        apart="the device's own log of that time: a new start, an error of its network, or neither",
        seen=_always(_event("gateway", "close", how="keep-alive")),
        diagnosed=False,
        ask="had it power and a network then?",
    ),
    "connection-lost": Remedy(
        words="its connections are lost",
        fits=hypotheses.lost,
        apart="the broker's log or a capture beside it: who ended them, and how",
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
        never=({"source": "gateway", "kind": "accept", "after": 1, "pauses": 1.2},),
        options=("--without", "retry"),
        diagnosed=False,
        settle=KEPT_OFFLINE,
    ),
    "time-never-asked": Remedy(
        words="it has no time after its power was cut, and never asks for it",
        seen=_tls_failed(alert_from="device"),
        never=({"source": "time", "kind": "request"},),
        options=("--without", "time-sync"),
        settle=KEPT_OFFLINE,
    ),
    "connects-before-time": Remedy(
        words="it connects before it has the time",
        fits=hypotheses.early,
        apart="whether it asks for the time at all: its log, or a capture with port 123",
        seen=_always(_event("gateway", "tls-failed", alert_from="device")),
        diagnosed=False,
        ask="does it ask for the time at all, and whom?",
        settle=KEPT_OFFLINE,
    ),
    "time-unanswered": Remedy(
        words="the time server does not answer",
        conditions=_always(_condition("no-time", "time-server", mode="silent")),
        seen=_always(_event("time", "request", AGAIN)),
        never=({"online": True},),
        diagnosed=False,
        settle=KEPT_OFFLINE,
    ),
    "plain-fallback": Remedy(
        words="something that is no TLS comes to the TLS port",
        conditions=_none,
        options=("--with", "plain-fallback"),
        ask="does it speak plain MQTT to the TLS port?",
    ),
    "weak-ciphers": Remedy(
        words="it offers no cipher suite that the broker takes", options=("--with", "weak-ciphers"), settle=KEPT_OFFLINE
    ),
    "no-common-tls-version": Remedy(
        words="it speaks no TLS version that the broker takes",
        options=("--with", "old-tls"),
        settle=KEPT_OFFLINE,
    ),
    "tls-buffer-too-small": Remedy(
        words="its TLS buffer is too small",
        conditions=_always(_condition("long-chain", "server-certificate", flaw="large-chain")),
        options=("--with", "small-tls-buffer"),
        seen=_always(_event("gateway", "close", AGAIN, by="device")),
        diagnosed=False,
        settle=KEPT_OFFLINE,
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
        words="there is no firmware that can start",
        never=({"source": "gateway", "kind": "accept"},),
        settle=KEPT_OFFLINE,
    ),
    "name-unresolved": Remedy(
        words="it does not find the broker's name",
        fits=hypotheses.unresolved,
        apart="whether the same name was found before, or by other devices of that network",
        never=({"source": "gateway", "kind": "accept"},),
        diagnosed=False,
        ask="which name was it, and was the device back by itself?",
        settle=KEPT_OFFLINE,
    ),
    "wifi-lost": Remedy(
        words="it loses its Wi-Fi",
        conditions=_always(_condition("wifi", "wifi-loss", at={"online": True}, off=10.0)),
        seen=_always(_event("power", "fault", name="wifi-loss", state="restored")),
        never=({"online": True, "after": 1},),
        options=("--without", "retry"),
        diagnosed=False,
        ask="for how long was it away, and was the device back by itself once it was there again?",
    ),
    "never-online": Remedy(
        words="it never comes online",
        fits=hypotheses.offline,
        apart="the broker's log of that time, a capture beside it, or the device's log with its TLS library's errors "
        "(CORE_DEBUG_LEVEL 1 or more)",
        never=({"online": True},),
        diagnosed=False,
        settle=KEPT_OFFLINE,
    ),
    "other-cause": Remedy(words="hil diagnose names a cause", diagnosed=True),
}
