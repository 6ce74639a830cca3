"""What `hil history` does: each question from the options to an exit code."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import Connection

from hil.history import as_json, listing, place
from hil.history.course import course
from hil.history.database import History, HistoryError, open_history
from hil.history.questions import drifts, flaky, lonely, regressions, trend
from hil.history.runs import bad, counts, reasons, titles
from hil.history.sheet import Sheet
from hil.history.window import Window, window
from hil.history.wording import together


def opened(options: argparse.Namespace, *, create: bool = False) -> History:
    """The history that the options name. Raises HistoryError where it is off, or not there."""
    found = place.of_command(Path(options.rig_file), options.history)
    if found is None:
        raise HistoryError("the history is off ($HIL_HISTORY, --history or the rig says so); say --history URL")
    return open_history(found, create=create)


@contextlib.contextmanager
def _looking(options: argparse.Namespace) -> Iterator[tuple[Connection, Window]]:
    with opened(options) as history, history.reading() as connection:
        found = window(connection, last=options.last, rig=options.of)
        if not found.runs:
            of = f" of a rig {options.of!r}" if options.of else ""
            raise HistoryError(f"{history.place.shown}: there is no run{of} yet")
        yield connection, found


def overview(options: argparse.Namespace) -> int:
    """Everything in one look."""
    with _looking(options) as (connection, found):
        newest = counts(connection, found.newest())
        failed = bad(connection, found.newest())
        broken, unsteady, alone = regressions(found), flaky(found), lonely(found)
        moved = drifts(found)
        if options.json:
            answers = {"runs": as_json.counts(newest), "regressions": as_json.regressions(broken)}
            answers["failed"] = as_json.failed(found, failed)
            answers |= {"flaky": as_json.flaky(unsteady), "boards": as_json.boards(alone)}
            _print(found, "overview", **answers, drifts=as_json.drifts(moved))
            return 0
        sheet = Sheet.of_stdout()
        most = listing.MOST if sheet.is_terminal else None
        listing.about(sheet, found, newest)
        told = {(one.board.id, one.scenario) for one in broken}
        others = [one for _, one in failed if (one.board, one.scenario) not in told]
        listing.others(sheet, found, others, most)
        listing.regressions(sheet, found, broken, reasons(failed), most)
        listing.flaky(sheet, unsteady, most)
        listing.boards(sheet, alone)
        listing.drifts(sheet, together(moved), most)
    return 0


def _print(found: Window, question: str, **answers: object) -> None:
    print(as_json.document(question, looked_at=as_json.looked_at(found), **answers))


def _runs(options: argparse.Namespace) -> int:
    with _looking(options) as (connection, found):
        counted = counts(connection, found.runs)
        if options.json:
            _print(found, "runs", runs=as_json.counts(counted))
        else:
            listing.runs(Sheet.of_stdout(), counted)
    return 0


def _regressions(options: argparse.Namespace) -> int:
    with _looking(options) as (connection, found):
        asked = regressions(found)
        if options.json:
            _print(found, "regressions", regressions=as_json.regressions(asked))
        else:
            listing.regressions(Sheet.of_stdout(), found, asked, reasons(bad(connection, found.newest())))
    return 1 if any(one.sure and not one.quarantined for one in asked) else 0


def _flaky(options: argparse.Namespace) -> int:
    with _looking(options) as (_, found):
        asked = flaky(found)
        if options.json:
            _print(found, "flaky", flaky=as_json.flaky(asked))
        else:
            listing.flaky(Sheet.of_stdout(), asked)
    return 0


def _drifts(options: argparse.Namespace) -> int:
    with _looking(options) as (_, found):
        asked = drifts(found)
        if options.json:
            _print(found, "drifts", drifts=as_json.drifts(asked))
        else:
            listing.drifts(Sheet.of_stdout(), together(asked))
    return 0


def _boards(options: argparse.Namespace) -> int:
    with _looking(options) as (_, found):
        asked = lonely(found)
        if options.json:
            _print(found, "boards", boards=as_json.boards(asked))
        else:
            listing.boards(Sheet.of_stdout(), asked)
    return 0


def _trend(options: argparse.Namespace) -> int:
    with opened(options) as history, history.reading() as connection:
        known = titles(connection)
        if options.scenario is None:
            _list(known, options.json)
            return 0
        title = _meant(options.scenario, known)
        found = trend(connection, title, options.board, last=options.last, rig=options.of)
        if not found:
            of = f" on board {options.board!r}" if options.board else ""
            raise HistoryError(f"{history.place.shown}: no result of {title!r}{of} in the last {options.last} runs")
        if options.json:
            print(as_json.document("trend", trend=as_json.trend(found)))
            return 0
        sheet = Sheet.of_stdout()
        for one in found:
            course(sheet, one)
    return 0


def _list(titles: Sequence[str], json: bool) -> None:
    if json:
        print(as_json.document("trend", scenarios=list(titles)))
    else:
        listing.scenarios(Sheet.of_stdout(), titles)


def _meant(said: str, known: Sequence[str]) -> str:
    """The title that was meant: the whole of it, or a part that no other has."""
    if said in known:
        return said
    near = [title for title in known if said.lower() in title.lower()]
    if len(near) == 1:
        return near[0]
    told = "; ".join(near[:5]) if near else f"nothing like it; `hil history trend` lists {len(known)}"
    raise HistoryError(f"scenario {said!r}: found {told}; expected the title of one")


def _add(options: argparse.Namespace) -> int:
    from hil.history.adding import add

    with opened(options, create=True) as history:
        for folder in options.folders:
            print(f"{folder}: {add(history, Path(folder))}")
    return 0


ALL = {
    "overview": overview,
    "runs": _runs,
    "trend": _trend,
    "regressions": _regressions,
    "flaky": _flaky,
    "drifts": _drifts,
    "boards": _boards,
    "add": _add,
}
