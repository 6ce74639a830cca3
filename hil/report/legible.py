"""Hostile text made legible: what devices print and payloads hold steers no terminal, no XML parser and no reader."""

from __future__ import annotations

import re
import unicodedata

_UNSEEN = frozenset("\u2028\u2029\ufeff\u00ad")
COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
"""What sets colours (ECMA-48, SGR): firmware logs are full of it."""


def legible(text: str, *, keep: str = "\n\t") -> str:
    """`text` with each character that would not show, or would turn the text around, as an escape: `\\u202e`.

    These are control characters but those in `keep`, bidirectional and invisible ones, lone surrogates and what
    Unicode does not assign. Sequences that only set a colour are left out.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in keep or not _hides(c) else _escaped(c) for c in COLOUR.sub("", text))


def _hides(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Cn", "Co") or character in _UNSEEN


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def one_line(text: str, most: int = 200) -> str:
    """The first line of `text` that says something, legible and of at most `most` characters."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    shown = legible(first, keep="")
    return shown if len(shown) <= most else shown[: most - 1] + "…"
