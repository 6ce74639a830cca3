"""A pytest plugin for the runs of the matrix: picks the wanted tests, and writes each verdict down as it falls.

    pytest -p tests.defects.recorder --picked wanted.json --verdicts verdicts.jsonl ...

`wanted.json` is a list of [board, scenario, case]; an empty case stands for all of them. Without it all tests run.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from hil.report import verdicts as reports

_reports: pytest.StashKey[list[pytest.TestReport]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("defects")
    group.addoption("--picked", metavar="FILE", help="run only the tests that this file lists")
    group.addoption("--verdicts", metavar="FILE", help="write verdicts there, a JSON object a line")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--picked"):
        wanted = [tuple(row) for row in json.loads(Path(config.getoption("--picked")).read_text())]
        chosen = [item for item in items if _is_wanted(item, wanted)]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen


def _is_wanted(item: pytest.Item, wanted: list[tuple[str, ...]]) -> bool:
    board, scenario, case = _facts(item)
    return (board, scenario, case) in wanted or (board, scenario, "") in wanted


def _facts(item: pytest.Item) -> tuple[str, str, str]:
    """The board, the scenario's function, and the id of its other parameters: 'ca-false'."""
    name = str(getattr(item, "originalname", None) or item.name)
    parameters: Any = getattr(item, "callspec", None)
    if parameters is None:
        return "", name, ""
    board = str(parameters.params.get("board", ""))
    parts = parameters.id
    # The board's name is one of the parts, first or last or between: pytest joins them with '-'.
    for this, by in ((f"{board}-", ""), (f"-{board}", ""), (board, "")):
        if board and this in parts:
            parts = parts.replace(this, by, 1)
            break
    return board, name, parts


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    collected: list[pytest.TestReport] = item.stash.setdefault(_reports, [])
    collected.append(report)
    target = item.config.getoption("--verdicts")
    if report.when == "teardown" and target:
        with Path(target).open("a", encoding="utf-8") as file:
            file.write(json.dumps(_verdict(item, collected)) + "\n")
    return report


def _verdict(item: pytest.Item, collected: list[pytest.TestReport]) -> dict[str, Any]:
    """The worst of set-up, call and tear-down. 'error': the bench failed, not the board."""
    board, scenario, case = _facts(item)
    outcome, text = "pass", ""
    warnings = list(dict.fromkeys(words for report in collected for words in reports.told(report, reports.WARNING)))
    if warnings:
        outcome, text = "warn", "\n".join(warnings)
    for report in collected:
        if report.skipped:
            outcome, text = "n/a", str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        elif report.failed:
            is_boards = report.when == "call" or reports.told(report, reports.JUDGED)
            outcome, text = "fail" if is_boards else "error", report.longreprtext
            break
    return {
        "board": board,
        "scenario": scenario,
        "case": case,
        "name": item.name,
        "outcome": outcome,
        "text": text,
        "seconds": round(sum(report.duration for report in collected), 2),
    }
