"""Stories for `hil.diagnose.causes`: devices without the right time."""

from __future__ import annotations

from stories import Story

from causes_told.telling import shows


@shows("time-never-asked")
def never_asks_for_the_time() -> Story:
    story = Story().start().says("booting").wait(1)
    for _ in range(3):
        story.tls_failed(story.accept(), by="device", alert="bad_certificate").wait(2)
    return story


@shows("connects-before-time")
def does_not_wait_for_the_time() -> Story:
    story = Story().start().says("booting").wait(1)
    story.asks_time("silent", None)
    for _ in range(3):
        number = story.accept()
        story.gateway(number, "hello", sni="g", versions=[], ciphers=["TLS_AES_128_GCM_SHA256"])
        story.tls_failed(number, by="device", alert="bad_certificate").wait(2)
    return story.asks_time()


@shows("wrong-time-kept")
def believes_a_wrong_time_for_ever() -> Story:
    story = Story().start().says("booting").wait(0.2).asks_time("offset", -400 * 86400.0)
    for _ in range(4):
        story.tls_failed(story.accept(), by="device", alert="certificate_expired").wait(2)
    return story


@shows("kiss-of-death-ignored")
def asks_on_when_told_no() -> Story:
    story = Story().start().says("booting").wait(0.2)
    for _ in range(8):
        story.asks_time("kiss-of-death", None).wait(0.3)
    return story
