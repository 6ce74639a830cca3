"""A case made of what the field's files show: what is likely becomes conditions, the rest hints in its file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import TypeAdapter

from hil.cases import candidates
from hil.cases.candidates import Candidate
from hil.cases.conditions import Condition
from hil.cases.proposing.hypotheses import POLICY
from hil.cases.proposing.outranking import OUTRANKS
from hil.cases.proposing.remedies import REMEDIES
from hil.cases.proposing.sighting import Sighting, together
from hil.cases.proposing.tables import Table
from hil.cases.signature import Signature
from hil.diagnose import CAUSES

LIKELY: Final = 0.5
"""From how sure on something becomes a condition without anybody being asked."""

_CONDITION: Final[TypeAdapter[Any]] = TypeAdapter(Condition)
_ANY_DENIAL: Final = ("will", "subscribe", "publish")


@dataclass
class Draft:
    """What a case will hold.

    `trial`: what ends a trial before its limit, as keys of a case's. `hints`: lines of comments behind it. `files`:
    what it needs besides, by name. `told`: lines that say what was seen, whether it was taken, and which candidates
    there are, where nobody was asked; `candidates`: how many.
    """

    conditions: list[Any] = field(default_factory=list)
    signature: Signature | None = None
    trial: dict[str, Any] = field(default_factory=dict)
    options: list[str] | None = None
    hints: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    candidates: int = 0


Accept = Callable[[str, Sequence[str], str], int | None]
"""Asked for each proposal, with a sentence, the words of its candidates, and what tells these apart; which is taken,
from 0, or None."""


def draft(
    sightings: Sequence[Sighting], accept: Accept | None = None, *, virtual: bool = False, choose: int | None = None
) -> Draft:
    """The draft that these sightings make.

    What the bench did is taken, and one failure: the surest sighting of all others, if it is likely, by the likeliest
    hypothesis of what is behind it. The rest is left as hints, since two failures at once would hide each other. With
    `accept` a person says what is taken; `choose` is the number of the candidate that is taken. `virtual`: for virtual
    boards, whose firmware is then built with the mistake that fails so, where there is one. Raises NoSuchCandidate.
    """
    made = Draft()
    policy: dict[str, str] = {}
    seen = _ranked(together(sightings))
    found = candidates.candidates(seen, virtual=virtual)
    if choose is not None:
        candidates.check(choose, found)
    for sighting, own in zip(seen, found, strict=True):
        took = _taken(sighting, own, accept, choose, first=made.signature is None)
        if took is not None:
            policy |= _policy_rules(sighting, took.hypothesis.tables)
            _take(made, took, virtual=virtual)
        if sighting.sure >= candidates.WORTH_A_WORD:
            made.told += [] if accept is not None else candidates.told(sighting, own, took)
            made.hints += candidates.hints(sighting, own, took)
    made.candidates = sum(each.number > 0 for own in found for each in own)
    if policy:
        made.files[POLICY] = _policy_file(policy)
    return made


def _taken(
    sighting: Sighting, own: Sequence[Candidate], accept: Accept | None, choose: int | None, *, first: bool
) -> Candidate | None:
    """The candidate of this sighting that is taken, if any. `first`: no failure was taken before it."""
    done = sighting.what == "injected"
    if choose is not None and not done:
        return next((each for each in own if each.number == choose), None)
    if accept is not None and sighting.sure >= candidates.WORTH_A_WORD:
        apart = REMEDIES[sighting.what].apart
        which = accept(candidates.sentence(sighting), [each.words for each in own], apart)
        return own[which] if which is not None else None
    return own[0] if sighting.sure >= LIKELY and (done or first) else None


def _take(made: Draft, took: Candidate, *, virtual: bool) -> None:
    for table in took.hypothesis.tables:
        if not any(_plays(condition, table) for condition in made.conditions):
            _add(made.conditions, table, took.sighting)
    if took.sighting.what != "injected" and made.signature is None:
        made.signature = _signature(took.sighting)
        settle = REMEDIES[took.sighting.what].settle
        made.trial = {"good": "online", "settle": settle} if settle is not None else {}
        made.options = list(took.hypothesis.options) if virtual and took.hypothesis.options else None


def _plays(condition: Any, table: Table) -> bool:
    """Whether a condition is a fault, or a mode of the time server, of the same name: what the bench did is played as
    it was, and once more would be more of it."""
    what = getattr(condition, "fault", None) or getattr(condition, "mode", None)
    return what is not None and what == (table.get("fault") or table.get("mode"))


def _ranked(sightings: Sequence[Sighting]) -> list[Sighting]:
    """What the bench did first, and what only looks like something that is likely behind all others."""
    likely = [sighting.what for sighting in sightings if sighting.sure >= LIKELY]
    outranked = {name for what in likely for name in OUTRANKS.get(what, ())}
    return sorted(sightings, key=lambda sighting: (sighting.what != "injected", sighting.what in outranked))


def _add(conditions: list[Any], table: Table, sighting: Sighting) -> None:
    """One condition more, unless one like it is there; a name that is taken gets a number."""
    table = {**table, "shown_by": list(sighting.where), "sure": round(sighting.sure, 2)}
    made = _CONDITION.validate_python(table)
    told = {"name", "shown_by", "sure", "note"}
    for other in conditions:
        if other.model_dump(exclude=told) == made.model_dump(exclude=told):
            return
    names = [other.name for other in conditions]
    name = next(n for n in (made.name, *(f"{made.name}-{k}" for k in range(2, 100))) if n not in names)
    conditions.append(made.model_copy(update={"name": name}))


def _signature(sighting: Sighting) -> Signature:
    remedy = REMEDIES[sighting.what]
    cause = sighting.details.get("cause") or (sighting.what if remedy.diagnosed else None)
    known = {each.slug for each in CAUSES}
    table: dict[str, Any] = {"summary": remedy.words}
    if sighting.what == "other-cause":
        table["summary"] = next((each.title for each in CAUSES if each.slug == cause), remedy.words)
    if seen := remedy.seen(sighting.details):
        table["seen"] = seen
    if remedy.never:
        table["never"] = [dict(never) for never in remedy.never]
    if cause in known:
        table["cause"] = cause
    if table.keys() == {"summary"}:
        table["never"] = [{"online": True}]
    return Signature.model_validate(table)


# -- the rules of a broker that nobody has described ---------------------------------------------------------------


def _policy_rules(sighting: Sighting, tables: Sequence[Table]) -> Mapping[str, str]:
    """Rules by what they are about, where a condition asks for the case's own policy file."""
    if not any(table.get("policy") == POLICY for table in tables):
        return {}
    told = sighting.details.get("what")
    action = str(sighting.details.get("action", "disconnect"))
    if told is not None:
        return {str(told): action}
    named = sighting.what.removesuffix("-denied")
    kinds = {"retain": ("will_retain", "retain"), "cut-off": _ANY_DENIAL}.get(named, (named,))
    return dict.fromkeys(kinds, action)


def _policy_file(rules: Mapping[str, str]) -> bytes:
    lines = [
        "# What the field's broker does with a client that leaves its topics, as far as the field's files show it.",
        'name = "field"',
        'title = "The broker in the field"',
        "",
        "[sources]",
        'case = "the evidence of this case"',
        "",
        "[rules]",
        *(
            f'{what} = {{ action = "{action}", certainty = "field", sources = ["case"] }}'
            for what, action in rules.items()
        ),
    ]
    return ("\n".join(lines) + "\n").encode()
