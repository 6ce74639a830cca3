"""What pytest's report of one phase of a test with a board says besides: diagnosis, timeline, quarantine, the account.

Everything is put on the report itself: with pytest-xdist the process that prints it and writes it down is another one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hil import plugin_markers as markers
from hil import side_by_side
from hil.history.sentence import Quarantine
from hil.history.witness import Witness
from hil.report import results
from hil.report import verdicts as reports
from hil.report.numbers import DIAGNOSIS, STRETCH

if TYPE_CHECKING:
    from hil.bench import Bench

_quarantine_key: pytest.StashKey[Quarantine] = pytest.StashKey()
_witness_key: pytest.StashKey[Witness] = pytest.StashKey()


def tell(
    item: pytest.Item,
    call: pytest.CallInfo[None],
    report: pytest.TestReport,
    bench: Bench,
    *,
    ready: int | None,
    ended: float,
) -> None:
    """Put on `report` what is known on `bench` of the phase that `call` was; a quarantined failure is none any more.

    `ready`: the place on the timeline at which the board was ready, None before. `ended`: when the phase did, in
    monotonic seconds.
    """
    run, timeline = map(str, side_by_side.left_behind(item.config, bench))
    board = item.callspec.params.get("board", "") if hasattr(item, "callspec") else ""
    title = markers.title(item)
    report.user_properties += [
        (reports.BOARD, board),
        (reports.SCENARIO, title),
        (reports.BROKER, bench.broker_words),
        (reports.ARTIFACTS, run),
    ]
    if report.when != "call" and ready is not None and _falls_short(call):
        report.user_properties.append((reports.JUDGED, True))
    sections: list[tuple[str, str]] = list(report.sections)
    if report.failed and ready is not None:
        report.sections.append((f"{DIAGNOSIS}{board}", bench.diagnosis(board, after=ready)))
        report.sections.append((f"{STRETCH}{board} ({timeline})", bench.stretch(board, after=ready)))
    excused = _quarantined(item, report, bench, board, title) if report.failed else None
    about = _about(item, report, bench, run) | _witnessed(item, report, bench, board, ready)
    text = report.longreprtext if report.failed else ""
    redacted = bench.timeline.redacted
    account = results.account(report, about=about, sections=sections, text=text, redacted=redacted, ended=ended)
    setattr(report, results.ACCOUNT, account)
    if excused is not None:
        report.outcome = "skipped"  # what pytest makes of a failure that was expected
        report.wasxfail = excused


def _falls_short(call: pytest.CallInfo[None]) -> bool:
    """Whether an assertion failed, with the board ready: not to come online is to fail, wherever it shows."""
    return call.excinfo is not None and call.excinfo.errisinstance(AssertionError)


def _quarantined(item: pytest.Item, report: pytest.TestReport, bench: Bench, board: str, scenario: str) -> str | None:
    """What the quarantine list says of a failure that it lets pass; what has expired is told, and fails."""
    stash = item.config.stash
    if _quarantine_key not in stash:
        stash[_quarantine_key] = Quarantine(bench.rig, item.config.getoption("--history"))
    found = stash[_quarantine_key].ruling(scenario, board)
    if found is None:
        return None
    holds, words = found
    report.user_properties.append((reports.QUARANTINED if holds else reports.EXPIRED, words))
    if not holds:
        report.sections.append(("quarantine", words))
    return words if holds else None


def _about(item: Any, report: pytest.TestReport, bench: Bench, run: str) -> dict[str, Any]:
    """What results.jsonl says of the test and where it ran, for the process that writes it."""
    return {
        "test": results.without_group(item.nodeid),
        "name": item.name,
        "board": reports.told(report, reports.BOARD)[0],
        "scenario": reports.told(report, reports.SCENARIO)[0],
        "about": " ".join((getattr(item, "obj", None).__doc__ or "").split("\n\n")[0].split()),
        "file": report.location[0],
        "line": report.location[1],
        "groups": markers.groups(item),
        "worker": side_by_side.told(item.config).get("workerid"),
        "broker": bench.broker_words,
        "artifacts": run,
    }


def _witnessed(
    item: pytest.Item, report: pytest.TestReport, bench: Bench, board: str, ready: int | None
) -> dict[str, Any]:
    """What it says of the board, where the phase judged it: its firmware, and what was measured."""
    if ready is None or not (report.when == "call" or reports.told(report, reports.JUDGED)):
        return {}
    config = item.config
    if _witness_key not in config.stash:
        told = config.getoption("--firmware-version"), config.getoption("--firmware-revision")
        config.stash[_witness_key] = Witness.told(*told)
    return config.stash[_witness_key].account(bench, board, ready)
