"""A night as Markdown, for a CI job's summary."""

from __future__ import annotations

from collections.abc import Iterable

from hil.nightly.wording import Told
from hil.report.markdown import plain

_MOST = 50
"""Entries of a section that are shown."""


def as_markdown(told: Told) -> str:
    """The text: headline, table, sections."""
    return "".join(f"{line}\n" for line in _lines(told))


def _lines(told: Told) -> Iterable[str]:
    yield from (f"## hil nightly: {plain(told.headline)}", "", plain(told.facts), "")
    for number, row in enumerate(told.rows):
        yield f"| {' | '.join(map(plain, row))} |"
        if number == 0:
            yield "|---" * len(row) + "|"
    for section in told.sections:
        yield from ("", f"### {plain(section.title)} ({section.total})", "")
        yield from (f"- {plain(entry)}" for entry in section.entries[:_MOST])
        if len(section.entries) > _MOST:
            yield f"- and {len(section.entries) - _MOST} more"
    yield ""
    yield from (f"{plain(line)}  " for line in told.end)
