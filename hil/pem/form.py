"""What is wrong with the form of a block: one small function each rule, yielding the places in the constant's value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from hil.pem.block import WIDTH, Block
from hil.sources import Kind

_KNOWN = {  # what mbedTLS 2.28 looks for
    "CERTIFICATE",
    "CERTIFICATE REQUEST",
    "NEW CERTIFICATE REQUEST",
    "X509 CRL",
    "PUBLIC KEY",
    "RSA PUBLIC KEY",
    "PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "RSA PRIVATE KEY",
    "EC PRIVATE KEY",
}
_BOM = "\ufeff"
_ESCAPED_END = re.compile(r"\\[nr]")


def blank_line(block: Block) -> Iterator[int]:
    """Empty lines before the block, or behind the last one."""
    before = block.value[block.before : block.found.first]
    lead = re.search(r"(?:^|\n)[ \t]*\r?(\n)" if block.before == 0 else r"\n[ \t]*\r?(\n)", before)
    if lead:
        yield block.before + lead.start(1)
    behind = re.search(r"\n[ \t]*\r?(\n)", block.value[block.stop :]) if block.after == len(block.value) else None
    if behind:
        yield block.stop + behind.start(1)


def blank_line_inside(block: Block) -> Iterator[int]:
    """Empty lines, or lines of white space; not the one behind an old encrypted key's headers."""
    last = block.headers[-1] if block.headers else None
    for previous, line in zip([None, *block.lines], block.lines, strict=False):
        if previous is not None and not line.text.strip() and line.end and (last is None or previous != last):
            yield line.start


def trailing_space(block: Block) -> Iterator[int]:
    """Spaces at the end of lines; behind BEGIN mbedTLS takes one."""
    for number, line in enumerate(block.lines):
        spaces = line.text[len(line.text.rstrip(" ")) :]
        if not line.end or not spaces or (not line.text.strip() and (number or len(spaces) > 1)):
            continue
        yield line.stop - len(spaces)
    if re.match(r" +(\r?\n|$)", block.value[block.stop :]):
        yield block.stop


def indented_mark(block: Block) -> Iterator[int]:
    """White space before a mark on its line."""
    for mark in (block.begin, block.end):
        if mark and (space := re.search(r"(?:^|\n)([ \t]+)\Z", block.value[: mark[0]])):
            yield space.start(1)


def crlf(block: Block) -> Iterator[int]:
    """The first CR LF."""
    at = block.value.find("\r\n", block.begin[1], block.stop)
    behind = re.match(r"[ \t]*(\r\n)", block.value[block.stop :])
    if at >= 0:
        yield at
    elif behind:
        yield block.stop + behind.start(1)


def final_line(block: Block) -> Iterator[int]:
    """The last block's END line."""
    if block.end and not _ESCAPED_END.sub("", block.value[block.stop :]).strip(" \t"):
        yield block.stop - 1


def byte_order_mark(block: Block) -> Iterator[int]:
    """At the file's or the constant's beginning."""
    if block.before == 0 and block.value.startswith(_BOM):
        yield 0


def width(block: Block) -> Iterator[int]:
    """The first line that is too long, or too short and not the last."""
    lines = block.lines_of_base64()
    if one_or_none(block):
        return
    for number, line in enumerate(lines):
        size = len("".join(line.text.split()))
        if size > WIDTH or (size < WIDTH and number + 1 < len(lines)):
            yield line.start
            return


def text_outside(block: Block) -> Iterator[int]:
    """Text before the block, or behind the last one, on lines of its own."""
    yield from _text(block, block.before, block.found.first)
    if block.after == len(block.value) and block.end:
        yield from _text(block, block.stop, block.after)


def text_beside(block: Block) -> Iterator[int]:
    """Text before BEGIN or behind END, on the mark's own line."""
    line = block.value[: block.found.first].rpartition("\n")[2].rpartition("\r")[2]
    if line.strip(" \t" + _BOM) and not line.endswith("-----"):
        yield block.found.first
    if block.end and re.match(r"[ \t]*(?!\\[nr])[^\s-]", block.value[block.stop :]):
        yield block.stop


def glued(block: Block) -> Iterator[int]:
    """A mark that stands right behind another one, or behind base64."""
    if block.before and block.before == block.found.first:
        yield block.found.first
    last = block.lines[-1] if block.lines else None
    if block.end and last and not last.end and last.text.strip() and not one_or_none(block):
        yield block.end[0]


def white_space(block: Block) -> Iterator[int]:
    """White space before or within a line's base64, or a tab at its end."""
    if one_or_none(block):
        return
    for line in block.lines_of_base64():
        if bad := re.search(r"^\s|\S\s+\S|\t|[^\S \t\r]", line.text):
            yield line.start + bad.start() + (not bad[0][0].isspace())
    if block.end and (tab := re.search(r"\n *(\t)\s*\Z", block.value[: block.end[0]])):
        yield tab.start(1)


def text_inside(block: Block) -> Iterator[int]:
    """Lines that are no base64, where the rest is whole without them."""
    kept = block.kept()
    if kept is None or one_or_none(block):
        return
    places = set(kept)
    for line in block.data:
        if places.isdisjoint(range(line.start, line.stop)) and line is not block.lines[0]:
            yield line.start + len(line.text) - len(line.text.lstrip())


def damaged(block: Block) -> Iterator[int]:
    """Where the first character stands that is no base64."""
    if block.kept() is not None:
        return
    for line in block.data:
        if bad := re.search(r"[^A-Za-z0-9+/=\s]|=(?=[^=\s])", line.text):
            yield line.start + bad.start()
            return


def incomplete(block: Block) -> Iterator[int]:
    """Base64 that is sound, but not one whole DER element."""
    if block.kept() is None and block.data and not list(damaged(block)):
        yield block.data[-1].start


def begin_line(block: Block) -> Iterator[int]:
    """Anything but one space behind BEGIN."""
    first = block.lines[0] if block.lines else None
    if first and first.end and first.text not in ("", " ") and not one_or_none(block):
        yield first.start


def literal_newline(block: Block) -> Iterator[int]:
    """The first `\\n` that no compiler has made a line feed of."""
    for line in block.lines:
        if "\\" in line.end:
            yield line.stop
            return


def one_line(block: Block) -> Iterator[int]:
    """No line's end of any kind between the marks."""
    if block.end and block.data and not any(line.end for line in block.lines):
        yield block.begin[0]


def cr_only(block: Block) -> Iterator[int]:
    """The first CR without LF."""
    for line in block.lines:
        if line.end == "\r":
            yield line.stop
            return


def no_end(block: Block) -> Iterator[int]:
    """At the BEGIN mark."""
    if block.end is None:
        yield block.begin[0]


def wrong_label(block: Block) -> Iterator[int]:
    """Labels of certificates and keys that are written in another way."""
    if block.found.label not in _KNOWN and block.found.kind not in (Kind.OTHER, Kind.PARAMETERS):
        yield block.begin[0]


def empty(block: Block) -> Iterator[int]:
    """A block of marks alone."""
    if block.end and not block.data:
        yield block.begin[0]


def one_or_none(block: Block) -> bool:
    """Whether the block is on one line, so that nothing is to be said of its lines."""
    return not any(line.end for line in block.lines)


def _text(block: Block, start: int, stop: int) -> Iterator[int]:
    """The first line between two places that is neither blank nor a mark's."""
    at = start
    for line in block.value[start:stop].splitlines(keepends=True):
        whole = line.endswith(("\n", "\r")) and (at == 0 or block.value[at - 1] in "\r\n")
        tail = at + len(line) == len(block.value) and at > start
        if (whole or tail) and _ESCAPED_END.sub("", line).strip(_BOM + " \t\r\n"):
            yield at
            return
        at += len(line)


#: The functions by the rules' names, with the way the whole line reads them.
FORM: dict[str, Callable[[Block], Iterator[int]]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        blank_line,
        blank_line_inside,
        trailing_space,
        indented_mark,
        crlf,
        final_line,
        byte_order_mark,
        width,
        text_outside,
        text_beside,
        glued,
        white_space,
        text_inside,
        damaged,
        incomplete,
        begin_line,
        literal_newline,
        one_line,
        cr_only,
        no_end,
        wrong_label,
        empty,
    )
}
