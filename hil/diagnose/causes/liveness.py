"""Whether it lives: keep-alives that it misses, pings without an answer, hangs, silence."""

from __future__ import annotations

import itertools

from hil.attempts import Attempt, End
from hil.diagnose.case import Case, first, of
from hil.diagnose.cause import Cause, Found
from hil.diagnose.words import loop, span, times
from hil.timeline import Event

_BLINDING = ("black-hole", "withhold", "latency", "bandwidth")
"""Faults that keep packets from one side or the other."""


def _sent(attempt: Attempt) -> list[Event]:
    """What the device sent on it, from the CONNECT on."""
    up = {"connect", "subscribe", "unsubscribe", "pingreq"}
    return [e for e in attempt.events if e.kind in up or e.get("direction") == "up"]


def _missed(case: Case) -> list[Attempt]:
    """Connections that were closed for the device's silence while it had power and nothing kept its packets back."""
    return [
        a
        for a in case.attempts
        if a.events[-1].kind == "close" and a.events[-1]["how"] == "keep-alive"
        and a.accepted_by_broker and not case.faults(a, "black-hole") and _sent(a)
        and case.undisturbed(_sent(a)[-1].monotonic, a.events[-1].monotonic)
    ]  # fmt: skip


def _keep_alive_missed(case: Case) -> Found | None:
    missed = _missed(case)
    if not missed:
        return None
    last = missed[-1]
    assert last.ended is not None
    silent = last.ended - _sent(last)[-1].monotonic
    alive = case.signs_of_life(last.ended)
    if not alive:
        return None  # it may hang: another cause
    connect = first(last, "connect")
    keep_alive = connect["keep_alive"] if connect is not None else case.keep_alive
    pings = [e for a in case.attempts for e in of(a, "pingreq")]
    late = max((b.monotonic - a.monotonic for a, b in itertools.pairwise(_sent(last))), default=0.0)
    rhythm = (
        f"it pings too late: up to {span(late)} passed between two of its packets"
        if pings else "it has not sent a single PINGREQ"
    )  # fmt: skip
    return Found(
        explanation=f"With a keep-alive of {keep_alive} s it was silent for {span(silent)}, and was closed for it, "
        f"{times(len(missed))}; {rhythm}. It is alive: it comes back by itself.{loop(missed)}",
        evidence=[_sent(last)[-1], last.events[-1], alive[0]],
        confidence=0.9,
        against=(
            "a timer that is longer than 1.5 keep-alives and no timer at all look the same from outside",
            *(("it did ping before, so the timer is there",) if pings else ()),
        ),
    )


def _ignores_pings(case: Case) -> Found | None:
    for attempt in reversed(case.attempts):
        connack, connect = first(attempt, "connack"), first(attempt, "connect")
        if connack is None or connect is None or not connect["keep_alive"]:
            continue
        unanswered = _first_unanswered(case, attempt)
        if unanswered is None:
            continue
        end = attempt.ended if attempt.ended is not None else case.quiet_since
        stayed = end - unanswered.monotonic
        by_device = attempt.ended is not None and attempt.events[-1]["by"] == "device"
        # Good clients wait for their ping's answer for a keep-alive at most.
        if by_device or stayed < 1.5 * connect["keep_alive"] + 1:
            continue
        later = [e for e in of(attempt, "pingreq") if e.sequence > unanswered.sequence]
        return Found(
            explanation=f"A PINGREQ got no PINGRESP, and the device stayed on the connection for {span(stayed)} more "
            f"({stayed / connect['keep_alive']:.1f} keep-alives), with {len(later)} further pings without an answer.",
            evidence=[unanswered, *case.faults(attempt)[-1:], *later[-1:], *attempt.events[-1:]],
            confidence=0.9,
        )
    return None


def _first_unanswered(case: Case, attempt: Attempt) -> Event | None:
    """The first ping after which nothing at all came down."""
    for ping in of(attempt, "pingreq"):
        later = [e for e in attempt.events if e.sequence > ping.sequence]
        if not any(e.kind == "pingresp" for e in later) and case.faults(attempt, *_BLINDING):
            return ping
    return None


def _hangs(case: Case) -> Found | None:
    """It was connected and said things; then nothing at all, from anywhere, though it has power."""
    if not case.accepted:
        return None
    last = case.accepted[-1]
    own = case.signs_of_life(0.0)
    if not own or case.faults(last, "black-hole"):
        return None
    if case.starts and last.began < case.starts[-1].monotonic:
        return None  # that was another life: since its last start it has not been online
    silence = case.quiet_since - own[-1].monotonic
    keep_alive = case.keep_alive or 30.0
    if silence < max(1.4 * keep_alive, 3.0) or not case.undisturbed(own[-1].monotonic, case.quiet_since):
        return None
    if last.ended is not None and last.ended < own[-1].monotonic - 0.5 and own[-1].source != "console":
        return None
    closed = last.events[-1] if last.ended is not None else None
    if closed is not None and closed["how"] != "keep-alive":
        return None  # something else ended it, and what is missing is the next try
    told = f" The server's side closed the connection after {span(case.lasted(last))}." if closed is not None else ""
    heard = [e for e in own if e.source == "console"]
    return Found(
        explanation=f"It was online; its last sign of life is {own[-1].source} {own[-1].kind}, and for {span(silence)} "
        f"after that there is nothing: no packet, no ping, no console line, no reset.{told}",
        evidence=[own[-1], *([closed] if closed is not None else ())],
        confidence=0.85 if closed is not None else 0.65,
        against=(
            "from outside, a hang and a loss of the network look alike"
            + ("; but its console is silent, too" if heard else ", and its console never said anything"),
        ),
    )


def _never_online(case: Case) -> Found | None:
    if case.accepted or not case.starts:
        return None
    start = case.starts[-1]
    waited = case.quiet_since - start.monotonic
    if waited < min(case.promised("online_within", default=30.0), 5.0) or case.is_off(start.monotonic):
        return None
    tried = [a for a in case.attempts if a.began > start.monotonic]
    requests = [e for e in case.all("time", "request") if e.monotonic > start.monotonic]
    lines = [e for e in case.all("console", "line") if e.monotonic > start.monotonic]
    if tried:
        ends = "; ".join(dict.fromkeys(str(a.end) for a in tried))
        words = f"it tried {times(len(tried))}: {ends}"
    elif requests:
        words = f"it is on the network, as it asks for the time ({times(len(requests))}), but never opens a connection"
    elif lines:
        words = f"its console speaks ({len(lines)} lines, the last: {lines[-1].get('text')!r}), its network does not"
    else:
        words = "nothing at all came from it: no console line, no request, no connection"
    return Found(
        explanation=f"In {span(waited)} after its last start it was not online once; {words}.",
        evidence=[start, *(tried[-1].events[-1:] if tried else requests[-1:] or lines[-1:])],
        confidence=0.5,
        against=() if tried or requests else ("power, wiring, Wi-Fi and firmware look alike from outside",),
    )


def _lost(case: Case) -> Found | None:
    lost = [a for a in case.ended(End.LOST) if a.ended is not None and a.events[-1]["how"] in ("fin", "reset")]
    lost = [a for a in lost if case.undisturbed(a.began, a.ended or 0.0)]
    if not lost:
        return None
    last = lost[-1]
    return Found(
        explanation=f"The device itself ended an established connection without DISCONNECT, {times(len(lost))}, the "
        f"last one {span(case.lasted(last))} after it began (by {last.events[-1]['how']}).{loop(lost)}",
        evidence=last.events[-2:],
        confidence=0.4,
        against=("a router on the way that drops idle connections looks the same",),
    )


def _broker_stopped(case: Case, attempt: Attempt) -> bool:
    """Whether the broker itself was stopped, or a fault restarted it, when the connection ended."""
    return any(
        (e.source == "broker" and e.kind in ("stopped", "started"))
        or (e.kind == "fault" and e.get("name") == "restart")
        for e in case.everything
        if abs(e.monotonic - (attempt.ended or 0.0)) < 2
    )


def _server_ends(case: Case) -> Found | None:
    ended = [
        a
        for a in case.ended(End.SERVER_ENDED)
        if a.events[-1]["by"] == "broker"
        and a.events[-1]["how"] != "takeover"
        and case.undisturbed(a.began, a.ended or 0.0)
        and not _broker_stopped(case, a)
    ]
    if not ended:
        return None
    last = ended[-1]
    told = of(last, "disconnect", direction="down")
    return Found(
        explanation=f"The broker ended an established connection, {times(len(ended))}, the last one "
        f"{span(case.lasted(last))} after it began"
        + (f", with DISCONNECT 0x{told[-1]['code']:02x}" if told else f", by {last.events[-1]['how']}")
        + f".{loop(ended)}",
        evidence=last.events[-2:],
        confidence=0.45,
        against=("a broker that is stopped or restarted ends all connections",),
    )


CAUSES = (
    Cause(
        slug="keep-alive-missed",
        title="The device does not keep its own keep-alive",
        shown_by="connections closed for silence while the board has power and lives; no PINGREQ, or a late one",
        next_steps=(
            "send PINGREQ when nothing else was sent for half of the keep-alive",
            "look for a loop() or yield that is not called while the application waits or sleeps",
            "see that the timer runs in the same unit as the keep-alive (s, not ms)",
        ),
        find=_keep_alive_missed,
        outranks=("connection-lost", "telemetry-missing", "server-ends-connection", "device-hangs"),
    ),
    Cause(
        slug="ping-answer-ignored",
        title="The device does not care whether its pings are answered",
        shown_by="PINGREQ without PINGRESP, and the device still on the same connection 1.5 keep-alives later",
        next_steps=(
            "close the connection when PINGRESP has not come within the keep-alive, and connect again",
            "connected() must not tell only what the socket says: a half-open connection stays 'connected'",
        ),
        find=_ignores_pings,
        outranks=("server-ends-connection", "publish-not-resent", "command-unanswered"),
    ),
    Cause(
        slug="device-hangs",
        title="The device has stopped: no packets, no pings, no output",
        shown_by="an established connection that falls silent, closed for its keep-alive, and no sign of life after it",
        next_steps=(
            "attach a debugger or a serial console, and look where it stands",
            "enable the task watchdog, and let it reset the chip",
            "look at what it did last before the silence",
        ),
        find=_hangs,
        outranks=("no-retry", "telemetry-missing", "connection-lost"),
    ),
    Cause(
        slug="never-online",
        title="The device does not come online",
        shown_by="a start, and no CONNACK 0 after it",
        next_steps=(
            "follow it from below: power, console, Wi-Fi, time, name resolution, TCP, TLS, MQTT",
            "look at the last thing that did work, in the explanation",
        ),
        find=_never_online,
        symptom=True,
    ),
    Cause(
        slug="connection-lost",
        title="The device ends connections without DISCONNECT",
        shown_by="closes by the device with FIN or RST on connections that met no fault, while it had power",
        next_steps=("look at the device's log at that moment", "look for a restart, or for a socket closed by a timer"),
        find=_lost,
        symptom=True,
    ),
    Cause(
        slug="server-ends-connection",
        title="The broker ends connections",
        shown_by="closes by the broker on connections that met no fault and no policy",
        next_steps=("look at the broker's log at that moment", "look at the last packet that the device sent"),
        find=_server_ends,
        symptom=True,
    ),
)
