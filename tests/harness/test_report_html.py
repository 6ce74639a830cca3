"""The report's page as text: one file, its policy, its chunks, lanes and spans. test_report_page.py opens it."""

from __future__ import annotations

import base64
import datetime
import hashlib
import html
import json
import re
import zlib
from pathlib import Path
from typing import Any

import pytest
from hostile_run import hostile_run
from run_folders import RunFolder, failing_run

from hil.history.quarantine import Entry
from hil.lanes import ALWAYS, BAD, GOOD, LANES, ODD, PLAIN, lane, tone
from hil.report import runs
from hil.report.html import as_html
from hil.report.html.chunks import LONGEST_TEXT, chunk, packed
from hil.report.html.markup import Html, element
from hil.report.html.spans import spans
from hil.report.verdicts import EXPIRED, QUARANTINED
from hil.timeline import Event


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    return runs.read(failing_run(tmp_path_factory.mktemp("runs") / "failing"))


@pytest.fixture(scope="module")
def page(run: runs.Run) -> str:
    return as_html(run)


def event(source: str, kind: str, board: str | None = "b", at: float = 0.0, **data: Any) -> Event:
    return Event(0, at, at, source, kind, board, data)


def test_the_policy_names_the_only_script_and_style_there_are(page: str) -> None:
    policy = html.unescape(re.findall(r'Content-Security-Policy" content="([^"]+)"', page)[0])
    assert page.index("Content-Security-Policy") < page.index("<style>")
    for tag, kind in (('<script type="module">', "script"), ("<style>", "style")):
        content = page.split(tag)[1].split(f"</{kind}>")[0]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
        assert page.count(tag) == 1
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_a_board_that_nothing_was_done_with_says_so(page: str) -> None:
    cards = page.split('class="board-card"')[1:]
    assert ["Nothing was flashed, put in or injected" in card for card in cards] == [False, True]


def test_the_page_needs_nothing_else(page: str) -> None:
    assert not re.findall(r"""(?:src|href)=["'](?!#)""", page)
    assert not re.findall(
        r"url\(|@import|\bfetch\(|XMLHttpRequest|innerHTML|insertAdjacent|document\.write|\beval\(", page
    )
    assert not re.findall(r"<[^>]+\son\w+=", page)
    assert not re.findall(r"<[^>]+\sstyle=", page)


def test_a_chunk_holds_the_test_s_events_and_comes_back(run: runs.Run) -> None:
    failed = run.results[0]
    block = packed(chunk(run, failed))
    told = json.loads(zlib.decompress(base64.b64decode(block.text), -zlib.MAX_WBITS))
    assert told == json.loads(json.dumps(chunk(run, failed)))
    events = run.events_of(failed)
    assert len(told["t"]) == len(told["k"]) == len(told["s"]) == len(told["d"]) == len(events) > 20
    assert (block.first, block.last) == (events[0].sequence, events[-1].sequence)
    sequence, at = -1, 0
    for index, one in enumerate(events):
        sequence += told["s"][index]
        at += told["t"][index]
        source, kind, row, _ = told["kinds"][told["k"][index]]
        assert (sequence, source, kind, told["lanes"][row]) == (one.sequence, one.source, one.kind, lane(one))
        assert at / 1e6 == pytest.approx(one.monotonic - failed.began, abs=2e-6)
    assert told["diagnoses"][0]["cause"] == "will-topic-denied"
    assert told["failed"] is not None
    assert {sequence for sequence, _ in told["diagnoses"][0]["evidence"]} <= {e.sequence for e in events}


def test_a_chunk_shortens_what_is_endless(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.timeline.record_lines("console", "line", "esp32-a", "x" * 1_000_000)
    folder.timeline.record("monitor", "message", None, payload=b"\xff" * 500_000)
    folder.test("test_a[esp32-a]", {"when": "setup", "duration": 5.0})
    found = runs.read(folder.close())
    told = chunk(found, found.results[0])
    assert sum(map(len, told["texts"])) < 3 * LONGEST_TEXT
    assert "995904 more characters" in told["texts"][0]
    assert '"bytes":500000' in told["texts"][1]


def test_hostile_text_is_nowhere_markup(tmp_path: Path) -> None:
    page = as_html(runs.read(hostile_run(tmp_path / "hostile")))
    assert page.count("<script") == 1 + 3, (
        "the page's own, a chunk for each of two tests, and one for what lies outside"
    )
    static = re.sub(r"<script.*?</script>|<style>.*?</style>", "", page, flags=re.DOTALL)
    for sign in ("<svg", "<img", "<iframe", "<base", "<!--", "<i>much", "\u2028", "\u202e", "\x1b", "\x00", "\ud800"):
        assert sign not in static, sign
    assert "&lt;script&gt;window.pwned = 1" in static


def test_what_the_quarantine_list_says_and_what_ran_again_stand_apart(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    entry = Entry("x", None, datetime.date(2026, 5, 31), "issue 17", "me")
    for name, day, mark in (("test_a", 1, QUARANTINED), ("test_b", 30, EXPIRED)):
        words = entry.words(datetime.date(2026, 6, day) if mark == EXPIRED else datetime.date(2026, 5, day))
        folder.test(name, {}, {"failed": True, "text": "E   no", "user_properties": [(mark, words)]})
    folder.test("test_c", {"when": "setup", "skipped": True, "longrepr": ("f", 1, "Skipped: quarantined until never")})
    run = runs.read(folder.close())
    page = as_html(run)
    listed = page.split(">Quarantine</h2>")[1].split("</section>")[0]
    assert "quarantined until 2026-05-31: issue 17" in listed
    assert "its quarantine expired on 2026-05-31" in listed
    assert "until never" in page.split(">Not applicable</h2>")[1].split("</section>")[0]
    assert "until never" not in listed
    assert chunk(run, run.results[0])["reasons"] == ["quarantined until 2026-05-31: issue 17"]


@pytest.mark.parametrize(
    ("name", "found", "expected"),
    [
        ("console", event("console", "line", text="I (1) fine"), ("console", PLAIN)),
        ("an error on it", event("console", "line", text="E (10) wifi: no"), ("console", BAD)),
        ("with colours", event("console", "line", text="\x1b[0;33mW (10) wifi"), ("console", ODD)),
        ("a panic", event("console", "line", text="Guru Meditation Error"), ("console", BAD)),
        ("publish", event("gateway", "publish", direction="up"), ("MQTT from device", PLAIN)),
        ("publish down", event("gateway", "publish", direction="down"), ("MQTT to device", PLAIN)),
        ("connect", event("gateway", "connect"), ("MQTT from device", PLAIN)),
        ("connack", event("gateway", "connack", code=0), ("MQTT to device", GOOD)),
        ("refused", event("gateway", "connack", code=5), ("MQTT to device", BAD)),
        ("suback", event("gateway", "suback", codes=[1, 0x80]), ("MQTT to device", BAD)),
        ("handshake", event("gateway", "tls"), ("TLS", GOOD)),
        ("no handshake", event("gateway", "tls-failed"), ("TLS", BAD)),
        ("lost", event("gateway", "close", how="reset"), ("TLS", ODD)),
        ("denied", event("gateway", "denied"), ("MQTT from device", BAD)),
        ("a fault", event("time", "fault", state="applied"), ("faults", ODD)),
        ("the time", event("time", "answer"), ("time server", PLAIN)),
        ("a message", event("monitor", "message", None), ("monitor", PLAIN)),
        ("the broker", event("broker", "stopped", None, expected=False), ("broker", BAD)),
        ("flashing", event("flash", "failed"), ("writing", BAD)),
        ("a reset", event("reset", "hard"), ("power", PLAIN)),
        ("unknown", event("<new>", "thing"), ("other", PLAIN)),
    ],
)
def test_lanes_and_tones(name: str, found: Event, expected: tuple[str, int]) -> None:
    assert (lane(found), tone(found)) == expected


def test_every_lane_that_was_asked_for_is_always_there() -> None:
    assert set(ALWAYS) < set(LANES)
    assert len(ALWAYS) == 8


def test_what_lasts(run: runs.Run) -> None:
    shown = [
        event("power", "on", at=1.0),
        event("power", "on", at=1.5),
        event("flash", "start", at=2.0),
        event("flash", "done", at=3.0),
        event("gateway", "fault", at=3.0, name="delay", state="armed"),
        event("gateway", "fault", at=4.0, name="delay", state="applied"),
        event("gateway", "accept", at=4.0, connection=1, peer="x"),
        event("gateway", "tls", at=4.5, connection=1),
        event("power", "off", at=5.0),
        event("gateway", "fault", at=6.0, name="delay", state="cleared"),
        event("power", "on", at=7.0),
    ]
    found = [(s.lane, s.began, s.ended, s.part) for s in spans(shown, run.results[0]) if s.lane != "test"]
    assert found == [
        ("power", 1.0, 5.0, False),
        ("power", 7.0, None, False),
        ("TLS", 4.0, None, False),
        ("TLS", 4.0, 4.5, True),
        ("writing", 2.0, 3.0, False),
        ("faults", 3.0, 6.0, False),
    ]


def test_markup_escapes_all_that_is_not_markup() -> None:
    made = element("a", "<b>", Html("<i></i>"), ["x", None], title='"&', class_="c", data_x_y=1, hidden=False)
    assert made == '<a title="&quot;&amp;" class="c" data-x-y="1">&lt;b&gt;<i></i>x</a>'
