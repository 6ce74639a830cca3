"""What pytest prints at the end, and what it leaves behind: verdicts, results as they come, reports, the history.

Imports nothing of weight until a test with a board has a result.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hil.report import verdicts as reports

if TYPE_CHECKING:
    from hil.history.live import Live
    from hil.report.results import Writer
    from hil.rig import Rig


class Summary:
    """Collects the results where the summary is printed: in this process, also of tests that ran in others (xdist).

    A plugin of its own. `rig_of` reads the rig; it is asked once a test with a board has a result.
    """

    def __init__(self, config: pytest.Config, rig_of: Callable[[], Rig]) -> None:
        self._config = config
        self._rig_of = rig_of
        self._verdicts = reports.Verdicts()
        self._results: Writer | None = None
        self._history: Live | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self._results is None:
            if not reports.told(report, reports.BOARD):
                return
            from hil.history.live import Live
            from hil.report.results import Writer

            self._results = Writer()
            self._verdicts = reports.Verdicts(self._rig_of().boards)
            whole = self._config.getoption("--part-of")
            self._history = Live(self._rig_of(), self._config.getoption("--history"), whole and Path(whole))
        retold = self._results.add(report)
        if retold is not None:
            self._verdicts.add(retold)
            if self._history is not None and retold.line is not None and retold.folder is not None:
                self._history.take(retold.line, retold.folder)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        if self._verdicts and self._results is not None:
            from hil import side_by_side
            from hil.report.ending import leave_reports

            terminalreporter.section("hil: board by scenario")
            told = leave_reports(self._results.folders, config.getoption("--reports"))
            merged = side_by_side.outcome(config)
            kept = self._history.end() if self._history is not None else []
            for line in [*self._verdicts.summary(), *merged, *told, *kept]:
                terminalreporter.write_line(line)

    def pytest_unconfigure(self) -> None:
        if self._results is not None:
            self._results.close()
