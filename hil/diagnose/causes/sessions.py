"""Subscriptions and the session: asked for too seldom, too often, or believed without reason."""

from __future__ import annotations

from hil.attempts import Attempt, attempts
from hil.diagnose.case import Case, first, of, published
from hil.diagnose.cause import Cause, Found
from hil.diagnose.words import listed, span
from hil.timeline import Event

_SETTLED = 2.0
"""Seconds on a connection after which a device has asked for what it wants."""


def _settled(case: Case, attempt: Attempt) -> bool:
    """Whether the connection went on for long enough to say that something was not sent on it."""
    connack = first(attempt, "connack")
    if connack is None or connack["code"] != 0:
        return False
    end = attempt.ended if attempt.ended is not None else case.quiet_since
    return end - connack.monotonic > _SETTLED or len(published(attempt)) >= 4


def _subscribed_before(case: Case, attempt: Attempt) -> Attempt | None:
    """An earlier connection of the same boot on which it did subscribe, and was granted it."""
    for other in reversed(_known(case)):
        if other.connection < attempt.connection and case.boot_of(other) == case.boot_of(attempt) and _granted(other):
            return other
    return None


def _known(case: Case) -> list[Attempt]:
    return attempts((*case.history, *case.events), case.board)


def _granted(attempt: Attempt) -> list[Event]:
    return [e for e in of(attempt, "suback") if any(code < 0x80 for code in e["codes"])]


def _heard(attempt: Attempt) -> bool:
    """Whether the device can be sure to have heard of a granted subscription before the connection ended."""
    granted = _granted(attempt)
    return bool(granted) and (attempt.ended is None or attempt.ended - granted[-1].monotonic > 0.05)


def _session_present(attempt: Attempt) -> bool:
    return any(e["session_present"] for e in of(attempt, "connack"))


def _clean(attempt: Attempt) -> bool:
    connect = first(attempt, "connect")
    return bool(connect is not None and connect["clean"])


def _not_again(case: Case) -> Found | None:
    for attempt in reversed(case.accepted):
        if _session_present(attempt) or of(attempt, "subscribe") or not _settled(case, attempt):
            continue
        if case.injected("black-hole"):
            continue  # what it said was swallowed
        before = _subscribed_before(case, attempt)
        if before is None:
            continue
        connack, subscribe = first(attempt, "connack"), of(before, "subscribe")[-1]
        assert connack is not None
        end = attempt.ended if attempt.ended is not None else case.quiet_since
        topics = listed(f[0] for f in subscribe["filters"])
        why = "it connects with a clean session" if _clean(attempt) else "the broker no longer has its session"
        return Found(
            explanation=f"The CONNACK said session_present=0 ({why}), and the device did not subscribe again in the "
            f"{span(end - connack.monotonic)} that followed; on connection {before.connection} it had subscribed to "
            f"{topics}. It is online, and deaf.",
            evidence=[subscribe, connack],
            confidence=0.92,
        )
    return None


def _never(case: Case) -> Found | None:
    topic = case.promised("command", "topic")
    settled = [a for a in case.accepted if _settled(case, a) and not _session_present(a)]
    if topic is None or not settled or any(of(a, "subscribe") for a in _known(case)):
        return None
    connack = first(settled[-1], "connack")
    assert connack is not None
    return Found(
        explanation=f"On {len(settled)} settled connection(s) it has not sent a single SUBSCRIBE; its contract "
        f"promises to take commands on {topic}.",
        evidence=[connack],
        confidence=0.8,
    )


def _though_kept(case: Case) -> Found | None:
    for attempt in reversed(case.accepted):
        if not _session_present(attempt) or _clean(attempt) or case.faults(attempt, "session-present"):
            continue
        before = _subscribed_before(case, attempt)
        again = [] if before is None else [
            e for e in of(attempt, "subscribe")
            if {f[0] for f in e["filters"]} & {f[0] for s in of(before, "subscribe") for f in s["filters"]}
        ]  # fmt: skip
        if before is not None and again:
            connack = first(attempt, "connack")
            assert connack is not None
            topics = listed(f[0] for f in again[0]["filters"])
            return Found(
                explanation=f"The broker had kept the session (session_present=1), and the device subscribed to "
                f"{topics} all the same, as on connection {before.connection}: retained messages come again, and "
                "each reconnect costs the broker more.",
                evidence=[connack, again[0]],
                confidence=0.85 if _heard(before) else 0.55,
                against=() if _heard(before) else ("the SUBACK came just before the end: perhaps too late for it",),
            )
    return None


def _believed(case: Case) -> Found | None:
    for attempt in reversed(case.accepted):
        if not _clean(attempt) or not _session_present(attempt):
            continue
        connack, connect = first(attempt, "connack"), first(attempt, "connect")
        assert connack is not None
        assert connect is not None
        five = str(connect["version"]) == "5"
        stayed = _settled(case, attempt)
        asked = of(attempt, "subscribe")
        if not stayed or (asked and not five) or (attempt.events[-1].get("by") == "device" and five):
            continue
        rule = "MQTT 5 demands that it closes [MQTT-3.2.2-4]" if five else "it did not even subscribe"
        return Found(
            explanation="Its CONNECT asked for a clean session, the CONNACK claimed a kept one (session_present=1), "
            f"and the device went on as if there were one: {rule}.",
            evidence=[connect, connack],
            confidence=0.9,
        )
    return None


def _refusal_unnoticed(case: Case) -> Found | None:
    for attempt in reversed(case.attempts):
        refused = [e for e in of(attempt, "suback") if any(code >= 0x80 for code in e["codes"])]
        if not refused:
            continue
        suback = refused[-1]
        again = [e for e in of(attempt, "subscribe") if e.sequence > suback.sequence]
        end = attempt.ended if attempt.ended is not None else case.quiet_since
        waited = end - suback.monotonic
        retried = [a for a in case.attempts if a.connection > attempt.connection and of(a, "subscribe")]
        if again or retried or waited < max(_due(case), 3.0):
            continue
        asked = [e for e in of(attempt, "subscribe") if e["packet_id"] == suback["packet_id"]]
        topic = listed(f[0] for f in asked[-1]["filters"]) if asked else "a topic"
        code = next(c for c in suback["codes"] if c >= 0x80)
        return Found(
            explanation=f"The broker refused the subscription to {topic} (SUBACK 0x{code:02x}); in the "
            f"{span(waited)} that followed on the same connection the device neither asked again nor reconnected. It "
            "takes the SUBACK for a success, and is deaf.",
            evidence=[*asked[-1:], suback],
            confidence=0.9,
        )
    return None


def _due(case: Case) -> float:
    """Seconds after which good firmware has asked again, or given the connection up."""
    first_pause = case.promised("retry", "first")
    return float(min(1.2 * case.longest_pause, 3 * first_pause + 1 if first_pause else 20.0))


def _subscribe_lost(case: Case) -> Found | None:
    for attempt in reversed(case.accepted):
        answered = {e["packet_id"] for e in of(attempt, "suback")}
        open_ = [e for e in of(attempt, "subscribe") if e["packet_id"] not in answered]
        if not open_ or not case.faults(attempt, "withhold", "late"):
            continue
        asked = open_[0]
        again = [e for e in of(attempt, "subscribe") if e.sequence > asked.sequence]
        end = attempt.ended if attempt.ended is not None else case.quiet_since
        waited = end - asked.monotonic
        by_device = attempt.ended is not None and attempt.events[-1]["by"] == "device"
        promised = case.promised("resend")
        if again or by_device or waited < max(3 * (promised or 5.0), 3.0):
            continue
        return Found(
            explanation=f"SUBSCRIBE to {listed(f[0] for f in asked['filters'])} got no SUBACK, and in "
            f"{span(waited)} the device neither asked again nor gave the connection up"
            + (f"; it promises to ask again after {promised:g} s." if promised else "."),
            evidence=[asked, *case.faults(attempt)[:1], *attempt.events[-1:]],
            confidence=0.92 if promised else 0.7,
            against=()
            if promised
            else ("MQTT 5 forbids to send it again on the same connection; a reconnect would be the way",),
        )
    return None


CAUSES = (
    Cause(
        slug="not-resubscribed",
        title="The device does not subscribe again",
        shown_by="CONNACK with session_present=0 after an earlier subscription in the same boot, and no SUBSCRIBE",
        next_steps=("subscribe in the 'connected' handler whenever session_present is 0, not once after boot",),
        find=_not_again,
        outranks=("command-unanswered", "never-subscribes"),
    ),
    Cause(
        slug="never-subscribes",
        title="The device never subscribes",
        shown_by="settled connections without any SUBSCRIBE, where a command topic is promised",
        next_steps=("see that subscribe is called after CONNACK, and that its result is looked at",),
        find=_never,
        outranks=("command-unanswered",),
    ),
    Cause(
        slug="subscribes-though-kept",
        title="The device subscribes although the broker has kept its session",
        shown_by="session_present=1, and a SUBSCRIBE to a filter that was granted earlier in the same boot",
        next_steps=("look at session_present in the 'connected' handler before subscribing",),
        find=_though_kept,
    ),
    Cause(
        slug="session-present-believed",
        title="The device believes a session that it did not ask for",
        shown_by="CONNECT with clean=1, CONNACK with session_present=1, and no close (MQTT 5) or no SUBSCRIBE (3.1.1)",
        next_steps=("close the connection on MQTT 5; on 3.1.1 trust the own clean flag more than the answer",),
        find=_believed,
        outranks=("not-resubscribed", "never-subscribes", "command-unanswered"),
    ),
    Cause(
        slug="refused-subscription-unnoticed",
        title="The device does not notice that its subscription was refused",
        shown_by="a SUBACK with a code of 0x80 or more, and no further SUBSCRIBE on a connection that goes on",
        next_steps=(
            "look at every code in the SUBACK (PubSubClient and others hide them)",
            "ask again with growing pauses, or tell somebody",
        ),
        find=_refusal_unnoticed,
        outranks=("command-unanswered", "subscribe-denied"),
    ),
    Cause(
        slug="subscribe-not-retried",
        title="The device waits for a SUBACK for ever",
        shown_by="a SUBSCRIBE without SUBACK, and neither another one nor a new connection for long",
        next_steps=("set a limit to the wait for SUBACK; then ask again (3.1.1) or connect again (5)",),
        find=_subscribe_lost,
        outranks=("command-unanswered",),
    ),
)
