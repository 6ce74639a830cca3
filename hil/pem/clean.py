"""The clean form of a source: the same file, but for the characters that a constant's clean value needs otherwise."""

from __future__ import annotations

import re

from hil.pem.block import Block, Kept, blocks
from hil.sources import Language, Places, Text, find, texts
from hil.sources.finder import blocks as found_in

#: White space, a byte order mark, and line ends that were escaped once too often.
_BLANK = re.compile(r"(?:[\ufeff \t\r\n]|\\[nr])*")
#: Carriage returns at the end of a line, however many a broken conversion has made of one.
_RETURNS = re.compile(r"\r+\n")
#: Text on the END line, which stays there.
_BESIDE = re.compile(r"[ \t]*(?!\\[nr]|-----)\S")


def clean(source: str, language: Language) -> str:
    """The source with every block that can be mended in the strict form; damaged ones stay as they are.

    Characters are taken out, and line feeds put in, where they stand: comments, names, indentation and whatever else
    is no part of a PEM block's form stay byte for byte. What would not read back as wanted is not touched.
    """
    for number, text in enumerate(texts(source, language)):
        if "-----BEGIN " in text.value:
            source = _one(source, language, number)
    return source


def _one(source: str, language: Language, number: int) -> str:
    before = texts(source, language)
    text = before[number]
    anatomy = blocks(list(found_in(text, Places(""))))
    if not anatomy or any(block.quoted for block in anatomy):
        return source
    wanted = cleaned(anatomy)
    mended = _edited(source, text, wanted)
    values = [t.value for t in before]
    values[number] = "".join(character for character, _ in wanted)
    return mended if [t.value for t in texts(mended, language)] == values else source


def cleaned(anatomy: list[Block]) -> list[Kept]:
    """The clean value of a constant that holds these blocks: strict forms, with only foreign text between."""
    value = anatomy[0].value
    wanted: list[Kept] = []
    at = 0
    for block in anatomy:
        wanted += _gap(value, at, block.found.first)
        form = block.clean()
        if form is None:  # damaged: it stays, with what follows it
            wanted += [(value[n], n) for n in range(block.found.first, block.after)]
            at = block.after
            continue
        if form[-1][1] is None and _BESIDE.match(value, block.stop):
            form.pop()
        wanted += form
        at = max((n for _, n in form if n is not None), default=block.stop - 1) + 1
        at = max(at, block.stop)
    return wanted + _gap(value, at, len(value))


def _gap(value: str, start: int, stop: int) -> list[Kept]:
    """What lies between blocks: nothing where it is blank, else as it is, but for white space before the mark."""
    between = value[start:stop]
    if _BLANK.fullmatch(between):
        return []
    if between.endswith((" ", "\t")) and stop < len(value):
        stop = start + len(re.sub(r"(?<=\n)[ \t]+\Z", "", between))
    return [(value[n], n) for n in range(start, stop) if not _RETURNS.match(value, n)]


def _edited(source: str, text: Text, wanted: list[Kept]) -> str:
    """The source whose constant has this value: the fewest changes."""
    kept = {n for _, n in wanted if n is not None}
    changes = [(text.starts[n], text.ends[n], "") for n in range(len(text.starts)) if n not in kept]
    place, last = text.starts[0], 0
    for character, n in wanted:
        if n is None:
            changes.append((place, place, text.encoders[last](character)))
        else:
            place, last = text.ends[n], n
    edited, at = [], 0
    for start, end, new in sorted(changes, key=lambda change: (change[0], change[1])):
        edited += [source[at : max(at, start)], new]
        at = max(at, end)
    return "".join([*edited, source[at:]])


def in_order(source: str, language: Language, order: list[int]) -> str:
    """The source with the blocks of one constant in another order: entry n is the block to stand at place n.

    `order` counts the blocks of the whole source. Gives the source back as it is where blocks cannot change places as
    they are written, such as an ordinary literal with a raw one.
    """
    founds = find(source, language)
    spans = [(f.text.starts[f.first], f.text.ends[f.last - 1]) for f in founds]
    moved, at = [], 0
    for number, wanted in enumerate(order):
        start, end = spans[number]
        moved += [source[at:start], source[slice(*spans[wanted])]]
        at = end
    result = "".join([*moved, source[at:]])
    values = [found.pem for found in find(result, language)]
    return result if values == [founds[n].pem for n in order] else source
