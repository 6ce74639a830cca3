"""Escape sequences: what of C, C# and Python is alike, and what is not."""

from __future__ import annotations

import re

_SINGLE = dict(zip("abfnrtve", "\a\b\f\n\r\t\v\x1b", strict=True))

#: One character of an ordinary literal as it is written. A backslash before a line's end joins the lines (C, Python).
C = re.compile(r"\\(?:\r?\n|[0-7]{1,3}|x[0-9A-Fa-f]+|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)|.", re.DOTALL)
CSHARP = re.compile(r"\\(?:x[0-9A-Fa-f]{1,4}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)|.", re.DOTALL)
PYTHON = re.compile(r"\\(?:\r\n|[0-7]{1,3}|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)|\r\n|.", re.DOTALL)
#: One character of a raw literal, a line's end counting as one.
RAW = re.compile(r"\r\n|.", re.DOTALL)
#: One character of a C# verbatim literal.
VERBATIM = re.compile(r'""|.', re.DOTALL)


def ordinary(written: str) -> str:
    """The character that an escape sequence, or a character as it is, stands for; none for joined lines."""
    if not written.startswith("\\"):
        return line_end(written)
    escape = written[1:]
    if escape in ("\n", "\r\n", "\r"):
        return ""
    if escape[0] in "xuU" and len(escape) > 1:
        return _character(int(escape[1:], 16))
    if escape[0] in "01234567":
        return _character(int(escape, 8))
    return _SINGLE.get(escape, escape)


def python(written: str) -> str:
    """The same for Python, which keeps the backslash of an escape that it does not know."""
    unknown = len(written) == 2 and written[0] == "\\" and written[1] not in "abfnrtv01234567\\'\"\n\r"
    return written if unknown else ordinary(written)


def line_end(written: str) -> str:
    """A line's end is one line feed, whatever the file has."""
    return "\n" if written in ("\r\n", "\r") else written


def doubled(written: str) -> str:
    """A verbatim literal's character."""
    return '"' if written == '""' else written


def as_it_is(written: str) -> str:
    """The same characters."""
    return written


def _character(code: int) -> str:
    return chr(code) if code < 0x110000 else "\ufffd"
