"""The time: never asked for, not waited for, wrong for ever, or asked for too often."""

from __future__ import annotations

import itertools

from hil.attempts import Attempt, End
from hil.diagnose.case import Case, first
from hil.diagnose.cause import Cause, Found
from hil.diagnose.words import loop, since, span, times
from hil.retry import classify
from hil.timeline import Event

_DATES = {"bad_certificate", "certificate_expired", "certificate_unknown"}
"""Alerts with which stacks answer a certificate whose dates do not fit their clock."""
_WRONG = 300.0
"""Seconds by which an answer has to be wrong to matter to certificates here."""
_POLITE = 1.0
"""Seconds between two requests, after a kiss-o'-death, below which nobody can call it polite."""


def _refusals(case: Case, after: float) -> list[Attempt]:
    """Good servers that it refused for what may be a date."""
    return [
        a
        for a in case.ended(End.SERVER_REFUSED)
        if a.began >= after and (failed := first(a, "tls-failed")) is not None and failed.get("alert") in _DATES
    ]


def _wants_time(case: Case) -> bool:
    return bool(
        case.promised("time", "source", default="sntp") == "sntp" and case.promised("time", "required", default=True)
    )


def _cold(case: Case) -> list[Event]:
    """Starts that lose the clock: all but soft resets."""
    return [e for e in case.starts if e.kind != "soft"]


def _never_asks(case: Case) -> Found | None:
    cold = _cold(case)
    if not cold or not _wants_time(case):
        return None
    start = cold[-1]
    if [e for e in case.all("time", "request") if e.monotonic > start.monotonic] or case.is_off(start.monotonic):
        return None
    tried = [a for a in case.attempts if a.began > start.monotonic]
    refused = _refusals(case, start.monotonic)
    ever = case.earlier("time", "request") or case.all("time", "request")
    if not tried and case.quiet_since - start.monotonic < min(case.promised("online_within", default=30.0), 5.0):
        return None
    if not tried and not _speaks(case, start):
        return None  # nothing at all came from it: that says nothing of the time
    words = (
        f" It tried TLS all the same, and refused the good certificate {times(len(refused))}, as a clock at 1970 does."
        if refused
        else ""
    )
    return Found(
        explanation=f"In {span(case.quiet_since - start.monotonic)} after a start that lost its clock it did not ask "
        f"for the time once.{words}{loop(refused)}",
        evidence=[start, *(refused[-1].events[-1:] if refused else tried[-1].events[-1:] if tried else ())],
        confidence=0.95 if refused else 0.45 if not tried else 0.6 if ever else 0.75,
        against=(
            *(("it has asked before: the time server's address may be wrong or gone",) if ever else ()),
            *(() if tried else ("it may not have got as far as the network yet: a slow start looks the same",)),
        ),
    )


def _speaks(case: Case, start: Event) -> bool:
    return any(e.monotonic > start.monotonic for e in case.all("console", "line"))


def _too_early(case: Case) -> Found | None:
    for start in reversed(_cold(case)):
        asked = [e for e in case.all("time", "request") if e.monotonic > start.monotonic]
        answers = [
            e for e in case.all("time", "answer") if e.monotonic > start.monotonic and e.get("offset") is not None
        ]
        known = answers[0].monotonic if answers else case.quiet_since
        ends = [e.monotonic for e in case.starts if e.sequence > start.sequence]
        known = min([known, *ends])
        early = [a for a in case.attempts if start.monotonic < a.began < known - 0.005]
        met = [a for a in early if first(a, "hello") or first(a, "tls") or first(a, "tls-failed")]
        if not met or not asked or not _wants_time(case):
            continue
        one = met[0]
        refused = [a for a in met if a.end is End.SERVER_REFUSED]
        ended = one.events[-1]
        how = (
            f"{times(len(refused))} it refused the good certificate (alert "
            f"{(first(refused[0], 'tls-failed') or ended).get('alert')})"
            if refused
            else "the handshake was completed, so it cannot have judged any date"
        )
        return Found(
            explanation=f"It opened a TLS connection {since(start, one.events[0])} after its start, before it had the "
            f"time"
            + (f" (that came {span(answers[0].monotonic - one.began)} later)" if answers else "")
            + f": {how}.{loop(refused)}",
            evidence=[start, one.events[0], ended, *answers[:1]],
            confidence=0.9,
            against=() if case.promised("time", "dates") != "unchecked" else ("the contract says: dates unchecked",),
        )
    return None


def _wrong_stays(case: Case) -> Found | None:
    wrong = [e for e in case.all("time", "answer") if abs(e.get("offset") or 0.0) > _WRONG]
    if not wrong:
        return None
    asked = [e for e in case.all("time", "request") if e.sequence > wrong[-1].sequence]
    refused = _refusals(case, wrong[-1].monotonic)
    waited = case.quiet_since - wrong[-1].monotonic
    if asked or waited < 3:
        return None
    days = wrong[-1]["offset"] / 86400
    return Found(
        explanation=f"The time server's answer was wrong by {days:.1f} days; the device took it, and did not ask again "
        f"in the {span(waited)} that followed"
        + (
            f", although it refused the good certificate {times(len(refused))} because of it.{loop(refused)}"
            if refused
            else "."
        ),
        evidence=[wrong[-1], *(refused[-1].events[-1:] if refused else ())],
        confidence=0.9 if refused else 0.6,
        against=() if refused else ("its next request may simply not be due yet",),
    )


def _kiss(case: Case) -> Found | None:
    asked = [e for e in case.all("time", "request") if e.get("mode") == "kiss-of-death"]
    if len(asked) < 4:
        return None
    gaps = [b.monotonic - a.monotonic for a, b in itertools.pairwise(asked)]
    found = classify([max(gap, 0.001) for gap in gaps])
    if found.typical >= _POLITE or found.grows:
        return None
    return Found(
        explanation=f"The time server said no (kiss-o'-death), and the device asked again {times(len(gaps))}, every "
        f"{span(found.typical)}, with no growing pause: public servers bar such clients.",
        evidence=[asked[0], asked[1], asked[-1]],
        confidence=0.9,
    )


CAUSES = (
    Cause(
        slug="time-never-asked",
        title="The device never asks for the time",
        shown_by="a start that loses the clock, and no time request after it",
        next_steps=(
            "see that SNTP is started (configTime, esp_sntp_init), and after the network is up",
            "see that the time server's name and port are set",
        ),
        find=_never_asks,
        outranks=("server-not-trusted", "connects-before-time", "never-online"),
    ),
    Cause(
        slug="connects-before-time",
        title="The device connects before it has the time",
        shown_by="a TLS connection between a start that loses the clock and the first answer of the time server",
        next_steps=(
            "wait for the first synchronisation before the first TLS connection (RFC 9325, section 4)",
            "test it by cutting the power: a soft reset keeps the clock",
        ),
        find=_too_early,
        outranks=("server-not-trusted", "retry-constant", "never-online"),
    ),
    Cause(
        slug="wrong-time-kept",
        title="The device keeps a wrong time",
        shown_by="an answer that is wrong by days, and no request after it",
        next_steps=(
            "ask for the time again, regularly, and soon after a certificate was refused for its dates",
            "doubt a time that lies before the firmware was built",
        ),
        find=_wrong_stays,
        outranks=("server-not-trusted", "never-online"),
    ),
    Cause(
        slug="kiss-of-death-ignored",
        title="The device goes on asking a time server that has said no",
        shown_by="time requests in short, equal gaps while the server answers kiss-o'-death",
        next_steps=("lengthen the pause on RATE, and stop or change the server on DENY and RSTR (RFC 5905, 7.4)",),
        find=_kiss,
    ),
)
