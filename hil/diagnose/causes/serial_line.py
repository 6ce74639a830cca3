"""Boards without a network: what they say on their line, and what they leave unsaid. See hil.link."""

from __future__ import annotations

from hil.diagnose.case import Case
from hil.diagnose.cause import Cause, Found
from hil.diagnose.words import listed, span, times
from hil.timeline import Event

_LINK_BREAKS = (
    *("no-retry", "device-hangs", "never-online", "connection-lost", "not-resubscribed", "telemetry-missing"),
    *("command-unanswered", "quick-boots-lock-out", "server-ends-connection", "time-never-asked", "soft-reset-hang"),
)
"""What the link's connections look like when the board is silent: it is not the link that is wrong."""


def _silences(case: Case) -> list[Event]:
    """Where the link took the board for dead because it said nothing, though it had power."""
    found = [e for e in case.all("link", "dead") if str(e.get("why")) == "silence"]
    return [e for e in found if case.undisturbed(e.monotonic - float(e.get("seconds") or 0.0), e.monotonic)]


def _alive_after(case: Case, event: Event) -> Event | None:
    return next((e for e in case.all("link", "alive") if e.sequence > event.sequence), None)


def _taken_for_dead(case: Case) -> Found | None:
    for dead in reversed(_silences(case)):
        alive = _alive_after(case, dead)
        if alive is None or not case.undisturbed(dead.monotonic, alive.monotonic):
            continue
        limit = case.promised("link", "silence", default=0.0)
        return Found(
            explanation=f"It said nothing for {span(float(dead['seconds']))}, the link took it for dead, and it spoke "
            f"again {span(alive.monotonic - dead.monotonic)} later without having restarted; this happened "
            f"{times(len(_silences(case)))}. Its contract promises a line every {limit:g} s (link.silence).",
            evidence=[dead, alive],
            confidence=0.9,
            against=("a line that loses everything for so long looks the same",),
        )
    return None


def _line_silent(case: Case) -> Found | None:
    if case.promised("link") is None or case.is_off(case.until) or case.is_lent(case.until):
        return None
    silences = _silences(case)
    start = case.starts[-1] if case.starts else None
    if silences and (start is None or start.sequence < silences[-1].sequence):
        if _alive_after(case, silences[-1]) is not None:
            return None
        begin, told = silences[-1], [silences[-1]]
        words = f"It was alive, and then said nothing for {span(float(begin['seconds']))}; nor has it since"
    elif start is not None and _alive_after(case, start) is None:
        begin, told = start, [start]
        words = f"Since it was started {span(case.until - start.monotonic)} ago it has not said one message"
        if case.until - start.monotonic < float(case.promised("link", "silence", default=3.0)):
            return None
    else:
        return None
    lines = [e for e in case.all("console", "line") if e.sequence > begin.sequence]
    heard = f", only {len(lines)} lines that are no messages" if lines else ", and no other line"
    return Found(
        explanation=f"{words}{heard}. It has power; its port is there.",
        evidence=[*told, *lines[-1:]],
        confidence=0.85,
        against=("a wire that has come off looks the same",),
    )


def _lines_unreadable(case: Case) -> Found | None:
    bad = case.all("link", "bad-line")
    if not bad:
        return None
    why = listed(dict.fromkeys(str(e["reason"]) for e in bad), most=3)
    return Found(
        explanation=f"{times(len(bad)).capitalize()} it said something that is no line of the protocol: {why}. What it "
        "meant to say reached nobody.",
        evidence=bad[-3:],
        confidence=0.7,
        against=("noise on the line, or a restart in the middle of a line, looks the same",),
    )


CAUSES = (
    Cause(
        slug="taken-for-dead",
        title="The device is silent for longer than its contract says",
        shown_by="link.dead for silence and link.alive after it, with no start between, while it had power",
        next_steps=(
            "send something at least as often as link.silence says: {} is enough",
            "look for what blocks its loop: delays, a sensor that is waited for",
        ),
        find=_taken_for_dead,
        outranks=_LINK_BREAKS,
    ),
    Cause(
        slug="line-silent",
        title="The device says nothing on its line",
        shown_by="link.dead for silence, or a start, and no link.alive after it, though it has power",
        next_steps=(
            "look at its console log: is there text, and are there line ends?",
            "look where it stands: at start, before the first line; later, after the last one",
            "enable the watchdog, and let it reset the chip",
        ),
        find=_line_silent,
        outranks=_LINK_BREAKS,
    ),
    Cause(
        slug="lines-unreadable",
        title="The device says lines that cannot be read",
        shown_by="link.bad-line",
        next_steps=(
            "look at the text in the event: a missing brace, a line end in the middle, quotes that are not escaped?",
            "look for two places of the firmware that print at once, and for a buffer that is too small",
        ),
        find=_lines_unreadable,
    ),
)
