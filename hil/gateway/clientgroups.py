"""Client groups: which clients a query selects, in the language that Azure Event Grid has for it.

    group = ClientGroup("attributes.type = 'sensor' and attributes.floor <= 5")
    group.has("esp32-a", {"type": "sensor", "floor": 3})

The language: `authenticationName` or `attributes.NAME`, compared by = <> != to a text or a whole number, by < > <= >=
to a whole number, by IN to a list such as ['a', 'b']; `and` before `or`, and parentheses. An attribute that is a list
equals each of its entries. Source: https://learn.microsoft.com/azure/event-grid/mqtt-client-groups
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

Attribute = str | int | tuple[str, ...]
"""The value of a client's attribute."""
Attributes = Mapping[str, Attribute]
Test = Callable[[str, Attributes], bool]

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<text>'[^']*'|"[^"]*")|(?P<number>-?\d+)|(?P<word>[A-Za-z_][\w.-]*)|(?P<sign><>|!=|<=|>=|[=<>()\[\],]))"""
)
_ORDER: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class ClientGroup:
    """The clients that `query` selects; the query '$all' selects every one. Raises ValueError for a wrong query."""

    query: str
    _test: Test = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        test = (lambda name, attributes: True) if self.query == "$all" else _Parser(self.query).whole()
        object.__setattr__(self, "_test", test)

    def has(self, authentication_name: str, attributes: Attributes) -> bool:
        """Whether the client of this name is in the group."""
        return self._test(authentication_name, attributes)


class _Parser:
    """Recursive descent, a method for each level: or, and, a comparison or parentheses."""

    def __init__(self, query: str) -> None:
        self._query = query
        self._tokens = self._split()

    def whole(self) -> Test:
        test = self._any()
        if self._tokens:
            raise self._wrong("the end, 'and' or 'or'")
        return test

    def _any(self) -> Test:
        tests = [self._all()]
        while self._word("or"):
            tests.append(self._all())
        return lambda name, attributes: any(test(name, attributes) for test in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self._word("and"):
            tests.append(self._one())
        return lambda name, attributes: all(test(name, attributes) for test in tests)

    def _one(self) -> Test:
        if self._sign("("):
            test = self._any()
            self._expect(")")
            return test
        value_of = self._subject()
        if self._word("in"):
            wanted = set(self._list())
            return lambda name, attributes: bool(wanted & set(_each(value_of(name, attributes))))
        sign = self._take("sign")
        if sign in ("=", "<>", "!="):
            value = self._value()
            equal = sign == "="
            return lambda name, attributes: (value in _each(value_of(name, attributes))) is equal
        if sign is not None and sign in _ORDER:
            bound = self._value()
            if not isinstance(bound, int):
                raise ValueError(f"query {self._query!r}: {sign} compares with whole numbers, found {bound!r}")
            compare = _ORDER[sign]
            return lambda name, attributes: (
                isinstance(found := value_of(name, attributes), int) and compare(found, bound)
            )
        raise self._wrong("one of = <> != < > <= >= IN", back=sign)

    def _subject(self) -> Callable[[str, Attributes], Attribute | None]:
        word = self._take("word")
        if word == "authenticationName":
            return lambda name, attributes: name
        if word is not None and word.startswith("attributes.") and (key := word.removeprefix("attributes.")):
            return lambda name, attributes: attributes.get(key)
        raise self._wrong("authenticationName or attributes.NAME", back=word)

    def _list(self) -> list[str | int]:
        self._expect("[")
        values = [self._value()]
        while self._sign(","):
            values.append(self._value())
        self._expect("]")
        return values

    def _value(self) -> str | int:
        if (text := self._take("text")) is not None:
            return text[1:-1]
        if (number := self._take("number")) is not None:
            return int(number)
        raise self._wrong("a text in quotes or a whole number")

    # -- tokens ----------------------------------------------------------------------------------------------------

    def _split(self) -> list[tuple[str, str]]:
        tokens, position, query = [], 0, self._query.rstrip()
        while position < len(query):
            found = _TOKEN.match(query, position)
            if found is None:
                raise ValueError(f"query {self._query!r}: cannot be read from {query[position:].strip()!r} on")
            tokens.append((str(found.lastgroup), found.group(str(found.lastgroup))))
            position = found.end()
        return tokens

    def _take(self, kind: str) -> str | None:
        return self._tokens.pop(0)[1] if self._tokens and self._tokens[0][0] == kind else None

    def _word(self, word: str) -> bool:
        there = bool(self._tokens) and self._tokens[0][0] == "word" and self._tokens[0][1].lower() == word
        if there:
            self._tokens.pop(0)
        return there

    def _sign(self, sign: str) -> bool:
        there = bool(self._tokens) and self._tokens[0] == ("sign", sign)
        if there:
            self._tokens.pop(0)
        return there

    def _expect(self, sign: str) -> None:
        if not self._sign(sign):
            raise self._wrong(repr(sign))

    def _wrong(self, expected: str, back: str | None = None) -> ValueError:
        found = back or (self._tokens[0][1] if self._tokens else "the end")
        return ValueError(f"query {self._query!r}: found {found}, expected {expected}")


def _each(value: Attribute | None) -> tuple[str | int, ...]:
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)
