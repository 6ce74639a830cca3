"""The questions of `hil case new`, few and plain, for a person at a terminal."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from hil.cases.creating import KINDS, Told
from hil.cases.drafting import Accept
from hil.cases.proposing.recognising import EvidenceError, recognise
from hil.cases.proposing.sighting import Sighting

Ask = Callable[[str], str]
"""Shows a question, and returns the line that was answered. Raises EOFError where nothing more comes."""
Say = Callable[[str], None]

LOOKS: Final = (
    ("it never comes online", "never-online"),
    ("it connects and is cut off, again and again", "cut-off"),
    ("it loses its connection now and then", "connection-lost"),
    ("one connection fails, and it does not try again", "no-retry"),
    ("it crashes, or starts anew by itself", "crash"),
    ("it fails after its power was cut", "time-never-asked"),
)
"""What a failure looks like from outside: the answer to choose, and what is seen by it."""


def tell(ask: Ask, say: Say) -> Told:
    """Ask for what a case needs. An empty answer leaves a thing out, but for the title."""
    title = ""
    while not title:
        title = ask("What goes wrong, in a line? ").strip()
    story = ask("What happened, and when does it happen? ").strip()
    source = ask("Where was it (a site, a customer's number; no names)? ").strip()
    version = ask("Which firmware version? ").strip()
    return Told(
        title=title,
        story=story,
        source=source,
        reported=_date(ask, say),
        version=version or None,
        files=_files(ask, say),
        look=lambda: _looks(ask, say),
    )


def _date(ask: Ask, say: Say) -> datetime.date | None:
    while True:
        answer = ask("On which day (YYYY-MM-DD)? ").strip()
        if not answer:
            return None
        try:
            return datetime.date.fromisoformat(answer)
        except ValueError:
            say(f"found {answer!r}, expected a day such as 2026-11-20, or nothing")


def _files(ask: Ask, say: Say) -> list[Path]:
    found: list[Path] = []
    say("Which files are there of it: a log of the device or the broker, a pcap, its certificates, a timeline, a run?")
    while True:
        answer = ask("A file, or nothing when that was all: ").strip()
        if not answer:
            return found
        try:
            for path in _paths(answer):
                say(f"{path}: {KINDS[recognise(path).kind]}")
                found.append(path)
        except EvidenceError as error:
            say(str(error))


def _paths(answer: str) -> list[Path]:
    """The path that was answered, or several, in quotes where one has a space in it. Raises EvidenceError."""
    whole = Path(answer).expanduser()
    if whole.exists():
        return [whole]
    try:
        return [Path(word).expanduser() for word in shlex.split(answer)]
    except ValueError:
        raise EvidenceError(f"found {answer!r}: a quote that is not closed, and no file of that name") from None


def accepting(ask: Ask, say: Say) -> Accept:
    """A function that shows a proposal and asks whether to take it, and which of its candidates; an empty answer is
    yes, and the first."""

    def accept(sentence: str, candidates: Sequence[str], apart: str) -> int | None:
        say(f"It looks as if {sentence}.")
        while (answer := ask("Take it? [Y/n] ").strip().lower()) not in ("", "y", "yes", "n", "no"):
            say(f"found {answer!r}, expected y or n")
        if answer.startswith("n"):
            return None
        return _which(candidates, apart, ask, say) if len(candidates) > 1 else 0

    return accept


def _which(candidates: Sequence[str], apart: str, ask: Ask, say: Say) -> int:
    say("That may be:")
    for number, words in enumerate(candidates, 1):
        say(f"  {number}. {words}")
    if apart:
        say(f"  told apart by: {apart}")
    while True:
        answer = ask("Which one is to be played? [1] ").strip() or "1"
        if answer.isdecimal() and 1 <= int(answer) <= len(candidates):
            return int(answer) - 1
        say(f"found {answer!r}, expected a number from 1 to {len(candidates)}")


def _looks(ask: Ask, say: Say) -> list[Sighting]:
    """Where no file says what the failure looks like: ask the person."""
    say("What does it look like from outside?")
    for number, (words, _) in enumerate(LOOKS, 1):
        say(f"  {number}. {words}")
    while True:
        answer = ask("A number, or nothing for something else: ").strip()
        if not answer:
            return []
        if answer.isdecimal() and 1 <= int(answer) <= len(LOOKS):
            words, what = LOOKS[int(answer) - 1]
            return [Sighting(what=what, sure=0.5, words=f"you say that {words}", where=())]
        say(f"found {answer!r}, expected a number from 1 to {len(LOOKS)}, or nothing")
