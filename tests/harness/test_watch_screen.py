"""`hil watch` in a terminal: what is on the screen, through a pseudo-terminal, and what is left of it at the end."""

from __future__ import annotations

import base64
import contextlib
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil import cli
from hil.timeline import Timeline
from hil.watch import command
from tests.harness.rig_of_one import rig_of_one
from tests.harness.terminal import LONG, Terminal, terminal

HIL = (sys.executable, "-m", "hil.cli")
WAS_LEFT = (b"\x1b[?1049l", b"\x1b[?25h")
"""What a program writes that gives the terminal back: its own screen, and its cursor (xterm's control sequences)."""


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Timeline]:
    """The timeline of a run that goes on."""
    timeline = Timeline(tmp_path / "timeline.jsonl")
    timeline.record("power", "on", "esp32-a", switch="virtual")
    for number in range(100):
        timeline.record("console", "line", "esp32-a", text=f"I ({number}) app: step {number}")
    timeline.record("gateway", "accept", "esp32-a", connection=1, peer="127.0.0.1:5")
    timeline.record("gateway", "connack", "esp32-a", connection=1, code=0, session_present=False)
    yield timeline
    timeline.close()


@pytest.fixture
def screen(written: Timeline) -> Iterator[Terminal]:
    """It is watched."""
    assert written.path is not None
    with terminal([*HIL, "watch", str(written.path.parent)]) as opened:
        opened.wait("connack code=0")
        yield opened


def test_a_run_is_seen_as_it_happens_paused_filtered_and_searched(written: Timeline, screen: Terminal) -> None:
    screen.wait(r"▸1 esp32-a +power on +online \d+ s", "▶ live")
    written.record("console", "line", "esp32-a", text="E (7) mqtt: [red]connect[/red] \x1b[2Jfailed")
    screen.wait(r"! console E \(7\) mqtt: \[red\]connect\[/red\] \\x1b\[2Jfailed")
    screen.press(" ")
    screen.wait("‖ paused, 0 waiting")
    written.record("console", "line", "esp32-a", text="while nobody looked")
    screen.wait("‖ paused, 1 waiting", without="while nobody looked")
    screen.press(" ")
    screen.wait("while nobody looked")
    screen.press("fkind:line step -99\r")
    screen.wait("99 of 99, 6 hidden", "step 98", without="step 99|connack")
    # As fast as a program types: nothing of what is searched for may be taken for a key.
    screen.press('/"step 1q\x7f"\rNN')
    screen.wait('search "step 1": 9 of 11', "● .*app: step 17\n")
    screen.press("\x1b")
    screen.wait("filter kind:line", without="search step")
    screen.press("\x1b")
    screen.wait(r"\d+ of 105\b", without="filter kind")
    written.close()
    screen.press("G")
    screen.wait("■ ended")
    screen.press("q")
    assert screen.ended() == 0
    assert all(sequence in screen.raw for sequence in WAS_LEFT)


def test_an_event_is_seen_whole_and_the_keys_are_explained(screen: Terminal) -> None:
    screen.press("\r")
    screen.wait("gateway.connack, number 102", "session_present False")
    # The keys of the screen below are not those of the page above it.
    screen.press("q")
    screen.wait("103 of 103", without="session_present False")
    screen.press("?")
    screen.wait("show only what fits a filter")
    screen.press("\x1b")
    screen.wait("103 of 103", without="show only what fits")
    screen.resize(132, 43)
    screen.wait("(?m)^.{120}.*live", "step 70")
    screen.press("\x03")
    assert screen.ended() == 0


def test_lanes_and_an_event_are_seen_beside_the_list(written: Timeline, screen: Terminal) -> None:
    written.record("console", "line", "esp32-a", text="E (7) mqtt: lost")
    screen.press("l")
    screen.wait(r"(?m)^ esp32-a +60 s", "(?m)^ power +▂━", "(?m)^ console +.*!", "(?m)^ time server", "lost")
    screen.press("-")
    screen.wait(r"(?m)^ esp32-a +2 min")
    screen.press("i")
    screen.wait("console.line, number 103", "text E")
    screen.press("\x1b[D")  # to the event before, in the same lane
    screen.wait("101 of 104", "console.line, number 100", "↑ 3 below")
    screen.press("l")
    screen.wait("101 of 104", without="time server")
    screen.press("q")
    assert screen.ended() == 0


def test_what_is_shown_is_kept_and_failures_are_found(written: Timeline, screen: Terminal, tmp_path: Path) -> None:
    written.record("console", "line", "esp32-a", text="E (7) mqtt: lost")
    written.record("console", "line", "esp32-a", text="the last")
    screen.wait("the last")
    screen.press("E")
    screen.wait("104 of 105")
    screen.press("y")
    screen.wait("copied")
    copied = re.findall(rb"\x1b\]52;c;([^\x07]+)\x07", screen.raw)
    assert b"text E (7) mqtt: lost" in base64.b64decode(copied[-1])
    screen.press(f"fis:bad\ro\x15{tmp_path}/kept.txt\r")
    screen.wait("saved: 1 event in")
    screen.press(f"o\x15{tmp_path}/kept.txt\r")
    screen.wait("not saved:")
    assert (tmp_path / "kept.txt").read_text().split(" ! ")[1] == "esp32-a      console E (7) mqtt: lost\n"
    screen.press("q")
    assert screen.ended() == 0


def test_a_terminal_that_says_what_it_has_shown_is_drawn_on_at_its_pace(written: Timeline, tmp_path: Path) -> None:
    with terminal([*HIL, "watch", str(tmp_path)]) as screen:
        screen.answers = True
        screen.wait("connack code=0")
        for number in range(3):
            written.record("console", "line", "esp32-a", text=f"answered {number}")
            screen.wait(f"answered {number}")
            screen.press("j" * 3)  # none of the answers may be taken for a key, or hide one
        screen.press("k")
        screen.wait("↑ 1 below")
        assert screen.raw.count(b"\x1b[6n") > 3
        screen.press("q")
        assert screen.ended() == 0


def test_nothing_that_is_shown_is_taken_for_more_than_text(tmp_path: Path) -> None:
    hostile = "\x1b]0;owned\x07[red]x[/red][@click=app.quit]\u202e\x9b31m\x00\x1bPq\x1b\\"
    folder = tmp_path / "run\x1b]0;owned\x07"
    folder.mkdir()
    with contextlib.closing(Timeline(folder / "timeline.jsonl")) as timeline:
        for board in ("a" + hostile, hostile):
            timeline.record("power", "on", board, **{hostile: hostile})
            timeline.record("test", "start", board, name=hostile)
        timeline.record("gateway" + hostile, hostile, hostile, **{hostile: {hostile: [hostile, hostile.encode()]}})
        with terminal([*HIL, "watch", str(folder)], columns=130) as screen:
            screen.wait("5 of 5")
            screen.press("lib")
            screen.wait(r"(?m)^ power .*━", r"only a\\x1b\]0;owned\\x07\[red\]", r"test\.start, number 1")
            screen.press("\r")
            screen.wait("escape closes")
            screen.press("q")
            screen.wait("2 of 2", without="escape closes")
            screen.press("q")
            assert screen.ended() == 0
    steering = (b"\x1b]0;", b"\x1bP", "\x9b".encode(), "\u202e".encode(), b"\x00")
    assert [word for word in steering if word in screen.raw] == []


def test_a_signal_gives_the_terminal_back(screen: Terminal) -> None:
    screen.process.send_signal(signal.SIGTERM)
    assert screen.ended() == 130
    assert all(sequence in screen.raw for sequence in WAS_LEFT)
    assert b"Traceback" not in screen.raw


def test_a_lost_connection_ends_it(screen: Terminal) -> None:
    screen.hang_up()
    assert screen.process.wait(LONG) == 130


def test_keys_for_boards_are_refused_where_a_run_has_them(screen: Terminal) -> None:
    for key in "rRDpPs":
        screen.press(key)
    screen.wait("the run has these boards: keys act where hil watch --rig FILE opens a bench", without="send to")


def test_a_bench_is_opened_and_keys_act_on_its_board(tmp_path: Path) -> None:
    rig = rig_of_one(tmp_path)
    with terminal([*HIL, "watch", "--rig", str(rig), "--as-is", "--filter=-lane:broker -kind:line,boot"]) as screen:
        screen.wait("▸1 esp32-a +power", "r reset +p power +s send")
        screen.press("p")
        screen.wait("esp32-a power on", "power +on switch=virtual", "▸1 esp32-a +power on")
        screen.press("r")
        screen.wait("esp32-a was reset", "power +hard")
        screen.press("sreset all\r")  # none of which is a key for the board
        screen.wait("console » reset all", without="being ")  # while one thing is done, another is refused
        screen.press("s\x1b[A\r")  # what was sent before
        screen.wait("(?s)» reset all.*» reset all", without="being ")
        screen.press("D")
        screen.wait(
            "waits in its ROM loader: r restarts it",
            "power +download",
            "▸1 .*waits in its ROM loader",
            without="being ",
        )
        screen.press("r")
        screen.wait("esp32-a was reset", "▸1 .*was restarted", without="being ")
        screen.press("R")
        screen.wait("was asked to restart", "power +soft")
        screen.press("q")
        assert screen.ended() == 0
        assert "closing the bench" in screen.raw.decode()


@pytest.mark.parametrize(
    ("elsewhere", "term", "code", "words"),
    [
        ("stdin", "xterm", 1, "found that input is none; without a screen: hil diagnose"),
        ("stdout", "xterm", 1, "found that output is none; without a screen: hil diagnose"),
        ("stderr", "xterm", 1, "found that standard error, which it draws on, is none; without a screen: hil diagnose"),
        (None, "dumb", 1, "found TERM=dumb; without a screen: hil diagnose"),
        (None, "", 1, "found TERM=unset"),
        (None, "xterm", 2, "expected the folder of a run, or a folder with runs in it"),
    ],
)
def test_where_there_is_nothing_to_show_one_line_says_so(
    elsewhere: str | None,
    term: str,
    code: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(getattr(sys, name), "isatty", lambda name=name: name != elsewhere)
    monkeypatch.setenv("TERM", term)
    assert cli.main(["watch", str(tmp_path)]) == code
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_without_its_package_the_cure_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("TERM", "xterm")
    assert "pip install 'hil[watch]'" in str(command.unable())
