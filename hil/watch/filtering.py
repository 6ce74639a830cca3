"""The small language of filters and searches; LANGUAGE describes it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from hil.lanes import BAD, GOOD, LANES, ODD, PLAIN
from hil.watch.row import Row

LANGUAGE = """\
    connect                  the word stands somewhere in the line, in small or large letters
    "got ip"                 a phrase
    kind:hard                exactly this; so for source, board, lane and worker; * stands for anything
    kind:connect,connack     one of these
    is:bad                   a failure by itself; odd: worth a look; good: what one hopes for; plain: the rest
    -console                 not this; before anything of the above

All that is said has to be so. A colon behind any other word is a part of it: `rst:0x1` is looked for as it is.
"""
"""For people."""

TONES = {"bad": BAD, "odd": ODD, "good": GOOD, "plain": PLAIN}

_FIELDS: dict[str, Callable[[Row], str]] = {
    "board": lambda row: row.board or "",
    "source": lambda row: row.event.source,
    "kind": lambda row: row.event.kind,
    "lane": lambda row: row.lane.replace(" ", "-"),
    "worker": lambda row: row.worker,
}
_SPLIT = re.compile(r'(?:"[^"]*"?|[^\s"])+')


class FilterError(ValueError):
    """A filter that says nothing. One line: what was found, what is expected."""


Test = Callable[[Row], bool]


@dataclass(frozen=True)
class Filter:
    """A filter or search as it was typed, ready to be asked. `words` are those it looks for, to be shown as found."""

    text: str
    tests: tuple[Test, ...] = ()
    words: tuple[str, ...] = ()

    def __call__(self, row: Row) -> bool:
        return all(test(row) for test in self.tests)

    def __bool__(self) -> bool:
        return bool(self.tests)


EVERYTHING = Filter("")


def parse(text: str) -> Filter:
    """The filter that `text` says; EVERYTHING for an empty one. Raises FilterError."""
    tests: list[Test] = []
    words: list[str] = []
    for term in _SPLIT.findall(text):
        negated = term.startswith("-") and len(term) > 1
        test, word = _test(term[1:] if negated else term)
        if word and not negated:
            words.append(word)
        tests.append(_not(test) if negated else test)
    return Filter(text.strip(), tuple(tests), tuple(words))


def _test(term: str) -> tuple[Test, str]:
    """What a term asks, and the word that it looks for, if it does."""
    name, colon, wanted = term.partition(":")
    name = name.casefold()
    if colon and (name in _FIELDS or name == "is"):
        chosen = [one for one in wanted.replace('"', "").casefold().split(",") if one]
        if not chosen:
            raise FilterError(f"found {term!r}, expected a value behind the colon")
        return (_is(chosen) if name == "is" else _field(name, chosen)), ""
    word = term.replace('"', "").casefold()
    return (lambda row: word in row.searched), word


def _is(chosen: list[str]) -> Test:
    unknown = [one for one in chosen if one not in TONES]
    if unknown:
        raise FilterError(f"found is:{unknown[0]}, expected one of {', '.join(TONES)}")
    tones = {TONES[one] for one in chosen}
    return lambda row: row.tone in tones


def _field(name: str, patterns: list[str]) -> Test:
    known = [lane.casefold().replace(" ", "-") for lane in LANES]
    if name == "lane":
        for pattern in patterns:
            if not any(fnmatchcase(lane, pattern) for lane in known):
                raise FilterError(f"found lane:{pattern}, expected one of {', '.join(known)}")
    read = _FIELDS[name]

    def test(row: Row) -> bool:
        found = read(row).casefold()
        return any(found == pattern or fnmatchcase(found, pattern) for pattern in patterns)

    return test


def _not(test: Test) -> Test:
    return lambda row: not test(row)
