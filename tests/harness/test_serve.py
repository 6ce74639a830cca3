"""`hil serve`: what its pages show, whom it answers, and what no request can make it do."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from histories import BEGIN, DAY, flattened, lines
from serving import HOSTILE, add_run, filled, get, served

from hil.cli import main
from hil.history import migrations
from hil.history.cells import Cells
from hil.history.database import HistoryError, looking_at, open_history
from hil.history.keep import Keeper, RunFacts
from hil.history.place import Place, parse
from hil.serve.charts import chart
from hil.serve.pages import PAGES
from hil.serve.pages.quarantine import left
from hil.serve.server import Server


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return filled(tmp_path_factory.mktemp("history"))


@pytest.fixture(scope="module")
def server(place: Place) -> Iterator[Server]:
    with served(place) as found:
        yield found


EVERY = {
    "/": "/",
    "/runs": "/runs",
    "/run": "/run?key=key-23",
    "/scenarios": "/scenarios",
    "/scenario": "/scenario?title=" + quote(HOSTILE),
    "/boards": "/boards",
    "/board": "/board?name=b&rig=lab",
    "/firmware": "/firmware?id=3",
    "/measurements": "/measurements?name=time_to_online",
    "/quarantine": "/quarantine",
}


def test_there_is_an_address_for_each_page() -> None:
    assert set(EVERY) == set(PAGES)


@pytest.mark.parametrize("target", EVERY.values())
def test_nothing_hostile_becomes_markup_and_nothing_is_loaded(server: Server, target: str) -> None:
    status, headers, text = get(server, target)
    assert status == 200, text
    assert not re.findall(r"<(?:script|img|iframe)|host <b>|\son\w+=[\"']|\sstyle=|\u202e|\x1b", text)
    assert not re.findall(r"""(?:src|href|action)=["'](?!/(?!/)|#main)""", text), "all links lead to this host"
    assert text.count("<link") == 1
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_overview_says_what_broke_and_since_which_firmware(server: Server) -> None:
    _, _, text = get(server, "/")
    assert "broken since" in text
    assert "with 1.4.2 (03030303), good with 1.4.2 (02020202): 1 scenario" in text
    assert "8 of 8 failed, 0 of 16 before" in text
    assert "fails" in text.split(">Flaky</h2>")[1]
    assert "tries again" in text.split(">Flaky</h2>")[1].split(">Drifts</h2>")[0]
    assert "time_to_online" in text.split(">Drifts</h2>")[1]
    assert "3 days" in text.split(">In quarantine</h2>")[1]
    assert "expired 2 days ago" in text
    assert "<svg" in text


def test_pages_tell_of_what_they_are_about(server: Server) -> None:
    _, _, run = get(server, "/run?key=key-23")
    assert "report.html" in run
    assert "host &lt;b&gt;" in run
    _, _, scenario = get(server, "/scenario?title=comes+online")
    assert "drift of +0.05 s a run" in scenario
    assert scenario.count('class="chart"') == 4, "two measurements on two boards"
    _, _, board = get(server, "/board?name=a&rig=lab")
    assert "fails alone" in board
    _, _, firmware = get(server, "/firmware?id=3")
    assert "keeps alive" in firmware.split(">Broken since it</h2>")[1]
    _, _, listed = get(server, "/quarantine")
    assert "hil quarantine remove &#x27;tries again&#x27;" in listed
    _, _, runs = get(server, "/runs?last=4")
    assert runs.count("key=key-") == 4
    _, _, narrowed = get(server, "/?board=b&last=20")
    assert "/board?name=a" not in narrowed


def test_the_overview_is_cut_to_one_look_and_leads_to_all(tmp_path: Path) -> None:
    place = parse("many.sqlite", "", tmp_path)
    with open_history(place) as history:
        for run in range(9):
            cells = Cells()
            for line in flattened(
                lines("a", f"case {n:02}", "FAIL" if run % 3 == 1 or (run == 8 and n < 15) else "pass")
                for n in range(20)
            ):
                cells.take(line)
            facts = RunFacts(f"key-{run}", "lab", "host", BEGIN + run * DAY, "/runs", "hil 0")
            Keeper(history, facts, {}).keep(cells)
    with served(place) as server:
        _, _, text = get(server, "/?last=40")
        assert text.count('class="interval"') == 12
        assert ">all 20</a>" in text.split(">Flaky</h2>")[1]
        assert ">all 15</a>" in text.split(">Flaky</h2>")[0]
        assert 'href="/?last=40&amp;all=1"' in text
        assert 'class="cards"' not in text, "nothing of it is sure"
        assert get(server, "/?last=40&all=1")[2].count('class="interval"') == 20


def test_what_is_sure_has_a_card_with_all_its_boards(server: Server) -> None:
    _, _, text = get(server, "/")
    (card,) = text.split('class="cards"')[1].split("</ul>")[0].split("<li>")[1:]
    assert "keeps alive" in card
    assert '<span class="reason">assert &lt;img' in card
    assert card.count("8 of 8 failed, 0 of 16 before") == 1, "both boards have the same course"


def test_a_chart_s_line_is_broken_over_runs_without_a_value() -> None:
    names = [str(n) for n in range(20)]
    whole = chart("x", range(20), [1.0] * 20, names, "s")
    assert 'class="course gap"' not in whole
    every_second = chart("x", range(0, 20, 2), [1.0] * 10, names, "s")
    assert 'class="course gap"' not in every_second
    gap = chart("x", [*range(5), *range(15, 20)], [1.0] * 10, names, "s")
    assert gap.count('class="course gap"') == 1
    assert 'class="course"' not in chart("x", [3], [1.0], names, "s"), "one value is a dot"


def test_it_is_live_while_runs_write(tmp_path: Path) -> None:
    place = filled(tmp_path, runs=2)
    with served(place) as server:
        assert get(server, "/runs")[2].count("/run?key=") == 2
        with open_history(place) as history, history.writing():  # somebody else is in the middle of writing
            assert get(server, "/runs")[0] == 200
        add_run(place, tmp_path, 2)
        assert get(server, "/runs")[2].count("/run?key=") == 3


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:9000", 200),
        ("127.0.0.1:8420", 200),
        ("[::1]:8420", 200),
        ("evil.example", 421),
        ("localhost.evil.example:8420", 421),
        ("127.0.0.1.evil.example", 421),
        ("[::1].evil.example", 421),
        ("", 421),
    ],
)
def test_only_this_host_s_own_names_are_answered(server: Server, host: str, status: int) -> None:
    found, _, text = get(server, "/", Host=host)
    assert found == status
    assert ("keeps alive" in text) is (status == 200)
    if status == 421:
        assert "hil serve --name NAME" in text


def test_a_request_without_a_host_or_with_two_is_refused(server: Server) -> None:
    for hosts in ("", "Host: localhost\r\nHost: evil.example\r\n"):
        with socket.create_connection(server.server_address[:2], timeout=30) as raw:  # type: ignore[arg-type]
            raw.sendall(f"GET / HTTP/1.1\r\n{hosts}\r\n".encode())
            assert b" 421 " in raw.makefile("rb").readline()


def test_a_further_name_is_answered_where_it_was_said(place: Place) -> None:
    with Server(place, "127.0.0.1", 0, frozenset({"Pi-3.lab"})) as server:
        assert "pi-3.lab" in server.names


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(server: Server, method: str) -> None:
    status, headers, text = get(server, "/quarantine", method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert "hil quarantine" in text


def test_a_page_s_connection_cannot_write(place: Place) -> None:
    with pytest.raises(HistoryError, match="readonly"), looking_at(place) as connection:
        connection.exec_driver_sql("DELETE FROM runs")


def test_head_has_no_body(server: Server) -> None:
    status, headers, text = get(server, "/", "HEAD")
    assert (status, text) == (200, "")
    assert int(headers["Content-Length"]) > 1000


@pytest.mark.parametrize(
    ("target", "status", "words"),
    [
        ("/nothing", 404, "There is no page"),
        ("/../../etc/passwd", 404, "There is no page"),
        ("/%2e%2e/%2e%2e/etc/passwd", 404, "There is no page"),
        ("//etc/passwd", 404, "There is no page"),
        ("/run", 400, "found no &#x27;key&#x27;"),
        ("/run?key=../../etc", 404, "no such run"),
        ("/run/report?key=/etc/passwd", 404, "no such run"),
        ("/scenario?title=nix", 404, "No result of"),
        ("/board?name=z", 404, "No result of a board"),
        ("/firmware?id=99", 404, "no such firmware"),
        ("/firmware?id=1;drop", 400, "expected a number"),
        ("/?last=0", 400, "expected a number from 1 to 1000"),
        ("/?last=%F0%9F%98%80", 400, "expected a number"),
        ("/?rig=garage", 404, "There is no run of a rig"),
        ("/?x=" + "y" * 2000, 400, "more than 1000 characters"),
        ("/?" + "&".join(f"a{n}=b" for n in range(50)), 400, "cannot be read"),
        ("/scenario?title=%00%ff%ed%a0%80", 404, "No result of"),
        ("/measurements?name=%3Cb%3E", 200, "Nothing of that name"),
    ],
)
def test_what_is_not_there_is_told_in_a_page(server: Server, target: str, status: int, words: str) -> None:
    found, _, text = get(server, target)
    assert found == status, text
    assert words in text


def test_a_run_s_report_is_served_from_its_folder_in_a_sandbox(server: Server, place: Place) -> None:
    status, headers, text = get(server, "/run/report?key=key-5")
    assert (status, text) == (200, "<!doctype html><title>report 5</title>")
    assert "sandbox allow-scripts" in headers["Content-Security-Policy"]
    assert "allow-same-origin" not in headers["Content-Security-Policy"]


def test_a_folder_that_is_another_run_s_or_leads_elsewhere_is_not_served(server: Server, place: Place) -> None:
    assert place.file is not None
    folder = place.file.parent
    (folder / "secret").write_text("geheim")
    (folder / "run-6" / "history.key").write_text("another\n")
    (folder / "run-7" / "report.html").unlink()
    (folder / "run-7" / "report.html").symlink_to(folder / "secret")
    (folder / "run-8" / "report.html").unlink()
    (folder / "run-8" / "report.html").mkdir()
    (folder / "run-9" / "report.html").unlink()
    os.mkfifo(folder / "run-9" / "report.html")
    for number in (6, 7, 8, 9):
        status, _, text = get(server, f"/run/report?key=key-{number}")
        assert status == 404
        assert "geheim" not in text
        assert "hil report" in get(server, f"/run?key=key-{number}")[2]


def test_a_history_that_goes_away_or_is_newer_is_told_in_a_page(tmp_path: Path) -> None:
    place = filled(tmp_path, runs=1)
    assert place.file is not None
    with served(place) as server:
        with sqlite3.connect(place.file) as raw:
            raw.execute("INSERT INTO hil_schema VALUES (99)")
        raw.close()
        status, _, text = get(server, "/")
        assert (status, "use the newer hil" in text) == (503, True)
        for file in tmp_path.glob("history.sqlite*"):
            file.unlink()
        status, _, text = get(server, "/")
        assert (status, "there is no history yet" in text) == (503, True)


def test_tables_of_an_earlier_hil_are_told(tmp_path: Path) -> None:
    place = filled(tmp_path, runs=1)
    assert place.file is not None
    with sqlite3.connect(place.file) as raw:
        raw.execute("DELETE FROM hil_schema WHERE version = ?", (len(migrations.STEPS),))
    raw.close()
    with pytest.raises(HistoryError, match="`hil history` brings them up to date"), looking_at(place):
        pass


def test_without_a_run_there_is_a_page(tmp_path: Path) -> None:
    place = parse("empty.sqlite", "", tmp_path)
    open_history(place).close()
    with served(place) as server:
        status, _, text = get(server, "/")
        assert (status, "hil history add RUN" in text) == (404, True)
        assert "<h1>No run yet</h1>" in text


@pytest.mark.parametrize(
    ("days", "words"), [(-1, "expired 1 day ago"), (0, "its last day"), (1, "1 day"), (40, "40 days")]
)
def test_the_days_that_are_left(days: int, words: str) -> None:
    assert words in left(days)


def test_what_is_wrong_at_the_start_is_one_line(
    place: Place, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = str(server.server_address[1])
    for arguments, words in (
        (["--history", str(tmp_path / "none")], "there is no history yet"),
        (["--history", place.shown, "--port", taken], f"port {taken}: another program listens there; say --port N"),
        (["--history", place.shown, "--port", "70000"], "port: found 70000, expected 0 to 65535"),
        (["--history", place.shown, "--bind", "192.0.2.1"], "is it an address of this host"),
        (["--history", "off"], "the history is off"),
    ):
        assert main(["serve", *arguments]) == 1
        told = capsys.readouterr().err
        assert words in told
        assert told.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(place: Place, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "hil.cli", "serve", "--history", place.shown, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        port = int(re.findall(r":(\d+)/", line)[0])
        kept = http.client.HTTPConnection("127.0.0.1", port, timeout=30)  # a browser keeps its connection
        kept.request("GET", "/quarantine")
        assert kept.getresponse().read()
        process.send_signal(number)
        assert process.wait(300) == 0
        assert process.stderr.read() == ""
        kept.close()
