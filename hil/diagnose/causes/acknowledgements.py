"""Messages of QoS 1 that are not acknowledged: what becomes of them."""

from __future__ import annotations

import itertools

from hil.attempts import Attempt
from hil.diagnose.case import Case, field_of, of, published
from hil.diagnose.cause import Cause, Found
from hil.diagnose.words import listed, since, span, times
from hil.timeline import Event

_ACKNOWLEDGES = 1.5
"""Seconds within which a device that is alive acknowledges what it gets."""
_OWN_WAY = 5.0
"""Seconds after which a resend is expected where nothing is promised."""


def _unacknowledged(attempt: Attempt) -> list[Event]:
    """The device's first sending of each QoS 1 or 2 message whose acknowledgement never came on that connection."""
    done = {e["packet_id"] for kind in ("puback", "pubrec") for e in of(attempt, kind, direction="down")}
    return [
        e
        for e in published(attempt)
        if e["qos"] and not e["dup"] and e["packet_id"] not in done
    ]  # fmt: skip


def _again(attempt: Attempt, message: Event) -> list[Event]:
    """The same message, sent again on the same connection."""
    return [
        e
        for e in published(attempt)
        if e.sequence > message.sequence and e["topic"] == message["topic"] and e["payload"] == message["payload"]
    ]


def _withheld(case: Case) -> list[tuple[Attempt, Event]]:
    """Messages whose acknowledgement an injected fault kept back."""
    return [
        (a, e)
        for a in case.accepted
        if case.faults(a, "withhold", "late")
        for e in _unacknowledged(a)
        if e.sequence + 1 >= case.faults(a, "withhold", "late")[0].sequence - 20
    ]


def _end(case: Case, attempt: Attempt) -> float:
    return attempt.ended if attempt.ended is not None else case.quiet_since


def _not_resent(case: Case) -> Found | None:
    promised = case.promised("resend")
    if "resend" in case.contract and promised is None:
        return None  # not promised: MQTT 5 forbids it
    patience = 3 * float(promised) if promised else _OWN_WAY
    for attempt, message in _withheld(case):
        waited = _end(case, attempt) - message.monotonic
        by_device = attempt.ended is not None and attempt.events[-1]["by"] == "device"
        if _again(attempt, message) or by_device or waited < patience:
            continue
        return Found(
            explanation=f"PUBLISH {message['packet_id']} to {message['topic']} got no PUBACK, and in the "
            f"{span(waited)} that the connection went on it was not sent again"
            + (f"; the contract promises it after {promised:g} s." if promised else "."),
            evidence=[message, *case.faults(attempt)[:1], *attempt.events[-1:]],
            confidence=0.9 if promised else 0.5,
            against=() if promised else ("MQTT does not demand it while the connection lasts",),
        )
    return None


def _new_id(case: Case) -> Found | None:
    for attempt, message in _withheld(case):
        other = [e for e in _again(attempt, message) if e["packet_id"] != message["packet_id"]]
        if other:
            return Found(
                explanation=f"PUBLISH {message['packet_id']} to {message['topic']} got no PUBACK; "
                f"{since(message, other[0])} later the same payload went out as packet {other[0]['packet_id']}, "
                f"DUP={int(other[0]['dup'])}: to the broker that is another message, and subscribers get both.",
                evidence=[message, other[0]],
                confidence=0.93,
                against=()
                if len(str(message["payload"])) > 8
                else ("a payload this short may well be sent twice on purpose",),
            )
    return None


def _drops(case: Case) -> Found | None:
    found = []
    for attempt, message in _withheld(case):
        close = attempt.events[-1]
        deaf = [e for e in case.faults(attempt, "withhold", "late") if e.get("packet") not in ("puback", "pubrec")]
        if deaf:
            continue  # more than acknowledgements was kept back: it may have left for that
        if close.kind == "close" and close["by"] == "device" and not _again(attempt, message):
            found.append((attempt, message, close))
    if not found:
        return None
    attempt, message, close = found[0]
    ends = {a.connection for a, _, _ in found}
    return Found(
        explanation=f"PUBLISH {message['packet_id']} to {message['topic']} got no PUBACK, and the device closed the "
        f"connection {since(message, close)} later, {times(len(ends))}, in place of sending it again.",
        evidence=[message, close],
        confidence=0.9,
        against=("with MQTT 5 a new connection is the only way to send it again",)
        if case.promised("version") == "5"
        else (),
    )


def _lost(case: Case) -> Found | None:
    for attempt, following in itertools.pairwise(case.accepted):
        if case.boot_of(attempt) != case.boot_of(following) or attempt.ended is None:
            continue
        lost = [
            message
            for message in _unacknowledged(attempt)
            if not _again(attempt, message) or not _acknowledged_later(attempt, message)
        ]
        later = [a for a in case.accepted if a.connection >= following.connection]
        lost = [m for m in lost if not any(e["payload"] == m["payload"] and e["topic"] == m["topic"]
                                           for a in later for e in published(a))]  # fmt: skip
        if lost and (len(published(following)) >= 2 or case.lasted(following) > 2):
            return Found(
                explanation=f"{len(lost)} message(s) of QoS 1 had no PUBACK when connection {attempt.connection} ended "
                f"(packet {lost[0]['packet_id']} to {lost[0]['topic']}, for one), and were not sent again on the next "
                "connections: they are lost.",
                evidence=[lost[0], attempt.events[-1], following.events[0]],
                confidence=0.9,
            )
    return _skipped(case)


def _skipped(case: Case) -> Found | None:
    """Numbers that are missing in the telemetry: sent into a network that let nothing through, and not again."""
    topic, field = case.promised("telemetry", "topic"), case.promised("telemetry", "sequence")
    if topic is None or field is None or not case.promised("telemetry", "qos"):
        return None
    for attempt, following in itertools.pairwise(case.accepted):
        told = [n for e in published(attempt, topic) if (n := field_of(e, field)) is not None]
        later = [e for a in case.accepted if a.connection >= following.connection for e in published(a, topic)]
        numbers = {n for e in later if (n := field_of(e, field)) is not None}
        if not told or not numbers or case.boot_of(attempt) != case.boot_of(following):
            continue
        missing = [n for n in range(max(told) + 1, max(numbers)) if n not in numbers]
        if missing:
            return Found(
                explanation=f"Its telemetry is of QoS 1, and the numbers {listed(missing)} never came: connection "
                f"{attempt.connection} ended after {max(told)}, and the next ones went on with {min(numbers)}.",
                evidence=[published(attempt, topic)[-1], *case.faults(attempt)[-1:], later[0]],
                confidence=0.85,
                against=("an outbox that was full has to leave something out",),
            )
    return None


def _silent_receiver(case: Case) -> Found | None:
    """What came down at QoS 1 or 2, and was never acknowledged."""
    for attempt in reversed(case.accepted):
        done = {e["packet_id"] for kind in ("puback", "pubrec") for e in of(attempt, kind, direction="up")}
        waiting = [e for e in published(attempt, direction="down") if e["qos"] and e["packet_id"] not in done]
        for message in waiting:
            after = [e for e in published(attempt) if e.sequence > message.sequence]
            end = min(_end(case, attempt), case.quiet_since)
            if end - message.monotonic < _ACKNOWLEDGES or not after or case.faults(attempt, "black-hole"):
                continue
            return Found(
                explanation=f"A message of QoS {message['qos']} went down on {message['topic']}, and in the "
                f"{span(end - message.monotonic)} that followed it was not acknowledged, while the device sent "
                f"{len(after)} messages of its own. The broker sends it again, and none beyond its limit of them.",
                evidence=[message, after[0]],
                confidence=0.85,
            )
    return None


def _acknowledged_later(attempt: Attempt, message: Event) -> bool:
    resent = {e["packet_id"] for e in _again(attempt, message)}
    return any(e["packet_id"] in resent for e in of(attempt, "puback", direction="down"))


CAUSES = (
    Cause(
        slug="publish-not-resent",
        title="An unacknowledged message is not sent again",
        shown_by="a QoS 1 PUBLISH whose PUBACK was withheld, no DUP of it, and a connection that goes on",
        next_steps=("give QoS 1 messages a timer and an outbox; send with the same packet id and DUP",),
        find=_not_resent,
    ),
    Cause(
        slug="resent-with-new-id",
        title="An unacknowledged message is sent again under another packet id",
        shown_by="the same topic and payload again, with another packet id, while the first is without PUBACK",
        next_steps=("resend the stored packet itself, with DUP; do not call publish again on a time-out",),
        find=_new_id,
        outranks=("publish-not-resent",),
    ),
    Cause(
        slug="disconnects-unacknowledged",
        title="The device drops the connection when a PUBACK is late",
        shown_by="a PUBACK was withheld, and the device closed the connection without sending the message again",
        next_steps=("wait longer for the PUBACK, and send again on the same connection before giving it up",),
        find=_drops,
        outranks=("connection-lost", "unacknowledged-messages-lost"),
    ),
    Cause(
        slug="message-not-acknowledged",
        title="The device does not acknowledge what it gets",
        shown_by="a PUBLISH of QoS 1 or 2 to the device without PUBACK or PUBREC, while it goes on sending",
        next_steps=("send PUBACK for each QoS 1 message, also for topics and payloads that nobody handles",),
        find=_silent_receiver,
        outranks=("command-unanswered",),
    ),
    Cause(
        slug="unacknowledged-messages-lost",
        title="Unacknowledged messages are forgotten when the connection is lost",
        shown_by="QoS 1 messages without PUBACK at a connection's end, which no later connection of the boot brings",
        next_steps=("keep the outbox over a reconnect, and send it first (MQTT 3.1.1 and 5, section 4.4)",),
        find=_lost,
    ),
)
