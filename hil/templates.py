"""Placeholders such as `{board}` in the values of a contract or rig.

Only plain names are allowed, so that a value from a file can never reach into Python objects. `{{` and `}}` stand for
literal braces.
"""

from __future__ import annotations

import difflib
import string
from collections.abc import Iterable, Mapping


class TemplateError(ValueError):
    """A placeholder that is malformed or unknown; the message says which and what is known."""


def placeholders(text: str) -> list[str]:
    """The names of the placeholders in `text`, in order. Raises TemplateError for a malformed one."""
    names = []
    try:
        for _, name, spec, conversion in string.Formatter().parse(text):
            if name is None:
                continue
            if not name.isidentifier() or spec or conversion:
                raise TemplateError(
                    f"found placeholder '{{{name}}}', expected a plain name in braces such as {{board}}"
                )
            names.append(name)
    except TemplateError:
        raise
    except ValueError as error:
        raise TemplateError(
            f"unbalanced braces in {text!r} ({error}); write {{{{ or }}}} for a literal brace"
        ) from None
    return names


def check(text: str, known: Iterable[str]) -> str:
    """`text` itself, if all its placeholders are among `known`; TemplateError otherwise."""
    names = list(known)
    for name in placeholders(text):
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            meant = f"did you mean {{{near[0]}}}?" if near else f"known are {', '.join('{' + n + '}' for n in names)}"
            raise TemplateError(f"found unknown placeholder '{{{name}}}' in {text!r}; {meant}")
    return text


def fill(text: str, values: Mapping[str, str]) -> str:
    """`text` with its placeholders replaced. Raises TemplateError for one that has no value."""
    check(text, values)
    return text.format_map(dict(values))
