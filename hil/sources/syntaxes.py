"""How C, C# and Python write strings, and what lies between them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hil.sources import escapes
from hil.sources.language import Language
from hil.sources.literals import Character, Form, Syntax, reader
from hil.sources.writer import escaped


def _tokens(*groups: str) -> re.Pattern[str]:
    return re.compile("|".join(groups), re.DOTALL | re.MULTILINE)


_APOSTROPHE = r"(?P<apostrophe>'(?:[^'\\\r\n]|\\.)+')"
_COMMENTS = r"//(?:\\\r?\n|[^\r\n])*|/\*.*?\*/"
_WORD = r"(?P<word>\w+)"

#: A raw string's delimiter may be anything; a number may hold an apostrophe, and so may what #error says.
_C = Syntax(
    tokens=_tokens(
        rf"(?P<blank>\s+|\\\r?\n|{_COMMENTS})",
        r"(?P<directive>^[ \t]*\#[ \t]*(?:error|warning|include|pragma)[^\r\n]*)",
        r'(?P<raw>(?:u8|[uUL])?R"(?P<mark>[^\s()\\"]{0,16})\((?P<raw_body>.*?)\)(?P=mark)")',
        r'(?P<ordinary>(?:u8|[uUL])?"(?P<body>(?:[^"\\\r\n]|\\\r\n|\\.)*)")',
        _APOSTROPHE,
        r"(?P<number>\.?\d(?:[eEpP][+-]|'\w|[\w.])*)",
        _WORD,
    ),
    forms={
        "raw": Form(reader(escapes.RAW, escapes.line_end, "raw_body"), escapes.as_it_is),
        "ordinary": Form(reader(escapes.C, escapes.ordinary), escaped),
    },
    adjacent=True,
)


def _indented(match: re.Match[str]) -> Iterator[Character]:
    """A C# raw string: over several lines, without its first and last line's ends and the last line's indentation."""
    body, start = match["raw_body"], match.start("raw_body")
    if "\n" not in body:
        for offset, character in enumerate(body, start):
            yield character, offset, offset + 1
        return
    head = body.index("\n") + 1
    content, _, indentation = body.rpartition("\n")
    end = len(content) - content.endswith("\r")
    for line in re.finditer(r"[^\n]*\n?", body[head:end] if end > head else ""):
        skipped = len(indentation) if line[0].startswith(indentation) else 0
        for offset, character in enumerate(line[0][skipped:], start + head + line.start() + skipped):
            yield character, offset, offset + 1


_CSHARP = Syntax(
    tokens=_tokens(
        r"(?P<directive>^[ \t]*\#[^\r\n]*)",
        rf"(?P<blank>\s+|{_COMMENTS})",
        r'(?P<raw>\$*(?P<mark>"{3,})(?P<raw_body>.*?)(?P=mark)(?!")(?:u8)?)',
        r'(?P<verbatim>(?:@\$?|\$@)"(?P<verbatim_body>(?:[^"]|"")*)"(?:u8)?)',
        r'(?P<ordinary>\$?"(?P<body>(?:[^"\\\r\n]|\\.)*)"(?:u8)?)',
        r"(?P<plus>\+)",
        _APOSTROPHE,
        _WORD,
    ),
    forms={
        "raw": Form(_indented, escapes.as_it_is),
        "verbatim": Form(
            reader(escapes.VERBATIM, escapes.doubled, "verbatim_body"), lambda text: text.replace('"', '""')
        ),
        "ordinary": Form(reader(escapes.CSHARP, escapes.ordinary), escaped),
    },
    adjacent=False,
)


def _python(name: str, prefix: str, quote: str) -> str:
    characters = r"[^\\]|\\." if len(quote) == 3 else rf"[^{quote}\\\r\n]|\\\r\n|\\."
    alone = "" if len(quote) == 3 else f"(?!{quote * 3})"
    return rf"(?P<{name}>{prefix}{alone}{quote}(?P<{name}_body>(?:{characters})*?){quote})"


_RAW_PREFIX, _PREFIX = "(?i:r[bft]?|[bft]r)", "(?i:[buft]?)"
_QUOTES = {"triple": '"""', "triple_single": "'''", "double": '"', "single": "'"}

_PYTHON = Syntax(
    tokens=_tokens(
        r"(?P<blank>[ \t\f]+|\\\r?\n|\#[^\r\n]*)",
        r"(?P<newline>[\r\n]+)",
        r"(?P<open>[(\[{])",
        r"(?P<close>[)\]}])",
        r"(?P<plus>\+)",
        *(_python(f"raw_{name}", _RAW_PREFIX, quote) for name, quote in _QUOTES.items()),
        *(_python(name, _PREFIX, quote) for name, quote in _QUOTES.items()),
        _WORD,
    ),
    forms={
        **{
            f"raw_{name}": Form(reader(escapes.RAW, escapes.line_end, f"raw_{name}_body"), escapes.as_it_is)
            for name in _QUOTES
        },
        **{name: Form(reader(escapes.PYTHON, escapes.python, f"{name}_body"), escaped) for name in _QUOTES},
    },
    adjacent=True,
)

SYNTAXES = {Language.C: _C, Language.CSHARP: _CSHARP, Language.PYTHON: _PYTHON}
