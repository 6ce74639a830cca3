"""The questions of `hil case new` at a terminal, as a person has them: keys, mistakes, and two ways to leave."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from terminal import Terminal, terminal

from hil import cases

FILES = Path(__file__).parent / "field_files"
NEW = [sys.executable, "-m", "hil.cli", "case", "new"]
CTRL_C, CTRL_D, LEFT = "\x03", "\x04", "\x1b[D"


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Terminal]:
    """Asked for a case that will be cases/mine below the test's folder, which is the home folder, too."""
    command = ["sh", "-c", 'cd "$0" && exec "$@"', str(tmp_path), *NEW, "mine"]
    env = {"HOME": str(tmp_path), "HIL_CASES": "cases", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with terminal(command, columns=100, lines=60, env=env) as opened:
        yield opened


def answer(asked: Terminal, question: str, keys: str) -> None:
    """Wait until this is the question that waits for an answer, and type."""
    asked.wait(rf"{question}[^\n]*\s*\Z")
    asked.press(keys)


def made(folder: Path) -> list[str]:
    """All files below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_conversation_with_mistakes_in_it(asked: Terminal, tmp_path: Path) -> None:
    """Keys that move, a line longer than a terminal's 4095 characters, answers that cannot be, a candidate chosen."""
    story = "It began with the storm. " + "word " * 1200
    answer(asked, "in a line\\?", "\n")
    answer(asked, "in a line\\?", f"Refusd{LEFT}e\n")
    answer(asked, "when does it happen\\?", f"{story}The password is hunter2secret\n")
    answer(asked, "Where was it", "hall 3, token: hunter2secret\n")
    answer(asked, "firmware version", "1.4.2\n")
    answer(asked, "On which day", "31.12.2026\n")
    answer(asked, "On which day", "2026-11-20\n")
    answer(asked, "A file", "'not closed\n")
    answer(asked, "A file", "gone.log\n")
    answer(asked, "A file", f"{FILES}/poor-intermediate.console.log\n")
    answer(asked, "A file", "\n")
    answer(asked, "Take it\\?", "perhaps\n")
    answer(asked, "Take it\\?", "y\n")
    answer(asked, "Which one", "9\n")
    answer(asked, "Which one", "2\n")
    assert asked.ended() == 0, asked.text
    said = " ".join(asked.raw.decode().split())
    for words in (
        "found '31.12.2026', expected a day such as 2026-11-20, or nothing",
        'found "\'not closed": a quote that is not closed, and no file of that name',
        "gone.log: No such file or directory; check its path and its mode",
        "poor-intermediate.console.log: a device's log",
        "found 'perhaps', expected y or n",
        "2. its intermediate may not sign",
        "found '9', expected a number from 1 to 4",
        "2 secret(s) taken out of what was told",
    ):
        assert words in said, f"{words!r} in:\n{asked.text}"
    assert said.count("told apart by: the code with which") == 1, "before one is chosen, and not once more behind it"
    case = cases.load(tmp_path / "cases" / "mine")
    assert (case.title, case.firmware.version, case.file.source) == ("Refused", "1.4.2", "hall 3, token: [redacted]")
    assert case.file.story.strip() == f"{story}The password is [redacted]"
    assert [condition.flaw for condition in case.conditions] == ["no-key-cert-sign"]
    assert made(tmp_path) == ["cases/mine/case.toml", "cases/mine/evidence/poor-intermediate.console.log"]
    assert not any(b"hunter2secret" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_who_says_what_it_looks_like_is_not_asked_again(asked: Terminal, tmp_path: Path) -> None:
    for question in ("in a line\\?", "when does it", "Where was it", "firmware version", "On which day", "A file"):
        answer(asked, question, "It is away\n" if "in a line" in question else "\n")
    answer(asked, "A number", "seven\n")
    answer(asked, "A number", "4\n")
    assert asked.ended() == 0, asked.text
    assert "found 'seven', expected a number from 1 to 6, or nothing" in asked.text
    assert [c.name for c in cases.load(tmp_path / "cases" / "mine").conditions] == ["one-failure"]


@pytest.mark.parametrize(
    ("key", "code", "words"),
    [
        (CTRL_C, 130, "hil: interrupted; nothing was made"),
        (CTRL_D, 1, "hil: the answers ended before all was asked, and nothing was made"),
    ],
)
def test_two_ways_to_leave_in_the_middle(asked: Terminal, tmp_path: Path, key: str, code: int, words: str) -> None:
    """Behind a file that was read, at the last question of all: nothing is left, and the message has its own line."""
    for question in ("in a line\\?", "when does it", "Where was it", "firmware version", "On which day"):
        answer(asked, question, "It is away\n" if "in a line" in question else "\n")
    hostile = tmp_path.parent / f"{tmp_path.name}.log"
    hostile.write_bytes((FILES / "foreign-will.console.log").read_bytes().replace(b"/command", b"/\x1b[41m\x07"))
    answer(asked, "A file", f"{hostile}\n")
    answer(asked, "A file", "\n")
    answer(asked, "Take it\\?", key)
    assert asked.ended() == code, asked.text
    assert any(line.startswith(words) for line in asked.text.splitlines()), asked.text
    assert "Traceback" not in asked.text
    assert b"\x1b[41m" not in asked.raw, "what a file says is no key for the terminal"
    assert made(tmp_path) == []
