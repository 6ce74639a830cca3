"""`hil serve` of a history on a PostgreSQL server that is not there, goes away, and comes back."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import Postgres
from serving import filled, get, served

from hil.serve.pages import PAGES
from hil.serve.view import View

CURE = "check that the server runs, and that this user may use the database"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    found = Postgres()
    yield found
    found.remove()


def test_a_database_that_goes_away_is_told_in_a_page_and_may_come_back(
    postgres: Postgres, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.new("lab")
    place = postgres.place("lab", password="geheim")
    filled(tmp_path, 2, place)

    def struck(view: View) -> str:
        """The server goes away while a page reads."""
        assert len(view.window.runs) == 2
        postgres.stop()
        return str(view.quarantine)

    with served(place) as server:
        assert get(server, "/runs")[0] == 200
        with monkeypatch.context() as patched:
            patched.setitem(PAGES, "/boards", struck)  # type: ignore[arg-type]
            told = [get(server, "/boards")]
        told += [get(server, target) for target in ("/", "/runs", "/run/report?key=key-1")]
        for status, headers, text in told:
            assert status == 503
            assert CURE in text
            assert "postgresql://hil@/lab" in text
            assert (headers["Retry-After"], headers["Refresh"]) == ("15", "15")
        assert get(server, "/style.css")[0] == 200
        postgres.start()
        status, headers, text = get(server, "/runs")
        assert (status, text.count("/run?key=")) == (200, 2)
        assert "Refresh" not in headers
    everything = "".join([*(text for _, _, text in told), *capfd.readouterr()])
    assert "geheim" not in everything
    assert "Traceback" not in everything


def test_it_begins_before_the_database_does(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.new("early")
    place = postgres.place("early", password="geheim")
    filled(tmp_path, 2, place)
    postgres.stop()
    monkeypatch.setenv("HIL_HISTORY", place.url.replace("+psycopg", ""))
    command = [sys.executable, "-m", "hil.cli", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            address = re.findall(r"http://127\.0\.0\.1:(\d+)/", line)
            assert address, line
            at = ("127.0.0.1", int(address[0]))
            status, _, text = get(at, "/runs")
            assert (status, CURE in text) == (503, True)
            postgres.start()
            assert get(at, "/runs")[0] == 200
        finally:
            process.terminate()
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 0
    assert CURE in errors
    assert errors.count("\n") == 1
    assert "geheim" not in line + text + errors
