"""What a soak measures, on made-up timelines; what it plans; and the arithmetic of trends."""

from __future__ import annotations

import json
import math
import random
from itertools import pairwise
from typing import Any

import pytest

from hil.evidence.trend import thinned
from hil.soak import MIX, measure, plan, trend
from hil.timeline import Event

TOPIC = "devices/a/telemetry"


class Story:
    """Events with made-up times."""

    def __init__(self, **promises: Any) -> None:
        self.now = 0.0
        self.events: list[Event] = []
        telemetry = {"topic": TOPIC, "period": 1.0, "sequence": "seq", "heap": "heap"} | promises
        self.add("board", "contract", keep_alive=2, telemetry=telemetry)

    def add(self, source: str, kind: str, board: str | None = "a", /, **data: Any) -> Story:
        self.events.append(Event(len(self.events), self.now, 1e9 + self.now, source, kind, board, data))
        return self

    def later(self, seconds: float) -> Story:
        self.now += seconds
        return self

    def online(self, connection: int) -> Story:
        self.add("gateway", "accept", connection=connection)
        return self.add("gateway", "connack", connection=connection, code=0)

    def close(self, connection: int, by: str = "gateway", how: str = "reset") -> Story:
        return self.add("gateway", "close", connection=connection, by=by, how=how)

    def disturb(self, number: int, what: str, seconds: float = 0.0) -> Story:
        self.add("soak", "disturbance", number=number, what=what, state="begun")
        return self.later(seconds).add("soak", "disturbance", number=number, what=what, state="over")

    def message(
        self, number: int | None, *, connection: int = 1, heap: int | None = None, arrives: bool = True
    ) -> Story:
        values = {"seq": number, "heap": heap}
        payload = json.dumps({k: v for k, v in values.items() if v is not None}).encode()
        self.add("gateway", "publish", connection=connection, direction="up", topic=TOPIC, payload=payload)
        return self.add("monitor", "message", None, topic=TOPIC, payload=payload) if arrives else self


# -- connections -------------------------------------------------------------------------------------------------------


def test_a_drop_is_explained_and_its_return_is_timed() -> None:
    story = Story().online(1).later(10)
    story.add("soak", "disturbance", number=0, what="drop", state="begun").close(1)
    story.add("soak", "disturbance", number=0, what="drop", state="over").later(1.5).online(2)
    found = measure(story.events, "a")
    assert (found.connections, found.online, found.disturbed) == (2, 2, {"drop": 1})
    assert [(a.why, a.seconds) for a in found.absences] == [("drop", 1.5)]
    assert found.returns == (1.5,)
    assert not found.unexplained
    assert not found.away


def test_a_connection_that_ends_by_itself_is_unexplained() -> None:
    story = Story().online(1).disturb(0, "latency", 2).later(60).close(1, "device", "fin").later(1).online(2)
    (absence,) = measure(story.events, "a").unexplained
    assert (absence.words, absence.seconds) == ("fin by device", 1.0)


def test_a_keep_alive_that_ends_soon_after_a_disturbance_is_its_work() -> None:
    story = Story().online(1).disturb(0, "latency", 5).later(3).close(1, "gateway", "keep-alive")
    assert [a.why for a in measure(story.events, "a").absences] == ["latency"]
    assert measure(story.events, "a").away


def test_while_the_broker_is_down_no_return_is_possible() -> None:
    story = Story().online(1).later(5)
    story.add("soak", "disturbance", number=0, what="broker-restart", state="begun").close(1, "gateway", "fin")
    story.later(4).add("soak", "disturbance", number=0, what="broker-restart", state="over").later(0.5).online(2)
    (absence,) = measure(story.events, "a").absences
    assert (absence.why, absence.possible, absence.seconds) == ("broker-restart", 9.0, 0.5)


def test_after_a_power_cut_the_old_connection_may_end_later_than_the_new_one_begins() -> None:
    story = Story().online(1).later(5)
    story.add("soak", "disturbance", number=0, what="power-cut", state="begun").add("power", "off").later(1)
    story.add("power", "on").add("soak", "disturbance", number=0, what="power-cut", state="over").later(0.75).online(2)
    story.later(0.5).close(1, "gateway", "keep-alive")
    found = measure(story.events, "a")
    (absence,) = found.absences
    assert (absence.why, absence.lost, absence.seconds) == ("power-cut", 5.0, 0.75)
    assert found.starts == (0.75,)


def test_a_start_that_leads_nowhere_is_counted() -> None:
    story = Story().add("power", "on").later(3).add("power", "on").later(1).online(1).later(9).add("reset", "hard")
    assert measure(story.events, "a").starts == (None, 1.0, None)


def test_boots_that_nobody_asked_for() -> None:
    story = Story().add("power", "on").add("board", "boot", name="power-on").online(1)
    story.later(9).add("board", "boot", name="software").online(2)
    story.add("flash", "start").add("board", "boot", name="power-on").add("board", "boot", name="power-on")
    story.add("flash", "done").add("board", "boot", name="power-on").online(3)
    story.add("board", "boot", name="RTC watchdog")
    assert measure(story.events, "a").boots == ("software", "RTC watchdog")


def test_another_boards_events_do_not_count() -> None:
    story = Story().online(1)
    story.add("gateway", "accept", "b", connection=9).add("gateway", "connack", "b", connection=9, code=0)
    story.add("gateway", "close", "b", connection=9, by="device", how="fin").add("board", "boot", "b", name="software")
    found = measure(story.events, "a")
    assert (found.connections, found.absences, found.boots) == (1, (), ())


# -- messages ----------------------------------------------------------------------------------------------------------


def test_lost_and_repeated_numbers() -> None:
    story = Story().online(1)
    for number in (1, 2, 4, 5, 5, 8):
        story.later(1).message(number)
    story.later(1).message(9, arrives=False).later(1).message(10)
    found = measure(story.events, "a")
    assert [life.lost for life in found.lives] == [[3, 6, 7, 9]]
    assert [life.lost for life in found.sent] == [[3, 6, 7]]
    assert (found.lost, found.repeated, found.received) == (4, 1, 6)


def test_a_boot_begins_the_count_anew_and_what_was_on_its_way_does_not() -> None:
    story = Story().online(1)
    for number in (1, 2, 3):
        story.message(number)
    story.add("power", "off").add("power", "on")
    story.add("monitor", "message", None, topic=TOPIC, payload=b'{"seq": 4}')  # it was in the broker
    for number in (1, 2):
        story.message(number, connection=2)
    for number in (4, 5):
        story.message(number, connection=2)
    story.message(1, connection=3).message(2, connection=3)  # a crash that the console did not show
    lives = measure(story.events, "a").lives
    assert [life.numbers for life in lives] == [[1, 2, 3, 4], [1, 2, 4, 5], [1, 2]]
    assert [life.lost for life in lives] == [[], [3], []]


def test_a_retained_message_is_none_of_now_and_nonsense_is_none_at_all() -> None:
    story = Story().online(1)
    story.add("monitor", "message", None, topic=TOPIC, payload=b'{"seq": 90}', retain=True)
    for payload in (b"\xff", b"[1]", b'{"seq": "x"}', None, "{}"):
        story.add("monitor", "message", None, topic=TOPIC, payload=payload)
    story.message(1).message(2)
    assert measure(story.events, "a").received == 2


def test_silences_within_a_connection() -> None:
    story = Story().online(1).message(1).later(1).message(2).later(5).message(3).close(1)
    story.later(60).online(2).message(4, connection=2).later(3).message(5, connection=2)
    assert measure(story.events, "a").gaps == (5.0,)


def test_without_a_contract_connections_are_still_counted() -> None:
    story = Story().online(1).message(1)
    found = measure(story.events[1:], "a")
    assert (found.online, found.lives, found.sent) == (1, (), ())
    assert measure([], "a").seconds == 0.0


def test_a_leak_with_each_connection_shows_through_what_comes_and_goes() -> None:
    draw = random.Random(4)
    story, good = Story(), Story()
    for connection in range(1, 31):
        for one, leak in ((story, 700), (good, 0)):
            one.online(connection)
            for number in range(10):
                free = 200_000 - leak * connection - draw.randrange(8000)
                one.later(1).message(10 * connection + number, connection=connection, heap=free)
            one.close(connection)
    found = measure(story.events, "a").longest_life
    assert found is not None
    leak_trend = found.heap_by_connection()
    assert leak_trend.falls()
    assert leak_trend.low <= -700 <= leak_trend.high
    assert found.heap_by_time().falls()
    clean = measure(good.events, "a").longest_life
    assert clean is not None
    assert not clean.heap_by_connection().falls()
    assert not clean.heap_by_time().falls()
    facts = measure(story.events, "a").facts()
    assert facts["heap_per_connection"] == leak_trend.slope
    assert json.dumps(facts)


# -- trends ------------------------------------------------------------------------------------------------------------


def test_a_line_with_wild_points_has_its_slope() -> None:
    draw = random.Random(1)
    points = [(x, 5.0 - 2.0 * x + draw.gauss(0, 3)) for x in range(60)]
    for wild in range(0, 60, 6):
        points[wild] = (wild, draw.uniform(-1000, 1000))
    found = trend(points)
    assert found.low <= -2.0 <= found.high
    assert -2.3 < found.slope < -1.7
    assert found.falls()
    assert not found.rises()
    assert trend([(x, -y) for x, y in points]).rises()


def test_known_figures() -> None:
    """Mann and Kendall without ties, against the figures for ten values that rise but for one exchange."""
    found = trend([(x, y) for x, y in enumerate((1, 2, 3, 5, 4, 6, 7, 8, 9, 10))])
    # S = 45 - 2, variance = 10 * 9 * 25 / 18 = 125, z = 42 / sqrt(125)
    assert found.p == pytest.approx(math.erfc(42 / math.sqrt(125) / math.sqrt(2)))
    assert found.slope == 1.0


def test_noise_is_hardly_ever_taken_for_a_trend() -> None:
    draw = random.Random(2)
    wrong = sum(trend([(x, draw.gauss(0, 1)) for x in range(40)]).p < 0.05 for _ in range(400))
    assert 5 <= wrong <= 35  # 20 expected


def test_what_shows_nothing() -> None:
    assert trend([]).p == 1.0
    assert trend([(x, -x) for x in range(7)]).p == 1.0
    assert not trend([(x, 5.0) for x in range(50)]).falls()
    assert trend([(3.0, y) for y in range(50)]).p == 1.0


def test_many_points_are_joined_and_keep_their_slope() -> None:
    draw = random.Random(3)
    points = [(x, 0.5 * x + draw.gauss(0, 40)) for x in range(5000)]
    draw.shuffle(points)
    found = trend(points)
    assert found.count == 5000
    assert found.low <= 0.5 <= found.high
    assert found.rises()
    assert len(thinned(sorted(points), 200)) == 200


# -- plans -------------------------------------------------------------------------------------------------------------


def test_a_plan_comes_from_its_seed_and_nothing_overlaps() -> None:
    one, same, other = (plan(seed=seed, seconds=5000, mean=20, least=3) for seed in (1, 1, 2))
    assert one == same != other
    assert {p.what for p in one} == set(MIX)
    for before, after in pairwise(one):
        assert after.at >= before.at + before.lasts + 3
    assert one[-1].at + one[-1].lasts <= 5000
    drops = sum(p.what == "drop" for p in one)
    assert 0.2 < drops / len(one) < 0.5
    assert {p.what for p in plan(seed=1, seconds=500, mix={"drop": 1, "close": 0})} == {"drop"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mix": {"fire": 1}}, "found fire in mix, expected some of drop, close"),
        ({"mix": {"drop": 0}}, "expected weights above 0"),
        ({"mix": {"drop": 2, "close": -1}}, "expected weights above 0"),
        ({"mean": 1.0, "least": 2.0}, r"found mean=1.0 and least=2.0 s"),
    ],
)
def test_plans_that_cannot_be(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        plan(seed=0, seconds=10, **options)
