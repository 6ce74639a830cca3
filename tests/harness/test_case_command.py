"""`hil case`: what the commands say of cases."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.cli import main

SMALL = """\
title = "It connects, \\u202eand is cut off"
reported = 2026-11-20
story = "Since the update"

[[condition]]
name = "slow"
kind = "gateway-fault"
fault = "latency"
parameters = { seconds = 0.5 }
when = { count = 2 }
shown_by = ["evidence/device.log:3"]
sure = 0.7

[[condition]]
name = "wifi"
kind = "settings"
values = { wifi_pass = "tell-nobody" }

[trial]
steps = [{ do = "power-cycle", times = 2 }, { do = "send", text = "restart" }]
good = "online"

[signature]
cause = "no-retry"
seen = [{ source = "gateway", kind = "close", count = 2, within = 5 }]
never = [{ online = true, after = 1, seconds = 3 }]
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HIL_CASES", raising=False)


def case(name: str, text: str = SMALL) -> Path:
    folder = Path("cases") / name
    folder.mkdir(parents=True)
    (folder / "case.toml").write_text(text)
    return folder


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(["case", *arguments]) == code
    out = capsys.readouterr()
    return out.out + out.err


def test_show_says_all_of_it_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    case("slow")
    text = said(capsys, "show", "slow")
    for words in (
        "slow: It connects, \\u202eand is cut off",
        "reported 2026-11-20",
        "slow: gateway-fault fault latency, parameters {seconds 0.5}, when {count 2}, 70% sure",
        "shown by evidence/device.log:3",
        "from off: power-cycle (2 times), send 'restart'",
        "over after 60 s, or 2 s after it came online",
        "1. gateway.close, 2 times, within 5 s",
        "never being online, after 1., for 3 s",
        "hil diagnose says no-retry",
    ):
        assert words in text, words
    assert "tell-nobody" not in text
    assert text == said(capsys, "show", "cases/slow") == said(capsys, "show", "cases/slow/case.toml")


def test_check_tells_what_is_wrong_and_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    case("good")
    case("bare", 'title = "bare"\n[[evidence]]\nfile = "case.toml"\nkind = "other"\n')
    case("wrong", 'title = "wrong"\ncolour = "red"\n')
    assert said(capsys, "check", "good") == "good: sound, 2 condition(s)\n"
    for kind in ("console", "chain", "other"):
        leaky = case(f"leaky-{kind}", SMALL + f'[[evidence]]\nfile = "device.log"\nkind = "{kind}"\n')
        (leaky / "device.log").write_text("wifi password hunter2secret\n")
        assert "evidence.0.file: it seems to hold 1 secret(s)" in said(capsys, "check", leaky.name, code=1)
    text = said(capsys, "check", "good", "bare", code=1)
    assert "bare: signature: found none, and nothing can be tried without one" in text
    assert "bare: condition: found none" in text
    assert "bare: evidence.0.sha256: found none" in text
    assert "hil: cases/wrong/case.toml: colour: found a key that is not known" in said(capsys, "check", "wrong", code=2)
    assert "hil: cases/gone/case.toml: no such file" in said(capsys, "check", "gone", code=2)
    assert "hil: cases/gone/case.toml: no such file" in said(capsys, "show", "gone", code=2)


def test_a_file_is_no_case(capsys: pytest.CaptureFixture[str]) -> None:
    Path("device.log").write_text("hello\n")
    for action in ("show", "check"):
        text = said(capsys, action, "device.log", code=2)
        assert (
            text
            == "hil: device.log: is a file, and no case, which is a folder; hil case new NAME --from makes one of it\n"
        )


def test_list_has_a_line_for_each(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no cases in cases; hil case new NAME makes one" in said(capsys, "list", "cases", code=1)
    case("good")
    case("not-good", "title = 3\n")
    lines = said(capsys, "list", "cases").splitlines()
    assert lines[0] == "good      It connects, \\u202eand is cut off"
    assert lines[1] == "not-good  cannot be used: title: found 3, expected string"
    everything = said(capsys, "list").splitlines()
    assert everything[:2] == lines
    assert everything[2].startswith("field/")  # those that come with hil
    monkeypatch.setenv("HIL_CASES", str(Path("cases").resolve()))
    monkeypatch.chdir("/")
    assert said(capsys, "list").splitlines() == everything


def test_a_dot_before_a_name_is_a_folder_here(capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "new", "./here", "--title", "x")
    said(capsys, "new", "there", "--title", "x")
    assert (Path("here/case.toml").exists(), Path("cases/there/case.toml").exists()) == (True, True)
