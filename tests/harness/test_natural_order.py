"""Titles and names in the order in which people count, and where they stand in it."""

from __future__ import annotations

from pathlib import Path

from histories import BEGIN, lines

from hil.history.cells import Cells
from hil.history.database import looking_at, open_history
from hil.history.keep import BoardFacts, Keeper, RunFacts
from hil.history.place import parse
from hil.history.runs import results, titles
from hil.history.window import newest
from hil.natural_order import natural
from hil.serve.asked import asked
from hil.serve.pages import PAGES
from hil.serve.view import View


def test_numbers_count_by_their_value() -> None:
    ordered = ["", "2 of 3", "10", "a", "case 2", "Case 2b", "case 010", "case 10", "kit-9", "kit-10", "x" + "9" * 5000]
    assert sorted(reversed(ordered), key=natural) == ordered


def test_the_history_and_its_pages_list_scenarios_and_boards_in_that_order(tmp_path: Path) -> None:
    place = parse("history.sqlite", "", tmp_path)
    cells = Cells()
    for number in (10, 2, 1):
        for board in ("kit-10", "kit-9"):
            for line in lines(board, f"case {number}", "FAIL" if board == "kit-10" else "pass"):
                cells.take(line)
    with open_history(place) as history:
        run = RunFacts("key", "lab", "host", BEGIN, str(tmp_path), "hil 0")
        Keeper(history, run, dict.fromkeys(("kit-9", "kit-10"), BoardFacts("esp32"))).keep(cells)
    cases = ["case 1", "case 2", "case 10"]
    with looking_at(place) as connection:
        assert titles(connection) == cases
        (run_,) = newest(connection)
        assert [one.scenario for one in results(connection, run_.id)] == [case for case in cases for _ in range(2)]
        for path in ("/scenarios", "/boards", "/board?name=kit-9", "/measurements?name=duration", "/firmware?id=1"):
            view = View(asked(path), connection, "here")
            page = PAGES[view.asked.path](view).partition("<main")[2]
            ordered = ("kit-9", "kit-10") if path == "/boards" else cases
            places = [page.find(f">{one}<") for one in ordered]
            assert -1 not in places, path
            assert places == sorted(places), path
