"""`hil history`, where the history lies, and runs that are brought in from their folders."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from histories import BEGIN, DAY, flattened, lines

from hil.cli import main
from hil.history import place
from hil.history.database import open_history
from hil.history.place import PlaceError, parse
from hil.history.quarantine import Entry, put, ruling
from hil.rig import load
from hil.toml import FileError

RIG = Path(__file__).parents[2] / "rigs" / "virtual.toml"


@pytest.fixture(autouse=True)
def _from_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HIL_HISTORY")


def a_folder(folder: Path, *tests: list[dict[str, Any]], began: float = BEGIN, rig: str = "lab") -> str:
    """A run's folder, as a run leaves it."""
    folder.mkdir()
    (folder / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in flattened(tests)))
    board = {"chip": "esp32s3", "contract": "reference"}
    facts = {"format": 1, "began": began, "host": {"name": "pi-3"}, "versions": {"hil": "0.1"}}
    facts |= {"rig": {"name": rig, "boards": {"a": {"mac": "24:0a:c4:00:01:10"}}}, "boards": {"a": board}}
    (folder / "run.json").write_text(json.dumps(facts))
    return str(folder)


def a_month(tmp_path: Path) -> list[str]:
    """Thirty runs: with the firmware of the 21st on one scenario fails; one is flaky; one grows slower."""
    folders = []
    for run in range(30):
        sha = f"{1 + run // 10:02x}" * 32
        wall = BEGIN + run * DAY
        tests = [
            lines("a", "comes online", "pass", wall=wall, sha256=sha, measured={"time_to_online": (2 + run / 20, "s")}),
            lines("a", "keeps alive", "FAIL" if run >= 20 else "pass", wall=wall, sha256=sha),
            lines("a", "tries [red]again[/red]\x1b[31m", "FAIL" if run % 4 == 1 else "pass", wall=wall, sha256=sha),
        ]
        folders.append(a_folder(tmp_path / f"run-{run}", *tests, began=wall))
    return folders


def asked(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(["history", *arguments, "--history", "h.sqlite"]) == code
    return capsys.readouterr().out


def test_a_month_of_runs_and_what_they_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = a_month(tmp_path)
    told = asked(capsys, "add", *folders)
    assert told.count(": 3 results") == 30

    told = asked(capsys)
    assert "30 runs, " in told
    assert "the newest of rig lab, 2026-10-" in told
    assert ": 2 FAIL, 1 pass" in told
    good = "with 1.4.2 (03030303), good with 1.4.2 (02020202): 1 scenario"
    assert "\n  broken since 2026-10-" in told
    assert f"{good}\n    keeps alive\n      assert it was online\n      a  10 of 10 failed, 0 of 20 before" in told
    assert "worse   a  time_to_online  2.35 to 3.1 s (+32%)" in told
    assert "in 'comes online': drift of +0.05 s a run" in told
    assert "\x1b" not in told  # what came from a test is shown, not played
    assert "3 of 10 (30%)  11% to 60%  a      tries [red]again[/red]\\x1b[31m" in told

    assert "keeps alive" in asked(capsys, "regressions", code=1)
    assert "keeps alive" not in asked(capsys, "flaky")
    assert "comes online" in asked(capsys, "drifts")
    assert "no board fails more than others" in asked(capsys, "boards")
    assert asked(capsys, "runs").count(" pi-3 ") == 30
    assert asked(capsys, "runs", "--last", "4").count(" pi-3 ") == 4
    assert "." * 20 + "F" * 10 in asked(capsys, "trend", "keeps", "--board", "a")
    assert "comes online\nkeeps alive\n" in asked(capsys, "trend")


def test_bringing_in_a_run_again_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = a_folder(tmp_path / "run", lines("a", "x", "pass"))
    for _ in range(2):
        asked(capsys, "add", folder)
    assert asked(capsys, "runs").count("  yes    ") == 1
    with (tmp_path / "run" / "results.jsonl").open("a") as file:
        file.write('{"test": "cut off by a ki')
    asked(capsys, "add", folder)
    assert asked(capsys, "runs").count("  yes    ") == 1


def test_what_is_no_run_is_told_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    damaged = a_folder(tmp_path / "damaged", lines("a", "x", "pass"))
    (tmp_path / "damaged" / "results.jsonl").write_text('{"test": 1}\n{}\n')
    facts = a_folder(tmp_path / "facts", lines("a", "x", "pass"))
    (tmp_path / "facts" / "run.json").write_text("[]")
    for folder, words in (
        ("empty", "empty: found no results.jsonl, expected the folder of a run"),
        (damaged, "results.jsonl:1: not the result of a test (no 'board'); take the line out"),
        (facts, "run.json: found list, expected an object; delete it to do without"),
    ):
        assert main(["history", "add", folder, "--history", "h.sqlite"]) == 1
        assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "h.sqlite: there is no history yet; a run with a board begins one"),
        (["trend", "x"], "there is no history yet"),
    ],
)
def test_without_a_history_there_is_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["history", *arguments, "--history", "h.sqlite"]) == 1
    assert words in capsys.readouterr().err
    assert not Path("h.sqlite").exists()


def test_questions_about_nothing_say_what_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked(capsys, "add", a_folder(tmp_path / "run", lines("a", "one thing", "pass"), lines("a", "one more", "pass")))
    for arguments, words in (
        (["trend", "one"], "scenario 'one': found one more; one thing; expected the title of one"),
        (["trend", "what"], "found nothing like it; `hil history trend` lists 2"),
        (["trend", "thing", "--board", "z"], "no result of 'one thing' on board 'z' in the last 50 runs"),
        (["--of", "garage"], "there is no run of a rig 'garage' yet"),
    ):
        assert main(["history", *arguments, "--history", "h.sqlite"]) == 1
        assert words in capsys.readouterr().err
    assert main(["history", "--history", "off"]) == 1
    assert "the history is off" in capsys.readouterr().err


# -- where it lies -------------------------------------------------------------------------------------------------


def a_rig(tmp_path: Path, key: str = "") -> Path:
    text = RIG.read_text().replace('"../artifacts"', '"runs"').replace("contracts/", f"{RIG.parent}/contracts/")
    path = tmp_path / "rig.toml"
    path.write_text(text.replace('name = "virtual"', f'name = "virtual"\n{key}', 1))
    return path


def test_who_says_where_it_lies(tmp_path: Path) -> None:
    rig = load(a_rig(tmp_path))
    keyed = load(a_rig(tmp_path, 'history = "kept/lab.sqlite"'))
    said = {"HIL_HISTORY": "from-environment"}
    assert shown(place.of_rig(rig, None, {})) == f"{tmp_path}/runs/history.sqlite"
    assert shown(place.of_rig(keyed, None, {})) == f"{tmp_path}/kept/lab.sqlite"
    assert shown(place.of_rig(keyed, None, said)) == f"{tmp_path}/from-environment"
    assert shown(place.of_rig(keyed, "from-option", said)) == f"{tmp_path}/from-option"
    assert place.of_rig(keyed, "off", said) is None
    assert place.of_rig(load(a_rig(tmp_path, 'history = "off"')), None, {}) is None
    assert shown(place.of_command(tmp_path / "no.toml", "x", {})) == f"{tmp_path}/x"


def shown(found: place.Place | None) -> str:
    assert found is not None
    return found.shown


def test_urls_and_their_passwords(tmp_path: Path) -> None:
    assert parse("sqlite:///sub/h", "--history", tmp_path).file == tmp_path / "sub" / "h"
    assert parse("sqlite:////abs/h", "--history", tmp_path).file == Path("/abs/h")
    found = parse("postgresql://hil:geheim@db.lab/hil", "HIL_HISTORY", tmp_path)
    assert found.url == "postgresql+psycopg://hil:geheim@db.lab/hil"
    assert found.shown == "postgresql://hil@db.lab/hil"
    assert "geheim" not in repr(found)
    found = parse("postgresql://hil@/hil?host=/run/pg&PassWord=geheim&sslpassword=geheim", "HIL_HISTORY", tmp_path)
    assert found.shown == "postgresql://hil@/hil?host=/run/pg"
    assert "password=geheim" in found.url.lower()
    for url, words in (
        (
            "postgresql://hil:geheim@db/x",
            r"--history: found a password in the URL, expected none; put it into \$PGPASS",
        ),
        ("mysql://db/x", "--history: found mysql://, expected a path, sqlite:///path or postgresql://"),
        ("sqlite://", "--history: found 'sqlite://', expected sqlite:///path/of/a/file"),
        ("postgresql://hil@db/x?password=geheim", "--history: found a password in the URL, expected none"),
        ("postgresql://hil:geheim@[db/x", "--history: found a URL that cannot be read, expected postgresql://"),
        ("postgresql://hil:12@geheim@db/x", "--history: found a URL that cannot be read"),
        ("postgresql://hil:ge/geheim@db/x", "--history: found a URL that cannot be read"),
        ("postgresql://hil:12/geheim@db/x", "--history: found a URL .* write / as %2F, .* as %3F"),
        ("postgresql://hil:12?geheim@db/x", "--history: found a URL that cannot be read"),
        ("postgresql://hil:12#geheim@db/x", "--history: found a URL that cannot be read"),
        ("postgresql://hil@db:geheim/x", "--history: found a URL that cannot be read"),
    ):
        with pytest.raises(PlaceError, match=words) as caught:
            parse(url, "--history", tmp_path)
        assert "geheim" not in str(caught.value)


def test_a_rig_with_a_bad_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        FileError, match=r"rig\.toml: history: found a password in the URL|history: history: found"
    ) as e:
        load(a_rig(tmp_path, 'history = "postgresql://u:geheim@db/x"'))
    assert "geheim" not in str(e.value)


# -- quarantine ----------------------------------------------------------------------------------------------------


def an_entry(scenario: str, board: str | None, until: str) -> Entry:
    return Entry(scenario, board, datetime.date.fromisoformat(until), "issue 17", "me")


@pytest.mark.parametrize(
    ("scenario", "board", "until"),
    [
        ("x", "a", "2026-06-30"),  # its own, the longest one that holds
        ("x", "b", "2026-05-31"),  # the one for all
        ("y", "a", "2026-04-30"),  # an expired one
        ("y", "b", None),
        ("z", "a", None),
    ],
)
def test_which_entry_counts(scenario: str, board: str, until: str | None) -> None:
    listed = [an_entry("x", None, "2026-05-31"), an_entry("x", "a", "2026-06-30"), an_entry("y", "a", "2026-04-30")]
    found = ruling(listed, scenario, board, datetime.date(2026, 5, 31))
    assert (None if found is None else found.until.isoformat()) == until


def test_an_entry_says_that_it_holds_or_how_to_renew_it() -> None:
    entry = an_entry("tries again", "a", "2026-05-31")
    assert entry.words(datetime.date(2026, 5, 31)) == "quarantined until 2026-05-31: issue 17"
    assert entry.words(datetime.date(2026, 6, 1)) == (
        "its quarantine expired on 2026-05-31 (why it was: issue 17); mend it, or say: "
        "hil quarantine add 'tries again' --board a --until DATE --why REASON"
    )


def test_the_list_is_kept_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*words: str, code: int = 0) -> str:
        assert main(["quarantine", *words, "--history", "h.sqlite"]) == code
        heard = capsys.readouterr()
        return heard.out + heard.err

    tomorrow = datetime.date.today() + datetime.timedelta(days=1)  # today may be over before the list is asked
    told = said("add", "x", "--until", f"{tomorrow}", "--why", "issue 17")
    assert told == f"'x' on all boards may fail until {tomorrow}\n", "there are no runs that could know it"
    said("add", "x", "--board", "a", "--until", f"{tomorrow}", "--why", "first")
    said("add", "x", "--board", "a", "--until", "2099-12-31", "--why", "second\x1b[2J")
    told = said("list")
    assert told.count(" x ") == 2
    assert "2099-12-31" in told
    assert "second\\x1b[2J" in told
    assert "first" not in told
    said("remove", "x")
    assert "'x' is not on the list; see: hil quarantine list" in said("remove", "x", code=1)
    folder = a_folder(tmp_path / "run", lines("a", "tries again", "pass"))
    assert main(["history", "add", folder, "--history", "h.sqlite"]) == 0
    told = said("add", "trys again", "--board", "b", "--until", "2099-12-31", "--why", "y")
    assert "'trys again' on board 'b' may fail until 2099-12-31\n" in told
    assert "hil: no run here has had a scenario 'trys again', but 'tries again'; to take it back: hil qu" in told
    assert "hil: no run here has had a board 'b'; to take it back: hil quarantine remove" in told
    assert "hil:" not in said("add", "tries again", "--board", "a", "--until", "2099-12-31", "--why", "y")
    with open_history(parse("h.sqlite", "", tmp_path)) as history, history.writing() as connection:
        put(connection, "x", "a", datetime.date(2020, 1, 31), "long ago")
    assert "2020-01-31 EXPIRED" in said("list", code=1)
    for until, words in (("2020-01-31", "which is over; expected today or later"), ("soon", "expected a date such as")):
        with pytest.raises(SystemExit):
            main(["quarantine", "add", "x", "--until", until, "--why", "y"])
        assert words in capsys.readouterr().err
