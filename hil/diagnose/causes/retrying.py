"""How it tries again: not at all, too soon, or not as promised."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from hil.attempts import Attempt, End
from hil.diagnose.case import Case, Pause, first
from hil.diagnose.cause import Cause, Found
from hil.diagnose.words import listed, span, times
from hil.retry import Kind, RetryPattern, classify
from hil.timeline import Event

_ENOUGH = 4
"""Pauses that say something about a series."""
_ENOUGH_FOR_JITTER = 6
"""Pauses without which nobody can say that there is nothing random in them."""
_NOISY = 0.15
"""Seconds below which a pause is blurred by the host."""
_LOOSE = 0.08
"""How far the growth from one pause to the next may differ, where nothing is random."""


def _failures(case: Case) -> list[Pause]:
    """The longest series of pauses after connections that did not hold for as long as the longest pause: that ends one,
    and so does whoever switches or resets the board."""
    longest: list[Pause] = []
    row: list[Pause] = []
    for pause in case.pauses:
        if pause.before.accepted_by_broker and case.lasted(pause.before) >= case.longest_pause:
            row = []
            continue
        row = [*row, pause] if row and row[-1].after is pause.before else [pause]
        longest = max(longest, row, key=len)
    return longest


def _pattern(case: Case, pauses: list[Pause]) -> RetryPattern:
    return classify([max(p.seconds, 0.001) for p in pauses], case.promised("retry", "most"))


def _shown(pauses: list[Pause]) -> str:
    return listed((span(p.seconds) for p in pauses), 8)


def _evidence(pauses: list[Pause]) -> list[Event]:
    return [pauses[0].before.events[-1], *(p.after.events[0] for p in pauses[:6])]


def _storm(case: Case) -> Found | None:
    pauses = _failures(case)
    if len(pauses) < 3:
        return None
    lengths = sorted(p.seconds for p in pauses)
    typical, short = lengths[len(pauses) // 2], lengths[max(1, len(pauses) // 4)]
    promised = case.promised("retry", "first")
    # A busy host only adds to a pause: a quarter of short ones is enough, if the others are not long.
    limit = 0.6 * promised if promised else 0.05
    if short > limit or typical > 2 * limit or case.promised("retry", "kind") == "none":
        return None
    return Found(
        explanation=f"After a failed connection it tries again at once: {len(pauses)} pauses, the middle one "
        f"{span(typical)} ({_shown(pauses)})" + (f"; it promises {span(promised)} at first." if promised else "."),
        evidence=_evidence(pauses),
        confidence=0.9,
    )


def _of_kind(kind: Kind, wrong_for: tuple[str, ...], cost: str) -> Callable[[Case], Found | None]:
    def find(case: Case) -> Found | None:
        promised = case.promised("retry", "kind", default="exponential-jitter")
        pauses = _failures(case)
        if promised not in wrong_for or len(pauses) < (_ENOUGH_FOR_JITTER if kind == "exponential" else _ENOUGH):
            return None
        found = _pattern(case, pauses)
        if found.kind != kind or (kind == "exponential" and not _strict(case, pauses)):
            return None
        least = case.promised("retry", "most", default=60.0)
        at_ceiling = kind == "constant" and found.typical > 0.45 * least
        if at_ceiling:
            return None  # a back-off that has reached its ceiling is constant, too
        others = [f"{k} {share:.0%}" for k, share in found.shares.items() if k != kind and share > 0.1]
        return Found(
            explanation=f"Its {len(pauses)} pauses between failed connections are {_words(found)} ({_shown(pauses)}); "
            f"its contract promises {promised}. {cost}",
            evidence=_evidence(pauses),
            confidence=min(0.9, found.confidence),
            against=(f"with {len(pauses)} pauses it could also be: {listed(others)}",) if others else (),
        )

    return find


def _strict(case: Case, pauses: list[Pause]) -> bool:
    """Whether each pause is the same multiple of the one before, as far as the host's noise lets one see."""
    ceiling = 0.95 * float(case.promised("retry", "most", default=float("inf")))
    lengths = [p.seconds for p in pauses if _NOISY < p.seconds < ceiling]
    ratios = [after / before for before, after in itertools.pairwise(lengths) if after > 1.1 * before]
    middle = sorted(ratios)[len(ratios) // 2] if ratios else 1.0
    return len(ratios) >= 3 and all(abs(ratio / middle - 1) < _LOOSE for ratio in ratios)


def _words(found: RetryPattern) -> str:
    return {
        "constant": f"equal, some {span(found.typical)}",
        "linear": "growing by the same amount each time",
        "exponential": f"growing by a factor of {found.growth:.1f} each time, with nothing random in them",
    }.get(found.kind, found.kind)


def _refused_in_a_row(case: Case) -> list[Pause]:
    """The longest series of refusals with nothing else between them: a success between two begins a new back-off."""
    longest: list[Pause] = []
    row: list[Pause] = []
    for pause in case.pauses:
        if pause.before.end is not End.CONNECT_REFUSED:
            row = []
            continue
        row = [*row, pause] if row and row[-1].after is pause.before else [pause]
        longest = max(longest, row, key=len)
    return longest


def _hammered(case: Case) -> Found | None:
    refused = _refused_in_a_row(case)
    others = [p for p in _failures(case) if p.before.end is not End.CONNECT_REFUSED]
    promised = case.promised("retry", "kind", default="exponential-jitter")
    if len(refused) < _ENOUGH or promised in ("none", "constant"):
        return None
    found = _pattern(case, refused)
    if found.grows or found.typical > 0.45 * case.longest_pause:
        return None
    code = first(refused[-1].before, "connack")
    tells = len(others) >= _ENOUGH and _pattern(case, others).grows
    return Found(
        explanation=f"The broker refused the CONNECT with code {code['code'] if code else '?'}, and the device came "
        f"again {times(len(refused))}, each time after some {span(found.typical)} ({_shown(refused)}): a refusal does "
        f"not lengthen its pauses.",
        evidence=_evidence(refused),
        confidence=0.95 if tells else 0.85,
        against=() if tells else ("no other failure was seen: perhaps its pauses never grow (retry-constant)",),
    )


def _silent(case: Case) -> tuple[Attempt, float, float] | None:
    """The last connection, for how long the board has not come again since, if that is too long, and how sure that is:
    0.75 where the next try is just overdue, 1 where twice the time has gone by."""
    if not case.attempts:
        return None
    last = case.attempts[-1]
    if last.ended is None or last.end is End.DISCONNECTED:
        return None
    end = min([case.quiet_since, *(e.monotonic for e in case.starts if e.monotonic > last.ended)])
    away = end - last.ended
    enough = max(_due(case), 2.0)
    return (
        (last, away, min(1.0, 0.5 + 0.25 * away / enough)) if away >= enough and not case.is_off(last.ended) else None
    )


def _due(case: Case) -> float:
    """Seconds after which the next try is overdue: with a promised back-off, of so many failures as there were."""
    most, first_pause = case.longest_pause, case.promised("retry", "first")
    if first_pause is None:
        return 1.2 * most
    failures = 0
    for pause in reversed(_failures(case)):
        if pause.after is not case.attempts[-1 - failures]:
            break
        failures += 1
    return float(min(1.2 * most, 3 * first_pause * 2.0**failures))


def _by_server(attempt: Attempt) -> bool:
    close = attempt.events[-1]
    return attempt.accepted_by_broker and close["by"] in ("broker", "gateway") and close["how"] != "keep-alive"


def _no_retry(case: Case) -> Found | None:
    silent = _silent(case)
    if silent is None or case.promised("retry", "kind") == "none":
        return None
    last, away, sure = silent
    assert last.ended is not None
    alive = case.signs_of_life(last.ended + 0.5)
    tried = len(_failures(case))
    return Found(
        explanation=f"Connection {last.connection} ended ({last.end}{', ' + last.detail if last.detail else ''}), and "
        f"the device did not come again in the {span(away)} that followed; by its promises the next try "
        f"was due within {span(_due(case))}."
        + (f" It is alive: {len(alive)} signs of it since, such as {alive[-1]}." if alive else ""),
        evidence=[last.events[-1], *alive[-1:]],
        confidence=sure * (0.55 if tried >= 2 else 0.85 if alive else 0.7),
        against=(
            *((f"it did try again {times(tried)} before",) if tried else ()),
            *(() if alive else ("nothing else was heard of it either: it may hang, or have lost its network",)),
        ),
    )


def _obeys(case: Case) -> Found | None:
    silent = _silent(case)
    if silent is None or not _by_server(silent[0]):
        return None
    last, away, sure = silent
    told = [e for e in last.events if e.kind == "disconnect" and e.get("direction") == "down"]
    how = f"sent DISCONNECT 0x{told[-1]['code']:02x}" if told else "closed the connection"
    return Found(
        explanation=f"The server {how} {span(case.lasted(last))} after the connection began, and the device stayed "
        f"away for the {span(away)} that followed: it takes the end of a connection for a farewell.",
        evidence=[*told[-1:], last.events[-1]],
        confidence=0.9 * sure,
        against=("no other failure was seen here: perhaps it never tries again",) if not case.pauses else (),
    )


_EXPONENTIAL = ("exponential", "exponential-jitter")

CAUSES = (
    Cause(
        slug="reconnect-storm",
        title="The device tries again with no pause",
        shown_by="three or more failed connections with next to no time between them",
        next_steps=(
            "wait before each try, also where connect() returns at once with an error",
            "look for a second place that reconnects (an event handler and the main loop)",
        ),
        find=_storm,
        outranks=("retry-constant", "retry-without-jitter", "retry-linear", "refusals-hammered"),
    ),
    Cause(
        slug="refusals-hammered",
        title="The device does not back off when its CONNECT is refused",
        shown_by="equal, short pauses after CONNACKs that refuse",
        next_steps=(
            "reset the back-off only once a connection has lasted, not when TLS or TCP has succeeded",
            "take a refusal for a failure like any other, or a worse one",
        ),
        find=_hammered,
        outranks=("retry-constant", "connect-refused"),
    ),
    Cause(
        slug="retry-constant",
        title="The pauses between tries do not grow",
        shown_by="four or more pauses that are equal (hil.retry), where growing ones are promised",
        next_steps=(
            "double the pause after each failure, up to a ceiling, and add randomness",
            "esp-mqtt waits 10 s each time by itself: reconnect_timeout_ms is not a back-off",
        ),
        find=_of_kind("constant", ("linear", *_EXPONENTIAL), "A broker that restarts is asked by all devices at once."),
    ),
    Cause(
        slug="retry-linear",
        title="The pauses between tries grow by the same amount",
        shown_by="four or more pauses on a straight line (hil.retry), where exponential ones are promised",
        next_steps=("multiply the pause instead of adding to it; Device Advisor fails linear growth",),
        find=_of_kind("linear", _EXPONENTIAL, "While a broker is down for long, that is too many tries."),
    ),
    Cause(
        slug="retry-without-jitter",
        title="The pauses between tries grow, but with nothing random in them",
        shown_by="six or more pauses that are strictly exponential (hil.retry), where jitter is promised",
        next_steps=(
            "draw each pause at random from a part of its range, from a random source that differs between boards",
        ),
        find=_of_kind("exponential", ("exponential-jitter",), "Devices that were cut off together come back together."),
    ),
    Cause(
        slug="stays-away-after-server-close",
        title="The device stays away once the server has ended the connection",
        shown_by="an established connection ended by the server, and no new one for longer than any promised pause",
        next_steps=(
            "treat a DISCONNECT or close by the server as a lost connection: pause, and connect again",
            "look for code that stops the client in its 'disconnected' handler",
        ),
        find=_obeys,
        outranks=("no-retry", "device-hangs", "never-online", "session-present-believed"),
    ),
    Cause(
        slug="no-retry",
        title="The device does not try again",
        shown_by="a connection that failed or was lost, and no new one for longer than any promised pause",
        next_steps=(
            "put the connect into a loop with a back-off, for the first connection as well as for later ones",
            "look for a return or a 'fatal error' state behind the first failure",
        ),
        find=_no_retry,
        outranks=("never-online",),
    ),
)
