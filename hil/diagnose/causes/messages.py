"""What it says, or fails to say: online message, telemetry, the farewell, its memory."""

from __future__ import annotations

import itertools

from hil.attempts import Attempt
from hil.diagnose.case import Case, field_of, first, of, published
from hil.diagnose.cause import Cause, Found
from hil.diagnose.words import listed, since, span
from hil.timeline import Event

_SETTLED = 2.0
"""Seconds on a connection after which a greeting is overdue."""
_LEAK = 1024
"""Bytes that have to be gone with each connection to speak of a leak."""


def _greeted(case: Case, attempt: Attempt) -> bool | None:
    """Whether the online message was sent on a connection; None where it is too early to tell."""
    if published(attempt, case.promised("online", "topic")):
        return True
    if case.injected("black-hole"):
        return None  # what it said was swallowed
    connack = first(attempt, "connack")
    end = attempt.ended if attempt.ended is not None else case.quiet_since
    settled = connack is not None and (end - connack.monotonic > _SETTLED or len(published(attempt)) >= 3)
    return False if settled else None


def _online_missing(case: Case) -> Found | None:
    topic = case.promised("online", "topic")
    silent = [a for a in case.accepted if _greeted(case, a) is False]
    if topic is None or not silent or any(_greeted(case, a) for a in case.accepted):
        return None
    connack = first(silent[-1], "connack")
    said = published(silent[-1])
    assert connack is not None
    return Found(
        explanation=f"On {len(silent)} established connection(s) it never published its online message on {topic}; "
        f"what it did say: {listed(sorted({e['topic'] for e in said})) or 'nothing'}. After a loss the retained "
        "will stays, and it looks offline.",
        evidence=[connack, *said[:1]],
        confidence=0.8,
    )


def _online_once(case: Case) -> Found | None:
    for attempt in reversed(case.accepted):
        if case.promised("online", "topic") is None or _greeted(case, attempt) is not False:
            continue
        before = [a for a in case.accepted if a.connection < attempt.connection and _greeted(case, a)
                  and case.boot_of(a) == case.boot_of(attempt)]  # fmt: skip
        if before:
            connack, greeting = first(attempt, "connack"), published(before[0], case.promised("online", "topic"))[0]
            assert connack is not None
            return Found(
                explanation=f"It published its online message on connection {before[0].connection}, the first of this "
                f"boot, and not on connection {attempt.connection}: after a loss of the network the will's message "
                "stays although it is back.",
                evidence=[greeting, connack],
                confidence=0.93,
            )
    return None


def _telemetry(case: Case) -> Found | None:
    topic, period = case.promised("telemetry", "topic"), case.promised("telemetry", "period")
    if topic is None or not case.accepted:
        return None
    for attempt in reversed(case.accepted):
        connack = first(attempt, "connack")
        if connack is None:
            continue
        end = attempt.ended if attempt.ended is not None else case.quiet_since
        said = published(attempt, topic)
        silent = end - (said[-1] if said else connack).monotonic
        if (
            silent < 3 * period + 2
            or not case.undisturbed(connack.monotonic, end)
            or case.faults(attempt, "black-hole")
        ):
            continue
        others = sorted({e["topic"] for e in published(attempt)})
        return Found(
            explanation=f"For {span(silent)} of an established connection there was no message on {topic}; every "
            f"{period:g} s is promised."
            + (f" {len(said)} came before that." if said else " There was none before either.")
            + (f" It did publish on {listed(others)}." if others and not said else ""),
            evidence=[connack, *said[-1:]],
            confidence=0.75 if not said else 0.5,
            against=("a sensor that waits for a change looks the same",),
        )
    return None


def _telemetry_differs(case: Case) -> Found | None:
    topic, qos = case.promised("telemetry", "topic"), case.promised("telemetry", "qos")
    other = [e for a in case.accepted for e in published(a, topic) if topic and qos is not None and e["qos"] != qos]
    if not other:
        return None
    return Found(
        explanation=f"Its telemetry goes out at QoS {other[-1]['qos']}; its contract promises QoS {qos}."
        + (" Several cloud brokers have no QoS 2 and close the connection." if other[-1]["qos"] == 2 else ""),
        evidence=other[-1:],
        confidence=0.7,
        against=("the contract may be what is wrong",),
    )


def _rude(case: Case) -> Found | None:
    asked = [
        e
        for e in case.events
        if ((e.source, e.kind) == ("console", "sent") and "disconnect" in str(e.get("text")))
        or (e.kind == "publish" and e.get("direction") == "down" and "disconnect" in str(e.get("payload")))
    ]
    for order in reversed(asked):
        for attempt in case.accepted:
            close = attempt.events[-1]
            if close.kind != "close" or not 0 <= close.monotonic - order.monotonic < 5 or close["by"] != "device":
                continue
            if of(attempt, "disconnect", direction="up"):
                continue
            return Found(
                explanation=f"Told to disconnect, it closed the connection ({close['how']}) {since(order, close)} "
                "later without a DISCONNECT packet: the broker takes that for a loss and publishes the last will.",
                evidence=[order, close],
                confidence=0.93,
            )
    return None


def _heap(case: Case) -> list[tuple[Attempt, int, Event]]:
    """The free heap that each connection told last, in bytes: the first may be a message that was sent again."""
    field = case.promised("telemetry", "heap", default="heap")
    found = []
    for attempt in case.accepted:
        told = [(value, e) for e in published(attempt) if (value := field_of(e, field)) is not None]
        if told:
            found.append((attempt, *told[-1]))
    return found


def _losses(case: Case) -> list[tuple[int, int, Event, Event]]:
    """Between connections of one boot: heap lost, connects that failed between, and the two messages that tell it."""
    told = _heap(case)
    found = []
    for (one, before, first_message), (other, after, second) in itertools.pairwise(told):
        if case.boot_of(one) == case.boot_of(other):
            between = [a for a in case.attempts if one.connection < a.connection < other.connection]
            found.append((before - after, sum(not a.accepted_by_broker for a in between), first_message, second))
    return found


def _leak_failed(case: Case) -> Found | None:
    losses = _losses(case)
    failed = [x for x in losses if x[1]]
    calm = [x for x in losses if not x[1]]
    each = [lost / count for lost, count, _, _ in failed]
    if not failed or min(each) < _LEAK or any(lost > 0.5 * min(each) for lost, *_ in calm):
        return None
    count = sum(n for _, n, _, _ in failed)
    if count < 2:
        return None
    return Found(
        explanation=f"Its free heap fell by {sum(lost for lost, *_ in failed)} bytes over {count} failed connects, "
        f"some {sum(lost for lost, *_ in failed) // count} bytes each"
        + (f"; {len(calm)} reconnects without a failure cost nothing." if calm else "."),
        evidence=[failed[0][2], failed[-1][3]],
        confidence=0.92 if calm or count >= 4 else 0.8,
        against=() if calm else ("each series of failures ended in a reconnect, which may be what costs",),
    )


def _leak_reconnects(case: Case) -> Found | None:
    losses = _losses(case)
    calm = [x for x in losses if not x[1]]
    if len(calm) < 2 or min(lost for lost, *_ in calm) < _LEAK:
        return None
    total = sum(lost for lost, *_ in calm)
    return Found(
        explanation=f"Its free heap fell by {total} bytes over {len(calm)} reconnects, some {total // len(calm)} bytes "
        f"each; {field_of(calm[-1][3], case.promised('telemetry', 'heap', default='heap'))} bytes are left.",
        evidence=[calm[0][2], calm[-1][3]],
        confidence=0.92,
        against=("caches that fill up look the same over the first few",) if len(calm) < 4 else (),
    )


CAUSES = (
    Cause(
        slug="online-message-missing",
        title="The device never publishes its online message",
        shown_by="established connections without a PUBLISH on the promised online topic",
        next_steps=("publish it in the 'connected' handler, retained if the will is", "compare the topics"),
        find=_online_missing,
        outranks=("never-online",),
    ),
    Cause(
        slug="online-message-once",
        title="The device publishes its online message once per boot only",
        shown_by="the online message on the first connection of a boot, and not on a later one",
        next_steps=("move it from the set-up code to the 'connected' handler",),
        find=_online_once,
        outranks=("online-message-missing",),
    ),
    Cause(
        slug="telemetry-missing",
        title="The device is connected, and its telemetry does not come",
        shown_by="an established connection without messages on the telemetry topic for three periods and 2 s",
        next_steps=("see whether it publishes elsewhere", "look at the sensor's task, and at a full outbox"),
        find=_telemetry,
        symptom=True,
    ),
    Cause(
        slug="telemetry-differs",
        title="The telemetry has another QoS than promised",
        shown_by="messages on the telemetry topic at another QoS than the contract's",
        next_steps=("compare the QoS in the firmware with the contract",),
        find=_telemetry_differs,
    ),
    Cause(
        slug="leaves-without-disconnect",
        title="The device leaves without DISCONNECT",
        shown_by="an order to disconnect, and a close by the device with no DISCONNECT before it",
        next_steps=("send DISCONNECT, let it out (flush), and close the socket then",),
        find=_rude,
        outranks=("connection-lost", "no-retry"),
    ),
    Cause(
        slug="heap-lost-on-failed-connect",
        title="Each failed connect costs memory",
        shown_by="free heap in the telemetry that falls with connects that fail, and not with those that succeed",
        next_steps=(
            "free the TLS context on every way out of a failed connect (mbedtls_ssl_free, certificates, key, sockets)",
            "arduino-esp32 #3808 lost some 4 KB with each failed mutual-TLS connect",
        ),
        find=_leak_failed,
    ),
    Cause(
        slug="heap-lost-on-reconnect",
        title="Each connection that ends costs memory",
        shown_by="free heap in the telemetry that falls with each reconnect, failed connects or not",
        next_steps=("look for a client object or a task that is made for each connection and never deleted",),
        find=_leak_reconnects,
        outranks=("heap-lost-on-failed-connect",),
    ),
)
