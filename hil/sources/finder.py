"""Every PEM block of a text or a source: what it is, and where."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from hil.sources.escapes import as_it_is
from hil.sources.language import Language
from hil.sources.literals import Places, Text, constants
from hil.sources.syntaxes import SYNTAXES

_MARK = re.compile(r"-----(BEGIN|END) ([A-Za-z0-9 #]{1,64})-----")


class Kind(StrEnum):
    """What a block holds, going by its label."""

    CERTIFICATE = "certificate"
    PRIVATE_KEY = "private key"
    PUBLIC_KEY = "public key"
    REQUEST = "certificate request"
    CRL = "revocation list"
    PARAMETERS = "parameters"
    OTHER = "other"

    @classmethod
    def of(cls, label: str) -> Kind:
        """The kind that a label names, whether or not a TLS stack knows this label."""
        label = label.upper()
        for ending, kind in _LABELS:
            if label.endswith(ending):
                return kind
        return cls.OTHER


_LABELS = (
    ("CERTIFICATE REQUEST", Kind.REQUEST),
    ("CERTIFICATE", Kind.CERTIFICATE),
    ("PRIVATE KEY", Kind.PRIVATE_KEY),
    ("PUBLIC KEY", Kind.PUBLIC_KEY),
    ("CRL", Kind.CRL),
    ("PARAMETERS", Kind.PARAMETERS),
)


@dataclass(frozen=True, slots=True)
class Found:
    """One block, as the compiler would see it. Lines and columns count from 1; the end is just behind the block.

    `first` and `last` are the block's stretch of `text`; `closed` says whether an END line with the same label ends
    it. The repr shows no contents.
    """

    kind: Kind
    label: str
    line: int
    column: int
    end_line: int
    end_column: int
    closed: bool
    text: Text = field(repr=False)
    first: int
    last: int

    @property
    def pem(self) -> bytes:
        """From the BEGIN line on, the line feed behind the END line included where there is one."""
        return "".join(self.text.characters[self.first : self.last]).encode("utf-8", "surrogateescape")


def texts(source: str, language: Language | str | None = None) -> list[Text]:
    """The string constants of a source; of PEM, and of a language not known (None), the source as one text."""
    if language is None or language == Language.PEM:
        whole = Text()
        whole.add(((c, n, n + 1) for n, c in enumerate(source)), as_it_is)
        return [whole]
    return list(constants(source, SYNTAXES[Language(language)]))


def find(source: str, language: Language | str | None = None) -> list[Found]:
    """Every certificate, key or other PEM block of a source, in order.

    Literals are joined as the language's compiler joins them. What a program merely compares with (a BEGIN mark with
    nothing behind it) is no block, nor is PEM in a comment.
    """
    places = Places(source)
    return [found for text in texts(source, language) for found in blocks(text, places)]


def blocks(text: Text, places: Places) -> Iterator[Found]:
    """The blocks of one constant. One without an END line reaches to the next BEGIN, or the constant's end."""
    value = text.value
    marks = list(_MARK.finditer(value))
    for number, mark in enumerate(marks):
        if mark[1] != "BEGIN":
            continue
        following = marks[number + 1] if number + 1 < len(marks) else None
        closed = following is not None and following[1] == "END" and following[2] == mark[2]
        if closed and following:
            last = following.end() + value.startswith("\n", following.end())
        else:
            last = following.start() if following else len(value)
            if not value[mark.end() : last].strip():
                continue
        line, column = places.of(text.starts[mark.start()])
        end_line, end_column = places.of(text.ends[last - 1])
        first, label = mark.start(), mark[2]
        yield Found(Kind.of(label), label, line, column, end_line, end_column, closed, text, first, last)
