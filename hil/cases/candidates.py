"""What the field's files may mean, numbered: each hypothesis of each thing that was seen, and how it is said.

`hil case new` plays one of them; `--choose N` another.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import tomlkit

from hil.cases.proposing.hypotheses import Hypothesis
from hil.cases.proposing.remedies import REMEDIES
from hil.cases.proposing.sighting import Sighting
from hil.cases.proposing.tables import Table
from hil.diagnose.words import times
from hil.report.legible import legible

WORTH_A_WORD: Final = 0.2
"""From how sure on a sighting is told of at all."""


class NoSuchCandidate(ValueError):
    """A number that no candidate has. One line, with what there is."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One hypothesis of one sighting. `number` from 1, through all of them; 0: by no number to be chosen.

    `also`: others that are played alike, and differ in a virtual board's firmware alone.
    """

    number: int
    sighting: Sighting
    hypothesis: Hypothesis
    also: tuple[Hypothesis, ...] = ()

    @property
    def words(self) -> str:
        """What it is, for people."""
        return ", or ".join(each.words for each in (self.hypothesis, *self.also))


def candidates(sightings: Sequence[Sighting], *, virtual: bool) -> list[list[Candidate]]:
    """Those of each sighting, in order, at least one. What the bench did has no number, nor what is next to nothing.

    For a real board those that differ in a virtual board's firmware alone are one: it has the firmware that it has.
    """
    number = 0
    found = []
    for sighting in sightings:
        numbered = sighting.what != "injected" and sighting.sure >= WORTH_A_WORD
        own: list[Candidate] = []
        for hypothesis in REMEDIES[sighting.what].hypotheses(sighting.details):
            same = [n for n, each in enumerate(own) if _alike(each.hypothesis, hypothesis, virtual=virtual)]
            if same:
                own[same[0]] = replace(own[same[0]], also=(*own[same[0]].also, hypothesis))
            else:
                number += numbered
                own.append(Candidate(number if numbered else 0, sighting, hypothesis))
        found.append(own)
    return found


def _alike(one: Hypothesis, other: Hypothesis, *, virtual: bool) -> bool:
    return list(one.tables) == list(other.tables) and (not virtual or one.options == other.options)


def check(choose: int, found: Sequence[Sequence[Candidate]]) -> None:
    """Raise NoSuchCandidate, unless one of them has this number."""
    every = [each for own in found for each in own if each.number]
    if any(each.number == choose for each in every):
        return
    if not every:
        raise NoSuchCandidate(f"--choose: found {choose}, but the files show nothing that could be chosen")
    known = "; ".join(f"{each.number}. {each.words}" for each in every)
    raise NoSuchCandidate(f"--choose: found {choose}, expected a number from 1 to {len(every)}: {known}")


# -- in words ------------------------------------------------------------------------------------------------------


def sentence(sighting: Sighting) -> str:
    """What was seen, how sure that is, and where."""
    often = f", {times(sighting.times)}" if sighting.times > len(sighting.where) else ""
    where = f" ({', '.join(sighting.where)}{often})" if sighting.where else ""
    return f"{REMEDIES[sighting.what].words}, {sighting.sure:.0%} sure: {sighting.words}{where}"


def told(sighting: Sighting, own: Sequence[Candidate], took: Candidate | None) -> Iterator[str]:
    """Lines for the terminal: the sighting, and under it what may be behind it."""
    yield f"{_number(own)}{'taken' if took is not None else 'left as a hint'}: {sentence(sighting)}"
    if len(own) == 1:
        return
    for each in own:
        yield f"  {each.number}. {each.words}{' (taken)' if each is took else ''}"
    if apart := REMEDIES[sighting.what].apart:
        yield f"  told apart by: {apart}"


def _number(own: Sequence[Candidate]) -> str:
    """The number before a sighting that has one candidate alone."""
    return f"{own[0].number}. " if len(own) == 1 and own[0].number else ""


def hints(sighting: Sighting, own: Sequence[Candidate], took: Candidate | None) -> Iterator[str]:
    """Comments for the case's file: what was not taken, and what a person has to find out."""
    remedy = REMEDIES[sighting.what]
    if took is not None and len(own) == 1 and not (remedy.ask or own[0].hypothesis.options):
        return
    yield ""
    yield f"{_number(own)}{sentence(sighting)}."
    if remedy.ask:
        yield f"To be found out: {remedy.ask}"
    if len(own) > 1 and remedy.apart:
        yield f"Told apart by: {remedy.apart}"
    for each in own:
        if len(own) > 1:
            yield f"{each.number}. {each.words}{'; it stands above' if each is took else ''}"
        if each is not took:
            for table in each.hypothesis.tables:
                yield from _commented(table)
        for hypothesis in (each.hypothesis, *each.also):
            if hypothesis.options:
                yield f"A virtual board whose firmware fails so ({hypothesis.words}), under [firmware]:"
                yield f"options = {json.dumps(list(hypothesis.options))}"


def _commented(table: Table) -> Iterator[str]:
    yield "[[condition]]"
    for key, value in table.items():
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
    head = [
        "",
        "# What the files do not tell for sure, and what is left to be found out. To use something, take its '# '",
        "# away. `hil case new` with `--choose N` makes a case with number N, and its signature, in its place.",
    ]
    lines = [f"# {legible(hint, keep='')}".rstrip() for hint in hints]
    return "\n".join([*head, *lines]) + "\n"
