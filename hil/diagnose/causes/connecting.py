"""The CONNECT: what it says, what the broker answers, and whose client id it is."""

from __future__ import annotations

from typing import Any

from hil.attempts import End
from hil.diagnose.case import Case, first
from hil.diagnose.cause import Cause, Found
from hil.diagnose.words import listed, loop, span, times
from hil.timeline import Event
from hil.wire.mqtt.codes import CONNACK_311, REASONS

_LONG = 3600
"""A keep-alive longer than this many seconds finds a loss only hours later; several brokers refuse it."""


def _refused(case: Case) -> Found | None:
    refused = [a for a in case.ended(End.CONNECT_REFUSED) if not any(e.kind == "denied" for e in a.events)]
    if not refused:
        return None
    connect, connack = first(refused[-1], "connect"), first(refused[-1], "connack")
    assert connack is not None
    code = int(connack["code"])
    words = CONNACK_311.get(code) or REASONS.get(code, "unknown")
    name = connect.get("client_id") if connect is not None else None
    return Found(
        explanation=f"The broker refused the CONNECT {times(len(refused))}, with code {code} ({words}); the client id "
        f"was {name!r}, the user name {connect.get('username') if connect is not None else None!r}."
        + (" 7 is what AWS IoT says for 'not authorized'." if code == 7 else "")
        + loop(refused),
        evidence=[e for e in (connect, connack) if e is not None],
        confidence=0.85,
    )


def _shared_id(case: Case) -> Found | None:
    taken = [a for a in case.attempts if case.taken_over(a)]
    connects = case.all("gateway", "connect")
    if not connects:
        return None
    name = connects[-1]["client_id"]
    others = [
        e
        for e in case.everything
        if (e.source, e.kind) == ("gateway", "connect") and e.board not in (None, case.board) and e["client_id"] == name
    ]
    promised = case.promised("client_id")
    if others:
        thrown = f" They have thrown each other out {times(len(taken))}.{loop(taken)}" if taken else ""
        return Found(
            explanation=f"The boards {case.board} and {listed(sorted({str(e.board) for e in others}))} connect with "
            f"the same client id {name!r}: the broker closes the older connection each time.{thrown}",
            evidence=[connects[-1], others[-1], *(taken[-1].events[-1:] if taken else ())],
            confidence=0.95 if taken else 0.8,
        )
    if promised is not None and name != promised:
        return Found(
            explanation=f"It calls itself {name!r}; its contract promises {promised!r}. If other devices are built "
            "alike, they have the same id and throw each other out.",
            evidence=[connects[-1]],
            confidence=0.85,
            against=("an id that was put into this board by mistake looks the same",),
        )
    # Its own next connection takes over an older, half-open one: that is as it should be.
    foreign = [a for a in taken if not any(b.began <= (a.ended or 0) + 0.5 and b is not a and b.began >= a.began
                                            for b in case.attempts)]  # fmt: skip
    if not foreign:
        return None
    return Found(
        explanation=f"{times(len(foreign)).capitalize()} the broker closed this connection because somebody connected "
        f"with its client id {name!r}, and that was not this board.{loop(foreign)}",
        evidence=[connects[-1], foreign[-1].events[-1]],
        confidence=0.85,
        against=("a monitor or a script of the test that borrows the id looks the same",),
    )


def _changing_id(case: Case) -> Found | None:
    connects = [*case.earlier("gateway", "connect"), *case.all("gateway", "connect")]
    names = list(dict.fromkeys(str(e["client_id"]) for e in connects))
    if len(names) < 2 or case.earlier("provision", "done")[1:] or case.all("provision", "done"):
        return None
    return Found(
        explanation=f"It has called itself {listed(names)} on {len(connects)} connections: to the broker each is "
        "another client, so an old session, and the old connection's will, live on beside the new one.",
        evidence=[next(e for e in connects if e["client_id"] == name) for name in names[:3]],
        confidence=0.9,
    )


def _impatient(case: Case) -> Found | None:
    for attempt in reversed(case.attempts):
        connect, close = first(attempt, "connect"), attempt.events[-1]
        if connect is None or first(attempt, "connack") is not None or close.get("by") != "device":
            continue
        waited = close.monotonic - connect.monotonic
        promised = case.promised("connect_timeout")
        if (
            promised is None
            or waited >= 0.7 * promised
            or not case.faults(attempt, "late-connack", "withhold", "latency")
        ):
            continue
        return Found(
            explanation=f"The CONNACK was late, and the device gave the connection up {span(waited)} after its "
            f"CONNECT; it promises to wait {promised:g} s. A slow broker gets more connections in place of patience.",
            evidence=[connect, *case.faults(attempt)[-1:], close],
            confidence=0.9,
        )
    return None


def _will_missing(case: Case) -> Found | None:
    bare = [e for e in case.all("gateway", "connect") if e.get("will") is None]
    if not bare or not case.promised("will"):
        return None
    return Found(
        explanation=f"Its CONNECT carries no last will ({times(len(bare))}); its contract promises one on "
        f"{case.promised('will', 'topic')}. When it loses its power, nobody is told.",
        evidence=[bare[-1]],
        confidence=0.85,
    )


def _will_differs(case: Case) -> Found | None:
    promised = case.promised("will", default={})
    for connect in reversed(case.all("gateway", "connect")):
        will = connect.get("will")
        if not promised or not will:
            continue
        wrong = [f"{key} {_text(will[key])} and not {_text(value)}" for key, value in promised.items()
                 if key in will and _text(will[key]) != _text(value)]  # fmt: skip
        if wrong:
            return Found(
                explanation=f"The will in its CONNECT is not the promised one: {listed(wrong)}.",
                evidence=[connect],
                confidence=0.7,
                against=("the contract may be what is wrong",),
            )
    return None


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _keep_alive(case: Case) -> Found | None:
    connect = case.last("gateway", "connect")
    if connect is None:
        return None
    said, promised = int(connect["keep_alive"]), case.promised("keep_alive")
    if not _off(said, promised):
        return None
    if said == 0:
        cost = "With 0 the broker never notices that the device is gone"
    else:
        cost = f"A lost device is noticed only after {span(1.5 * said)}"
    return Found(
        explanation=f"Its CONNECT announces a keep-alive of {said} s"
        + (f"; its contract promises {promised} s" if promised is not None else "")
        + f". {cost}.",
        evidence=[connect],
        confidence=0.8 if promised is not None else 0.5,
        against=("the contract may be what is wrong",) if promised is not None and 0 < said <= _LONG else (),
    )


def _off(said: int, promised: int | None) -> bool:
    return said != promised if promised is not None else said == 0 or said > _LONG


def _differs(case: Case) -> Found | None:
    connect = case.last("gateway", "connect")
    if connect is None:
        return None
    wrong = [
        f"{words} {connect[key]} and not {case.promised(key)}"
        for key, words in (("version", "MQTT"), ("clean", "clean session"))
        if case.promised(key) is not None and connect[key] != case.promised(key)
    ]
    if not wrong:
        return None
    return Found(
        explanation=f"Its CONNECT is not as its contract promises: {listed(wrong)}.",
        evidence=[connect],
        confidence=0.6,
        against=("the contract may be what is wrong",),
    )


def _malformed(case: Case) -> Found | None:
    bad: list[Event] = [
        e
        for e in case.all("gateway", "malformed")
        if not str(e.get("reason", "")).startswith("from the broker")
        and "no CONNECT within" not in str(e.get("reason"))
    ]
    if not bad:
        return None
    return Found(
        explanation=f"The device sent what MQTT does not allow, {times(len(bad))}: {bad[-1].get('reason')}.",
        evidence=bad[-2:],
        confidence=0.9,
    )


CAUSES = (
    Cause(
        slug="connect-refused",
        title="The broker refuses the CONNECT",
        shown_by="a CONNACK with a code that is not 0, on a connection that met no injected fault",
        next_steps=(
            "look up the code: 4 and 5 (5: 0x86, 0x87) are about credentials and permissions, 2 about the client id",
            "compare user name, client id and certificate subject with what the broker has registered",
        ),
        find=_refused,
    ),
    Cause(
        slug="client-id-not-its-own",
        title="The client id is not the device's own",
        shown_by="two clients with one id, closes by takeover, or an id that is not the promised one",
        next_steps=(
            "make the client id from the chip's MAC address or from its certificate",
            "look for a constant client id that came with a sample",
        ),
        find=_shared_id,
        outranks=("connection-lost", "server-ends-connection", "retry-constant", "will-differs"),
    ),
    Cause(
        slug="client-id-changes",
        title="The client id is another one each time",
        shown_by="connects of one board under several client ids",
        next_steps=("make the id once, from the chip's MAC address or the certificate; randomness belongs elsewhere",),
        find=_changing_id,
        outranks=("client-id-not-its-own", "online-message-missing"),
    ),
    Cause(
        slug="connack-not-awaited",
        title="The device does not wait for the CONNACK for as long as it promises",
        shown_by="a CONNACK that was held back, and a close by the device well before mqtt.connect_timeout",
        next_steps=("raise the wait for CONNACK: brokers take seconds while many devices come back at once",),
        find=_impatient,
        outranks=("connection-lost", "never-online", "retry-constant", "retry-linear", "retry-without-jitter"),
    ),
    Cause(
        slug="will-missing",
        title="The CONNECT carries no last will",
        shown_by="a connect event without a will, where the contract promises one",
        next_steps=(
            "see that the will is set before connect is called, and not on another client object",
            "some libraries drop a will silently if it has no payload or is too long (PubSubClient #520)",
        ),
        find=_will_missing,
    ),
    Cause(
        slug="will-differs",
        title="The last will is not the promised one",
        shown_by="a connect event whose will has another topic, payload, QoS or retain flag than the contract",
        next_steps=("compare the will's settings in the firmware with the contract",),
        find=_will_differs,
    ),
    Cause(
        slug="keep-alive-differs",
        title="The CONNECT announces another keep-alive",
        shown_by="a connect event whose keep-alive is not the contract's, or is 0 or longer than an hour without one",
        next_steps=("look for a keep-alive in the wrong unit (ms for s), or a default of the library that nobody set",),
        find=_keep_alive,
        outranks=("keep-alive-missed",),
    ),
    Cause(
        slug="connect-differs",
        title="The CONNECT is not as promised",
        shown_by="a connect event with another version or clean flag than the contract",
        next_steps=("compare version and clean flag in the firmware's settings with the contract",),
        find=_differs,
    ),
    Cause(
        slug="malformed-packet",
        title="The device sends a malformed packet",
        shown_by="malformed events about what the device sent",
        next_steps=("look at the event's reason: it names the rule of the standard", "look for a buffer that is cut"),
        find=_malformed,
        outranks=("connection-lost", "server-ends-connection"),
    ),
)
