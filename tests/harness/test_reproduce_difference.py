"""The first event in which failing trials differ from passing ones, on trials that are made up."""

from __future__ import annotations

from hil.reproduce.difference import NOTHING, Course, course, difference
from tests.harness.stories import Story


def passing(wait: float = 0.2) -> Story:
    story = Story().start().says("I (12) boot", f"I ({int(wait * 1000)}) wifi: connected").wait(wait).asks_time()
    story.telemetry(story.online(), times=3)
    return story


def failing(wait: float = 0.3, tries: int = 3) -> Story:
    story = Story().start().says("I (14) boot", "I (500) wifi: connected").wait(wait).asks_time()
    for _ in range(tries):
        story.tls_failed(story.accept(), "no client certificate")
        story.wait(1)
    return story


def of(story: Story) -> Course:
    """The trial begins when the board is switched on."""
    return course(story.events[1:], "x")


def test_the_first_event_that_differs_is_told_with_what_passing_trials_have_there() -> None:
    found = difference([of(failing()), of(failing(0.5))], [of(passing()), of(passing(0.4))])
    assert found is not None
    assert (found.lane, found.shared, found.of) == ("TLS", 2, 2)
    assert found.passing.startswith("gateway.hello")
    assert found.failing.startswith("gateway.tls-failed reason=no client certificate")
    assert found.behind == "gateway.accept"
    assert 0.3 < found.at < 0.6


def test_what_changes_from_run_to_run_is_no_difference() -> None:
    """Numbers in the console, packet ids, the number of telemetry messages, and when they came."""
    longer = Story().start().says("I (99) boot", "I (7) wifi: connected").wait(2).asks_time()
    longer._packets, longer._connections = 700, 40
    longer.telemetry(longer.online(), times=9, every=0.5)
    assert difference([of(longer)], [of(passing()), of(passing())]) is None


def test_silence_is_a_difference_once_it_has_lasted() -> None:
    silent = Story().start().says("I (12) boot", "I (300) wifi: connected").wait(0.2)
    assert difference([of(silent)], [of(passing())]) is None
    silent.event("console", "line", text="I (12) wifi: connected")
    silent.wait(20).event("power", "status")
    found = difference([of(silent)], [of(passing())], without=("power", "console"))
    assert found is not None
    assert (found.lane, found.failing) == ("time server", NOTHING)
    assert found.passing == "time.request mode=true"


def test_what_takes_long_in_passing_trials_may_take_long_in_failing_ones() -> None:
    slow = Story().start().says("ready").wait(10).asks_time()
    for seconds, silent in ((15, False), (25, True)):
        failing = Story().start().says("ready").wait(seconds)
        failing.event("power", "status")
        assert (difference([of(failing)], [of(slow)], without=("power",)) is not None) is silent


def test_going_on_where_passing_trials_had_all_they_wanted_is_none_unless_they_were_watched() -> None:
    """A passing trial is over once the board is online; that the failing one is cut off much later says nothing."""
    short = Story().ready()
    short.online()
    late = Story().ready()
    number = late.online()
    late.wait(30).close(number)
    assert difference([of(late)], [of(short)]) is None
    watched = Story().ready()
    watched.online()
    watched.wait(200).event("power", "status")
    found = difference([of(late)], [of(watched)], without=("power",))
    assert found is not None
    assert (found.failing, found.passing) == ("gateway.close by=gateway how=fin", NOTHING)


def test_a_lane_in_which_passing_trials_differ_tells_nothing() -> None:
    def noisy(text: str, good: bool) -> Story:
        story = Story().start().says(text).wait(0.1).asks_time()
        if good:
            story.online()
        else:
            story.tls_failed(story.accept(), "no client certificate")
        return story

    good = [of(noisy(text, True)) for text in ("sensor cold", "sensor warm", "sensor hot")]
    found = difference([of(noisy("sensor wet", False))], good)
    assert found is not None
    assert found.lane == "TLS"


def test_a_failure_that_takes_its_time_comes_before_what_only_follows_from_it() -> None:
    """The CONNECT that does not come would have come sooner than the handshake's failure did."""
    slow = Story().start().says("I (14) boot", "I (500) wifi: connected").wait(0.3).asks_time()
    number = slow.accept()
    slow.gateway(
        number, "hello", sni="gateway", versions=["TLSv1.2"], ciphers=["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]
    )
    slow.wait(1).tls_failed(number, "client certificate refused")
    slow.wait(9).event("power", "status")
    found = difference([of(slow)], [of(passing())], without=("power",))
    assert found is not None
    assert (found.lane, found.behind) == ("TLS", "gateway.hello sni=gateway")


def test_a_trial_that_boots_slowly_does_not_decide_what_is_first() -> None:
    late = [of(failing(seconds)) for seconds in (5, 0.1, 0.1)]
    found = difference(late, [of(passing()), of(passing(4))])
    assert found is not None
    assert (found.lane, found.shared) == ("TLS", 3)


def test_what_half_of_the_failing_trials_share_counts_for_more_than_what_came_earlier_in_one() -> None:
    odd = Story().start().says("I (1) something else").wait(0.2).asks_time()
    odd.tls_failed(odd.accept(), "no client certificate")
    found = difference([of(failing()), of(failing()), of(failing()), of(odd)], [of(passing()), of(passing())])
    assert found is not None
    assert (found.lane, found.shared, found.of) == ("TLS", 4, 4)


def test_trials_are_held_against_those_of_their_own_board() -> None:
    def on(board: str, kind: str, ends: str) -> Course:
        story = Story()
        for name in (kind, "ready", ends):
            story.event("console", "line", board, text=name)
            story.wait(0.1)
        return course(story.events[1:], board)

    good = [on("a", "esp32c3", "crash"), on("b", "esp32c3", "online")]  # on board a this is no failure
    found = difference([on("b", "esp32c3", "crash")], good)
    assert found is not None
    assert found.failing == "console.line text=crash"


def test_with_none_of_either_there_is_nothing_to_say() -> None:
    assert difference([], [of(passing())]) is None
    assert difference([of(failing())], []) is None
