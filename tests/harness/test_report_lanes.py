"""Every kind of event that the house records has a lane and a tone on purpose: looked for in the sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hil.gateway import observe
from hil.lanes import BAD, GOOD, KNOWN, LANES, ODD, PLAIN, lane, tone
from hil.report.html.asset import asset
from hil.timeline import Event
from hil.watch.row import SHORT

ROOT = Path(__file__).parents[2] / "hil"

#: Methods that put their first argument on the timeline as the kind, behind a source that is not among the arguments.
WRAPPERS = {("link", "_record"): "link", ("gateway", "event"): "gateway"}
#: Places whose kinds come from elsewhere, and what they can be.
ELSEWHERE = {
    ("power/__init__.py", "power"): {"on", "off"},
    ("guardian/making_safe.py", "power"): {"on", "off"},
    ("plugin.py", "test"): {"finding", "warn"},
    ("link/link.py", "link"): set(),  # the wrapper itself
    ("gateway/gateway.py", "gateway"): {kind for kind, _ in observe._KINDS.values()},  # packets, in a batch
}


def words_of(node: ast.expr) -> list[str | None]:
    """The texts that an argument can be; None for what is not written there."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return [*words_of(node.body), *words_of(node.orelse)]
    return [None]


def calls(path: Path) -> Iterator[tuple[list[str | None], list[str | None]]]:
    """Sources and kinds of each event that a file records."""
    room = path.relative_to(ROOT).parts[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in ("record", "record_all", "record_lines") and len(node.args) > 1:
            yield words_of(node.args[0]), words_of(node.args[1])
        elif name == "Event" and len(node.args) > 5:
            yield words_of(node.args[3]), words_of(node.args[4])
        elif (room, name) in WRAPPERS and node.args:
            yield [WRAPPERS[room, name]], words_of(node.args[0])


def recorded() -> dict[tuple[str, str], str]:
    """Every kind of event in the house, and a file that records it."""
    found: dict[tuple[str, str], str] = {}
    for path in sorted(ROOT.rglob("*.py")):
        file = str(path.relative_to(ROOT))
        if file.startswith(("timeline/", "virtual/")):
            continue
        for sources, kinds in calls(path):
            for source in sources:
                if source is None:
                    continue
                for kind in kinds:
                    named = {kind} if kind is not None else ELSEWHERE.get((file, source))
                    assert named is not None, f"{file} records {source}.? with a kind that this test cannot see"
                    found |= {(source, one): file for one in named}
    return found


def test_every_kind_that_is_recorded_has_its_place() -> None:
    found = recorded()
    assert len(found) > 60, "this test sees what is recorded"
    missing = {f"{source}.{kind} of hil/{found[source, kind]}" for source, kind in found.keys() - KNOWN.keys()}
    assert not missing, "give them a lane and a tone in hil/lanes.py"
    assert not {f"{source}.{kind}" for source, kind in KNOWN.keys() - found.keys()}, "nobody records these any more"


def test_every_lane_has_a_colour_and_a_short_name() -> None:
    colours, styles = asset("colours.css"), asset("detail.css")
    for name in LANES:
        assert f"--lane-{name.replace(' ', '-').lower()}:" in colours
        assert name in SHORT
        assert f'[data-lane="{name}"]' in styles or name == "other"
    assert {lane(Event(0, 0.0, 0.0, source, kind, None, {})) for source, kind in KNOWN} == set(LANES) - {"other"}


@pytest.mark.parametrize(
    ("about", "data", "expected"),
    [
        ("guardian.ended", {"why": "killed"}, ("test", BAD)),
        ("link.dead", {"why": "silence"}, ("serial link", ODD)),
        ("link.connected", {}, ("serial link", GOOD)),
        ("board.boot", {"cause": "power-on"}, ("power", PLAIN)),
        ("board.boot", {"cause": "timer group 0 watchdog"}, ("power", BAD)),
        ("console.port", {"state": "lost"}, ("console", ODD)),
        ("console.port", {"state": "open"}, ("console", PLAIN)),
        ("power.fault", {"state": "failed"}, ("faults", BAD)),
        ("gateway.pubrec", {"direction": "down", "code": 0x97}, ("MQTT to device", BAD)),
        ("gateway.of-another-hil", {}, ("TLS", PLAIN)),
        ("console.of-another-hil", {}, ("console", PLAIN)),
    ],
)
def test_places(about: str, data: dict[str, Any], expected: tuple[str, int]) -> None:
    source, kind = about.split(".")
    found = Event(0, 0.0, 0.0, source, kind, None, data)
    assert (lane(found), tone(found)) == expected
