"""Conditions of a case on a bench: in force inside the block, gone behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from hil import cases
from hil import rig as rigs
from hil.attempts import End, attempts
from hil.bench import Bench, BenchError
from hil.board import Board
from hil.cases.applying import in_force, lasting, put_firmware, rig_for
from hil.cases.conditions import Damage
from hil.cases.creating import Told, create
from hil.cases.damage import flawed
from hil.credentials import Authority
from hil.timeline import Event, Match, where

ROOT = Path(__file__).parents[2]


def case_of(folder: Path, conditions: list[dict[str, Any]], firmware: dict[str, Any] | None = None) -> cases.Case:
    file = cases.CaseFile.model_validate({"title": "one", "condition": conditions, "firmware": firmware or {}})
    return cases.Case(folder, file)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("conditions")
    contract = ROOT / "rigs" / "contracts" / "reference.toml"
    text = 'name = "conditions"\n[gateway]\nnamespace = { allowed = ["devices/{board}/#"] }\n'
    for name in ("good", "other"):
        text += f'[boards.{name}]\nvirtual = "esp32"\nspeed = 100\nwifi = {{ ssid = "net" }}\ncontract = "{contract}"\n'
    (folder / "rig.toml").write_text(text)
    case = case_of(folder, [], {"options": ["--with", "foreign-will"]})
    with Bench(rig_for(case, rigs.load(folder / "rig.toml"), ["other"]), artifacts=folder / "run") as opened:
        for board in opened.boards.values():
            opened.make_ready(board)
        yield opened


@pytest.fixture
def board(bench: Bench) -> Board:
    board = bench.boards["good"]
    bench.make_ready(board)
    return board


def ends(bench: Bench, board: Board, case: cases.Case, count: int = 1) -> list[tuple[End, str]]:
    """How the first connections end that it makes inside."""
    with lasting(case, bench, board):
        mark = bench.timeline.mark()
        with in_force(case, bench, board):
            board.power_cycle()
            bench.timeline.wait_count(where("gateway", "close", board.name), count, timeout=60, after=mark)
            seen = bench.timeline.events(after=mark)
    return [(attempt.end, attempt.detail) for attempt in attempts(seen, board.name)[:count]]


def test_a_case_has_its_own_firmware_built(bench: Bench) -> None:
    board = bench.boards["other"]
    ((end, detail),) = ends(bench, board, case_of(bench.artifacts, []))
    assert end is End.WILL_DENIED
    assert "foreign/other/status" in detail
    assert bench.boards["good"].config.options == []


def test_a_device_certificate_with_a_flaw(bench: Bench, board: Board) -> None:
    flaw = {"name": "chain", "kind": "device-certificate", "flaw": "damaged-intermediate"}
    ((end, detail),) = ends(bench, board, case_of(bench.artifacts, [flaw]))
    assert end is End.CERTIFICATE_REFUSED
    assert "verify code 20" in detail


def test_settings_and_what_is_promised_of_them(bench: Bench) -> None:
    board = bench.boards["good"]  # with whatever the test before has left in it: all is written anew
    conditions: list[dict[str, Any]] = [
        {"name": "set", "kind": "settings", "values": {"keep_alive": "7", "will_topic": "devices/good/gone"}},
        {
            "name": "promise",
            "kind": "contract",
            "values": {"mqtt.keep_alive": 7, "mqtt.will.topic": "devices/good/gone"},
        },
    ]
    with lasting(case_of(bench.artifacts, conditions), bench, board):
        assert (board.contract.mqtt.keep_alive, board.contract.mqtt.will) != (2, None)
        mark = bench.timeline.mark()
        board.power_cycle()
        connect = bench.timeline.wait(where("gateway", "connect", board.name), timeout=30, after=mark)
        assert (connect["keep_alive"], connect["will"]["topic"]) == (7, "devices/good/gone")
    assert board.contract.mqtt.keep_alive == 2


@pytest.mark.parametrize("flaw", get_args(Damage))
def test_damage_is_in_one_text_alone(flaw: Damage) -> None:
    authority = Authority.create()
    good = authority.issue_device("a")
    bad = flawed(authority, "a", good, flaw)
    assert bad.flaw == flaw
    texts = {"anchors": "trust_anchors_pem", "key": "key_pem", "certificate": "chain_pem", "intermediate": "chain_pem"}
    changed = {word for word, name in texts.items() if getattr(bad, name) != getattr(good, name)}
    word = flaw.partition("-")[2]
    assert word in changed
    assert changed <= {word, "certificate", "intermediate"} | ({"key"} if flaw == "no-certificate" else set())
    if flaw == "damaged-intermediate":
        leaf = good.chain_pem.index(b"-----END")
        assert bad.chain_pem[:leaf] == good.chain_pem[:leaf], "the device's own certificate is as it was"


def test_what_is_in_force_ends_with_its_block(bench: Bench, board: Board) -> None:
    """Conditions of many kinds at once; behind the block the board is online as ever."""
    conditions: list[dict[str, Any]] = [
        {"name": "topics", "kind": "broker-policy", "policy": "eventgrid", "topics": {"allowed": ["elsewhere/#"]}},
        {"name": "slow", "kind": "gateway-fault", "fault": "latency", "parameters": {"seconds": 0.01}},
        {"name": "late", "kind": "time-server", "mode": "silent", "when": {"count": 1}},
        {"name": "order", "kind": "gateway-fault", "fault": "deliver", "parameters": {"topic": "devices/{board}/x"}},
        {"name": "pause", "kind": "wait", "seconds": 0.01},
    ]
    case = case_of(bench.artifacts, conditions)
    mark = bench.timeline.mark()
    ((end, _),) = ends(bench, board, case)
    assert end is End.CONNECT_REFUSED, "it does not take a retained will"
    (denied, *_) = bench.timeline.events(where("gateway", "denied", board.name), after=mark)
    assert denied["policy"] == "eventgrid"
    faults = bench.timeline.events(lambda e: e.kind == "fault" and e.board == board.name, after=mark)
    assert {(e.source, e["name"], e["state"]) for e in faults} >= {
        ("gateway", "latency", "armed"),
        ("gateway", "latency", "applied"),
        ("gateway", "latency", "cleared"),
        ("time", "silent", "applied"),
    }
    assert {e["topic"] for e in faults if e["name"] == "deliver"} == {"devices/good/x"}
    assert bench.gateway is not None
    assert bench.gateway.policy(board.name).name != "eventgrid"
    board.power_cycle()
    board.wait_online()


@pytest.mark.parametrize(
    ("condition", "end"),
    [
        ({"kind": "server-certificate", "flaw": "wrong-name"}, End.SERVER_REFUSED),
        ({"kind": "client-refused", "why": "revoked"}, End.CERTIFICATE_REFUSED),
        ({"kind": "client-refused", "why": "unknown-authority"}, End.CERTIFICATE_REFUSED),
        ({"kind": "gateway-fault", "fault": "refuse-connect", "when": {"count": 1}}, End.UNREACHED),
    ],
)
def test_what_the_broker_does(bench: Bench, board: Board, condition: dict[str, Any], end: End) -> None:
    (found,) = ends(bench, board, case_of(bench.artifacts, [{"name": "it", **condition}]))
    assert found[0] is end


@pytest.mark.parametrize(
    "condition",
    [
        {"kind": "power-cut", "at": {"online": True}, "off": 0.05},
        {"kind": "brown-out", "cuts": 1, "off": 0.02},
        {"kind": "random-cuts", "seconds": 30, "mean": 0.05, "off": [0.01, 0.02]},
        {"kind": "reset", "how": "power"},
        {"kind": "reset", "how": "hard"},
    ],
)
def test_power_and_resets(bench: Bench, board: Board, condition: dict[str, Any]) -> None:
    board.power_cycle()
    mark = bench.timeline.mark()
    with in_force(case_of(bench.artifacts, [{"name": "it", **condition}]), bench, board):
        cut = where("power", "off", board.name) | where("reset", "hard", board.name)
        bench.timeline.wait(cut, timeout=30, after=mark)


def test_a_second_client_throws_the_board_out_and_is_thrown_out(bench: Bench, board: Board) -> None:
    rival = {"name": "rival", "kind": "second-client", "times": 2, "pause": 0.05, "at": {"online": True}}
    mark = bench.timeline.mark()
    with in_force(case_of(bench.artifacts, [rival]), bench, board):
        board.power_cycle()
        closed = where("gateway", "close", board.name, by="broker")
        second = bench.timeline.wait_count(closed, 2, timeout=60, after=mark)[-1]
        said = where("gateway", "fault", board.name, name="second-client")
        applied = bench.timeline.wait_count(said, 3, timeout=60, after=mark)
        assert [event["state"] for event in applied] == ["armed", "applied", "applied"]
        board.wait_online(after=second.sequence)
    assert bench.timeline.last(where("gateway", "fault", board.name, name="second-client", state="cleared"))


def test_an_access_point_that_goes_away_and_comes_back(bench: Bench, board: Board) -> None:
    away = {"name": "wifi", "kind": "wifi-loss", "off": 0.5, "at": {"online": True}}
    mark = bench.timeline.mark()

    def told(state: str) -> Match:
        return where("power", "fault", board.name, name="wifi-loss", state=state)

    with in_force(case_of(bench.artifacts, [away]), bench, board):
        board.power_cycle()
        gone = bench.timeline.wait(told("applied"), timeout=60, after=mark)
        back = bench.timeline.wait(told("restored"), timeout=60, after=mark)
        assert not bench.timeline.events(where("power", "off"), after=gone.sequence), "its supply stays"
        # A short loss leaves the connection standing; what it holds up is said once the air is back.
        publish = where("gateway", "publish", board.name, direction="up")
        assert not [e for e in bench.timeline.events(publish, after=gone.sequence, before=back.sequence)][1:]
        bench.timeline.wait(publish, timeout=60, after=back.sequence)
    bench.calm(board)
    with in_force(case_of(bench.artifacts, [away | {"off": 1000, "at": None}]), bench, board):
        bench.timeline.wait(told("applied"), timeout=60, after=back.sequence)
        assert board.access_point is not None
        assert board.access_point.is_on() is False
    assert board.access_point.is_on() is True, "what was taken away is back behind the block"


def test_a_host_whose_name_is_wrong(bench: Bench, board: Board) -> None:
    case = case_of(bench.artifacts, [{"name": "name", "kind": "wrong-name"}])
    with lasting(case, bench, board):
        mark = bench.timeline.mark()
        board.power_cycle()

        def told(event: Event) -> bool:
            return event.kind == "line" and "couldn't get hostname for :broker.invalid" in event["text"]

        bench.timeline.wait_count(told, 2, timeout=60, after=mark)
        assert board.name_server is not None
        assert board.name_server.is_on() is True
        assert not bench.timeline.events(where("gateway", "accept", board.name), after=mark)


def test_a_devices_log_leads_to_its_failure(bench: Bench, tmp_path: Path) -> None:
    """From 'connected, and lost it, again and again' to a broker that cuts it off, on a board that fails so."""
    board = bench.boards["other"]
    log = Path(__file__).parent / "field_files" / "foreign-will.console.log"
    case = create(tmp_path / "case", Told(title="cut off", files=[log])).case
    assert case.signature is not None
    mark = bench.timeline.mark()
    with in_force(case, bench, board):
        board.power_cycle()
        bench.timeline.wait_count(where("gateway", "denied", board.name), 3, timeout=60, after=mark)
    seen = bench.timeline.events(after=mark)
    for pattern in case.signature.seen:
        assert len([event for event in seen if pattern.match(board.name)(event)]) >= pattern.count
    assert {event["policy"] for event in seen if event.kind == "denied"} == {"field"}


def test_an_image_in_place_of_the_contracts(bench: Bench, board: Board, tmp_path: Path) -> None:
    """The other board's application, alone and as a folder: it comes up with the other's will."""
    other = bench.boards["other"].firmware.images
    own = list(board.firmware.images)
    image = next(i.path for i in other if i.path.name == "firmware.bin")
    for path in (image, image.parent):
        put_firmware(case_of(bench.artifacts, []).with_firmware(path), board)
        assert not board.flashed
        assert [i.offset for i in board.firmware.images] == [i.offset for i in own]
        assert image in [i.path for i in board.firmware.images]
    bench.make_ready(board)
    ((end, _),) = ends(bench, board, case_of(bench.artifacts, []))
    assert end is End.WILL_DENIED
    with pytest.raises(BenchError, match=r"has none of the images of its contract: bootloader\.bin, "):
        put_firmware(case_of(bench.artifacts, []).with_firmware(tmp_path), board)
    board.firmware.images, board.flashed = own, False


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"mqtt.keepalive": 3}, "found no key 'mqtt.keepalive' to change"),
        ({"mqtt.keep_alive.x": 3}, "found no key 'mqtt.keep_alive.x' to change"),
        ({"mqtt.keep_alive": -3}, "mqtt.keep_alive: Input should be greater than or equal to 0"),
    ],
)
def test_a_promise_that_cannot_be(bench: Bench, board: Board, values: dict[str, Any], told: str) -> None:
    case = case_of(bench.artifacts, [{"name": "it", "kind": "contract", "values": values}])
    with pytest.raises(BenchError, match=told), lasting(case, bench, board):
        pass


def test_a_setting_that_the_contract_has_not(bench: Bench, board: Board) -> None:
    case = case_of(bench.artifacts, [{"name": "it", "kind": "settings", "values": {"colour": "red"}}])
    with pytest.raises(BenchError, match="the contract has no setting colour"), lasting(case, bench, board):
        pass
