"""Credentials as source constants: what a sketch, a nanoFramework program or a MicroPython script is built with."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from hil.sources.language import Language

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN = re.compile(r"[\t\n\r -~]*")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class SourceError(ValueError):
    """What cannot be written as a source constant. One line: what was found, what is expected."""


class Style(StrEnum):
    """How a string of several lines is written."""

    LINES = "lines"  # one literal a line, each ending in \n: the same bytes whatever the file's line endings
    RAW = "raw"  # one literal over several lines: C++ R"PEM(...)PEM", C# @"...", Python triple quotes


@dataclass(frozen=True, slots=True)
class Constant:
    """One constant: its name, the PEM that it holds byte for byte, and lines of comment to stand above it."""

    name: str
    pem: bytes = field(repr=False)
    comments: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Number:
    """One whole number: its name, its type as NVS names it ('u8' to 'i64'), its value."""

    name: str
    kind: str
    value: int

    @classmethod
    def of(cls, name: str, kind: str, text: str) -> Number:
        """The number that `text` writes in decimal, or in hexadecimal with 0x. Raises SourceError."""
        bits, signed = int(kind[1:]), kind[0] == "i"
        least, most = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        try:
            value = int(text, 0)
        except ValueError:
            raise SourceError(f"{name}: found {text!r}, expected a whole number for {kind}") from None
        if not least <= value <= most:
            raise SourceError(f"{name}: found {value}, expected {least} to {most} for {kind}")
        return cls(name, kind, value)


Item = Constant | Number

_C_TYPES = {f"{sign}{bits}": f"{'u' * (sign == 'u')}int{bits}_t" for sign in "ui" for bits in (8, 16, 32, 64)}
_CSHARP_TYPES = {
    **{"u8": "byte", "u16": "ushort", "u32": "uint", "u64": "ulong"},
    **{"i8": "sbyte", "i16": "short", "i32": "int", "i64": "long"},
}


def write(
    language: Language | str, items: Sequence[Item], *, style: Style | str = Style.LINES, name: str = "Credentials"
) -> str:
    """The text of a source file that defines these constants; "pem" joins them, without names and comments.

    `name` is the C# class. Comments may hold anything, such as names out of foreign certificates: what could end a
    comment is replaced by `?`. Raises SourceError for a name that is no identifier, for a name given twice, and for
    text that is not plain ASCII.
    """
    language, style = Language(language), Style(style)
    texts = [_text(item) for item in items]
    if language is Language.PEM:
        return "".join(texts)
    given: set[str] = set()
    for wanted in [name, *(item.name for item in items)]:
        if not _NAME.fullmatch(wanted):
            raise SourceError(f"found the name {wanted!r}, expected letters, digits and _, not beginning with a digit")
        if wanted in given:
            raise SourceError(f"found the name {wanted!r} twice, expected each name once")
        given.add(wanted)
    return _WRITERS[language]([(item, text) for item, text in zip(items, texts, strict=True)], style, name)


def escaped(text: str) -> str:
    """The text as it stands between the quotes of an ordinary literal; the same in all the languages."""
    return "".join(_ESCAPES.get(character, character) for character in text)


def _text(item: Item) -> str:
    if isinstance(item, Number):
        return str(item.value)
    text = item.pem.decode("latin-1")
    if not _PLAIN.fullmatch(text):
        raise SourceError(f"{item.name}: found bytes that are no plain ASCII, expected PEM")
    return text


def _c(items: Sequence[tuple[Item, str]], style: Style, _name: str) -> str:
    lines = ["// Credentials, generated. Keep private keys out of version control.", "#pragma once"]
    if any(isinstance(item, Number) for item, _ in items):
        lines.append("#include <stdint.h>")
    for item, text in items:
        lines += ["", *_comments("//", item)]
        if isinstance(item, Number):
            lines.append(f"static const {_C_TYPES[item.kind]} {item.name} = {_c_number(item)};")
        elif style is Style.RAW and "\r" not in text:  # a compiler drops a raw string's CR
            mark = _delimiter(text)
            lines.append(f'static const char {item.name}[] = R"{mark}({text}){mark}";')
        else:
            lines += [f"static const char {item.name}[] =", *_literals(text, "  ", ""), ";"]
    return "\n".join(lines) + "\n"


def _c_number(item: Number) -> str:
    """A literal that fits: the compiler warns of large decimal ones, and knows no literal for the least of all."""
    if item.value == -(1 << 63):
        return "INT64_MIN"
    return f"{item.value}{'u' * (item.kind[0] == 'u')}{'ll' * (item.kind[1:] == '64')}"


def _csharp(items: Sequence[tuple[Item, str]], style: Style, name: str) -> str:
    lines = ["// Credentials, generated. Keep private keys out of version control.", f"public static class {name}", "{"]
    for number, (item, text) in enumerate(items):
        lines += [*[""][: number > 0], *_comments("    //", item)]
        if isinstance(item, Number):
            lines.append(f"    public const {_CSHARP_TYPES[item.kind]} {item.name} = {text};")
        elif style is Style.RAW:
            doubled = text.replace('"', '""')
            lines.append(f'    public const string {item.name} = @"{doubled}";')
        else:
            lines += [f"    public const string {item.name} =", *_literals(text, "        ", " +")]
            lines[-1] += ";"
    return "\n".join([*lines, "}"]) + "\n"


def _python(items: Sequence[tuple[Item, str]], style: Style, _name: str) -> str:
    # Two lines of our own come first: a comment there could otherwise name the file's encoding.
    lines = ['"""Credentials, generated.', "", 'Keep private keys out of version control."""']
    for item, text in items:
        lines += ["", *_comments("#", item)]
        if isinstance(item, Number):
            lines.append(f"{item.name} = {text}")
        elif style is Style.RAW:
            inner = "\n".join(map(escaped, text.split("\n")))
            lines.append(f'{item.name} = b"""{inner}"""')
        else:
            lines += [f"{item.name} = (", *_literals(text, "    b", ""), ")"]
    return "\n".join(lines) + "\n"


_WRITERS: dict[Language, Callable[[Sequence[tuple[Item, str]], Style, str], str]] = {
    Language.C: _c,
    Language.CSHARP: _csharp,
    Language.PYTHON: _python,
}


def _literals(text: str, before: str, between: str) -> list[str]:
    """One literal for each line of the text, `between` after each but the last."""
    lines = re.findall(r"[^\n]*\n|[^\n]+", text) or [""]
    literals = [f'{before}"{escaped(line)}"{between}' for line in lines]
    literals[-1] = literals[-1].removesuffix(between)
    return literals


def _comments(mark: str, item: Item) -> list[str]:
    """The comment's lines: nothing that a compiler could take for a line's end, or a reader for other text."""
    if isinstance(item, Number):
        return []
    found = []
    for line in "\n".join(item.comments).splitlines():
        shown = "".join(c if c.isprintable() else "?" for c in line).rstrip()
        if shown.endswith(("\\", "??/")):  # in C the next line would belong to the comment
            shown += " ."
        found.append(f"{mark} {shown}".rstrip())
    return found


def _delimiter(text: str) -> str:
    mark = "PEM"
    while f"){mark}" in text:
        mark += "_"
        if len(mark) > 16:
            raise SourceError("found text that no raw string can hold, expected PEM, or the style lines")
    return mark
