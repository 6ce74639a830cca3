"""What a timeline of a bench shows: what the bench did to the board, and what `hil diagnose` makes of the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hil import diagnose as diagnoses
from hil.cases import making
from hil.cases.proposing.remedies import REMEDIES
from hil.cases.proposing.sighting import Sighting
from hil.credentials import Flaw
from hil.diagnose import CANNOT_TELL, Diagnosis, Stretch
from hil.gateway import policies
from hil.timeline import Event

_SCHEDULE: Final = ("count", "skip", "seconds", "probability", "seed")
_NAMESPACE: Final = re.compile(r"the namespace is (?P<templates>.+)$")
_STARTS: Final = {("power", "on"): "power-cycle", ("reset", "hard"): "hard-reset", ("reset", "soft"): "soft-reset"}
_CONTEXT: Final = {("board", "contract"), ("flash", "firmware")}


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a timeline that a case is about: its events, what they show, and what is known besides.

    `facts`: the firmware's version and hash, as `flash` `firmware` tells them. `steps`: how the board was started.
    """

    stretch: Stretch
    events: list[Event]
    sightings: list[Sighting]
    facts: Mapping[str, Any]
    steps: list[dict[str, Any]]


def surest(
    name: str, workers: Mapping[str, Sequence[Event]], *, board: str | None = None, test: str | None = None
) -> Part:
    """Like `look`, of what several workers saw: each counts its own connections, so each is looked at by itself.

    Raises ValueError where none of them has such a board or test.
    """
    parts, errors = [], []
    for events in workers.values():
        try:
            parts.append(look(name, events, board=board, test=test))
        except ValueError as error:
            errors.append(error)
    if not parts:
        raise errors[-1] if errors else ValueError(f"{name}: no board is on this timeline")
    return max(parts, key=lambda part: max((s.sure for s in part.sightings), default=0.0))


def look(name: str, events: Sequence[Event], *, board: str | None = None, test: str | None = None) -> Part:
    """The stretch of one board that most surely went wrong, or the one whose test has `test` in its name.

    Raises ValueError, in one line, where there is no such board or test.
    """
    known = diagnoses.boards(events)
    if not known:
        raise ValueError(f"{name}: no board is on this timeline")
    if board is not None and board not in known:
        raise ValueError(f"{name}: no board {board!r} on this timeline; it has: {', '.join(known)}")
    stretches = [s for b in ([board] if board is not None else known) for s in diagnoses.stretches(events, b)]
    if test is not None:
        stretches = [stretch for stretch in stretches if test in stretch.name]
        if not stretches:
            raise ValueError(f"{name}: no test with {test!r} in its name on this timeline")
    judged = [(s, diagnoses.diagnose(events, s.board, after=s.after, before=s.before)) for s in stretches]
    stretch, found = max(judged, key=lambda each: each[1][0].confidence if each[1] else 0.0)
    inside = [
        e
        for e in events
        if e.board in (stretch.board, None)
        and (e.sequence >= stretch.after or (e.source, e.kind) in _CONTEXT)
        and (stretch.before is None or e.sequence < stretch.before)
    ]
    after = [e for e in inside if e.sequence >= stretch.after]
    sightings = [*_injected(name, after), *(_diagnosed(name, d, after) for d in found if d.cause != CANNOT_TELL)]
    return Part(stretch, inside, sightings, _facts(inside), _steps(after))


def _injected(name: str, events: Sequence[Event]) -> list[Sighting]:
    found = []
    for event in events:
        if event.kind == "fault" and event.get("state") == "armed" and event.source in ("gateway", "time"):
            table = _table(event)
            if table is not None:
                words = f"the bench armed {event['name']}"
                where = (f"{name}:#{event.sequence}",)
                found.append(
                    Sighting(what="injected", sure=0.95, words=words, where=where, details={"condition": table})
                )
    return found


def _table(event: Event) -> dict[str, Any] | None:
    """The armed fault, or mode of the time server, as a condition; None where a case has no words for it."""
    name, of_gateway = str(event["name"]), event.source == "gateway"
    known: Mapping[str, type[Any]] = making.FAULTS if of_gateway else making.MODES
    if name not in known:
        return None
    fields = making.parameter_names(known[name])
    parameters = {key: value for key, value in event.data.items() if key in fields and value is not None}
    try:
        _ = making.fault(name, parameters) if of_gateway else making.mode(name, parameters)
    except ValueError:
        return None  # such as one whose parameters are certificates, which no timeline holds
    kind, key = ("gateway-fault", "fault") if of_gateway else ("time-server", "mode")
    table: dict[str, Any] = {"name": name, "kind": kind, key: name}
    if parameters:
        table["parameters"] = parameters
    when = {k: v for k, v in (event.get("schedule") or {}).items() if k in _SCHEDULE}
    return table | ({"when": when} if when else {})


def _diagnosed(name: str, diagnosis: Diagnosis, events: Sequence[Event]) -> Sighting:
    where = tuple(f"{name}:#{event.sequence}" for event in diagnosis.evidence)
    details: dict[str, Any] = {"cause": diagnosis.cause}
    denied = next((e for e in reversed(events) if e.kind == "denied"), None)
    if denied is not None and diagnosis.cause.endswith("-denied"):
        details |= _denial(denied)
    failed = next((e for e in reversed(events) if e.kind == "tls-failed" and e.get("verify_code")), None)
    if failed is not None and diagnosis.cause == "client-certificate-refused":
        details |= _chain_flaw(failed["verify_code"])
    refused = next((e for e in reversed(events) if e.kind == "connack" and e.get("code")), None)
    if refused is not None:
        details["code"] = refused["code"]
    what = diagnosis.cause if diagnosis.cause in REMEDIES else "other-cause"
    return Sighting(what=what, sure=diagnosis.confidence, words=diagnosis.explanation, where=where, details=details)


def _chain_flaw(verify_code: int) -> dict[str, Any]:
    """The flaw that makes OpenSSL say this of a device's chain; several do of some, and the usual one is named."""
    usual = [Flaw.NO_CERT_SIGN, Flaw.UNKNOWN_AUTHORITY, *Flaw]
    fitting = [flaw.value for flaw in usual if flaw.verdict == verify_code]
    return {"flaw": fitting[0]} if fitting else {}


def _denial(denied: Event) -> dict[str, Any]:
    found: dict[str, Any] = {"what": denied["what"], "action": denied["action"], "topic": denied.get("topic")}
    if denied.get("policy") in policies.names():
        found["known_policy"] = denied["policy"]
    named = _NAMESPACE.search(str(denied.get("rule")))
    if named is not None:
        found["allowed"] = named["templates"].split(", ")
    return found


def _facts(events: Sequence[Event]) -> Mapping[str, Any]:
    told = [e for e in events if (e.source, e.kind) == ("flash", "firmware")]
    return dict(told[-1].data) if told else {}


def _steps(events: Sequence[Event]) -> list[dict[str, Any]]:
    """How the board was started, one after the other; power that comes on is a power cycle of a board that is off."""
    found: list[dict[str, Any]] = []
    for event in events:
        if event.source in ("flash", "provision"):
            found.clear()  # these starts made it ready, and are no part of the failure
        do = _STARTS.get((event.source, event.kind))
        if do is None:
            continue
        if found and found[-1]["do"] == do:
            found[-1]["times"] = found[-1].get("times", 1) + 1
        else:
            found.append({"do": do})
    return found
