"""Stories for `hil.diagnose.causes`: CONNECTs that are refused, or not as promised, and what the server wishes."""

from __future__ import annotations

from stories import CONTRACT, Story

from causes_told.telling import shows


@shows("connect-refused")
def is_refused() -> Story:
    story = Story().ready()
    number = story.connects()
    story.gateway(number, "connack", code=5, session_present=False)
    return story.close(number, "broker", "fin")


@shows("client-id-not-its-own")
def has_the_id_of_another_board() -> Story:
    story = Story().ready()
    for _ in range(3):
        number = story.online(client_id="device")
        story.event("gateway", "accept", "y", connection=90 + number, peer="")
        story.event("gateway", "connect", "y", connection=90 + number, client_id="device")
        story.close(number, "broker", "takeover").wait(1)
    return story


@shows("client-id-not-its-own")
def has_another_id_than_promised() -> Story:
    story = Story().ready()
    story.online(client_id="device")
    return story


@shows("client-id-not-its-own")
def is_thrown_out_by_somebody_else() -> Story:
    story = Story().ready()
    for _ in range(3):
        story.close(story.online(), "broker", "takeover").wait(1.5)
    return story


@shows("client-id-changes")
def has_a_new_id_each_time() -> Story:
    story = Story().ready()
    story.close(story.online(client_id="x-17")).wait(1)
    story.online(client_id="x-4711")
    return story


@shows("connack-not-awaited")
def does_not_wait_for_a_late_connack() -> Story:
    story = Story().ready()
    for pause in (0.9, 1.8, 3.1):
        number = story.connects("late-connack", parameters={"seconds": 2})
        story.wait(0.5).close(number, "device", "fin").wait(pause)
    return story


@shows("will-missing")
def connects_without_a_will() -> Story:
    story = Story().ready()
    story.online(will=None)
    return story


@shows("will-differs")
def has_another_will() -> Story:
    story = Story().ready()
    story.online(will={**CONTRACT["will"], "retain": False})
    return story


@shows("keep-alive-differs")
def announces_eighteen_hours() -> Story:
    story = Story().ready()
    story.online(keep_alive=65535)
    return story


@shows("connect-differs")
def speaks_another_version() -> Story:
    story = Story().ready()
    story.online(version="5")
    return story


@shows("malformed-packet")
def sends_what_is_not_allowed() -> Story:
    story = Story().ready()
    number = story.online()
    story.gateway(number, "malformed", reason="a packet id of 0 [MQTT-2.3.1-1]")
    return story.close(number, "gateway", "malformed")


@shows("server-keep-alive-ignored")
def goes_by_its_own_keep_alive() -> Story:
    story = Story(version="5").ready()
    number = story.online("server-keep-alive", version="5", parameters={"seconds": 60})
    for _ in range(4):
        story.wait(5).gateway(number, "pingreq")
    return story


@shows("server-keep-alive-ignored")
def does_not_follow_the_broker() -> Story:
    story = Story(version="5").ready()
    number = story.online("server-keep-alive", version="5", parameters={"seconds": 2})
    return story.wait(3).close(number, "gateway", "keep-alive").wait(1).says("lost")
