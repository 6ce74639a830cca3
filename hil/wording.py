"""How a setting is put into lines for a console, and taken out of the line that a firmware answers.

A line names `{key}`, and the value in one of its forms:

    {value}           as it is; one line only
    {value_escaped}   newline as \\n, carriage return as \\r, tab as \\t, backslash and quotation mark with a backslash
    {value_base64}    of its UTF-8 bytes, {value_hex} too
    {length}          how many bytes it has; {sha256}: their hash, in hex
    {line}            the line is sent once for each line of the value
    {chunk_hex}       the line is sent once for each part of it; {chunk_base64}, {chunk_escaped} too; {offset} says
                      where in the value the part begins, and {size} how many bytes it has
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator

from hil import templates

_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", '"': '\\"'}
_ESCAPED = re.compile(r'\\([nrt\\"])')
_PLAIN = {escaped[1]: plain for plain, escaped in _ESCAPES.items()}


def escaped(text: str) -> str:
    """`text` in one line, as a C compiler or a JSON parser would read it."""
    return "".join(_ESCAPES.get(character, character) for character in text)


def _unescaped(text: str) -> bytes:
    return _ESCAPED.sub(lambda match: _PLAIN[match[1]], text).encode()


#: Each form that holds a whole value: how it is made of the value's bytes.
_FORMS: dict[str, Callable[[bytes], str]] = {
    "escaped": lambda data: escaped(data.decode("utf-8")),
    "base64": lambda data: base64.b64encode(data).decode(),
    "hex": lambda data: data.hex(),
}
_VALUE = ("value", *(f"value_{form}" for form in _FORMS), "length", "sha256")
_CHUNK = tuple(f"chunk_{form}" for form in _FORMS)
_NAMES = ("key", *_VALUE, "line", *_CHUNK, "offset", "size")
_CARRIES = {"value", *(f"value_{form}" for form in _FORMS), "line", *_CHUNK}


class WordingError(ValueError):
    """A value that does not go into the lines; the message names the key, and never shows the value."""


def check_lines(sent: Iterable[str]) -> None:
    """Raises ValueError (TemplateError) for lines that name what is not known, or the value nowhere."""
    names = [set(templates.placeholders(templates.check(text, _NAMES))) for text in sent]
    if not any(_CARRIES & found for found in names):
        raise ValueError("found no line of write that names the value, expected one such as 'set {key} {value}'")
    for found in names:
        if "line" in found and found.intersection(_CHUNK):
            raise ValueError("found {line} and a {chunk_...} in one line of write, expected one of them")


def worded(text: str, key: str, value: str, chunk: int) -> Iterator[tuple[str, str]]:
    """The lines that `text` stands for: each as it is sent, and as it may be shown, without the value.

    `chunk`: how many bytes a part has at most, 4 or more; characters stay whole. Raises WordingError for a value that
    is more than one line where the line has to hold it as it is.
    """
    data = value.encode()
    used = set(templates.placeholders(text))
    filling = {"key": key, "length": str(len(data)), "sha256": hashlib.sha256(data).hexdigest(), "value": value}
    filling |= {f"value_{form}": make(data) for form, make in _FORMS.items()}
    hidden = {name: "..." for name in _NAMES if name not in ("key", "length", "offset", "size")}
    if "value" in used and not _one_line(value):
        raise WordingError(
            f"{key} has several lines, or control characters, and {text!r} has to hold it in one; use "
            "{value_escaped}, {value_base64} or {value_hex}, whichever the firmware takes, or a line for each {line}"
        )
    rounds: list[dict[str, str]] = [{}]
    if "line" in used:
        rounds = [{"line": line} for line in value.splitlines()]
    elif used & {*_CHUNK, "offset", "size"}:
        rounds = list(_chunks(data, chunk))
    for part in rounds:
        given = {**filling, **part}
        yield templates.fill(text, given), templates.fill(text, {**given, **hidden})


def _chunks(data: bytes, most: int) -> Iterator[dict[str, str]]:
    offset = 0
    while offset < len(data):
        end = min(len(data), offset + most)
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        part = data[offset:end]
        forms = {f"chunk_{form}": make(part) for form, make in _FORMS.items()}
        yield {**forms, "offset": str(offset), "size": str(len(part))}
        offset = end


def _one_line(text: str) -> bool:
    return not any(ord(character) < 0x20 or character == "\x7f" for character in text)


#: What a firmware may answer: the expression that finds it, and what becomes of it.
_READ: dict[str, tuple[str, Callable[[str], bytes]]] = {
    "value": (".*", str.encode),
    "value_escaped": (".*", _unescaped),
    "value_base64": ("[A-Za-z0-9+/]*=*", lambda text: base64.b64decode(text, validate=True)),
    "value_hex": ("[0-9A-Fa-f]*", bytes.fromhex),
    "sha256": ("[0-9A-Fa-f]{64}", bytes.fromhex),
}


class Reading:
    """`reads` of a contract: a regular expression with `{key}` and one form of the value, or its `{sha256}`."""

    def __init__(self, text: str) -> None:
        """Raises ValueError for one that names no form, or several, or is no regular expression."""
        names = templates.placeholders(templates.check(text, ("key", *_READ)))
        forms = [name for name in names if name in _READ]
        if len(forms) != 1:
            known = ", ".join(f"{{{name}}}" for name in _READ)
            raise ValueError(f"found {text!r} for reads, expected one form of the value in it: {known}")
        self._text = text
        self._form = forms[0]
        try:
            re.compile(f"^.*?(?:{self.expression('key')}).*$")
        except re.error as error:
            raise ValueError(f"found {text!r} for reads, expected a regular expression ({error})") from None

    def expression(self, key: str) -> str:
        """What matches the line for `key`; its group `held` is the value's form."""
        return templates.fill(self._text, {"key": re.escape(key), self._form: f"(?P<held>{_READ[self._form][0]})"})

    def hash(self, held: str) -> str | None:
        """The SHA-256, in hex, of the value that the line holds; None for what is not of that form."""
        try:
            data = _READ[self._form][1](held)
        except (binascii.Error, ValueError):
            return None
        return data.hex() if self._form == "sha256" else hashlib.sha256(data).hexdigest()
