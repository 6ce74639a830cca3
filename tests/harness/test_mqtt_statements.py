"""The table of statements in docs/mqtt-codec.md is true: each names a rule or a test, and each rule can be provoked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from mqtt_broken import BROKEN, FROM_A_CLIENT, FROM_A_SERVER

from hil.wire.mqtt import Decoder, ProtocolError, Publish, Subscribe, Subscription, Version, decode, encode
from hil.wire.mqtt.rules import RULES

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "mqtt-codec.md"
ROW = re.compile(r"^\| (MQTT-\S+)? ?\| (MQTT-\S+)? ?\| .* \| (rule|test) `(.+)` \|$", re.MULTILINE)


class Row(NamedTuple):
    v311: str
    v5: str
    kind: str
    name: str


ROWS = [Row(*found) for found in ROW.findall(DOCUMENT.read_text())]


def test_every_row_is_understood() -> None:
    section = DOCUMENT.read_text().split("## Which statements are checked")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ") and "`" in line]
    assert len(lines) == len(ROWS) > 80


@pytest.mark.parametrize("row", ROWS, ids=[f"{r.v311}/{r.v5} {r.name}" for r in ROWS])
def test_a_statement_is_checked_where_the_table_says(row: Row) -> None:
    assert row.v311 or row.v5
    if row.kind == "rule":
        assert row.name in RULES
    else:
        assert any(f"def {row.name}(" in path.read_text() for path in HERE.glob("test_mqtt_*.py"))


@pytest.mark.parametrize("name", RULES)
def test_every_numbered_rule_is_in_the_table(name: str) -> None:
    rule = RULES[name]
    rows = [row for row in ROWS if row.name == name]
    if rule.v311.startswith("MQTT"):
        assert rule.v311 in {row.v311 for row in rows}
    if rule.v5.startswith("MQTT"):
        assert rule.v5 in {row.v5 for row in rows}


def reasons() -> Iterator[tuple[Version, str]]:
    """What is said of every kind of breach that there is an example of."""
    for version, text, *_ in BROKEN:
        try:
            decode(bytes.fromhex(text), version)
        except ProtocolError as error:
            yield version, error.reason
    for data, _ in FROM_A_CLIENT:
        decoder = Decoder()
        try:
            decoder.feed(data)
        except ProtocolError as error:
            yield decoder.version or Version.V311, error.reason
    for version, data, _ in FROM_A_SERVER:
        try:
            Decoder(version).feed(data)
        except ProtocolError as error:
            yield version, error.reason
    for filter_ in ("$share//a", "$share/+/a", "$share/a", ""):
        try:
            encode(Subscribe(1, (Subscription(filter_),)), Version.V5)
        except ProtocolError as error:
            yield Version.V5, error.reason
    for version in Version:
        try:
            encode(Publish("a", packet_id=1), version)
        except ProtocolError as error:
            yield version, error.reason


SAID = list(reasons())
# What is judged before the version is known has the same number in both.
BEFORE_THE_VERSION = ("first", "protocol name", "level")


@pytest.mark.parametrize("version", Version)
@pytest.mark.parametrize("name", RULES)
def test_each_rule_is_provoked_in_each_version_that_has_it(name: str, version: Version) -> None:
    rule = RULES[name]
    where = rule.v5 if version is Version.V5 else rule.v311
    if not where:
        pytest.skip("no such rule in this version")
    tail = f"MQTT {version} section {where[3:]}" if where.startswith("s.") else where
    versions = set(Version) if name in BEFORE_THE_VERSION else {version}
    assert any(found in versions and said.endswith(f"{rule.says} [{tail}]") for found, said in SAID)
