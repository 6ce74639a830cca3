"""How causes are ranked, what is no cause at all, and how it is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from stories import CONTRACT, Story

from hil.diagnose import CANNOT_TELL, diagnose, markdown, render, stretches
from hil.timeline import Timeline, load

ROOT = Path(__file__).parents[2]


def slugs(story: Story) -> list[str]:
    return [one.cause for one in diagnose(story.events, "x")]


# -- nothing is wrong --------------------------------------------------------------------------------------------------


def test_a_device_that_does_all_right_has_no_diagnosis() -> None:
    story = Story().ready()
    story.telemetry(story.online(), 5)
    assert slugs(story) == []


def test_switching_on_a_board_that_has_power_is_no_start() -> None:
    story = Story().ready()
    story.event("power", "on")
    story.telemetry(story.online(), 5)
    story.asks_time()
    assert "connects-before-time" not in slugs(story)


def test_a_device_that_refuses_a_bad_server_has_no_diagnosis() -> None:
    story = Story().ready()
    for _ in range(3):
        story.tls_failed(story.accept("present-certificate", label="expired"), by="device", alert="bad_certificate")
        story.wait(2)
    story.telemetry(story.online(), 2)
    assert slugs(story) == []


def test_a_device_that_backs_off_has_no_diagnosis() -> None:
    story = Story().ready()
    for pause in (0.8, 1.3, 3.5, 4.9, 7.9, 6.1):
        story.close(story.accept("refuse-connect"), "gateway", "fault").wait(pause)
    story.telemetry(story.online(), 2)
    assert slugs(story) == []


def test_a_fault_that_is_handled_well_is_no_cause() -> None:
    """CONNACK withheld, PUBACK withheld, pings unanswered: given up or sent again, as good firmware does."""
    story = Story().ready()
    number = story.connects("withhold", parameters={"packet": "connack"})
    story.wait(3).close(number, "device", "fin")
    number = story.wait(1).online("withhold", parameters={"packet": "puback"})
    story.telemetry(number, payload='{"seq": 1}', every=1, ack=False, packet_id=7)
    story.telemetry(number, payload='{"seq": 1}', every=5, packet_id=7, dup=True)
    assert slugs(story) == []


def test_silence_after_a_power_cut_is_nobodys_fault() -> None:
    story = Story().ready()
    number = story.online()
    story.telemetry(number, 2).off().wait(15).close(number, "gateway", "keep-alive").wait(30).looked()
    assert slugs(story) == []


def test_silence_in_a_tools_hands_is_nobodys_fault() -> None:
    story = Story().ready()
    number = story.online()
    story.event("console", "port", state="closed", reason="lent to another program")
    story.telemetry(number, 1, every=0.1)  # it goes on until the tool has reset it
    story.wait(15).close(number, "gateway", "keep-alive").wait(1).event("reset", "hard")
    story.ready().online()
    assert slugs(story) == []


def test_its_own_new_connection_may_take_over_the_old_one() -> None:
    story = Story().ready()
    first = story.online()
    story.off().wait(1).ready()
    story.online()
    story.close(first, "broker", "takeover")
    assert "client-id-not-its-own" not in slugs(story)


def test_a_good_session_has_no_diagnosis() -> None:
    """Kept: no subscription; lost: subscribed anew; after a boot: subscribed, since it cannot know."""
    story = Story(clean=False).ready()
    story.close(story.online(clean=False)).wait(1)
    story.telemetry(story.online(clean=False, present=True, subscribes=False), 1)
    story.close(2).wait(1)
    story.telemetry(story.online(clean=False), 1)
    story.off().wait(1).ready()
    story.telemetry(story.online(clean=False, present=True), 1)
    assert slugs(story) == []


# -- confounders -------------------------------------------------------------------------------------------------------


def test_a_retained_will_and_a_foreign_one_are_told_apart() -> None:
    story = Story().ready()
    number = story.connects()
    story.gateway(number, "connack", code=0, session_present=False)
    story.denied(number, "will_retain", "devices/x/status")
    assert slugs(story)[0] == "retain-denied"


def test_a_denied_will_that_is_also_retained_says_so() -> None:
    story = Story().ready()
    number = story.connects(will={"topic": "foreign/x", "payload": "", "qos": 1, "retain": True})
    story.gateway(number, "connack", code=0, session_present=False)
    found = diagnose(story.denied(number, "will", "foreign/x").events, "x")
    assert found[0].cause == "will-topic-denied"
    assert any("retained as well" in words for words in found[0].against)


def test_a_refused_certificate_says_what_it_cannot_tell() -> None:
    story = Story().ready()
    found = diagnose(story.tls_failed(story.accept(), by="device", alert="unknown_ca").wait(9).looked().events, "x")
    assert found[0].cause == "server-not-trusted"
    assert any("wrong name" in words for words in found[0].against)


def test_the_console_tells_what_the_alert_does_not() -> None:
    story = Story().ready()
    story.tls_failed(story.accept(), by="device", alert="unknown_ca").says("verification info: flags 0x4").wait(9)
    assert "of another name" in diagnose(story.events, "x")[0].explanation


def test_what_it_accepted_earlier_counts() -> None:
    """An expired certificate is accepted; in an earlier test an unknown authority was: then nothing is verified."""
    story = Story().ready()
    story.close(story.secured("present-certificate", label="unknown-authority"))
    start = story.event("test", "start", name="second").sequence
    story.secured("present-certificate", label="expired")
    found = diagnose(story.events, "x", after=start)
    assert [one.cause for one in found] == ["server-not-verified", "dates-unchecked"]
    assert any("nothing is verified" in words for words in found[1].against)


def test_a_hang_and_a_missed_keep_alive_are_told_apart_by_what_comes_after() -> None:
    def until_closed() -> Story:
        story = Story(telemetry=None).ready()
        number = story.online()
        return story.wait(15).close(number, "gateway", "keep-alive")

    assert slugs(until_closed().wait(20).looked())[0] == "device-hangs"
    back = until_closed().wait(1)
    back.online()
    assert slugs(back)[0] == "keep-alive-missed"


def test_a_refusal_that_is_hammered_is_told_from_a_constant_retry_by_other_failures() -> None:
    story = Story().ready()
    for pause in (0.7, 1.6, 3.1, 6.2, 7.0):
        story.close(story.accept("refuse-connect"), "gateway", "fault").wait(pause)
    for _ in range(5):
        number = story.connects("refuse-connack")
        story.gateway(number, "connack", code=3, session_present=False)
        story.close(number, "gateway", "fault").wait(1.0)
    story.online()
    found = diagnose(story.events, "x")
    assert found[0].cause == "refusals-hammered"
    assert not found[0].against


def test_a_back_off_at_its_ceiling_is_not_a_constant_retry() -> None:
    story = Story().ready()
    for _ in range(6):
        story.close(story.accept("refuse-connect"), "gateway", "fault").wait(7.9)
    story.telemetry(story.online(), 1)
    assert slugs(story) == []


def test_a_policy_that_ends_each_connection_is_not_the_retrys_fault() -> None:
    story = Story().ready()
    for _ in range(6):
        number = story.online(subscribes=False)
        story.subscribe(number, "foreign/x", code=None)
        story.denied(number, "subscribe", "foreign/x").wait(1.0)
    found = diagnose(story.events, "x")
    assert found[0].cause == "subscribe-denied"
    assert found[0].confidence > 2 * max(one.confidence for one in found[1:])


def test_a_topic_that_is_promised_makes_the_policy_doubtful() -> None:
    story = Story().ready()
    number = story.online(subscribes=False)
    story.subscribe(number, "devices/x/cmd", code=None)
    found = diagnose(story.denied(number, "subscribe", "devices/x/cmd").wait(1).events, "x")
    assert found[0].cause == "subscribe-denied"
    assert found[0].confidence < 0.7
    assert any("contract" in words for words in found[0].against)


def test_where_nothing_fits_it_says_so() -> None:
    story = Story().ready()
    story.close(story.online(), "gateway", "reset").wait(1.5).looked()
    found = diagnose(story.events, "x")
    assert [one.cause for one in found] == [CANNOT_TELL]
    assert "1 of them accepted" in found[0].explanation


# -- the words ---------------------------------------------------------------------------------------------------------


def test_it_speaks_with_numbers() -> None:
    story = Story().ready()
    for _ in range(4):
        number = story.online(subscribes=False)
        story.subscribe(number, "devices/x/other", code=None)
        story.wait(0.036).denied(number, "subscribe", "devices/x/other").wait(5)
    found = diagnose(story.events, "x")[0]
    assert found.explanation.startswith(
        "The broker closed 38 ms after SUBSCRIBE to devices/x/other: no topic space allows it (a rule)."
    )
    assert "connects again every 5.0 s: a loop, 4 connections in 15 s" in found.explanation


def test_the_text_shows_the_events_and_the_next_steps() -> None:
    story = Story().ready()
    story.online(will=None)
    text = render(diagnose(story.events, "x"), start=story.events[0].monotonic)
    assert text.startswith("1. The CONNECT carries no last will  [will-missing, 85%]\n")
    assert "gateway.connect" in text
    assert "next: see that the will is set before connect is called" in text
    assert max(map(len, text.splitlines())) <= 120


def test_the_stretches_of_a_timeline_are_its_tests() -> None:
    story = Story()
    story.event("test", "start", name="one")
    story.ready().event("test", "end", name="one")
    story.event("test", "start", "y", name="other board")
    last = story.event("test", "start", name="two")
    assert [(s.name, s.before) for s in stretches(story.events, "x")] == [("one", last.sequence - 1), ("two", None)]
    assert [s.after for s in stretches(Story().events, "x")] == [0]


def test_events_that_were_read_back_give_the_same(tmp_path: Path) -> None:
    """Bytes become text in a timeline's file."""
    story = Story().ready()
    number = story.online()
    story.publish(number, "devices/x/cmd", "a" * 3000, direction="down", ack=False)
    story.says("Guru Meditation Error: Core 0").boot(0xC)
    path = written(story, tmp_path)
    assert [d.cause for d in diagnose(load(path), "x")] == slugs(story)


# -- the command -------------------------------------------------------------------------------------------------------


def written(story: Story, folder: Path) -> Path:
    timeline = Timeline(folder / "timeline.jsonl")
    for event in story.events:
        timeline.record(event.source, event.kind, event.board, **event.data)
    timeline.close()
    return folder / "timeline.jsonl"


def hil(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hil.cli", "diagnose", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_the_command_tells_it_test_by_test(tmp_path: Path) -> None:
    story = Story().ready()
    story.event("test", "start", name="test_will[x]")
    story.online(will=None)
    story.event("test", "end", name="test_will[x]")
    written(story, tmp_path)
    done = hil(str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("x, test_will[x]:\n\n1. The CONNECT carries no last will")
    assert "x, from position 3" in hil(str(tmp_path), "--after", "3").stdout


def test_the_command_says_what_is_wrong_with_its_arguments(tmp_path: Path) -> None:
    written(Story().ready(), tmp_path)
    for arguments, words in (
        ([str(tmp_path), "--board", "z"], "no board 'z' on this timeline; it has: x"),
        ([str(tmp_path / "nothing")], "No such file"),
        ([], "found no TIMELINE"),
    ):
        done = hil(*arguments)
        assert done.returncode != 0
        assert words in done.stderr
        assert "Traceback" not in done.stderr


def test_the_command_says_when_nothing_looks_wrong(tmp_path: Path) -> None:
    story = Story().ready()
    story.online()
    written(story, tmp_path)
    assert hil(str(tmp_path)).stdout == "nothing looks wrong with x\n"


def test_events_of_another_version_are_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "timeline.jsonl").write_text(
        '{"sequence":0,"monotonic":1.0,"wall":1.0,"source":"gateway","kind":"connect","board":"x","data":{}}\n'
    )
    done = hil(str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == (
        f"hil: {tmp_path}/timeline.jsonl: an event is not as this version of hil records it (KeyError('client_id'))\n"
    )


# -- the document ------------------------------------------------------------------------------------------------------


def test_the_document_lists_each_cause() -> None:
    written_down = (ROOT / "docs" / "diagnosis.md").read_text().split("## The causes\n", 1)[1].lstrip()
    assert written_down == markdown(), "make the tables anew: hil diagnose --causes"


@pytest.mark.parametrize("key", ["will", "online", "telemetry", "command", "retry", "time"])
def test_a_contract_that_promises_less_is_no_trouble(key: str) -> None:
    story = Story(**{key: None}).ready()
    story.telemetry(story.online(), 2)
    story.close(1, "device", "fin").wait(20).looked()
    diagnose(story.events, "x")
    assert key in CONTRACT


def test_a_timeline_without_a_contract_is_no_trouble() -> None:
    story = Story().ready()
    story.telemetry(story.online(), 2)
    diagnose(story.events[1:], "x")
    assert diagnose([], "x") == []
