"""What a request asks for: a path and its parameters, read with suspicion; and the addresses that pages link to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from hil.history.window import LAST

MOST_RUNS: Final = 1000
"""The largest number of runs that a page looks at."""

_MOST_FIELDS: Final = 20
_LONGEST: Final = 1000


class BadRequest(ValueError):
    """Something is asked for in a way that cannot be. One line: what was found, what is expected."""


class NotThere(LookupError):
    """What is asked for is not in the history. One line."""

    title = "Not there"


class NoRun(NotThere):
    """There is nothing yet that could be shown. One line: how it begins."""

    title = "No run yet"


@dataclass(frozen=True, slots=True)
class Asked:
    """`last`, `rig` and `board` are the filters that links keep; `more`: what one page alone understands."""

    path: str
    last: int = LAST
    rig: str | None = None
    board: str | None = None
    more: Mapping[str, str] = field(default_factory=dict)

    def needed(self, name: str) -> str:
        """The parameter without which this page is about nothing. Raises BadRequest."""
        found = self.more.get(name)
        if not found:
            raise BadRequest(f"{self.path}: found no {name!r}, expected {self.path}?{name}=…")
        return found

    def to(self, path: str, **more: str) -> str:
        """The address of another page, with the same filters."""
        kept = {"last": str(self.last) if self.last != LAST else None, "rig": self.rig, "board": self.board}
        told = {name: value for name, value in {**kept, **more}.items() if value}
        return f"{path}?{urlencode(told)}" if told else path


def asked(target: str) -> Asked:
    """From the target of a request, such as /scenario?title=comes+online&last=20. Raises BadRequest."""
    try:
        parts = urlsplit(target)
        told = parse_qs(parts.query, max_num_fields=_MOST_FIELDS, errors="replace")
    except ValueError:
        raise BadRequest("the address cannot be read") from None
    words = {name: values[-1] for name, values in told.items()}
    if any(len(word) > _LONGEST for word in words.values()):
        raise BadRequest(f"found a parameter of more than {_LONGEST} characters")
    last = words.pop("last", str(LAST))
    if not last.isascii() or not last.isdigit() or len(last) > 6 or not 1 <= int(last) <= MOST_RUNS:
        raise BadRequest(f"last: found {last[:20]!r}, expected a number from 1 to {MOST_RUNS}")
    rig, board = (words.pop(name, None) for name in ("rig", "board"))
    return Asked(parts.path, int(last), rig, board, words)
