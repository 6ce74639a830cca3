"""What is wrong with certificates and keys in files, where, and what each TLS stack makes of it."""

from __future__ import annotations

import itertools
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hil.pem import contents
from hil.pem.block import blocks
from hil.pem.clean import clean, in_order
from hil.pem.form import FORM
from hil.pem.rules import BY_NAME, SKIPPED, Rule
from hil.sources import Kind, Language, Places, texts
from hil.sources.finder import blocks as found_in

_KEY_ANYWHERE = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?:\s|\\[nr\r\n]|[\"'+/*#;)]|//)*[A-Za-z0-9+/]{16}")
_GIT_SECONDS = 20


class PemError(ValueError):
    """A file that cannot be read as text. One line: what was found, what is expected."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file's name and text. `tracked`: git has it in its index."""

    name: str
    text: str
    language: Language
    tracked: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and where: line and column count from 1. `what` is the kind of block."""

    rule: Rule
    file: str
    line: int
    column: int
    what: str
    detail: str = ""

    @property
    def verdict(self) -> str:
        """What each TLS stack does with it."""
        return self.rule.verdict


@dataclass(frozen=True, slots=True)
class Report:
    """What was looked at and what is wrong with it, in the order of the files."""

    blocks: int
    findings: list[Finding]

    @property
    def errors(self) -> list[Finding]:
        """The findings that are not warnings alone."""
        return [finding for finding in self.findings if finding.rule.level == "error"]


def load(path: Path) -> Source:
    """A file's text, whatever its bytes are. Raises OSError, and PemError where it is UTF-16 or binary."""
    data = path.read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise PemError(f"{path}: found UTF-16, expected ASCII or UTF-8; save it again as UTF-8")
    if b"\0" in data.rstrip(b"\0"):
        raise PemError(
            f"{path}: found binary data, expected PEM or a source; openssl x509 -inform DER makes PEM of DER"
        )
    return Source(str(path), data.decode("utf-8", "surrogateescape"), Language.of(path), tracked(path))


def tracked(path: Path) -> bool:
    """Whether git tracks the file; False where there is no git or no repository."""
    command = ["git", "-C", str(path.resolve().parent), "ls-files", "--error-unmatch", "--", path.resolve().name]
    try:
        return subprocess.run(command, capture_output=True, timeout=_GIT_SECONDS, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def check(sources: Sequence[Source]) -> Report:
    """Look at the files together: a key may fit a certificate in another file."""
    findings: list[Finding] = []
    items: list[contents.Item] = []
    places = {source.name: Places(source.text) for source in sources}
    for source in sources:
        findings += _no_blocks(source, places[source.name])
        for item in read(source):
            items.append(item)
            if not item.block.quoted:
                findings += _form(item, places[source.name])
    contents.judge(items)
    for item in items:
        for name, detail in item.complaints:
            findings.append(_at(BY_NAME[name], item, places[item.file], item.block.found.first, detail))
    findings = [_bundled(finding, items) for finding in findings]
    names = [source.name for source in sources]
    findings.sort(key=lambda finding: (names.index(finding.file), finding.line, finding.column))
    return Report(len(items), findings)


def read(source: Source) -> list[contents.Item]:
    """The blocks of a file and what they hold."""
    places, items = Places(source.text), []
    for number, text in enumerate(texts(source.text, source.language)):
        for block in blocks(list(found_in(text, places))):
            item = contents.Item(block, source.name, number)
            contents.read(item)
            items.append(item)
    return items


def fix(source: Source) -> str:
    """The file's text with all that can be mended mended: each block in the strict form, chains in order."""
    text = clean(source.text, source.language)
    items = read(Source(source.name, text, source.language))
    order = list(range(len(items)))
    for _, together in itertools.groupby(items, key=lambda item: item.place):
        for here, wanted in contents.in_order(list(together)):
            order[items.index(here)] = items.index(wanted)
    return text if order == sorted(order) else in_order(text, source.language, order)


def _form(item: contents.Item, places: Places) -> Iterable[Finding]:
    for name, rule in FORM.items():
        offsets = list(rule(item.block))
        if offsets:
            detail = f"{len(offsets)} times" if len(offsets) > 1 else ""
            yield _at(BY_NAME[name], item, places, offsets[0], detail)


def _at(rule: Rule, item: contents.Item, places: Places, offset: int, detail: str) -> Finding:
    starts = item.block.found.text.starts
    line, column = places.of(starts[min(offset, len(starts) - 1)])
    return Finding(rule, item.file, line, column, item.block.found.kind, detail)


def _bundled(finding: Finding, items: list[contents.Item]) -> Finding:
    """Say so where a refused certificate stands among good ones, and so goes unnoticed."""
    if not finding.rule.mbedtls or finding.what != Kind.CERTIFICATE:
        return finding
    if not any(item.file == finding.file and item.certificate for item in items):
        return finding
    detail = "; ".join(part for part in (finding.detail, SKIPPED) if part)
    return Finding(finding.rule, finding.file, finding.line, finding.column, finding.what, detail)


def _no_blocks(source: Source, places: Places) -> Iterable[Finding]:
    """What can be said of a file without looking into a block: no BEGIN at all, a key that git has."""
    if source.language is Language.PEM and "-----BEGIN " not in source.text:
        yield Finding(BY_NAME["no-begin"], source.name, 1, 1, "file")
    if source.tracked:
        for key in _KEY_ANYWHERE.finditer(source.text):
            line, column = places.of(key.start())
            yield Finding(BY_NAME["committed-key"], source.name, line, column, Kind.PRIVATE_KEY)
