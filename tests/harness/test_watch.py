"""What `hil watch` shows and how it is filtered and searched, without a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hil.lanes import BAD, GOOD, ODD, PLAIN
from hil.timeline import Event, events_of_line
from hil.watch import face, filtering, heading, keys
from hil.watch.filtering import FilterError, parse
from hil.watch.line import Columns
from hil.watch.looking import Looking, failure, remark
from hil.watch.prompt import Line
from hil.watch.row import LONGEST, Row
from hil.watch.saving import save
from hil.watch.screens import details
from hil.watch.standing import Standing

HOSTILE = "\x1b[2J\x1b]0;owned\x07[red]x[/red]\u202eevil\x9b31m\r\n\x00"


def row(number: int, source: str = "console", kind: str = "line", board: str | None = "a", **data: Any) -> Row:
    if (source, kind) == ("console", "line"):
        data = {"text": f"line {number}", **data}
    return Row(Event(number, float(number), 1.7e9 + number, source, kind, board, data))


CONNECT = row(1, "gateway", "connect", "esp32-a", connection=3, client_id="Esp32-A", keep_alive=30)
HARD = row(2, "reset", "hard", "esp32-b")
PANIC = row(3, text="Guru Meditation Error: rst:0x1")
BROKER = row(4, "broker", "log", None, text="New client connected from 10.0.0.1")
ROWS = (CONNECT, HARD, PANIC, BROKER)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("", ROWS),
        ("connect", (CONNECT, BROKER)),
        ("CONNECT", (CONNECT, BROKER)),
        ("esp32-a", (CONNECT,)),
        ("new client", (BROKER,)),
        ("client new", (BROKER,)),
        ('"client connected"', (BROKER,)),
        ('"connected client"', ()),
        ("kind:connect", (CONNECT,)),
        ("kind:CONNECT,hard", (CONNECT, HARD)),
        ("kind:conn", ()),
        ("kind:conn*", (CONNECT,)),
        ("source:gateway", (CONNECT,)),
        ("source:console,reset -board:a", (HARD,)),
        ("board:esp32-*", (CONNECT, HARD)),
        ("lane:mqtt-from-device", (CONNECT,)),
        ("lane:mqtt*", (CONNECT,)),
        ("lane:power,TLS", (HARD,)),
        ("is:bad", (PANIC,)),
        ("-is:bad,good,odd", (CONNECT, HARD, BROKER)),
        ("-connect", (HARD, PANIC)),
        ('-"client connected" -kind:hard', (CONNECT, PANIC)),
        ("rst:0x1", (PANIC,)),
        ("client_id=esp32-a", (CONNECT,)),
        ("gateway.connect", (CONNECT,)),
        ("connection=3", (CONNECT,)),
        ("-", (CONNECT, HARD)),
    ],
)
def test_a_filter_says_what_fits(text: str, fits: tuple[Row, ...]) -> None:
    wanted = parse(text)
    assert [one for one in ROWS if wanted(one)] == list(fits)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind:", "found 'kind:', expected a value"),
        ("is:purple", "found is:purple, expected one of bad, odd, good, plain"),
        ("lane:tsl", "found lane:tsl, expected one of test, power"),
    ],
)
def test_a_filter_that_says_nothing_is_refused(text: str, words: str) -> None:
    with pytest.raises(FilterError, match=words):
        parse(text)


def test_a_worker_can_be_asked_for() -> None:
    event = HARD.event
    assert [one.worker for one in (Row(event, "gw0"), Row(event, "gw1")) if parse("worker:gw1")(one)] == ["gw1"]


def test_the_examples_of_the_language_are_understood() -> None:
    for line in filtering.LANGUAGE.splitlines():
        if line.strip() and "  " in line.strip():
            parse(line.strip().split("  ")[0])


def test_lines_and_details_of_hostile_text_are_harmless() -> None:
    for one in (row(1, text=HOSTILE), row(2, "monitor", "message", None, topic=HOSTILE, payload=HOSTILE.encode())):
        strip = Columns(board=8).strip(one, 200)
        for text in (strip.text, details(one, 0.0).plain):
            assert all(c == "\n" or c.isprintable() for c in text), text
            assert "[red]x[/red]" in text
    assert row(1, **{HOSTILE: HOSTILE}).text.isprintable()


def test_a_line_fills_its_width_whatever_is_in_it() -> None:
    for one in (PANIC, row(1, text="日本語" * 50), row(2, text="e\u0301" * 90), row(3, text=""), row(4, text="\tx")):
        for width in (80, 81, 20, 5):
            assert Columns(board=6).strip(one, width, hit=True, words=("本", "e")).cell_length == width


def test_what_is_found_is_marked_in_the_line() -> None:
    found = [
        s.text for s in Columns().strip(PANIC, 80, hit=True, words=("error", "gu", "u")) if s.style and s.style.bgcolor
    ]
    assert found == ["Gu", "u", "Error"]


def test_long_text_is_cut_on_the_screen_and_whole_in_the_details() -> None:
    one = row(1, text="x" * 5000)
    assert len(one.text) == LONGEST
    assert "x" * 5000 in details(one, 0.0).plain


def test_bytes_that_are_no_text_are_shown_in_hex() -> None:
    shown = details(row(1, "monitor", "message", None, topic="t", payload=b"\xff\x00AB"), 0.0).plain
    assert "0000  ff 00 41 42" in shown
    assert "..AB" in shown


def test_times_are_seconds_since_the_beginning_or_the_time_of_day() -> None:
    assert Columns(zero=1.5).time(row(3)) == "     1.500"
    assert Columns(clock=True).time(row(3)).endswith(":23.000")


# -- what is looked at -------------------------------------------------------------------------------------------------


def looking(count: int, most: int = 1000) -> Looking:
    found = Looking(most)
    found.add([row(n) for n in range(count)])
    return found


def numbers(found: Looking) -> list[int]:
    return [one.event.sequence for one in found.view]


def test_the_newest_event_is_followed_until_the_cursor_moves_up() -> None:
    seen = looking(5)
    assert (seen.cursor, seen.following) == (4, True)
    seen.add([row(5)])
    assert seen.cursor == 5
    seen.move(-2)
    seen.add([row(6)])
    assert (seen.cursor, seen.following) == (3, False)
    seen.move(10)
    assert (seen.cursor, seen.following) == (6, False)
    seen.move(1)
    seen.add([row(7)])
    assert (seen.cursor, seen.following) == (7, True)


def test_while_it_is_paused_nothing_moves_and_nothing_is_lost() -> None:
    seen = looking(3)
    seen.pause()
    seen.add([row(3), row(4)])
    assert (numbers(seen), seen.cursor, seen.waiting) == ([0, 1, 2], 2, 2)
    seen.resume()
    assert (numbers(seen), seen.cursor, seen.waiting) == ([0, 1, 2, 3, 4], 4, 0)


def test_events_of_several_workers_stand_in_the_order_of_time() -> None:
    seen = looking(0)
    seen.add([row(5), row(1)])
    seen.add([row(3), row(2), row(6)])
    seen.move(-2)
    assert seen.current is not None
    assert seen.current.event.sequence == 3
    seen.add([row(0), row(4)])
    assert numbers(seen) == [0, 1, 2, 3, 4, 5, 6]
    assert seen.current.event.sequence == 3


def test_the_oldest_are_let_go_and_the_cursor_stays_at_its_event() -> None:
    seen = looking(100, most=100)
    seen.show(parse("-kind:hard"))
    seen.find(parse("line"))
    seen.move(-10)
    before = seen.current
    gone = seen.add([row(n, "reset", "hard") for n in range(100, 140)])
    assert (len(seen.rows), seen.forgotten, gone) == (100, 40, 40)
    assert seen.current is before
    assert numbers(seen) == list(range(40, 100))
    assert len(seen.hits) == 60
    seen.to_start()
    seen.add([row(n) for n in range(140, 400)])
    assert (seen.cursor, len(seen.rows)) == (0, 100)


def test_while_it_is_paused_no_more_is_kept_than_at_other_times() -> None:
    seen = looking(10, most=10)
    seen.pause()
    seen.add([row(n) for n in range(10, 40)])
    assert seen.waiting == 10
    seen.resume()
    assert numbers(seen) == list(range(30, 40))
    assert seen.forgotten == 30


def test_a_filter_keeps_the_moment_that_is_looked_at() -> None:
    seen = looking(0)
    seen.add([row(n, "reset", "hard") if n % 3 == 0 else row(n) for n in range(30)])
    seen.move(-9)
    assert seen.current is not None
    assert seen.current.event.sequence == 20
    seen.show(parse("kind:hard"))
    assert seen.current.event.sequence == 18
    seen.show(parse("nothing like it"))
    assert (seen.view, seen.current, seen.cursor) == ([], None, 0)
    seen.move(-1)
    seen.show(filtering.EVERYTHING)
    assert len(seen.view) == 30


def test_one_board_is_shown_with_what_is_of_no_board() -> None:
    seen = looking(0)
    seen.add([row(0), row(1, board="b"), BROKER])
    seen.show(board="b")
    assert numbers(seen) == [1, 4]
    seen.show(parse("line"))
    assert numbers(seen) == [1]
    seen.show(every_board=True)
    assert numbers(seen) == [0, 1]


def test_a_search_goes_from_hit_to_hit_and_round_the_ends() -> None:
    seen = looking(30)
    assert not seen.find(parse("absent"))
    assert seen.next_hit(True) == "not found: absent"
    assert seen.cursor == 29
    assert seen.find(parse("2"))  # 2, 12, 20 to 29
    assert (seen.cursor, seen.hit_number(), len(seen.hits)) == (29, 12, 12)
    assert seen.next_hit(True) == "from the top again"
    assert seen.cursor == 2
    assert seen.next_hit(True) is None
    assert seen.cursor == 12
    assert seen.next_hit(False) is None
    assert seen.next_hit(False) == "from the bottom again"
    assert seen.cursor == 29
    seen.add([row(32)])
    assert seen.next_hit(True) is None
    assert seen.cursor == 30


def test_without_a_search_the_keys_for_hits_say_so() -> None:
    assert looking(3).next_hit(True) == "nothing is searched for: / searches"


# -- where boards stand ------------------------------------------------------------------------------------------------


def test_where_a_board_stands_is_folded_from_its_events() -> None:
    board = Standing("a")
    story = [
        (("power", "on", {}), "no connection yet", PLAIN),
        (("flash", "start", {}), "is flashed", ODD),
        (("flash", "done", {}), "was flashed", PLAIN),
        (("gateway", "accept", {"connection": 1}), "reaches the gateway", PLAIN),
        (("gateway", "tls-failed", {"connection": 1}), "fails at TLS", BAD),
        (("gateway", "close", {"connection": 1, "how": "reset"}), "fails at TLS", BAD),
        (("gateway", "accept", {"connection": 2}), "reaches the gateway", PLAIN),
        (("gateway", "connack", {"connection": 2, "code": 0}), "online", GOOD),
        (("gateway", "close", {"connection": 1, "how": "reset"}), "online", GOOD),
        (("gateway", "close", {"connection": 2, "how": "reset"}), "offline", ODD),
        (("gateway", "connack", {"connection": 3, "code": 135}), "refused, code 135", BAD),
        (("gateway", "denied", {"connection": 3, "what": "will"}), "is denied its will", BAD),
        (("flash", "failed", {"reason": "x"}), "could not be flashed", BAD),
    ]
    for number, ((source, kind, data), words, tone) in enumerate(story):
        board.take(row(number, source, kind, **data))
        assert (board.link, board.tone) == (words, tone)
    assert board.power is True
    board.take(row(20, "test", "start", name="test_it[a]"))
    board.take(row(21, "power", "off"))
    shown = heading.board(1, board, chosen=True, alone=False, now=72.5, width=80).plain
    assert shown == "▸1 a            power off  could not be flashed 60 s  test_it[a]"
    board.take(row(22, "test", "end", name="test_it[a]"))
    assert board.doing == ""


def test_the_top_line_says_whether_the_newest_event_is_shown() -> None:
    seen = looking(10)
    assert "▶ live" in heading.top("run", "live", seen, 80).plain
    assert "▶ catching up" in heading.top("run", "catching up", seen, 80).plain
    seen.move(-4)
    assert "↑ 4 below, ended" in heading.top("run", "ended", seen, 80).plain
    seen.pause()
    seen.add([row(10)])
    shown = heading.top("a run with a very long name indeed", "live", seen, 40).plain
    assert "‖ paused, 1 waiting" in shown
    assert len(shown) == 40


# -- typing ------------------------------------------------------------------------------------------------------------


def test_a_line_is_edited_as_in_a_shell() -> None:
    line = Line("", ["first", "second"])
    line.insert("kind:hrd x\nand no more\x1b")
    for key in ("left", "left", "left", "left"):
        assert line.key(key)
    line.insert("a")
    assert line.text == "kind:hard x"
    line.key("end")
    line.key("ctrl+w")
    assert line.text == "kind:hard "
    line.key("home")
    line.key("delete")
    line.key("backspace")
    assert (line.text, line.at) == ("ind:hard ", 0)
    line.key("end")
    line.key("ctrl+u")
    assert line.text == ""
    line.key("up")
    assert line.text == "second"
    line.key("up")
    line.key("up")
    assert line.text == "first"
    for _ in range(3):
        line.key("down")
    assert line.text == ""
    assert not line.key("f5")


def test_failures_and_remarks_are_gone_to_round_the_ends() -> None:
    texts = ["E (1) first", "plain", "W (2) second", "plain", "E (3) third", "plain"]
    looking = Looking()
    looking.add([row(number, text=text) for number, text in enumerate(texts)])
    looking.add([row(9, "test", "finding", text="dates are not checked")])
    assert (looking.go_round(failure, down=True), looking.cursor) == ("from the top again", 0)
    assert not looking.following
    assert (looking.go_round(failure, down=True), looking.cursor) == (None, 4)
    assert (looking.go_round(remark, down=True), looking.cursor) == (None, 6)
    assert (looking.go_round(remark, down=True), looking.cursor) == ("from the top again", 2)
    assert (looking.go_round(failure, down=False), looking.cursor) == (None, 0)
    assert (looking.go_round(failure, down=False), looking.cursor) == ("from the bottom again", 4)
    looking.show(parse("-is:bad"))
    assert looking.go_round(failure, down=True) == "nothing of that kind is shown"
    looking.show(parse("nothing"))
    assert looking.go_round(failure, down=False) == "nothing of that kind is shown"


def test_what_is_saved_is_whole_and_never_over_another(tmp_path: Path) -> None:
    rows = [row(1, text="x" * 5000), row(2, "monitor", "message", None, topic="t", payload=b"\xff\x00")]
    lines = save(rows, str(tmp_path / "kept.txt"), Columns()).read_text().splitlines()
    assert [len(lines), len(lines[0]) > 5000, "\x00" in lines[1]] == [2, True, False]
    path = save(rows, str(tmp_path / "kept.jsonl"), Columns())
    assert [events_of_line(line) for line in path.read_text().splitlines()] == [("", [one.event]) for one in rows]
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError):
        save(rows, str(path), Columns())


def test_hints_fit_into_80_columns() -> None:
    for hints in (keys.HINTS, keys.ACTING_HINTS):
        assert "quit" in heading.keys(hints, 80).plain


def test_the_help_fits_into_80_columns() -> None:
    assert max(len(words) for _, words in (*keys.LOOKING_HELP, *keys.ACTING_HELP)) <= 54


def test_every_key_is_explained() -> None:
    explained = {key for words, text in (*keys.LOOKING_HELP, *keys.ACTING_HELP) for key in f"{words} {text}".split()}
    letters = [key for key in ",".join(keys.ACTIONS).split(",") if len(key) == 1 and key not in "h2345678"]
    assert len(letters) > 20
    assert [key for key in letters if key not in explained | {"1", "9"}] == []


def test_what_was_said_last_is_in_sight_however_long_what_stood_before() -> None:
    path = "/" + "/".join(["folder"] * 30)
    first, last = f"saved: 1 event in {path}", "not saved: it is there already"
    assert heading.said([first, last], 200).plain == f" {first}\n {last}"
    assert heading.said([first, last], 30).plain == f" {last}"
    assert heading.said([first], 30).plain == f" {first}"
    assert f"#shown {{ height: auto; max-height: {heading.SAID_LINES}; }}" in face.CSS
