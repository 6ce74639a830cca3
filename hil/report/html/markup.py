"""HTML made of elements, so that no text can be forgotten to be escaped: a `str` is text, an `Html` is markup."""

from __future__ import annotations

import html
from collections.abc import Iterable

from hil.report.legible import legible


class Html(str):
    """Markup that is known to be sound: made here, or a file of this package."""

    __slots__ = ()


Child = str | None | Iterable["Child"]
_VOID = frozenset({"br", "col", "hr", "input", "link", "meta"})


def element(name: str, /, *children: Child, **attributes: str | int | bool | None) -> Html:
    """An element. `class_` and the like lose their underscore, others within become hyphens; None and False: left out.

    Text is made legible and escaped, in attributes as well.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items() if value not in (None, False))
    if name in _VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{joined(*children)}</{name}>")


def joined(*children: Child) -> Html:
    """Children one after the other."""
    return Html("".join(_pieces(children)))


def _pieces(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if isinstance(child, Html):
            yield child
        elif isinstance(child, str):
            yield text(child)
        elif child is not None:
            yield from _pieces(child)


def text(words: str) -> Html:
    """Text as HTML."""
    return Html(html.escape(legible(words)))


def _attribute(key: str, value: object) -> str:
    name = key.removesuffix("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{text(str(value))}"'
