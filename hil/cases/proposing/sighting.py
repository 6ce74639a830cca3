"""Something that a file shows, and where."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

MOST_PLACES = 5
"""How many places are named for one thing."""
LONGEST_LINE = 4096
"""Characters of a line that are looked at: what it says, it says there, and a dump of a memory is one line, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One thing that was seen.

    `what`: a key of remedies.REMEDIES. `sure`: 0 to 1, how surely what stands there means that. `words`: what stands
    there. `where`: the places, such as 'device.log:17'. `times`: how often. `details`: what the remedy may use.
    """

    what: str
    sure: float
    words: str
    where: tuple[str, ...]
    times: int = 1
    details: Mapping[str, Any] = field(default_factory=dict)


class Rule(NamedTuple):
    """A line that fits `expression` is a sighting of `what`; its named groups are the details."""

    expression: re.Pattern[str]
    what: str
    sure: float
    words: str


def rule(expression: str, what: str, sure: float, words: str) -> Rule:
    """A rule, with its expression compiled."""
    return Rule(re.compile(expression), what, sure, words)


def together(sightings: Iterable[Sighting]) -> list[Sighting]:
    """Each thing once, however often and wherever it was seen; the surest first.

    Within a file a thing is as sure as its surest place. Files speak for themselves: two that are each 50 % sure of it
    make 75 %.
    """
    found: dict[tuple[str, str], list[Sighting]] = {}
    for sighting in sightings:
        key = str(sorted((k, str(v)) for k, v in sighting.details.items())) if sighting.what == "injected" else ""
        found.setdefault((sighting.what, key), []).append(sighting)
    return sorted(map(_one, found.values()), key=lambda s: -s.sure)


def _one(same: list[Sighting]) -> Sighting:
    best = max(same, key=lambda s: s.sure)
    by_file: dict[str, float] = {}
    for sighting in same:
        file = sighting.where[0].rpartition(":")[0] if sighting.where else ""
        by_file[file] = max(by_file.get(file, 0.0), sighting.sure)
    doubt = 1.0
    for sure in by_file.values():
        doubt *= 1 - sure
    places = tuple(dict.fromkeys(place for sighting in same for place in sighting.where))
    return replace(
        best,
        sure=min(0.99, 1 - doubt),
        where=places[:MOST_PLACES],
        times=sum(sighting.times for sighting in same),
    )
