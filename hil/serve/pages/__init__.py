"""The pages, a file for each kind: each a function from a view of the history to the text of a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hil.serve.pages import boards, firmware, measurements, overview, quarantine, runs, scenarios
from hil.serve.view import View

PAGES: Mapping[str, Callable[[View], str]] = {
    "/": overview.page,
    "/runs": runs.page,
    "/run": runs.one,
    "/scenarios": scenarios.page,
    "/scenario": scenarios.one,
    "/boards": boards.page,
    "/board": boards.one,
    "/firmware": firmware.page,
    "/measurements": measurements.page,
    "/quarantine": quarantine.page,
}
"""By path."""
