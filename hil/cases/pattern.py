"""An event as a case describes it: source, kind, and what its data must be. Data only; `match` makes a predicate of it.

{ source = "gateway", kind = "denied", data = { what = "will", topic = { matches = "^foreign/" } } }
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from hil.timeline import Event, Match, where
from hil.toml import Strict

Scalar = str | int | float | bool


class Check(Strict):
    """What a value must be where it need not be one value alone. All that is said must hold.

    `matches`: a regular expression that is found in it, as text. `at_least`, `at_most`: for numbers. `one_of`: any of
    these. `absent`: whether there is no such value (or None) at all.
    """

    matches: str | None = None
    at_least: int | float | None = None
    at_most: int | float | None = None
    one_of: Annotated[list[Scalar], Field(min_length=1)] | None = None
    absent: bool | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Check:
        if not self.model_fields_set:
            raise ValueError("found an empty table, expected matches, at_least, at_most, one_of or absent")
        if self.matches is not None:
            try:
                re.compile(self.matches)
            except re.error as error:
                raise ValueError(f"matches: found {self.matches!r}, expected a regular expression ({error})") from None
        return self

    def holds(self, value: Any, board: str) -> bool:
        """Whether a value of an event of this board is so; `{board}` in texts stands for the board's name."""
        if self.absent is not None and (value is None) != self.absent:
            return False
        if self.matches is not None:
            expression = self.matches.replace("{board}", re.escape(board))
            if value is None or re.search(expression, _text(value)) is None:
                return False
        if self.one_of is not None and not any(_same(wanted, value, board) for wanted in self.one_of):
            return False
        if self.at_least is None and self.at_most is None:
            return True
        if not isinstance(value, int | float):
            return False
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)


#: Tags with a space are no keys of the file: messages leave them out.
Wanted = Annotated[
    Annotated[Scalar, Tag("a value")] | Annotated[Check, Tag("a table")],
    Discriminator(lambda value: "a table" if isinstance(value, dict | Check) else "a value"),
]


class EventPattern(Strict):
    """Events of the timeline that look so.

    `source`, `kind`: as docs/writing-tests.md lists them; without one any fits. `data`: value by key, a key with dots
    for what lies deeper (`"will.topic"`). `online`: in place of all these, what shows that the board is online, by its
    contract. `board`: 'this' for events of the board of the trial, and such that name none; 'any' for all.
    """

    source: str | None = None
    kind: str | None = None
    data: dict[str, Wanted] = Field(default_factory=dict)
    online: bool = False
    board: Literal["this", "any"] = "this"

    @field_validator("data")
    @classmethod
    def _keys(cls, value: dict[str, Scalar | Check]) -> dict[str, Scalar | Check]:
        for key in value:
            if not all(key.split(".")):
                raise ValueError(f"found the key {key!r}, expected names with one dot between them")
        return value

    @model_validator(mode="after")
    def _looks_for_something(self) -> EventPattern:
        described = self.source is not None or self.kind is not None or bool(self.data)
        if described == self.online:
            raise ValueError("expected either online = true, or any of source, kind and data")
        return self

    def match(self, board: str, online: Match | None = None) -> Match:
        """The predicate for a trial with this board. `online`: what its contract says shows that it is online, as
        `Board.online_event` has it; a CONNACK that accepts stands for it without."""
        if self.online:
            return online or where("gateway", "connack", board, code=0)
        about = (self.source, self.kind, None)
        return Match(lambda event: self._fits(event, board), self.words(board), about)

    def words(self, board: str | None = None) -> str:
        """What is looked for, for people."""
        if self.online:
            return "being online"
        data = ", ".join(f"{key} {_check_words(wanted)}" for key, wanted in self.data.items())
        name = f"{self.source or 'any source'}.{self.kind or 'any kind'}"
        text = f"{name} with {data}" if data else name
        return text if board is None else text.replace("{board}", board)

    def _fits(self, event: Event, board: str) -> bool:
        if self.source is not None and event.source != self.source:
            return False
        if self.kind is not None and event.kind != self.kind:
            return False
        if self.board == "this" and event.board not in (board, None):
            return False
        for key, wanted in self.data.items():
            value = _deep(event.data, key)
            fits = wanted.holds(value, board) if isinstance(wanted, Check) else _same(wanted, value, board)
            if not fits:
                return False
        return True


def _deep(data: Any, key: str) -> Any:
    for part in key.split("."):
        if not hasattr(data, "get"):
            return None
        data = data.get(part)
    return data


def _text(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _same(wanted: Scalar, value: Any, board: str) -> bool:
    if isinstance(wanted, str):
        return value is not None and not isinstance(value, bool) and _text(value) == wanted.replace("{board}", board)
    if isinstance(wanted, bool) != isinstance(value, bool):
        return False
    return bool(wanted == value)


def _check_words(wanted: Scalar | Check) -> str:
    if not isinstance(wanted, Check):
        return f"= {wanted}"
    said = wanted.model_dump(exclude_unset=True, exclude_none=True)
    return " and ".join(f"{key.replace('_', ' ')} {value}" for key, value in said.items())
