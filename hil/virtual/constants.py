"""The constants of a C header: what firmware that keeps its credentials in its source is compiled with.

Only what such headers are made of is understood: definitions of texts (literals side by side are joined, raw strings as
they are) and of whole numbers. Everything else is passed over, as a firmware passes over what it does not use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<directive>^[ \t]*\#(?:[^\n\\]|\\.)*)
      | (?P<raw>\b(?:u8|[uUL])?R"(?P<mark>[^()\\\s]{0,16})\((?P<body>.*?)\)(?P=mark)")
      | (?P<text>\b(?:u8|[uUL])"(?P<prefixed>(?:[^"\\\n]|\\.)*)"|"(?P<plain>(?:[^"\\\n]|\\.)*)")
      | (?P<number>[-+]?\b(?:0[xX][0-9a-fA-F]+|[0-9]+)(?:[uU]|[lL])*\b(?![.\w]))
      | (?P<name>[A-Za-z_]\w*)
      | (?P<end>[;{}])
      | (?P<sign>[=\[\]])
      | (?P<other>\S)""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_ESCAPE = re.compile(r"\\(?:(\r?\n)|([0-7]{1,3})|x([0-9A-Fa-f]+)|(.))", re.DOTALL)
_SINGLE = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))


class HeaderError(ValueError):
    """The header cannot be compiled. One line."""


def parse(source: str) -> dict[str, str | int]:
    """The texts and whole numbers that a C or C++ source defines, by their names; true and false are 1 and 0.

    Raises HeaderError for a name that is defined twice, and for a literal without an end.
    """
    found: dict[str, str | int] = {}
    statement: list[re.Match[str]] = []
    for token in _tokens(source):
        if token.lastgroup != "end":
            statement.append(token)
            continue
        defined = _definition(statement) if token.group() == ";" else None
        statement = []
        if defined is None:
            continue
        name, value = defined
        if name in found:
            raise HeaderError(f"{name} is defined twice")
        found[name] = value
    return found


def _tokens(source: str) -> Iterator[re.Match[str]]:
    for token in _TOKEN.finditer(source):
        if token.lastgroup == "other" and token.group() == '"':
            line = source.count("\n", 0, token.start()) + 1
            raise HeaderError(f"line {line}: a text that is opened here has no end")
        if token.lastgroup not in ("comment", "directive"):
            yield token


def _definition(statement: list[re.Match[str]]) -> tuple[str, str | int] | None:
    """Name and value of `const char ca[] = "...";`, or None for what defines neither text nor number."""
    equals = next((n for n, token in enumerate(statement) if token.group() == "="), None)
    if equals is None:
        return None
    left = [token.group() for token in statement[:equals]]
    if "[" in left:
        left = left[: left.index("[")]
    name = next((word for word in reversed(left) if re.fullmatch(r"[A-Za-z_]\w*", word)), None)
    right = statement[equals + 1 :]
    if name is None or not right:
        return None
    if all(token.lastgroup in ("raw", "text") for token in right):
        return name, "".join(map(_text, right)).split("\0", 1)[0]
    if len(right) == 1 and right[0].lastgroup == "number":
        return name, int(_decimal(right[0].group().rstrip("uUlL")), 0)
    if len(right) == 1 and right[0].group() in ("true", "false"):
        return name, int(right[0].group() == "true")
    return None


def _decimal(number: str) -> str:
    """C's octal numbers as Python writes them."""
    return re.sub(r"^([-+]?)0(?=[0-7]+$)", r"\g<1>0o", number)


def _text(token: re.Match[str]) -> str:
    if token["raw"] is not None:
        return token["body"].replace("\r\n", "\n")  # a compiler sees one kind of line end (C++ [lex.phases])
    return _ESCAPE.sub(_character, token["prefixed"] if token["plain"] is None else token["plain"])


def _character(match: re.Match[str]) -> str:
    joined, octal, hexadecimal, single = match.groups()
    if joined:
        return ""
    if octal or hexadecimal:
        return chr(int(octal, 8) if octal else int(hexadecimal, 16) % 0x110000)
    return _SINGLE.get(single, single)
