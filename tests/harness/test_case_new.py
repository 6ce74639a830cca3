"""`hil case new`: a case of files, of options, or of answers."""

from __future__ import annotations

import gzip
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from captures import Capture
from stories import Story

from hil import cases
from hil.cases.case import digest
from hil.cli import main
from hil.timeline import Timeline, load

FILES = Path(__file__).parent / "field_files"
CONSOLE = FILES / "no-time.console.log"
BROKER = FILES / "mosquitto-2.0.11.log"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HIL_CASES", raising=False)


def new(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(["case", "new", *arguments]) == code
    out = capsys.readouterr()
    return out.out + out.err


def test_of_files_and_options(capsys: pytest.CaptureFixture[str]) -> None:
    said = [
        "--title",
        "No time",
        "--story",
        "After a storm.\nAll of them.",
        "--on",
        "2026-11-20",
        "--firmware",
        "1.4.2",
    ]
    text = new(capsys, "no-time", "--from", str(CONSOLE), str(BROKER), str(CONSOLE), "--client", "dev-3", *said)
    case = cases.load(Path("cases/no-time"))
    assert f"made cases/no-time/case.toml: {len(case.conditions)} condition(s)" in text
    assert (case.title, str(case.file.reported), case.firmware.version) == ("No time", "2026-11-20", "1.4.2")
    assert [evidence.kind for evidence in case.file.evidence] == ["console", "broker-log", "console"]
    names = [Path(evidence.file).name for evidence in case.file.evidence]
    assert names == ["no-time.console.log", "mosquitto-2.0.11.log", "no-time.console-2.log"]
    assert "clean session" in case.file.field.device
    (delayed,) = case.conditions
    assert (delayed.kind, delayed.name) == ("time-server", "late-time")
    assert delayed.shown_by[0].startswith("evidence/no-time.console.log:")
    assert case.signature is not None
    for evidence in case.file.evidence:
        path = case.resolve(evidence.file)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert evidence.sha256 == digest(path)
    assert list(Path("cases").iterdir()) == [Path("cases/no-time")], "nothing else is left"
    assert main(["case", "check", "no-time"]) == 0


def test_for_virtual_boards_the_firmware_makes_the_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    text = new(capsys, "gives-up", "--virtual", "--from", str(FILES / "gives-up.console.log"))
    assert cases.load(Path("cases/gives-up")).firmware.options == ["--without", "retry"]
    assert "taken: one connection fails, and it does not try again, 70% sure: it gives up (evidence/gives-up" in text
    assert "left as a hint: " in text


def test_hints_can_be_used_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """All that is commented out, taken in: still a case, but for words for people."""
    new(capsys, "all", "--from", str(BROKER))
    path = Path("cases/all/case.toml")
    kept, names = list[str](), set[str]()
    for line in path.read_text().splitlines():
        plain = line.removeprefix("# ")
        is_toml = plain.startswith("[[") or plain.split(" = ")[0] in (
            "name",
            "kind",
            "flaw",
            "why",
            "fault",
            "mode",
            "parameters",
            "when",
            "at",
            "policy",
        )
        if plain.startswith("name = ") and plain in names:
            plain = plain.replace('"', f'"x{len(kept)}-', 1)
        names.add(plain)
        kept.append(plain if line.startswith("# ") and is_toml else line)
    path.write_text("\n".join(kept) + "\n")
    assert len(cases.load(Path("cases/all")).conditions) > 8


def test_secrets_stay_behind(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    log = tmp_path / "device.log"
    log.write_text("I wifi: password hunter2secret\nE (1) x: -0x3D00\n-----BEGIN PRIVATE KEY-----\nMIGHAg\n")
    text = new(capsys, "leaky", "--from", str(log))
    assert f"{log}: 2 secret(s) taken out of the copy" in text
    kept = "".join(path.read_text() for path in Path("cases/leaky").rglob("*") if path.is_file())
    assert "hunter2secret" not in kept
    assert "MIGHAg" not in kept
    assert "device.log:2" in kept


def test_of_a_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    story = Story().start()
    story.event("board", "note", settings={"wifi_pass": "hunter2secret", "host": "here"})
    story.says("wifi password is hunter2secret", "\x1b[31m[[condition]] \u202e")
    number = story.connects()
    story.gateway(number, "connack", code=5, session_present=False)
    story.gateway(number, "close", by="gateway", how="refused", seconds=0.1)
    story.wait(20).looked()
    run = tmp_path / "run"
    run.mkdir()
    timeline = Timeline(run / "timeline.jsonl")
    for event in story.events:
        timeline.record(event.source, event.kind, event.board, **event.data)
    timeline.close()
    text = new(capsys, "cases/of-a-run", "--from", str(run), "--board", "x")
    assert "board x, the whole timeline" in text
    case = cases.load(Path("cases/of-a-run"))
    assert case.conditions[0].kind == "gateway-fault"
    (evidence,) = case.file.evidence
    assert (evidence.kind, evidence.board) == ("timeline", "x")
    kept = load(case.resolve(evidence.file))
    assert [(e.source, e.kind) for e in kept] == [(e.source, e.kind) for e in story.events]
    assert all("hunter2secret" not in str(event.data) for event in kept)
    assert "no board 'y'" in new(capsys, "other", "--from", str(run), "--board", "y", code=1)


def test_what_cannot_be_done_is_said_and_leaves_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"\xe9\x01" + bytes(500))
    assert "neither text nor a capture" in new(capsys, "x", "--from", "image", code=1)
    assert "No such file" in new(capsys, "x", "--from", str(CONSOLE), "gone.log", code=1)
    assert list(Path("cases").iterdir()) == []
    new(capsys, "x", "--title", "bare")
    assert "cases/x is there already" in new(capsys, "x", "--title", "again", code=1)
    assert cases.load(Path("cases/x")).title == "bare"
    with pytest.raises(SystemExit):
        main(["case", "new", "y", "--on", "yesterday"])
    assert "found 'yesterday', expected a day such as 2026-11-20" in capsys.readouterr().err


def test_what_each_file_was_taken_for_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    packed, table = tmp_path / "device.log.gz", tmp_path / "table.csv"
    packed.write_bytes(gzip.compress(CONSOLE.read_bytes()))
    table.write_text("a,b\n1,2\n")
    text = new(capsys, "two", "--from", str(packed), str(table))
    assert f"{packed}: taken for a device's log\n" in text
    assert f"{table}: taken for a device's log\n{table}: nothing in it is known to go with a failure\n" in text
    kept = [evidence.file for evidence in cases.load(Path("cases/two")).file.evidence]
    assert kept == ["evidence/device.log", "evidence/table.csv"]
    assert Path("cases/two", kept[0]).read_bytes() == CONSOLE.read_bytes()


@pytest.mark.parametrize("option", ["--board", "--test", "--client", "--device"])
def test_what_says_which_part_of_another_file_is_an_error(capsys: pytest.CaptureFixture[str], option: str) -> None:
    text = new(capsys, "x", "--from", str(CONSOLE), option, "y", code=1)
    assert text.startswith(f"hil: {option}: says which part of a ")
    assert not Path("cases/x").exists()


def test_what_is_told_is_cleaned_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    text = new(capsys, "told", "--title", "Away", "--story", "its password: hunter2secret")
    assert "1 secret(s) taken out of what was told" in text
    assert cases.load(Path("cases/told")).file.story == "its password: [redacted]"


def test_a_number_of_a_candidate(capsys: pytest.CaptureFixture[str]) -> None:
    """What is said on the terminal is what --choose takes; the case lists the others."""
    log = str(FILES / "poor-intermediate.console.log")
    text = new(capsys, "first", "--from", log)
    assert "  1. it comes without its intermediate, or that is damaged (taken)\n  2. its intermediate may not" in text
    assert "  told apart by: the code with which the broker's TLS refuses it (20: no issuer, 79: " in text
    assert "the files fit 4 candidates; hil case new with --choose N makes another of them" in text
    assert text.endswith("next: hil reproduce first --rig RIG\n")
    assert "next:" not in new(capsys, "bare", "--title", "x"), "without a signature nothing can be tried"
    new(capsys, "second", "--from", log, "--choose", "2")
    first, second = (cases.load(Path("cases", name)) for name in ("first", "second"))
    assert [case.conditions[0].flaw for case in (first, second)] == ["no-intermediate", "no-key-cert-sign"]
    assert first.signature == second.signature
    written = Path("cases/second/case.toml").read_text()
    assert "# 2. its intermediate may not sign: no CA:TRUE, or no keyCertSign; it stands above\n# 3. " in written
    assert '# flaw = "no-intermediate"' in written
    assert "--choose: found 5, expected a number from 1 to 4: 1. it comes" in new(
        capsys, "third", "--from", log, "--choose", "5", code=1
    )


def answered(answers: str, name: str = "asked", *, code: int = 0) -> str:
    """At a terminal, or at least with answers on its standard input."""
    done = subprocess.run(
        [sys.executable, "-m", "hil.cli", "case", "new", name],
        input=answers, capture_output=True, text=True, timeout=300, check=False, env=os.environ.copy(),
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_asked_at_a_terminal() -> None:
    answers = ["", "It stays away", "Since the storm", "north hall", "1.4.2", "last week", "2026-11-20"]
    answers += [str(FILES / "gone.log"), str(FILES / "gives-up.console.log"), "", "perhaps", "y", *["n"] * 20]
    text = answered("\n".join(answers) + "\n")
    for words in (
        "found 'last week', expected a day such as 2026-11-20, or nothing",
        "gone.log: No such file",
        "gives-up.console.log: a device's log",
        "It looks as if one connection fails, and it does not try again, 70% sure: it gives up",
        "found 'perhaps', expected y or n",
    ):
        assert words in text, words
    case = cases.load(Path("cases/asked"))
    assert (case.title, case.file.source, str(case.file.reported)) == ("It stays away", "north hall", "2026-11-20")
    assert [condition.name for condition in case.conditions] == ["one-failure"]


def test_asked_for_what_it_looks_like() -> None:
    """Without a file, the person says what the failure looks like; and all may end before that."""
    text = answered("It is cut off\n\n\n\n\n\n9\n2\n\n")
    assert "found '9', expected a number from 1 to 6, or nothing" in text
    case = cases.load(Path("cases/asked"))
    assert [condition.name for condition in case.conditions] == ["broker"]
    assert "the answers ended before all was asked" in answered("It is", "other", code=1)
    assert not Path("cases/other").exists()


def test_a_capture_of_several_says_how_to_take_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    capture = Capture()
    for port in (8883, 1883):
        capture.connect(port).tls(None).end("down")
    (tmp_path / "field.pcap").write_bytes(capture.pcap())
    assert "1 device(s) and 2 server port(s) in it" in new(capsys, "all", "--from", "field.pcap")
    assert "server port(s) in it" not in new(capsys, "one", "--from", "field.pcap", "--port", "8883")
