"""What a timeline shows of a failure, and how it is played again."""

from __future__ import annotations

from typing import Any

import pytest
from stories import Story

from hil.cases.drafting import draft
from hil.cases.proposing import from_timeline


def denied_again_and_again() -> Story:
    story = Story().ready()
    for _ in range(4):
        number = story.connects(will={"topic": "foreign/x", "payload": "", "qos": 1, "retain": False})
        story.gateway(number, "connack", code=0, session_present=False)
        rule = "rig: the namespace is devices/{board}/#, shared/#"
        told = {"what": "will", "topic": "foreign/x", "rule": rule, "action": "disconnect", "policy": "rig"}
        story.gateway(number, "denied", **told)
        story.gateway(number, "close", by="gateway", how="policy", seconds=0.01)
        story.wait(1.0)
    return story.looked()


def test_a_timeline_is_diagnosed_and_played_as_it_was() -> None:
    part = from_timeline.look("t", denied_again_and_again().events)
    made = draft(part.sightings)
    (condition,) = made.conditions
    assert (condition.kind, condition.policy) == ("broker-policy", "policy.toml")
    assert condition.topics.allowed == ["devices/{board}/#", "shared/#"]
    assert condition.shown_by[0].startswith("t:#")
    assert b'will = { action = "disconnect", certainty = "field"' in made.files["policy.toml"]
    assert made.signature is not None
    assert made.signature.cause == "will-topic-denied"
    assert part.steps == [{"do": "power-cycle"}]
    assert any("foreign-will" in hint for hint in made.hints)


def test_what_the_bench_did_is_done_again() -> None:
    story = Story().start()
    story.event("flash", "start")
    story.event("flash", "firmware", version="1.4.2", sha256="ab")
    story.start("hard")
    armed: dict[str, Any] = {"name": "latency", "state": "armed", "seconds": 0.5, "jitter": 0.1, "direction": "up"}
    story.event("gateway", "fault", **armed, seed=0, connection=None, schedule={"count": 2, "after": "words"})
    story.event("gateway", "fault", name="present-certificate", state="armed", label="expired", schedule={})
    story.event("time", "fault", name="jump", state="armed", offsets=[0, 60], every=None, repeat=False, schedule={})
    story.start("soft").start("soft")
    part = from_timeline.look("t", story.looked().events)
    made = [(c.kind, c.parameters, c.when) for c in draft(part.sightings).conditions if c.kind != "brown-out"]
    assert [kind for kind, _, _ in made] == ["gateway-fault", "time-server"]
    assert made[0][1] == {"seconds": 0.5, "jitter": 0.1, "direction": "up", "seed": 0}
    assert made[0][2].count == 2
    assert made[1][1]["offsets"] == [0, 60]
    assert part.steps == [{"do": "hard-reset"}, {"do": "soft-reset", "times": 2}], "as after it was flashed"
    assert part.facts["version"] == "1.4.2"


def test_each_worker_is_looked_at_by_itself() -> None:
    good = Story().ready()
    good.online()
    workers = {"gw0": good.events, "gw1": denied_again_and_again().events}
    assert from_timeline.surest("t", workers).sightings[0].what == "will-topic-denied"
    with pytest.raises(ValueError, match="no board 'y'"):
        from_timeline.surest("t", workers, board="y")


@pytest.mark.parametrize(("code", "flaw"), [(79, "no-key-cert-sign"), (10, "expired"), (19, None)])
def test_what_openssl_said_of_the_chain(code: int, flaw: str | None) -> None:
    story = Story().ready()
    for _ in range(3):
        number = story.accept()
        told = {"reason": "client certificate refused", "alert": None, "alert_from": None, "verify_message": "no"}
        story.gateway(number, "tls-failed", **told, verify_code=code, sni="gateway", step=None)
        story.gateway(number, "close", by="gateway", how="tls", seconds=0.1)
        story.wait(1)
    part = from_timeline.look("t", story.looked().events)
    assert part.sightings[0].what == "client-certificate-refused"
    assert part.sightings[0].details.get("flaw") == flaw


def test_the_test_that_went_wrong_is_chosen() -> None:
    story = Story()
    story.event("test", "start", name="test_good")
    story.ready()
    story.online()
    story.event("test", "end", name="test_good")
    story.event("test", "start", name="test_bad")
    bad = denied_again_and_again().events[1:]
    for event in bad:
        story.event(event.source, event.kind, event.board, **event.data)
    story.event("test", "end", name="test_bad")
    assert from_timeline.look("t", story.events).stretch.name == "test_bad"
    assert from_timeline.look("t", story.events, test="good").stretch.name == "test_good"
    with pytest.raises(ValueError, match="no board 'y' on this timeline; it has: x"):
        from_timeline.look("t", story.events, board="y")
    with pytest.raises(ValueError, match="no test with 'ugly' in its name"):
        from_timeline.look("t", story.events, test="ugly")
