"""A case made of what the field's files show: what is likely becomes conditions, the rest hints in its file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import tomlkit
from pydantic import TypeAdapter

from hil.cases.conditions import Condition
from hil.cases.proposing.outranking import OUTRANKS
from hil.cases.proposing.remedies import POLICY, REMEDIES, Table
from hil.cases.proposing.sighting import Sighting, together
from hil.cases.signature import Signature
from hil.diagnose import CAUSES
from hil.diagnose.words import times
from hil.report.legible import legible

LIKELY: Final = 0.5
"""From how sure on something becomes a condition without anybody being asked."""
_WORTH_A_HINT: Final = 0.2

_CONDITION: Final[TypeAdapter[Any]] = TypeAdapter(Condition)
_ANY_DENIAL: Final = ("will", "subscribe", "publish")


@dataclass
class Draft:
    """What a case will hold. `hints`: lines of comments behind it. `files`: what it needs besides, by name. `told`: a
    line for each thing that was seen, and whether it was taken."""

    conditions: list[Any] = field(default_factory=list)
    signature: Signature | None = None
    options: list[str] | None = None
    hints: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)


Accept = Callable[[str], bool]
"""Asked with a sentence for each proposal; whether it is taken."""


def draft(sightings: Sequence[Sighting], accept: Accept | None = None, *, virtual: bool = False) -> Draft:
    """The draft that these sightings make.

    What the bench did is taken, and one failure: the surest sighting of all others, if it is likely. The rest is left
    as hints, since two failures at once would hide each other. With `accept` a person says what is taken. `virtual`:
    for virtual boards, whose firmware is then built with the mistake that fails so, where there is one.
    """
    made = Draft()
    policy: dict[str, str] = {}
    for sighting in _ranked(together(sightings)):
        done = sighting.what == "injected"
        remedy = REMEDIES[sighting.what]
        tables = remedy.conditions(sighting.details)
        if accept is not None and sighting.sure >= _WORTH_A_HINT:
            taken = accept(_sentence(sighting))
        else:
            taken = sighting.sure >= LIKELY and (done or made.signature is None)
        if taken:
            policy |= _policy_rules(sighting, tables)
            for table in tables:
                _add(made.conditions, table, sighting)
        if taken and not done and made.signature is None:
            made.signature = _signature(sighting)
            made.options = list(remedy.options) if virtual and remedy.options else None
        if sighting.sure >= _WORTH_A_HINT:
            made.told.append(f"{'taken' if taken else 'left as a hint'}: {_sentence(sighting)}")
            made.hints += _hints(sighting, tables, taken=taken)
    if policy:
        made.files[POLICY] = _policy_file(policy)
    return made


def _ranked(sightings: Sequence[Sighting]) -> list[Sighting]:
    """What only looks like something that is likely behind all others."""
    likely = [sighting.what for sighting in sightings if sighting.sure >= LIKELY]
    outranked = {name for what in likely for name in OUTRANKS.get(what, ())}
    return sorted(sightings, key=lambda sighting: sighting.what in outranked)


def _sentence(sighting: Sighting) -> str:
    often = f", {times(sighting.times)}" if sighting.times > len(sighting.where) else ""
    where = f" ({', '.join(sighting.where)}{often})" if sighting.where else ""
    return f"{REMEDIES[sighting.what].words}, {sighting.sure:.0%} sure: {sighting.words}{where}"


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


# -- hints ---------------------------------------------------------------------------------------------------------


def _hints(sighting: Sighting, tables: Sequence[Table], *, taken: bool) -> Iterator[str]:
    """What was not taken, what may be behind it as well, and what a person has to find out."""
    remedy = REMEDIES[sighting.what]
    left = [] if taken else tables
    if not (left or remedy.ask or remedy.perhaps or remedy.options):
        return
    yield ""
    yield f"{_sentence(sighting)}."
    if remedy.ask:
        yield f"To be found out: {remedy.ask}"
    for table in left:
        yield from _commented(table)
    if remedy.options:
        yield "A virtual board whose firmware fails so, under [firmware]:"
        yield f"options = {json.dumps(list(remedy.options))}"
    for table in remedy.perhaps:
        yield f"Or: {table.get('note', '')}"
        yield from _commented(table)


def _commented(table: Table) -> Iterator[str]:
    plain = {key: value for key, value in table.items() if key != "note"}
    yield "[[condition]]"
    for key, value in plain.items():
        yield f"{key} = {_inline(value)}"


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_inline(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    text: str = tomlkit.item(value).as_string()
    return text


def comments(hints: Sequence[str]) -> str:
    """Hints as comments for the end of case.toml; what is to be used only has to lose its '# '."""
    if not hints:
        return ""
    head = ["", "# What the files do not tell for sure, and what is left to be found out. To use something, take its",
            "# '# ' away."]  # fmt: skip
    lines = [f"# {legible(hint, keep='')}".rstrip() for hint in hints]
    return "\n".join([*head, *lines]) + "\n"
