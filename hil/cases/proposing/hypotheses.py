"""What may be behind one and the same sight: hypotheses, the likeliest first, each of which a case can play.

A device's log says 'alert unknown ca' of a chain without its intermediate, of one whose intermediate may not sign, and
of an authority that nobody registered at the broker. Where nothing in the field's files tells them apart, all of them
are said, one is played, and the next is one option away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hil.cases.proposing.tables import Table, condition, fault
from hil.credentials import Flaw

POLICY: Final = "policy.toml"
"""The file of a case with the rules of a broker that no policy of hil describes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """One way in which something can have come about.

    `words`: it, for people. `tables`: the conditions that bring it about from outside. `options`: how a virtual board's
    firmware is built that fails so.
    """

    words: str
    tables: Sequence[Table] = ()
    options: tuple[str, ...] = ()


def _chain(words: str, flaw: Flaw) -> Hypothesis:
    return Hypothesis(words=words, tables=[condition("chain", "device-certificate", flaw=flaw.value)])


def _refused(words: str, name: str, why: str) -> Hypothesis:
    return Hypothesis(words=words, tables=[condition(name, "client-refused", why=why)])


_NO_INTERMEDIATE: Final = _chain("it comes without its intermediate, or that is damaged", Flaw.NO_INTERMEDIATE)
_MAY_NOT_SIGN: Final = _chain("its intermediate may not sign: no CA:TRUE, or no keyCertSign", Flaw.NO_CERT_SIGN)
_UNREGISTERED: Final = _refused("the broker does not know its authority", "unregistered", "unknown-authority")
_EXPIRED: Final = _chain("it has expired", Flaw.EXPIRED)
_REVOKED: Final = _refused("it was revoked", "revoked", "revoked")

_NO_TIME: Final = (condition("no-time", "time-server", mode="silent"),)

ALERTS: Final[Mapping[str, Sequence[Hypothesis]]] = {
    "unknown_ca": (
        _NO_INTERMEDIATE,
        _MAY_NOT_SIGN,
        _UNREGISTERED,
        _chain("it was signed by nobody but itself", Flaw.SELF_SIGNED),
    ),
    "bad_certificate": (
        _chain("to the broker's clock it is not valid yet", Flaw.NOT_YET_VALID),
        _chain("its signature is wrong", Flaw.WRONG_SIGNATURE),
    ),
    "certificate_expired": (
        _EXPIRED,
        _chain("its intermediate has expired", Flaw.INTERMEDIATE_EXPIRED),
    ),
    "certificate_revoked": (_REVOKED,),
    "unsupported_certificate": (_chain("it is for servers, not for clients", Flaw.WRONG_PURPOSE),),
}
"""Why a broker with OpenSSL refuses a client's certificate, by the alert that the device gets (ssl_x509err2alert in
OpenSSL's statem_lib.c). In the field the first two of unknown_ca are the usual ones."""

_ANY_ALERT: Final = (_NO_INTERMEDIATE, _MAY_NOT_SIGN, _UNREGISTERED, _EXPIRED, _REVOKED)


def refused_chain(details: Mapping[str, Any]) -> list[Hypothesis]:
    """Why the broker refuses the device's certificate.

    The flaw that was seen, and those of which OpenSSL says the same; else what the alert leaves open.
    """
    if (name := details.get("flaw")) is not None:
        flaw = Flaw(name)
        alike = [each for each in Flaw if each is not flaw and each.verdict == flaw.verdict and not flaw.harmless]
        return [_chain(f"its chain: {each.value}", each) for each in (flaw, *alike)]
    return list(ALERTS.get(str(details.get("alert")), _ANY_ALERT))


def cut_off(details: Mapping[str, Any]) -> list[Hypothesis]:
    """Why a broker cuts a device off that it has let in. Its rules are those of a file in the case, and are played
    alike: a real board's own firmware says which it is, a virtual board's is built with one of the mistakes.

    `details`: `behind`: 'connect' or 'more', what the device had said when it was cut off; `subscribed`: what it
    subscribes to was granted.
    """
    rules = [condition("broker", "broker-policy", policy=POLICY)]
    will = Hypothesis(
        words="the topic of its last will is not allowed", tables=rules, options=("--with", "foreign-will")
    )
    subscribe = Hypothesis(
        words="a topic that it subscribes to is not allowed", tables=rules, options=("--with", "foreign-subscribe")
    )
    publish = Hypothesis(
        words="a topic that it publishes on is not allowed", tables=rules, options=("--with", "foreign-publish")
    )
    unstable = Hypothesis(
        words="something on the way ends each connection", tables=[fault("cut", "cut", how="fin", after=1.0)]
    )
    if details.get("subscribed"):
        return [will, publish, unstable]
    if details.get("behind") == "more":
        return [subscribe, publish, will, unstable]
    return [will, subscribe, publish, unstable]


def early(details: Mapping[str, Any]) -> list[Hypothesis]:
    """Why a device connects with a clock of 1970. `details`: `never_asked`, whether its log has no word of the time."""
    late = [condition("late-time", "time-server", mode="delayed", parameters={"seconds": 5})]
    waits_not = Hypothesis(words="it does not wait for the time", tables=late, options=("--without", "time-wait"))
    asks_not = Hypothesis(words="it never asks for the time", tables=late, options=("--without", "time-sync"))
    return [asks_not, waits_not] if details.get("never_asked") else [waits_not, asks_not]


def two_of_one_id(details: Mapping[str, Any]) -> list[Hypothesis]:
    """Who the other client with the device's id is."""
    return [
        Hypothesis(words="another client connects with its id", tables=[condition("rival", "second-client", times=5)]),
        Hypothesis(words="all devices of this firmware have one id", options=("--with", "shared-id")),
    ]


def unresolved(details: Mapping[str, Any]) -> list[Hypothesis]:
    """Why a device does not find the broker's name. Without a retry it stays away although the name is found later."""
    return [
        Hypothesis(words="the name that it was given does not exist", tables=[condition("name", "wrong-name")]),
        Hypothesis(
            words="its name server does not answer for a while, and it does not try again (virtual boards)",
            tables=[condition("names", "dns-outage", off=10.0)],
            options=("--without", "retry"),
        ),
    ]


def lost(details: Mapping[str, Any]) -> list[Hypothesis]:
    """Why connections are lost, where nobody said goodbye."""
    return [
        Hypothesis(words="something on the way resets them", tables=[fault("cut", "cut", how="reset", after=2.0)]),
        Hypothesis(words="something on the way ends them", tables=[fault("cut", "cut", how="fin", after=2.0)]),
        Hypothesis(words="the network goes silent", tables=[fault("hole", "black-hole", when={"count": 2})]),
        Hypothesis(
            words="its power is cut",
            tables=[condition("power", "power-cut", at={"online": True}, off=5.0, when={"count": 2})],
        ),
    ]


def silent(details: Mapping[str, Any]) -> list[Hypothesis]:
    """Why a broker has not heard from a device for one and a half keep-alives."""
    return [
        Hypothesis(words="the network went silent", tables=[fault("hole", "black-hole", when={"count": 1})]),
        Hypothesis(words="its power was cut", tables=[condition("power", "power-cut", at={"online": True}, off=10.0)]),
        Hypothesis(words="the firmware sends no pings", options=("--with", "no-keepalive")),
    ]


def offline(details: Mapping[str, Any]) -> list[Hypothesis]:
    """Why a device never comes online, where nobody knows more: the firmware by itself, or one of the usual reasons."""
    return [
        Hypothesis(words="the firmware does it by itself, whatever the bench does"),
        Hypothesis(
            words="it sends no client certificate",
            tables=[condition("no-certificate", "device-certificate", flaw="no-certificate")],
            options=("--without", "client-certificate"),
        ),
        Hypothesis(words="its certificate comes without the intermediate", tables=_NO_INTERMEDIATE.tables),
        Hypothesis(words="the intermediate of its certificate may not sign", tables=_MAY_NOT_SIGN.tables),
        Hypothesis(
            words="it has no time when it connects",
            tables=_NO_TIME,
            options=("--without", "time-sync"),
        ),
        Hypothesis(
            words="connecting fails now and then, and it does not try again",
            tables=[fault("failures", "refuse-connect", how="reset", when={"probability": 0.5})],
            options=("--without", "retry"),
        ),
        Hypothesis(words="the broker's name does not resolve", tables=[condition("name", "wrong-name")]),
    ]


def refused_server(details: Mapping[str, Any]) -> list[Hypothesis]:
    """Why a device does not accept the server's certificate."""
    cure = details.get("cure")
    known = [Hypothesis(words=f"the server's certificate: {cure['flaw']}", tables=[cure])] if cure else []
    others = [
        Hypothesis(
            words="its clock is wrong: it has had no time when it connects",
            tables=_NO_TIME,
            options=("--without", "time-wait"),
        ),
        Hypothesis(
            words="it does not trust the server's authority",
            tables=[condition("unknown-server", "server-certificate", flaw="unknown-authority")],
        ),
        Hypothesis(
            words="the server leaves its intermediate out",
            tables=[condition("server-chain", "server-certificate", flaw="no-intermediate")],
        ),
        Hypothesis(
            words="the server's name is another",
            tables=[condition("server-name", "server-certificate", flaw="wrong-name")],
        ),
    ]
    return known + [other for other in others if not cure or other.tables[0].get("flaw") != cure["flaw"]]
