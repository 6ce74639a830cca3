"""Reports made from a run's folder alone: JSON by its schema, JUnit, Markdown, the terminal's summary, hil report."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import jsonschema
import pytest
from run_folders import RunFolder, Told, failing_run

from hil import facts
from hil.cli import main
from hil.report import files, results, runs
from hil.report.legible import legible
from hil.report.summary import summary

SCHEMA = json.loads((Path(files.__file__).parent / "summary.schema.json").read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return failing_run(tmp_path_factory.mktemp("runs") / "failing")


@pytest.fixture(scope="module")
def run(folder: Path) -> runs.Run:
    return runs.read(folder)


def test_each_test_has_its_verdict(run: runs.Run) -> None:
    assert [(r.name, r.verdict) for r in run.results] == [
        ("test_will[esp32-a]", "FAIL"),
        ("test_warns[esp32-a]", "WARN"),
        ("test_finds[esp32c3-a]", "pass"),
        ("test_applies[esp32c3-a]", "n/a"),
        ("test_errs[esp32-a]", "ERROR"),
        ("test_is_cut_short[esp32-a]", "unfinished"),
    ]


def test_the_summary_fits_its_schema_and_says_why(run: runs.Run) -> None:
    told = json.loads(files.FORMS["json"].render(run))
    jsonschema.validate(told, SCHEMA)
    assert told["verdicts"] == {
        "FAIL": 1,
        "ERROR": 1,
        "flaky": 0,
        "quarantined": 0,
        "WARN": 1,
        "pass": 1,
        "n/a": 1,
        "unfinished": 1,
        "retried": 0,
    }
    failed = told["tests"][0]
    assert failed["diagnoses"][0]["cause"] == "will-topic-denied"
    assert told["boards"][0]["firmware"][0]["version"] == "1.0.0"
    assert told["boards"][0]["credentials"] == [{"subject": "CN=esp32-a", "serial": "5d12", "method": "nvs"}]
    assert told["brokers"] == ["mosquitto 2.0.11"]
    assert told["tests"][3]["reasons"] == ["the broker cannot do telepathy"]


def test_the_schema_is_strict_enough_to_notice(run: runs.Run) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    told = summary(run)
    for damaged in ({**told, "began": "yesterday"}, {k: v for k, v in told.items() if k != "tests"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(damaged, SCHEMA)
    told["tests"][0]["verdict"] = "maybe"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(told, SCHEMA)


def test_every_key_of_the_schema_is_in_the_document() -> None:
    text = (Path(__file__).parents[2] / "docs" / "report.md").read_text()
    for table in (SCHEMA, *SCHEMA["$defs"].values()):
        for key in table.get("properties", ()):
            assert f"`{key}`" in text, f"docs/report.md does not describe {key}"


def test_junit_counts_and_names_causes(run: runs.Run) -> None:
    root = ET.fromstring(files.FORMS["junit"].render(run))
    assert {k: root.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
        **{"tests": "6", "failures": "1", "errors": "2", "skipped": "1"}
    }
    failure = next(root.iter("failure"))
    assert failure.get("message") == "AssertionError: no will <[redacted]>"
    assert "will-topic-denied" in (failure.text or "")
    assert "port \\x00 gone" in (next(root.iter("error")).get("message") or "")
    assert "the broker cannot do telepathy" in (next(root.iter("skipped")).get("message") or "")


def test_markdown_leaves_text_as_it_is(run: runs.Run) -> None:
    text = files.FORMS["markdown"].render(run)
    assert "❌ FAIL" in text
    assert "it has four \\<b\\>wheels\\</b\\>" in text
    assert "The last will's topic is not allowed" in text.split("### What failed")[1].split("###")[0]


def test_the_terminal_s_summary_comes_back(run: runs.Run) -> None:
    text = files.FORMS["terminal"].render(run)
    assert "last will after a power cut  FAIL" in text
    assert "esp32c3-a: test_applies[esp32c3-a]: the broker cannot do telepathy" in text
    assert f"artifacts: {run.folder}" in text


def test_no_secret_is_in_any_report_and_nobody_else_may_read_them(folder: Path, run: runs.Run) -> None:
    assert "swordfish" not in (folder / results.FILE).read_text()
    for path in [*files.write(run), folder / results.FILE, folder / facts.FILE]:
        assert "swordfish" not in path.read_text()
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_line_that_was_cut_off_is_left_out(folder: Path, tmp_path: Path) -> None:
    whole = (folder / results.FILE).read_bytes()
    cut = tmp_path / results.FILE
    for length in range(len(whole) - 400, len(whole)):
        cut.write_bytes(whole[:length])
        assert len(results.read(cut)) >= 5
    cut.write_bytes(b"{}\n" + whole)
    with pytest.raises(ValueError, match=r"results\.jsonl:1: not the result of a test"):
        results.read(cut)


def test_workers_folders_are_read_side_by_side(tmp_path: Path) -> None:
    for worker in ("gw0", "gw1"):
        part = RunFolder(tmp_path / "run", worker)
        part.timeline.record("power", "on", "esp32-a", switch=worker)
        part.test(f"test_of_{worker}[esp32-a]", {"when": "setup", "duration": 0.5}, {}, {"when": "teardown"})
        part.close()
    run = runs.read(tmp_path / "run")
    assert [part.name for part in run.parts] == ["gw0", "gw1"]
    seen = {result.name: [e["switch"] for e in run.events_of(result)] for result in run.results}
    assert seen == {"test_of_gw0[esp32-a]": ["gw0"], "test_of_gw1[esp32-a]": ["gw1"]}


def test_a_crashed_worker_s_test_is_an_error(tmp_path: Path) -> None:
    part = RunFolder(tmp_path / "run", "gw0")
    part.test("test_lives[esp32-a]")
    nodeid = "tests/scenarios/test_it.py::test_dies[esp32-a]"
    part.writer.add(Told(f"{nodeid}@esp32-a/1", "???", failed=True, longrepr="worker 'gw0' crashed"))
    run = runs.read(part.close())
    assert [(r.name, r.board, r.verdict) for r in run.results] == [
        ("test_lives[esp32-a]", "esp32-a", "pass"),
        ("test_dies[esp32-a]", "esp32-a", "ERROR"),
    ]
    assert [r.test for r in run.results][1] == nodeid


def test_a_run_without_results_shows_what_was_seen(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "timeline.jsonl").write_bytes((folder / "timeline.jsonl").read_bytes())
    run = runs.read(tmp_path)
    assert [(r.name, r.board, r.verdict) for r in run.results] == [("test_will[esp32-a]", "esp32-a", "unfinished")]
    jsonschema.validate(summary(run), SCHEMA)


def test_hil_report_writes_all_and_prints_one(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(folder)]) == 0
    printed = capsys.readouterr().out
    for form in files.FORMS.values():
        assert form.file is None or f"report: {folder / form.file}" in printed
    assert main(["report", str(folder), "--as", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["run"] == "failing"
    assert main(["report", str(folder), "--as", "junit", "--to", str(tmp_path / "x.xml")]) == 0
    assert ET.parse(tmp_path / "x.xml").getroot().tag == "testsuites"


def test_hil_report_says_what_it_expected(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path / "nothing")]) == 2
    assert main(["report", str(tmp_path)]) == 2
    assert main(["report", str(tmp_path), "--to", "x"]) == 2
    assert main(["report", str(folder), "--as", "json", "--to", str(tmp_path / "no" / "x.json")]) == 2
    assert main(["report", str(folder), "--as", "json", "--to", str(tmp_path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert "found nothing, expected the folder of a run" in lines[0]
    assert "found neither results.jsonl nor timeline.jsonl" in lines[1]
    assert "without --as" in lines[2]
    assert f"{tmp_path / 'no' / 'x.json'}: cannot be written: No such file or directory" in lines[3]
    assert f"{tmp_path}: cannot be written: Is a directory" in lines[4]
    assert len(lines) == 5
    assert not list(tmp_path.parent.glob(f".{tmp_path.name}.*")), "a draft was left"


def test_a_rig_s_secrets_are_not_told() -> None:
    told = facts.public(
        {
            "token": "abc",
            "password": {"env": "P"},
            "url": "http://me:pw@host/x",
            "power": {"kind": "command", "on": "curl -u me:pw http://x", "off": "off", "timeout": 3},
        }
    )
    assert told == {
        "token": "[redacted]",
        "password": {"env": "P"},
        "url": "http://[redacted]@host/x",
        "power": {"kind": "command", "on": "curl ...", "off": "off", "timeout": 3},
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain äöü 中文 🙂", "plain äöü 中文 🙂"),
        ("a\x00b\x7f", "a\\x00b\\x7f"),
        ("\x1b[0;32mI (1) x\x1b[0m \x1b]0;title\x07", "I (1) x \\x1b]0;title\\x07"),
        ("abc\u202edcba\u2066", "abc\\u202edcba\\u2066"),
        ("line\u2028end\ud800", "line\\u2028end\\ud800"),
    ],
)
def test_what_would_not_show_becomes_legible(text: str, shown: str) -> None:
    assert legible(text) == shown
