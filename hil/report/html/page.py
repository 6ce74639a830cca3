"""The page put together: one file with all that it needs, and a policy under which nothing else can run in it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from itertools import chain
from string import Template

from hil.report.html import overview
from hil.report.html.asset import asset
from hil.report.html.chunks import Packed, chunk, chunk_outside, packed
from hil.report.html.markup import Html, element, joined, text
from hil.report.outside import outside
from hil.report.runs import Run
from hil.report.summary import summary

_SCRIPTS = ("text", "chunk", "filter", "marks", "picture", "pointer", "list", "detail", "overview", "app")
_STYLES = ("colours", "page", "detail", "print")

_POLICY = (
    "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; img-src data:; "
    "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
)
"""Content Security Policy (W3C, level 3): this script and these styles by their hashes, and no network at all.
Trusted Types: no text becomes markup, whatever the script does."""

CHUNK = "application/x-hil-chunk"
"""The type of a data block (HTML, section 4.12.1): a browser does not run what it does not know."""


def as_html(run: Run) -> str:
    """The text of report.html."""
    told = summary(run)
    script = _assets("js", _SCRIPTS)
    style = _assets("css", _STYLES)
    # Packed at once: the events of one board are in memory at a time.
    others = [(overview.Seen.of(one), packed(chunk_outside(one))) for one in outside(run)]
    return Template(asset("page.html")).substitute(
        policy=text(_POLICY.format(script=_digest(script), style=_digest(style))),
        title=text(f"{_worst(told['verdicts'])} {told['rig']['name'] or 'hil'} {told['run']}".strip()),
        style=style,
        rig=text(told["rig"]["name"] or "a run"),
        run=text(told["run"]),
        worst=overview.worst(told),
        counts=overview.counts(told),
        facts=overview.facts(told),
        failures=overview.failures(told),
        matrix=overview.matrix(told, [seen for seen, _ in others]),
        notes=overview.notes(told),
        boards=overview.boards(told),
        about=overview.about(told, run.facts.get("rig", {})),
        chunks=joined(_chunks(run, [block for _, block in others])),
        script=script,
    )


def _chunks(run: Run, others: Iterable[Packed]) -> Iterator[Html]:
    """A block for each test, and behind them one for what lies outside, numbered in that order."""
    tests = (packed(chunk(run, result)) for result in run.results)
    for number, one in enumerate(chain(tests, others)):
        block = f"chunk-{number}"
        yield element("script", Html(one.text), type=CHUNK, id=block, data_first=one.first, data_last=one.last)


def _worst(verdicts: dict[str, int]) -> str:
    found = overview.worst_of(verdicts)
    return "" if found is None else overview.SIGNS[found]


def _assets(kind: str, names: tuple[str, ...]) -> str:
    return "\n".join(asset(f"{name}.{kind}") for name in names)


def _digest(content: str) -> str:
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode("ascii")
