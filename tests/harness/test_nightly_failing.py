"""What broke, on which boards, since which firmware, and why: in one look, however many tests it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hil import facts
from hil.history.cells import Cells
from hil.history.database import open_history
from hil.history.keep import BoardFacts, Keeper, RunFacts
from hil.history.place import parse
from hil.nightly import ending, wording
from hil.nightly.changes import Changes, Onset, keep_and_ask
from hil.nightly.ending import leave
from hil.nightly.failing import groups, since
from hil.nightly.marking import as_markdown
from hil.nightly.outcome import Outcome
from hil.nightly.plan import now
from hil.nightly.screen import HEIGHT, WIDTH, on_screen
from hil.nightly.wording import Section, Told
from hil.report import results
from tests.harness.histories import lines
from tests.harness.made_up_nights import BOARDS, RIG, Lab, line, planned

NO_RETRY = "The device does not try again"
NEW = Onset(True, "2026-11-28 21:00", "1.4.2 (595c7ddd)", "1.4.1 (a832c658)", 1)
OLD = Onset(False, "2026-11-20 21:00", "1.4.1 (a832c658)", "1.4.0 (00000000)", 7)


def failed(folder: Path, *about: tuple[str, str]) -> list[results.Result]:
    """Results of scenarios on boards that failed."""
    lines = []
    for at, (board, scenario) in enumerate(about):
        one = planned(scenario, board)
        lines += [line(one, "setup", "passed", at=at), line(one, "call", "failed", at=at, failure=f"E   no {at}")]
    (folder / results.FILE).write_text("".join(lines))
    return results.read(folder / results.FILE)


def test_what_has_one_cause_is_one_line_under_its_board_and_firmware(tmp_path: Path) -> None:
    found = failed(tmp_path, ("kit-2", "comes back"), ("kit-2", "odd"), ("kit-2", "tries again"), ("kit-1", "old"))
    onsets = {(one.board, one.scenario): NEW if one.board == "kit-2" else OLD for one in found}
    whys = {id(found[0]): NO_RETRY, id(found[2]): NO_RETRY}
    new, old = groups(reversed(found), onsets, whys)
    assert (new.title, new.number) == ("New on kit-2, with 1.4.2, good with 1.4.1", 3)
    assert new.entries == [f"{NO_RETRY} (2): tries again; comes back", "odd: no 1"]
    assert old.title == "Broken on kit-1 since 2026-11-20 21:00, with 1.4.1, good with 1.4.0"


def test_boards_that_fail_alike_stand_together(tmp_path: Path) -> None:
    boards = [f"kit-{n}" for n in range(1, 6)]
    found = failed(tmp_path, *[(board, "comes back") for board in boards], ("kit-9", "else"))
    onsets = {(one.board, one.scenario): NEW for one in found}
    both, other = groups(found, onsets, {id(one): NO_RETRY for one in found})
    assert (both.title.split(", with")[0], both.number) == ("New on kit-1, kit-2 and 3 more", 5)
    assert both.entries == [f"{NO_RETRY}: comes back"]
    assert other.title.startswith("New on kit-9, ")


@pytest.mark.parametrize("good", ["1.4.1 ({})", "1.4.2 ({})", None])
def test_boards_of_different_chips_with_one_version_stand_together(tmp_path: Path, good: str | None) -> None:
    found = failed(tmp_path, ("kit-1", "comes back"), ("kit-2", "comes back"))
    onsets = {
        (one.board, one.scenario): Onset(True, "x", f"1.4.2 ({chip})", good and good.format(chip), 3)
        for one, chip in zip(found, ("595c7ddd", "d9d81292"), strict=True)
    }
    (both,) = groups(found, onsets, {})
    assert " on kit-1 and kit-2, " in both.title


@pytest.mark.parametrize(
    ("onset", "title"),
    [
        (None, "Failures on kit-1"),
        (Onset(False, "x", "1", None, 1), "Failures on kit-1, in the only run that is known"),
        (Onset(False, "x", "1", None, 5), "Failures on kit-1, in the last 5 runs"),
        (
            Onset(True, "x", "1.0 (a832c658)", "1.0 (595c7ddd)", 1),
            "New on kit-1, with 1.0 (a832c658), good with 1.0 (5",
        ),
        (
            Onset(True, "x", "a832c658aaaa", "595c7ddd0000", 1),
            "New on kit-1, with a832c658aaaa, good with 595c7ddd0000",
        ),
        (Onset(True, "x", "1.0", "1.0", 1), "New on kit-1, with the same firmware, 1.0"),
    ],
)
def test_since_when(tmp_path: Path, onset: Onset | None, title: str) -> None:
    found = failed(tmp_path, ("kit-1", "one"))
    (group,) = groups(found, {} if onset is None else {("kit-1", "one"): onset}, {})
    assert group.title.startswith(title)


def test_where_the_board_stands_beside_it_it_is_not_named() -> None:
    assert since(NEW) == "New, with 1.4.2, good with 1.4.1"
    assert since(OLD) == "Broken since 2026-11-20 21:00, with 1.4.1, good with 1.4.0"
    assert since(Onset(False, "x", "1", None, 5)) == "Failed, in the last 5 runs"


def test_on_the_screen_lines_are_wrapped_where_there_is_room() -> None:
    long = " ".join(["word"] * 60)
    told = Told("FAILED", "facts", [["board"], ["kit-1"]], [Section("New", [long, "short"], 9)], ["report: r", "exit"])
    lines = on_screen(told).splitlines()
    assert [line[:6] for line in lines[5:]] == ["New (9", "  word", "    wo", "    wo", "  shor", "report", "exit"]
    crowded = Told(*[*told.__dict__.values()][:3], [Section("New", [long] * 30)], ["report: r", "exit"])
    lines = on_screen(crowded).splitlines()
    assert (len(lines), lines[5]) == (HEIGHT - 1, "New (30, not all shown):")
    assert max(map(len, lines)) <= WIDTH


def test_what_has_become_worse_over_the_nights_is_told(tmp_path: Path) -> None:
    file = str(tmp_path / "history.sqlite")
    boards = dict.fromkeys(BOARDS, BoardFacts("esp32"))
    with open_history(parse(file, "", tmp_path)) as history:
        for night in range(19):
            cells = Cells()
            measured = {"time_to_online": (2 + night / 10, "s"), "retry_gap": (3 - night / 20, "s")}
            for board in BOARDS:
                steady = {"heap_least": (150_000.0, "B")}
                for one in lines(board, "one", "pass", measured=measured if board == BOARDS[0] else steady):
                    cells.take(one)
            Keeper(history, RunFacts(f"{night}", RIG.name, "pi", night * 86400.0, "/", "hil 0"), boards).keep(cells)
    folder = tmp_path / "nightly-20"
    folder.mkdir()
    (folder / results.FILE).write_text("".join(f"{json.dumps(one)}\n" for one in lines(BOARDS[0], "one", "pass")))
    (folder / facts.FILE).write_text(json.dumps({"rig": {"name": RIG.name}, "boards": {}, "began": now()}))
    (worse,) = keep_and_ask(RIG, file, folder).drifts
    assert worse.startswith(
        "esp32-a: time_to_online 2.4 to 3.35 s (+40%), drift of +0.1 s a run (+0.1 to +0.1), in 'one'"
    )


def test_a_night_in_which_nothing_was_run_shows_no_empty_table(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "night", planned("one"))
    words = wording.told(lab.plan, Outcome(lab.folder, BOARDS, now(), now()), Changes(), {})
    assert "no test came to its end" in on_screen(words).splitlines()[0]
    assert "\nboard" not in on_screen(words)
    assert "|" not in as_markdown(words)


def test_of_the_reports_only_what_went_wrong_is_said_before_the_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = ["Probable causes:", "  esp32-a: it is away: 1 test", "", "report: r.html", "reports: OSError: full"]
    monkeypatch.setattr(ending, "leave_reports", lambda folders, wanted: told)
    lab = Lab(tmp_path / "night", planned("one"))
    leave(lab.plan, lab.night(), notify=None, markdown=None)
    assert capsys.readouterr().err == "hil: reports: OSError: full\n"


def test_the_second_night_tells_what_the_first_did_not_have(tmp_path: Path) -> None:
    screens = []
    for name, script in (("first", {}), ("second", {"one": ["failed"]})):
        folder = tmp_path / f"nightly-{name}"
        lab = Lab(folder, planned("one"), planned("two"))
        lab.parts.script = script
        night = lab.night(history=str(tmp_path / "history.sqlite"))
        (folder / facts.FILE).write_text(json.dumps({"rig": {"name": RIG.name}, "boards": {}, "began": now()}))
        screens.append(leave(lab.plan, night, notify=None, markdown=None))
    assert "New on" not in screens[0]
    assert "New on esp32-a, with the same firmware, ? (1):\n  one: no\n" in screens[1]
    told = [one["since"] for one in json.loads((folder / "summary.json").read_text())["tests"]]
    assert [words for words in told if words] == ["New, with the same firmware, ?"]
