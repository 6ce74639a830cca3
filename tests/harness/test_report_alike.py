"""Failures of one cause on one board are shown as one thing, on the page and in Markdown; all others by themselves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from run_folders import failing_run

from hil.report import files, runs, since
from hil.report.alike import alike
from hil.report.ending import leave_reports
from hil.report.failure import message_of
from hil.report.html import overview
from hil.report.markdown import as_markdown
from hil.report.summary import VERDICTS, summary
from hil.report.terminal import as_terminal


def told(name: str, board: str, verdict: str, *causes: tuple[str, float]) -> dict[str, Any]:
    """A test of summary.json, as far as it matters here."""
    diagnoses = [
        {"cause": cause, "title": f"It {cause}", "confidence": sure, "explanation": f"Seen: {sure}", "evidence": [7]}
        for cause, sure in causes
    ]
    about = {"test": f"t.py::{name}[{board}]", "scenario": name, "board": board, "verdict": verdict}
    return {**about, "since": None, "failure": f"E   x.y.Wrong: {name}", "diagnoses": diagnoses}


TESTS = [
    told("one", "a", "FAIL", ("storms", 0.6), ("sulks", 0.3)),
    told("two", "b", "FAIL", ("storms", 0.9)),
    told("good", "a", "pass"),
    told("three", "a", "ERROR", ("storms", 0.8)),
    told("four", "a", "FAIL", ("cannot-tell", 0.1)),
    told("five", "a", "FAIL", ("cannot-tell", 0.1)),
    told("six", "a", "unfinished"),
]


def test_of_one_board_and_one_cause_are_together() -> None:
    found = alike(TESTS)
    assert [one.numbers for one in found] == [[0, 3], [1], [4], [5], [6]]
    assert found[0].verdict == "ERROR"
    assert found[0].cause is not None
    assert found[0].cause["confidence"] == 0.8
    assert [one.cause is None for one in found[2:]] == [True, True, True]


def test_the_page_has_a_card_for_them_with_a_link_to_each() -> None:
    page = overview.failures({"tests": TESTS})
    cards = page.split('class="card"')
    assert len(cards) == 1 + 5
    assert page.count("It storms") == 2
    assert re.findall(r'href="#test-(\d+)"', page) == ["0", "3", "1", "4", "5", "6"]
    assert "a · 2 tests · 80%" in page
    assert 'title="Wrong: three"' in page


def test_since_when_it_fails_stands_on_its_card_and_in_markdown(tmp_path: Path) -> None:
    folder = failing_run(tmp_path / "run")
    key = ("esp32-a", "last will after a power cut")
    (folder / since.FILE).write_text(since.as_json({key: "New, with <1.4.2>", ("esp32-a", "test_warns"): "New"}))
    run = runs.read(folder)
    assert [test["since"] for test in summary(run)["tests"]] == ["New, with <1.4.2>", *[None] * 5]
    assert "(New, with \\<1.4.2\\>): " in as_markdown(run).replace("\\.", ".")
    assert '<span class="since">New, with &lt;1.4.2&gt;</span>' in files.FORMS["html"].render(run)
    tests = [
        told(name, "a", "FAIL", ("storms", 0.8)) | {"since": words} for name, words in (("x", "New"), ("y", "New"))
    ]
    assert overview.failures({"tests": tests}).count('<p class="since">New</p>') == 1
    (folder / since.FILE).write_text('[{"board": 1}]')
    with pytest.raises(ValueError, match=r"since\.json: not what hil wrote .*delete it"):
        runs.read(folder)


def test_the_page_counts_all_that_failed_first() -> None:
    def head(**counted: int) -> str:
        told = {"verdicts": dict.fromkeys(VERDICTS, 0) | counted, "tests": [None] * sum(counted.values())}
        return re.sub("<[^>]*>", "", overview.worst(told))

    assert head(FAIL=5, ERROR=4, **{"pass": 9}) == "✕ FAIL 5⚡ ERROR 4of 18"
    assert head(**{"pass": 9, "n/a": 1}) == "✓ pass 9of 10"
    assert head() == ""


def test_boards_stand_in_the_rig_s_order_whichever_was_first(tmp_path: Path) -> None:
    run = runs.read(failing_run(tmp_path / "run"))
    run.facts["boards"] = {"esp32c3-a": {}, "esp32-a": {}}
    assert run.results[0].board == "esp32-a"
    assert as_terminal(run).splitlines()[0].split() == ["esp32c3-a", "esp32-a"]
    assert "| scenario | esp32c3\\-a | esp32\\-a |" in as_markdown(run)


def test_markdown_names_them_behind_their_cause(tmp_path: Path) -> None:
    run = runs.read(failing_run(tmp_path / "run"))
    (failed,) = [result for result in run.results if result.verdict == "FAIL"]
    failed.worker, again = None, type(failed)(**{name: getattr(failed, name) for name in failed.__slots__})
    again.test, again.scenario = "tests/scenarios/test_it.py::test_again[esp32-a]", "again"
    run.results.insert(1, again)
    text = as_markdown(run).split("### What failed")[1].split("\n| ")[0]
    assert re.findall(r"- ❌ \*\*2 tests\*\* on esp32\\-a: The last will's topic is not allowed", text)
    assert "  - ❌ last will after a power cut, ❌ again" in text
    assert len(summary(run)["tests"]) == 7


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ("E   hil.timeline.timeline.NoSuchEvent: no such", "NoSuchEvent: no such"),
        ("E   AssertionError: x", "AssertionError: x"),
        ("E   assert a.b.C: what", "assert a.b.C: what"),
        ("devices.example.Com: said the device", "Com: said the device"),
    ],
)
def test_an_error_without_its_modules(failure: str, message: str) -> None:
    assert message_of(failure) == message


def test_what_is_said_of_several_boards_alike_stands_there_once(tmp_path: Path) -> None:
    whole = summary(runs.read(failing_run(tmp_path / "run")))
    for board in ("z", "esp32-a"):  # in the rig's order, whoever said it first
        whole["tests"].append({**whole["tests"][3], "board": board})
    block = overview.notes(whole).split("Not applicable</h2>")[1]
    assert "esp32-a, esp32c3-a, z" in block
    assert block.count("telepathy") == 1


def test_the_terminal_says_why(tmp_path: Path) -> None:
    folder = failing_run(tmp_path / "run")
    words = "  esp32-a: The last will's topic is not allowed (95%): last will after a power cut"
    assert f"\nProbable causes:\n{words}\n" in files.FORMS["terminal"].render(runs.read(folder))
    assert leave_reports([folder], "json") == [
        *("", "Probable causes:", words, "", f"report: {folder / 'summary.json'}"),
    ]


def test_terminal_and_markdown_say_it_once_too(tmp_path: Path) -> None:
    run = runs.read(failing_run(tmp_path / "run"))
    for one in [result for result in run.results if result.board == "esp32c3-a" or result.verdict == "WARN"]:
        other = type(one)(**{name: getattr(one, name) for name in one.__slots__})
        other.board = "esp32-a" if one.board == "esp32c3-a" else "z"
        run.results.append(other)
    text = files.FORMS["terminal"].render(run)
    assert "\n  esp32-a, esp32c3-a: test_applies[esp32c3-a]: the broker cannot do telepathy\n" in text
    assert "\n  esp32-a, esp32c3-a: it has four <b>wheels</b>\n" in text
    assert "\n  esp32-a, z: test_warns[esp32-a]: it stutters\n" in text
    assert "\n- esp32\\-a, esp32c3\\-a\\: it has four \\<b\\>wheels\\</b\\>\n" in as_markdown(run)
