"""The line protocol of the serial link: what lines mean, and that no line whatsoever is more than data."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.contract import LinkTopic
from hil.link.cutting import Cutter, Unusable
from hil.link.names import Names
from hil.link.protocol import Alive, BadLine, Goodbye, Publish, Subscribe, Unsubscribe, message, parse

NAMES = Names({"telemetry": LinkTopic(topic="devices/a/telemetry", qos=1), "state": LinkTopic(topic="s", retain=True)})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"topic":"t","n":1,"text":"\u00e9"}', Publish("t", '{"n":1,"text":"\u00e9"}'.encode())),
        ('{"topic":"t","n":1,"qos":1,"retain":true}', Publish("t", b'{"n":1}', 1, True)),
        ('{"topic":"t","payload":"on","retain":false}', Publish("t", b"on", None, False)),
        ('{"topic":"t","payload":{"a":[1, 2]},"qos":2}', Publish("t", b'{"a":[1,2]}', 2)),
        ('{"topic":"t","payload":null}', Publish("t", b"null")),
        ('{"topic":"t","payload":""}', Publish("t", b"")),
        ('{"topic":"t","payload":"AP8=","base64":true}', Publish("t", b"\x00\xff")),
        ('{"topic":"t","payload":"AP8=","base64":false}', Publish("t", b"AP8=")),
        ('  {"topic":"t"} \r', Publish("t", b"{}")),
        ('{"subscribe":"a/+/b","qos":2}', Subscribe("a/+/b", 2)),
        ('{"unsubscribe":"a"}', Unsubscribe("a")),
        ('{"disconnect":true}', Goodbye()),
        ("{}", Alive()),
        ("hil-uno 1.0.0 reset MCUSR=0x01 (PORF)", None),
        ("", None),
        ("[1]", None),
    ],
)
def test_what_a_line_says(line: str, said: object) -> None:
    assert parse(line.encode()) == said


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"topic":"t"', "it is no JSON object"),
        (b'{"topic":"t"}{"topic":"t"}', "it is no JSON object"),
        (b"\xff\xfe{", "it is no UTF-8 (byte 0)"),
        (b'{"topic":' + b"[" * 100000 + b"}", "it is"),
        (b'{"a":1}', "found none of the keys topic, subscribe, unsubscribe and disconnect"),
        (b'{"topic":7}', "found topic 7, expected a text"),
        (b'{"topic":""}', 'found topic "", expected a text'),
        (b'{"topic":"t","qos":3}', "found qos 3, expected 0, 1 or 2"),
        (b'{"topic":"t","qos":true}', "found qos true"),
        (b'{"topic":"t","retain":1}', "found retain 1, expected true or false"),
        (b'{"topic":"t","x":NaN}', "found NaN, expected a number that JSON has"),
        (b'{"topic":"t","x":1e999}', "found 1e999"),
        (b'{"topic":"t","x":' + b"9" * 5000 + b"}", "it is no JSON object"),
        (b'{"topic":"t","payload":1,"n":2}', 'found the key "n", expected'),
        (b'{"topic":"t","payload":"?","base64":true}', "the payload is no base64"),
        (b'{"topic":"t","payload":1,"base64":true}', "found base64, expected true, and a payload that is a text"),
        (b'{"topic":"t","payload":"\\ud800"}', "half a character"),
        (b'{"topic":"t","x":"\\ud800"}', "half a character"),
        (b'{"subscribe":"t","topics":1}', 'found the key "topics"'),
        (b'{"disconnect":1}', "found disconnect 1, expected true"),
    ],
)
def test_what_is_no_line(line: bytes, why: str) -> None:
    with pytest.raises(BadLine) as bad:
        parse(line)
    assert why in str(bad.value)
    assert "\n" not in str(bad.value)
    assert len(str(bad.value)) < 200


@given(st.binary(max_size=300) | st.text(max_size=100).map(lambda text: ("{" + text).encode("utf-8", "replace")))
def test_any_bytes_are_a_message_or_text_or_bad(line: bytes) -> None:
    told = ""
    try:
        parse(line)
    except BadLine as bad:
        told = str(bad)
    assert "\n" not in told


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text().filter(lambda key: key not in ("topic", "payload", "qos", "retain")), _VALUES))
def test_fields_arrive_as_they_are(fields: dict[str, Any]) -> None:
    line = json.dumps({"topic": "t", **fields})
    if "\\ud" in line:  # half a character, perhaps: UTF-8 cannot say that
        return
    said = parse(line.encode())
    assert isinstance(said, Publish)
    assert json.loads(said.payload) == fields


@given(st.text(min_size=1), st.binary(max_size=200) | _VALUES.map(lambda value: json.dumps(value, indent=1).encode()))
def test_what_goes_to_the_board_is_one_line_that_says_all(topic: str, payload: bytes) -> None:
    try:
        topic.encode()
    except UnicodeEncodeError:
        return  # no broker can have sent it
    line = message(topic, payload, retain=True, dup=True)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert b"\r" not in line
    found = json.loads(line)
    assert (found["topic"], found["retain"], found["dup"]) == (topic, True, True)
    said = parse(json.dumps({key: found[key] for key in ("topic", "payload", "base64") if key in found}).encode())
    assert isinstance(said, Publish)
    if isinstance(found["payload"], dict):
        assert json.loads(said.payload) == json.loads(payload)
    else:
        assert said.payload == payload


def test_a_json_object_is_put_into_the_line_as_it_is() -> None:
    assert message("command", b'{"do":  "ping"}') == b'{"topic":"command","payload":{"do":  "ping"}}\n'
    assert message("c", b"on") == b'{"topic":"c","payload":"on"}\n'
    assert message("c", b"\xff") == b'{"topic":"c","payload":"/w==","base64":true}\n'
    assert message("c", b"{NaN}", retain=True) == b'{"topic":"c","payload":"{NaN}","retain":true}\n'


def test_names_stand_for_topics_and_what_has_none_for_itself() -> None:
    assert NAMES.outward(Publish("telemetry", b"")) == Publish("devices/a/telemetry", b"", 1, False)
    assert NAMES.outward(Publish("telemetry", b"", 0, True)) == Publish("devices/a/telemetry", b"", 0, True)
    assert NAMES.outward(Publish("state", b"")) == Publish("s", b"", 0, True)
    assert NAMES.outward(Publish("{brace", b"")) == Publish("{brace", b"", 0, False)
    assert NAMES.outward(Publish("any/where", b"", 2)) == Publish("any/where", b"", 2, False)
    assert NAMES.wanted("telemetry") == Subscribe("devices/a/telemetry", 1)
    assert NAMES.wanted("a/#") == Subscribe("a/#", 1)
    assert NAMES.inward("devices/a/telemetry") == "telemetry"
    assert NAMES.inward("any/where") == "any/where"


@pytest.mark.parametrize("topic", ["a/+", "a/#", "a\0b", "x" * 70000, "\ud800"])
def test_topics_that_no_broker_takes(topic: str) -> None:
    with pytest.raises(BadLine):
        NAMES.outward(Publish(topic, b""))


def test_filters_that_no_broker_takes() -> None:
    with pytest.raises(BadLine):
        NAMES.wanted("a/#/b")


@given(st.lists(st.binary(max_size=40)), st.lists(st.integers(0, 200)))
def test_lines_are_cut_the_same_however_they_come(lines: list[bytes], cuts: list[int]) -> None:
    data = b"".join(line.replace(b"\n", b".") + b"\n" for line in lines) + b"rest"
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    cutter, found = Cutter(20), list[bytes | Unusable]()
    for begin, end in pairwise(places):
        found += cutter.feed(data[begin:end])
    whole = [piece for piece in found if isinstance(piece, bytes)]
    assert whole == [line for line in data.split(b"\n")[:-1] if len(line) <= 20]
    assert len(found) - len(whole) == sum(len(line) > 20 for line in lines)
    assert [torn.begin for torn in cutter.end()] == [b"rest"]
    assert list(cutter.feed(b"new\n")) == [b"new"]


def test_a_line_without_end_is_told_once_and_takes_no_memory() -> None:
    cutter = Cutter(64)
    told = [piece for _ in range(1000) for piece in cutter.feed(b"x" * 100)]
    assert len(told) == 1
    assert isinstance(told[0], Unusable)
    assert "longer than 64 bytes (link.longest)" in told[0].why
    assert list(cutter.feed(b"end\nnext\n")) == [b"next"]
    assert list(cutter.end()) == []
