"""The picture of `hil watch`: lanes, what lasts in them, how many events fall together, and the scale along it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from hil.lanes import ALWAYS, BAD, GOOD, LANES, ODD
from hil.timeline import Event
from hil.watch.boards import Boards
from hil.watch.counting import Counting
from hil.watch.filtering import parse
from hil.watch.lasting import MOST, Lasting
from hil.watch.looking import Looking
from hil.watch.output import as_ascii
from hil.watch.picture import Picture, Times, lanes_shown
from hil.watch.row import SHORT, Row
from hil.watch.scale import SPANS, USUAL, Scale, span_words

A = "esp32-a"
LABEL = 18


def row(at: float, source: str, kind: str, board: str | None = A, **data: object) -> Row:
    return Row(Event(int(at * 1000), at, 1.7e9 + at, source, kind, board, data))


def console(at: float, text: str = "plain", board: str | None = A) -> Row:
    return row(at, "console", "line", board, text=text)


def looked_at(rows: Iterable[Row]) -> tuple[Looking, Lasting]:
    looking, boards = Looking(), Boards()
    rows = list(rows)
    looking.add(rows)
    for one in rows:
        boards.take(one)
    return looking, boards.lasting


def drawn(picture: Picture, lasting: Lasting, now: float, *, width: int = 79, most: int = 20) -> dict[str, str]:
    """The lines of the picture by what stands before them: 60 cells behind LABEL where it is 79 wide."""
    picture.show(A, lasting, Times(now, 0.0), width=width, most=most)
    lines = [strip.text for strip in picture._strips]
    return {line[:LABEL].strip(): line[LABEL:].rstrip() for line in lines}


def test_every_lane_has_a_short_name() -> None:
    assert set(SHORT) == set(LANES)


def test_lanes_are_those_of_the_report_with_what_lasts_and_what_happens() -> None:
    looking, lasting = looked_at(
        [
            row(10, "power", "on"),
            row(20, "gateway", "accept", connection=1),
            *(console(30 + n / 100) for n in range(4)),
            console(31, "E (7) mqtt: lost"),
            row(40, "gateway", "connack", connection=1, code=0),
            row(50, "gateway", "close", connection=1, how="fin"),
            console(35, board="another"),
        ]
    )
    lines = drawn(Picture(looking), lasting, 59.5)
    assert tuple(lines)[1:] == ALWAYS
    assert next(iter(lines)).split() == [A, "60", "s"]
    assert lines["power"] == " " * 10 + "▂" + "━" * 49
    assert lines["TLS"] == " " * 20 + "▂" + "━" * 29 + "?"
    assert lines["console"] == " " * 30 + "▄!" + " " * 18 + "│"
    assert lines["MQTT to device"] == " " * 40 + "▂" + " " * 9 + "│"
    assert as_ascii(lines["power"]) == " " * 10 + "." + "=" * 49


def test_the_window_follows_the_newest_until_the_cursor_moves_and_then_stays_with_it() -> None:
    looking, lasting = looked_at([console(100 + n) for n in range(100)])
    picture = Picture(looking)
    assert drawn(picture, lasting, 199.5)["console"] == "▂" * 60
    assert drawn(picture, lasting, 229.5)["console"] == "▂" * 30
    looking.move(-1)
    assert drawn(picture, lasting, 229.5)["console"] == "▂" * 30
    assert drawn(picture, lasting, 999.5)["console"] == "▂" * 30, "time goes on, the window does not"
    looking.to_start()
    assert drawn(picture, lasting, 999.5)["console"] == " " * 30 + "▂" * 30


def test_the_cursor_is_marked_in_its_lane_only_where_the_lane_is_of_its_board() -> None:
    marked = []
    for board in (A, "another", None):
        looking, lasting = looked_at([console(10), console(11, board=board)])
        picture = Picture(looking)
        picture.show(A, lasting, Times(12, 0.0), width=79, most=20)
        marked.append(any(segment.style and segment.style.reverse for strip in picture._strips for segment in strip))
    assert marked == [True, False, True]


def test_zooming_shows_less_or_more_around_the_cursor() -> None:
    looking, lasting = looked_at([console(100 + n) for n in range(100)])
    looking.move(-50)
    picture = Picture(looking)
    assert picture.zoom_by(-1) == "20 s"
    narrow = drawn(picture, lasting, 200)["console"]
    assert narrow.count("▂") == 20
    assert narrow[30] == "▂", "the cursor stands in the middle"
    assert picture.zoom_by(99) == "24 h"
    assert "█" in drawn(picture, lasting, 200)["console"]
    assert picture.zoom_by(-99) == "0.1 s"


def test_a_filter_holds_for_the_picture_too_and_new_rows_are_counted_once() -> None:
    looking, lasting = looked_at([console(10), console(10.1, "E (1) x")])
    picture = Picture(looking)
    assert drawn(picture, lasting, 59)["console"].strip() == "!"
    looking.show(parse("-is:bad"))
    assert drawn(picture, lasting, 59)["console"].strip() == "▂"
    looking.add([console(10.2), console(10.3)])
    assert drawn(picture, lasting, 59)["console"].strip("│ ") == "▃"
    assert drawn(picture, lasting, 59)["console"].strip("│ ") == "▃"


def test_what_is_let_go_is_no_longer_counted() -> None:
    looking = Looking(most=10)
    looking.add([console(n) for n in range(10)])
    counting = Counting()
    assert sum(many for many, _ in counting.count(looking, 1.0, A)["console"].values()) == 10
    looking.add([console(10 + n) for n in range(5)])
    assert sum(many for many, _ in counting.count(looking, 1.0, A)["console"].values()) == 10


def test_a_low_window_shows_lanes_with_events_first() -> None:
    counts = {lane: {0: (1, 0)} for lane in ("faults", "console")}
    assert lanes_shown(counts, 99) == [lane for lane in LANES if lane in (*ALWAYS, "faults")]
    assert lanes_shown(counts, 3) == ["power", "console", "faults"]
    assert lanes_shown(counts, 1) == ["console"]


def test_in_a_narrow_window_lanes_have_short_names() -> None:
    looking, lasting = looked_at([console(10)])
    picture = Picture(looking)
    picture.show(A, lasting, Times(20, 0.0), width=34, most=20)
    lines = [strip.text for strip in picture._strips]
    assert [line[1:9].strip() for line in lines[1:]] == [SHORT[lane] for lane in ALWAYS]
    assert max(map(len, lines)) <= 34


def test_what_lasts_is_folded_from_its_events() -> None:
    lasting = Lasting()
    for one in (
        row(1, "flash", "start"),
        row(2, "flash", "failed"),
        row(3, "gateway", "fault", name="stall", state="armed"),
        row(4, "gateway", "accept", connection=7),
        row(5, "gateway", "tls-failed", connection=7),
        row(6, "gateway", "close", connection=7),
        row(7, "power", "off"),
        row(8, "test", "start", name="x"),
        row(8, "test", "start", name="x"),
    ):
        lasting.take(one)
    found = [(s.lane, s.began, s.ended, s.tone) for s in lasting.within(0, 10)]
    assert found == [("writing", 1, 2, BAD), ("faults", 3, None, ODD), ("TLS", 4, 6, BAD), ("test", 8, None, 0)]
    assert [s.lane for s in lasting.within(6.5, 7)] == ["faults"]
    lasting.take(row(9, "power", "on"))
    assert next(s.tone for s in lasting.within(9, 9) if s.lane == "power") == GOOD


def test_no_more_stretches_are_kept_than_can_be_shown() -> None:
    lasting = Lasting()
    for number in range(2 * MOST):
        lasting.take(row(number, "power", "off" if number % 2 else "on"))
        lasting.take(row(number, "gateway", "accept", connection=number))
    assert len(list(lasting.within(0, 1e9))) == MOST


@pytest.mark.parametrize(
    ("scale", "offset", "clock", "line"),
    [
        (Scale(100, 40, 1.0), 0.0, False, "          │110      │120      │130      "),
        (Scale(100, 40, 1.0), -105.0, False, "     │0        │10       │20       │30  "),
        (Scale(1000, 30, 0.05), -50.0, False, "          │0.5      │1.0      "),
        (Scale(0, 40, 1.0), 86390.0, True, "          │00:00:00           │00:00:20 "),
    ],
)
def test_times_stand_along_the_picture(scale: Scale, offset: float, clock: bool, line: str) -> None:
    assert scale.axis(offset, clock=clock) == line


def test_spans_are_said_as_people_say_them() -> None:
    assert [span_words(s) for s in (0.2, 60, 120, 7200)] == ["0.2 s", "60 s", "2 min", "2 h"]
    assert SPANS[USUAL] == 60
