"""A history full of hostile text, and a server of it, for tests of the pages."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

from histories import BEGIN, DAY, flattened, lines

from hil.history.cells import Cells
from hil.history.database import open_history
from hil.history.keep import KEY_FILE, BoardFacts, Keeper, RunFacts
from hil.history.place import Place, parse
from hil.history.quarantine import put
from hil.serve.server import Server

HOSTILE = "<script>alert('title')</script> & \"x\" \u202e\x1b[31m"
"""The title of a scenario: what a page must show, and not do."""


def filled(folder: Path, runs: int = 24, place: Place | None = None) -> Place:
    """Runs of two boards: one scenario breaks with the firmware of the 17th, one is flaky, one grows slower."""
    place = place or parse("history.sqlite", "", folder)
    with open_history(place) as history:
        for run in range(runs):
            add_run(place, folder, run)
        today = datetime.date.today()
        with history.writing() as connection:
            put(connection, "tries again", None, today + datetime.timedelta(days=3), "<img src=x onerror=alert('why')>")
            put(connection, HOSTILE, "a", today - datetime.timedelta(days=2), "long ago")
    return place


def add_run(place: Place, folder: Path, run: int) -> None:
    """One more run, with its folder and a report in it."""
    artifacts = folder / f"run-{run}"
    artifacts.mkdir()
    (artifacts / KEY_FILE).write_text(f"key-{run}\n")
    (artifacts / "report.html").write_text(f"<!doctype html><title>report {run}</title>")
    wall, sha = BEGIN + run * DAY, f"{1 + run // 8:02x}" * 32
    cells = Cells()
    tests = [
        lines(
            board,
            scenario,
            outcome,
            wall=wall,
            sha256=sha,
            seconds=5 + run % 3,
            measured={"time_to_online": (2 + run / 20 * (board == "b"), "s")} if scenario == "comes online" else None,
            failure="E   assert <img src=x onerror=alert('reason')>",
        )
        for board in ("a", "b")
        for scenario, outcome in (
            ("comes online", "pass"),
            ("keeps alive", "FAIL" if run >= 16 else "pass"),
            ("tries again", "FAIL" if board == "a" and run % 3 == 1 else "pass"),
            (HOSTILE, "ERROR" if board == "b" and run == 23 else "pass"),
        )
    ]
    for line in flattened(tests):
        cells.take(line)
    facts = RunFacts(f"key-{run}", "lab", "host <b>", wall, str(artifacts), "hil 0", "mosquitto")
    with open_history(place) as history:
        keeper = Keeper(history, facts, dict.fromkeys("ab", BoardFacts("esp32")))
        keeper.keep(cells)
        keeper.end(wall + 60)


@contextlib.contextmanager
def served(place: Place) -> Iterator[Server]:
    """A server of it on any free port, in a thread."""
    with Server(place, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def get(
    server: Server | tuple[str, int], target: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], str]:
    """Status, headers and text of an answer, of a server or of whoever is at an address."""
    host, port = ("127.0.0.1", server.server_address[1]) if isinstance(server, Server) else server
    connection = http.client.HTTPConnection(host, port, timeout=60)
    with contextlib.closing(connection):
        connection.request(method, target, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
