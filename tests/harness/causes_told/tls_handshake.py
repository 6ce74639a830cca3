"""Stories for `hil.diagnose.causes`: handshakes that come to nothing, and records that are too much."""

from __future__ import annotations

from stories import Story

from causes_told.telling import shows


@shows("weak-ciphers")
def has_no_suite_in_common() -> Story:
    story = Story().ready()
    number = story.accept()
    story.gateway(number, "hello", sni="g", versions=["TLSv1.2"], ciphers=["TLS_RSA_WITH_AES_128_CBC_SHA"])
    return story.tls_failed(number, "no cipher suite in common")


@shows("weak-ciphers")
def offers_weak_suites_that_are_accepted() -> Story:
    story = Story().ready()
    number = story.accept()
    story.gateway(number, "hello", sni="g", versions=["TLSv1.2"], ciphers=["TLS_RSA_WITH_AES_128_CBC_SHA"])
    story.gateway(number, "tls", version="TLSv1.2")
    return story


@shows("no-common-tls-version")
def has_no_version_in_common() -> Story:
    story = Story().ready()
    return story.tls_failed(story.accept(), "no TLS version in common")


@shows("no-server-name")
def says_no_server_name() -> Story:
    story = Story().ready()
    story.secured(sni=None)
    return story


@shows("tls-buffer-too-small")
def leaves_at_a_large_chain() -> Story:
    story = Story().ready()
    return story.tls_failed(story.accept("present-certificate", label="very-large-chain"), by="device")


@shows("tls-buffer-too-small")
def leaves_at_a_large_message() -> Story:
    story = Story().ready()
    number = story.online()
    story.publish(number, "devices/x/cmd", "a" * 6000, direction="down", ack=False)
    story.close(number, "device", "fin").wait(1)
    story.online()
    return story


@shows("handshake-not-reassembled")
def leaves_a_handshake_in_pieces() -> Story:
    story = Story().ready()
    return story.tls_failed(story.accept("record-size", most=64, part="handshake"), by="device")


@shows("packets-not-reassembled")
def leaves_a_connack_in_pieces() -> Story:
    story = Story().ready()
    for pause in (0.9, 1.8, 3.1, 7.0):
        number = story.connects("record-size", parameters={"most": 1, "part": "application"})
        story.gateway(number, "connack", code=0, session_present=False)
        story.close(number, "device", "fin").wait(pause)
    return story


@shows("plain-fallback")
def speaks_plain_mqtt() -> Story:
    story = Story().ready()
    story.tls_failed(story.accept(), "", by="device", alert="unknown_ca").wait(0.1)
    return story.tls_failed(story.accept(), "not a TLS record")


@shows("handshake-without-limit")
def waits_in_the_handshake() -> Story:
    story = Story().ready()
    story.accept("stall-handshake", step="server-hello")
    return story.wait(20).looked()


@shows("connack-without-limit")
def waits_until_the_server_gives_up() -> Story:
    story = Story().ready()
    for pause in (0.9, 1.8, 3.1, 6.5):
        number = story.connects("withhold", parameters={"packet": "connack"})
        story.wait(3).close(number, "gateway", "keep-alive").wait(pause)
    story.online()
    return story


@shows("connack-without-limit")
def waits_for_the_connack() -> Story:
    story = Story().ready()
    story.connects("withhold", parameters={"packet": "connack"})
    return story.wait(20).looked()


@shows("tls-failed")
def fails_for_another_reason() -> Story:
    story = Story().ready()
    return story.tls_failed(story.accept(), "a damaged TLS record")
