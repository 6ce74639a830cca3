"""The time server: true, wrong, silent, refusing and late answers, each told for the board that asked."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from gateway_bench import LIMIT

from hil.background import Loop
from hil.schedule import Schedule
from hil.timeline import Timeline, where
from hil.timeserver import Delayed, Jump, KissOfDeath, Offset, Silent, TimeServer, TimeServerError, TrueTime
from hil.wire.sntp import KissOfDeath as Kissed
from hil.wire.sntp import Response, parse_response, request


@pytest.fixture
def timeline() -> Timeline:
    return Timeline()


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.fixture
def server(timeline: Timeline, loop: Loop) -> Iterator[TimeServer]:
    with TimeServer(timeline, loop, boards={"a": 0, "b": 0}) as made:
        yield made


def ask(endpoint: tuple[str, int], timeout: float = LIMIT) -> tuple[Response, float]:
    """An answer, and by how many seconds it says that our clock is wrong."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout)
        nonce, packet = request()
        sent = time.time()
        sock.sendto(packet, endpoint)
        data = sock.recv(1000)
        arrived = time.time()
    answer = parse_response(data, nonce)
    return answer, answer.offset(sent, arrived)


def test_the_true_time_is_told_to_the_board_that_asks(server: TimeServer, timeline: Timeline) -> None:
    for _ in range(20):
        before = time.time()
        answer, _ = ask(server.endpoint("a"))
        after = time.time()
        # Both stamps lie between our own two; a timestamp's 32 bits of fraction round by less than a nanosecond.
        assert before - 1e-6 <= answer.receive <= answer.transmit <= after + 1e-6
    offsets = [abs(ask(server.endpoint("a"))[1]) for _ in range(20)]
    assert min(offsets) < 0.1
    asked = timeline.events(where("time", "request", "a"))
    told = timeline.events(where("time", "answer", "a"))
    assert len(asked) == len(told) == 40
    assert asked[0]["mode"] == "true"
    assert told[0]["offset"] == 0.0
    assert not timeline.events(where("time", None, "b"))


def test_a_wrong_time_is_wrong_by_what_was_asked(server: TimeServer, timeline: Timeline) -> None:
    for seconds in (-10 * 365 * 86400.0, 3600.0, 20 * 365 * 86400.0):  # the last one lies beyond 2036
        server.set(Offset(seconds))
        before = time.time()
        answer, _ = ask(server.endpoint("a"))
        assert before + seconds - 1e-6 <= answer.transmit <= time.time() + seconds + 1e-6
        found = timeline.last(where("time", "answer"))
        assert found is not None
        assert (found["mode"], found["offset"]) == ("offset", seconds)


def test_silence_is_a_request_without_an_answer(server: TimeServer, timeline: Timeline) -> None:
    server.set(Silent(), "a")
    with pytest.raises(TimeoutError):
        ask(server.endpoint("a"), timeout=0.1)
    assert timeline.wait(where("time", "request", "a"), timeout=LIMIT)["mode"] == "silent"
    ask(server.endpoint("b"))
    assert not timeline.events(where("time", "answer", "a"))
    server.set(Offset(0.0))
    ask(server.endpoint("a"))


@pytest.mark.parametrize("code", ["RATE", "DENY", "RSTR"])
def test_a_kiss_of_death(server: TimeServer, timeline: Timeline, code: str) -> None:
    server.set(KissOfDeath(code))
    with pytest.raises(Kissed, match=code):
        ask(server.endpoint("a"))
    answer = timeline.wait(where("time", "answer", "a"), timeout=LIMIT)
    assert (answer["mode"], answer["offset"]) == ("kiss-of-death", None)


def test_a_late_answer_is_late_and_true(server: TimeServer) -> None:
    server.set(Delayed(0.3))
    started = time.monotonic()
    answer, _ = ask(server.endpoint("a"))
    assert time.monotonic() - started >= 0.3
    assert 0.3 <= answer.transmit - answer.receive < LIMIT
    assert abs(answer.transmit - time.time()) < LIMIT


def test_one_port_for_all_tells_boards_apart_by_their_address(timeline: Timeline, loop: Loop) -> None:
    boards = {"127.0.0.1": "a"}
    with TimeServer(timeline, loop, boards={"a": 0, "b": 0}, shared=0, board_of=boards.get) as server:
        assert server.endpoint("a") == server.endpoint("b")
        server.set(Offset(5.0), "a")
        answer, _ = ask(server.endpoint("b"))
        assert answer.transmit - time.time() > 1
        assert timeline.events(where("time", "request", "a"))
        boards.clear()
        ask(server.endpoint("b"))
        assert timeline.events(lambda e: e.kind == "request" and e.board is None)


def test_what_is_no_request_is_told_and_not_answered(server: TimeServer, timeline: Timeline) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.1)
        for data in (b"", b"short", bytes(48), b"\x24" + bytes(47)):
            sock.sendto(data, server.endpoint("a"))
        found = timeline.wait_count(where("time", "malformed", "a"), 4, timeout=LIMIT)
        assert "SNTP packet of 0 bytes" in found[0]["reason"]
        with pytest.raises(TimeoutError):
            sock.recv(100)


def test_closing_forgets_late_answers(timeline: Timeline, loop: Loop) -> None:
    server = TimeServer(timeline, loop, boards={"a": 0}, mode=Delayed(600))
    server.start()
    with pytest.raises(TimeoutError):
        ask(server.endpoint("a"), timeout=0.05)
    timeline.wait(where("time", "request"), timeout=LIMIT)
    server.close()
    server.close()
    with pytest.raises(TimeServerError, match="not listening"):
        server.endpoint("a")


def test_mistakes_are_told(server: TimeServer, timeline: Timeline, loop: Loop) -> None:
    with pytest.raises(TimeServerError, match="knows no board 'c'; it has a, b"):
        server.set(Silent(), "c")
    port = server.endpoint("a")[1]
    with pytest.raises(TimeServerError, match=rf"cannot listen on 127.0.0.1:{port} \(UDP\)"):
        TimeServer(timeline, loop, boards={"x": port}).start()
    with pytest.raises(ValueError, match="code is '12', expected up to four letters"):
        KissOfDeath("12")
    with pytest.raises(ValueError, match="seconds is -1"):
        Delayed(-1)
    with pytest.raises(ValueError, match="seconds is nan, expected a number"):
        Offset(float("nan"))
    with pytest.raises(ValueError, match="expected two or more to jump between"):
        Jump((3600.0,))
    with pytest.raises(ValueError, match="every is 0, expected more than 0 s"):
        Jump((0.0, 1.0), every=0)


# -- what changes, and when --------------------------------------------------------------------------------------------


def hours(server: TimeServer, board: str = "a") -> int:
    """By how many whole hours the answer is wrong."""
    return round(ask(server.endpoint(board))[1] / 3600)


def states(timeline: Timeline, board: str | None = "a") -> list[str]:
    return [f"{e['name']} {e['state']}" for e in timeline.events(where("time", "fault", board))]


def test_a_jump_with_each_request_of_a_board(server: TimeServer, timeline: Timeline) -> None:
    server.set(Jump((0.0, 7200.0, -3600.0)))
    assert [hours(server) for _ in range(5)] == [0, 2, -1, -1, -1]
    assert [hours(server, "b") for _ in range(2)] == [0, 2]  # each board's requests are counted for it alone
    assert [e["offset"] for e in timeline.events(where("time", "answer", "a"))] == [0.0, 7200.0, -3600.0] + 2 * [
        -3600.0
    ]
    assert {e["mode"] for e in timeline.events(where("time", "answer"))} == {"jump"}
    server.set(Jump((0.0, 3600.0), repeat=True), "b")
    assert [hours(server, "b") for _ in range(4)] == [0, 1, 0, 1]


def test_a_jump_over_time_does_not_depend_on_who_asks() -> None:
    jump = Jump((0.0, 60.0, -60.0), every=10)
    assert [jump.at(number, seconds).offset for number, seconds in ((0, 0), (7, 9.9), (8, 10), (9, 20), (9, 99))] == [
        0.0,
        0.0,
        60.0,
        -60.0,
        -60.0,
    ]
    again = Jump((0.0, 60.0), every=10, repeat=True)
    assert [again.at(0, seconds).offset for seconds in (0, 10, 20, 35)] == [0.0, 60.0, 0.0, 60.0]


def test_the_next_requests_then_as_before(server: TimeServer, timeline: Timeline) -> None:
    server.set(Offset(3600.0), "a")
    server.set(Offset(7200.0), "a", Schedule(count=2, skip=1))
    assert [hours(server) for _ in range(5)] == [1, 2, 2, 1, 1]
    assert hours(server, "b") == 0
    told = states(timeline)
    assert told[:2] == ["offset armed", "offset armed"]
    assert told.count("offset cleared") == 1
    cleared = timeline.wait(where("time", "fault", "a", state="cleared"), timeout=LIMIT)
    assert (cleared["seconds"], cleared["times"], cleared["why"]) == (7200.0, 2, "count reached")
    armed = timeline.events(where("time", "fault", "a", state="armed"))
    assert (armed[0].get("schedule"), armed[1]["schedule"]) == (None, {"count": 2, "skip": 1})


def test_from_an_event_on_for_a_while(server: TimeServer, timeline: Timeline) -> None:
    server.set(Offset(3600.0), "a", Schedule(after=where("gateway", "connect", "a"), seconds=3))
    assert hours(server) == 0
    assert "offset applied" not in states(timeline)
    timeline.record("gateway", "connect", "b")
    timeline.record("gateway", "connect", "a")
    assert hours(server) == 1
    cleared = timeline.wait(where("time", "fault", "a", state="cleared"), timeout=LIMIT)  # nobody has to ask for that
    assert cleared["why"] == "time is up"
    assert hours(server) == 0
    timeline.record("gateway", "connect", "a")
    assert hours(server) == 0


def test_a_seeded_chance_is_the_same_each_time(server: TimeServer) -> None:
    seen = []
    for _ in range(2):
        server.set(Offset(3600.0), "a", Schedule(probability=0.5, seed=7))
        seen.append([hours(server) for _ in range(12)])
        server.set(TrueTime(), "a")
    assert seen[0] == seen[1]
    assert set(seen[0]) == {0, 1}


def test_a_block_is_over_when_it_ends_and_what_was_set_stays(server: TimeServer, timeline: Timeline) -> None:
    server.set(Offset(3600.0), "a")
    with server.fault(Offset(-3600.0), "a") as fault:
        assert hours(server) == -1
    assert (fault.applied, fault.cleared) == (1, True)
    fault.clear()
    assert hours(server) == 1
    assert server.mode("a") == Offset(3600.0)
    assert server.mode("b") == TrueTime()
    server.set(TrueTime())
    assert hours(server) == 0
    assert not [e for e in timeline.events(where("time", "fault")) if e["name"] == "true"]


def test_setting_what_is_set_tells_nothing_and_closing_clears_all(timeline: Timeline, loop: Loop) -> None:
    with TimeServer(timeline, loop, boards={"a": 0}) as server:
        server.set(TrueTime(), "a")
        assert not timeline.events(where("time", "fault"))
        server.set(Silent(), "a", Schedule(seconds=600))
        server.arm(KissOfDeath("DENY"))
    assert states(timeline) == ["silent armed", "silent cleared"]
    assert states(timeline, None)[-1] == "kiss-of-death cleared"
    assert not timeline._listeners
