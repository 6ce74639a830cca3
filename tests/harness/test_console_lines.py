"""The stream behind a console: however the bytes are cut up, the same lines come out, and searches find the same."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hil.lines import LONGEST_LINE, Mark, Pattern, Search, Stream


def texts(stream: Stream) -> bytes:
    return b"".join(block.data for block in stream.blocks)


def feed(stream: Stream, data: bytes) -> None:
    whole, partial = stream.feed(data)
    if whole:
        stream.keep(whole, sum(block.data.count(b"\n") for block in stream.blocks))
    stream.partial = partial


def cut_up(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(c % (len(data) + 1) for c in cuts)})
    return [data[a:b] for a, b in pairwise(places)]


pieces = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"bc", b"\xff", "é".encode(), b"one", b"two"]), max_size=40
)
cuts = st.lists(st.integers(0, 200), max_size=12)


@given(pieces, cuts)
@example([b"\r", b"\r", b"\n", b"a"], [1, 2, 3])
def test_lines_do_not_depend_on_how_the_bytes_were_cut_up(parts: list[bytes], places: list[int]) -> None:
    data = b"".join(parts)
    at_once, in_parts = Stream(), Stream()
    feed(at_once, data)
    for piece in cut_up(data, places):
        feed(in_parts, piece)
    assert texts(at_once) == texts(in_parts)
    assert at_once.partial == in_parts.partial
    whole, partial = at_once.finish()
    assert texts(at_once) + whole + partial == re.sub(rb"\r+\n|\r", b"\n", data) + (
        b"" if re.search(rb"(^|[\r\n])$", data) else b"\n"
    )


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"a\r\nb\n", [b"a", b"b"]),
        (b"a\rb\r\n", [b"a", b"b"]),
        (b"a\r\r\nb\r\n", [b"a", b"b"]),
        (b"\r\n\r\n", [b"", b""]),
        (b"50%\r60%\r70%\r\n", [b"50%", b"60%", b"70%"]),
    ],
)
def test_what_ends_a_line(data: bytes, lines: list[bytes]) -> None:
    stream = Stream()
    feed(stream, data)
    assert texts(stream).split(b"\n")[:-1] == lines


@given(pieces, cuts, st.sampled_from(["one", "two\none", "a", b"\xff", "é", "one\r\ntwo"]))
def test_text_is_found_where_it_first_stands(parts: list[bytes], places: list[int], wanted: Pattern) -> None:
    data = b"".join(parts)
    stream, search = Stream(), Search(wanted, 0)
    found = None
    for piece in cut_up(data, places):
        feed(stream, piece)
        found = found or search.step(stream)
    needle = wanted if isinstance(wanted, bytes) else str(wanted).replace("\r\n", "\n").encode()
    held_back = data[: len(data.rstrip(b"\r"))]
    assert (found.start if found else -1) == re.sub(rb"\r+\n|\r", b"\n", held_back).find(needle)


@given(pieces, cuts)
def test_a_regular_expression_finds_the_same_in_finished_lines(parts: list[bytes], places: list[int]) -> None:
    data = b"".join(parts) + b"\n"
    pattern = re.compile(r"(a+)(bc|\\xff|é)?$")
    stream, search = Stream(), Search(pattern, 0)
    found = None
    for piece in cut_up(data, places):
        feed(stream, piece)
        if found is None or found.open_end:
            found = search.step(stream)
    lines = re.sub(rb"\r+\n|\r", b"\n", data).decode("utf-8", "backslashreplace").split("\n")
    first = next((match for match in map(pattern.search, lines) if match), None)
    assert (found.text if found else None) == (first[0] if first else None)
    assert (found.groups if found else None) == (first.groups() if first else None)


def test_a_match_that_may_grow_says_so() -> None:
    stream, search = Stream(), Search(re.compile(r"ip:([\d.]+)"), 0)
    feed(stream, b"got ip:10.0")
    found = search.step(stream)
    assert found is not None
    assert found.open_end
    feed(stream, b".0.7, gw")
    found = search.step(stream)
    assert found is not None
    assert (found.groups, found.open_end) == (("10.0.0.7",), False)


def test_offsets_count_bytes_also_behind_odd_ones() -> None:
    stream = Stream()
    line = b"\xff\xf0\x9f\x98\x80 \xe9 caf\xc3\xa9=7;"
    feed(stream, b"first\n" + line + b" tail\n")
    found = Search(re.compile(r"café=(\d);"), 0).step(stream)
    assert found is not None
    assert found.end == len(b"first\n" + line)
    again = Search(re.compile(r"tail"), found.end).step(stream)
    assert again is not None
    assert stream.since(again.start) == b"tail\n"


def test_a_search_begins_where_it_is_told_and_line_starts_stay_line_starts() -> None:
    stream = Stream()
    feed(stream, b"abc abc\nabc\n")
    assert Search("abc", 1).step(stream).start == 4  # type: ignore[union-attr]
    assert Search(re.compile("^abc"), 1).step(stream).start == 8  # type: ignore[union-attr]


def test_a_bytes_expression_sees_bytes() -> None:
    stream = Stream()
    feed(stream, b"raw \xfe\x01 end\n")
    found = Search(re.compile(rb"raw (?P<what>..)"), 0).step(stream)
    assert found is not None
    assert found.named == {"what": "\\xfe\x01"}


def test_half_a_character_waits_for_its_other_half() -> None:
    stream, search = Stream(), Search(re.compile("caf(.)"), 0)
    feed(stream, b"caf\xc3")
    assert search.step(stream) is None
    feed(stream, b"\xa9 ")
    assert search.step(stream).groups == ("é",)  # type: ignore[union-attr]


def test_events_are_found_by_offset() -> None:
    stream = Stream()
    feed(stream, b"zero\none\n")
    feed(stream, b"two\nthree\npart")
    assert [stream.event_at(offset) for offset in (0, 4, 5, 9, 13, 19)] == [0, 0, 1, 2, 3, None]
    assert [n for r in stream.events(5) for n in r] == [1, 2, 3]
    assert list(stream.events(Mark(19).offset)) == []


@pytest.mark.parametrize("bad", [7, None, [b"x"]])
def test_a_pattern_of_another_kind_is_refused(bad: object) -> None:
    with pytest.raises(TypeError, match="a pattern is text"):
        Search(bad, 0)  # type: ignore[arg-type]


def test_an_empty_pattern_is_refused() -> None:
    with pytest.raises(ValueError, match="found everywhere"):
        Search("", 0)


def test_the_longest_line_is_longer_than_any_certificate() -> None:
    assert LONGEST_LINE >= 16384
