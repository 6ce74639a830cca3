"""Each cause is named first for the story that shows it; a cause without a story is not let pass."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from stories import CONTRACT, Story

from hil.diagnose import CAUSES, Diagnosis, diagnose

Telling = Callable[[], Story]

STORIES: list[tuple[str, Telling]] = []


def shows(slug: str) -> Callable[[Telling], Telling]:
    """The story told by this function has that cause."""

    def keep(telling: Telling) -> Telling:
        STORIES.append((slug, telling))
        return telling

    return keep


def found(story: Story) -> list[Diagnosis]:
    return diagnose(story.events, "x")


# -- TLS: the server's certificate -------------------------------------------------------------------------------------


def shown(flaw: str) -> Story:
    story = Story().ready()
    story.gateway(story.secured("present-certificate", label=flaw), "connect", client_id="x", will=CONTRACT["will"],
                  version="3.1.1", clean=True, keep_alive=10)  # fmt: skip
    return story


@shows("server-not-verified")
def any_authority() -> Story:
    return shown("unknown-authority")


@shows("server-not-verified")
def any_authority_and_any_date() -> Story:
    story = shown("unknown-authority").wait(1)
    story.secured("present-certificate", label="expired")
    return story


@shows("dates-unchecked")
def an_expired_certificate_is_fine() -> Story:
    return shown("expired")


@shows("name-unchecked")
def any_name() -> Story:
    return shown("wrong-name")


@shows("chain-unchecked")
def anybody_may_sign() -> Story:
    return shown("ca-false")


@shows("weak-certificate-accepted")
def any_strength() -> Story:
    return shown("weak-key")


@shows("refuses-without-alert")
def leaves_without_an_alert() -> Story:
    story = Story().ready()
    return story.close(story.accept("present-certificate", label="expired"), "device", "fin")


@shows("server-not-trusted")
def refuses_the_good_server() -> Story:
    story = Story().ready()
    for _ in range(3):
        story.tls_failed(story.accept(), by="device", alert="unknown_ca").wait(2)
    return story.says("I esp-tls: verification info: flags 0x8").wait(2).looked()


# -- TLS: the device's certificate -------------------------------------------------------------------------------------


@shows("no-client-certificate")
def shows_no_certificate() -> Story:
    story = Story().ready()
    return story.tls_failed(story.accept(), "no client certificate")


@shows("client-chain-incomplete")
def sends_no_intermediate() -> Story:
    story = Story().ready()
    return story.tls_failed(story.accept(), "client certificate refused", verify_code=20)


@shows("client-chain-incomplete")
def sends_no_intermediate_to_a_server_that_resumes_nothing() -> Story:
    """That injected fault is no reason for a handshake to fail; others are."""
    story = Story().ready()
    return story.tls_failed(story.accept("resumption"), "client certificate refused", verify_code=20)


@shows("client-certificate-refused")
def sends_an_expired_certificate() -> Story:
    story = Story().ready()
    return story.tls_failed(story.accept(), "client certificate refused", verify_code=10)


@shows("client-key-mismatch")
def signs_with_another_key() -> Story:
    story = Story().ready()
    return story.tls_failed(story.accept(), "the client certificate's key did not sign the handshake")


# -- TLS: the handshake ------------------------------------------------------------------------------------------------


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


# -- topics and limits -------------------------------------------------------------------------------------------------


def loops(what: str, topic: str, packet: Callable[[Story, int], object]) -> Story:
    story = Story().ready()
    for _ in range(4):
        number = story.connects()
        story.gateway(number, "connack", code=0, session_present=False)
        packet(story, number)
        story.wait(0.038)
        story.denied(number, what, topic).wait(5)
    return story


def nothing(story: Story, number: int) -> None:
    return None


@shows("will-topic-denied")
def has_a_foreign_will() -> Story:
    return loops("will", "foreign/x/status", nothing)


@shows("will-topic-denied")
def is_cut_off_after_its_connack_by_a_real_broker() -> Story:
    story = Story().ready()
    for _ in range(4):
        number = story.connects()
        story.gateway(number, "connack", code=0, session_present=False)
        story.wait(0.05).close(number, "broker", "fin").wait(5)
    return story


@shows("subscribe-denied")
def subscribes_to_what_is_not_there() -> Story:
    return loops("subscribe", "foreign/x", lambda story, number: story.subscribe(number, "foreign/x", code=None))


@shows("subscribe-denied")
def is_cut_off_after_subscribe_by_a_real_broker() -> Story:
    story = Story().ready()
    for _ in range(3):
        number = story.online(subscribes=False)
        story.subscribe(number, "devices/y/cmd", code=None)
        story.wait(0.04).close(number, "broker", "fin").wait(5)
    return story


@shows("publish-denied")
def publishes_where_it_may_not() -> Story:
    return loops("publish", "foreign/x", lambda story, number: story.publish(number, "foreign/x", "{}", ack=False))


@shows("publish-denied")
def is_cut_off_after_publish_by_a_real_broker() -> Story:
    story = Story().ready()
    for _ in range(3):
        number = story.online()
        story.publish(number, "else/where", "{}", ack=False)
        story.wait(0.04).close(number, "broker", "fin").wait(5)
    return story


for _slug, _what in (
    ("retain-denied", "will_retain"),
    ("qos-denied", "qos"),
    ("keep-alive-denied", "keep_alive"),
    ("packet-too-large", "packet_size"),
    ("too-many-subscriptions", "filters"),
    ("identity-denied", "client_id"),
    ("rate-exceeded", "client_connect_rate"),
    ("feature-denied", "shared"),
):
    shows(_slug)(lambda what=_what: loops(what, "something", nothing))  # type: ignore[misc]


# -- the CONNECT -------------------------------------------------------------------------------------------------------


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


# -- connecting again --------------------------------------------------------------------------------------------------


def refused_after(*pauses: float, code: int | None = None) -> Story:
    story = Story().ready()
    for pause in pauses:
        if code is None:
            story.close(story.accept("refuse-connect"), "gateway", "fault")
        else:
            number = story.connects("refuse-connack")
            story.gateway(number, "connack", code=code, session_present=False)
            story.close(number, "gateway", "fault")
        story.wait(pause)
    story.online()
    return story


@shows("reconnect-storm")
def tries_again_at_once() -> Story:
    return refused_after(0.002, 0.001, 0.004, 0.002, 0.003, 0.002)


@shows("refusals-hammered")
def hammers_when_refused() -> Story:
    return refused_after(1.0, 1.01, 0.99, 1.02, 1.0, code=3)


@shows("retry-constant")
def tries_again_after_equal_gaps() -> Story:
    return refused_after(1.0, 1.01, 0.99, 1.02, 1.0)


@shows("retry-linear")
def tries_again_after_linear_gaps() -> Story:
    return refused_after(1.0, 2.01, 2.99, 4.02, 5.0, 6.0)


@shows("retry-without-jitter")
def tries_again_after_strictly_doubled_gaps() -> Story:
    return refused_after(0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


@shows("stays-away-after-server-close")
def obeys_a_server_that_closes() -> Story:
    story = Story().ready()
    story.close(story.online("server-disconnect"), "gateway", "fault")
    return story.says("disconnected").wait(30).looked()


@shows("no-retry")
def gives_up() -> Story:
    story = Story().ready()
    story.close(story.accept("refuse-connect"), "gateway", "fault")
    return story.wait(1).says("giving up").wait(30).looked()


# -- subscriptions and the session -------------------------------------------------------------------------------------


@shows("not-resubscribed")
def subscribes_once_after_boot() -> Story:
    story = Story(clean=False).ready()
    story.close(story.online(clean=False)).wait(1)
    number = story.online(clean=False, subscribes=False)
    return story.telemetry(number, 2).looked()


@shows("never-subscribes")
def does_not_subscribe() -> Story:
    story = Story().ready()
    return story.telemetry(story.online(subscribes=False), 2).looked()


@shows("subscribes-though-kept")
def subscribes_at_each_connection() -> Story:
    story = Story(clean=False).ready()
    story.close(story.online(clean=False)).wait(1)
    story.online(clean=False, present=True)
    return story


@shows("session-present-believed")
def goes_on_with_a_session_it_did_not_ask_for() -> Story:
    story = Story().ready()
    return story.telemetry(story.online("session-present", present=True, subscribes=False), 2).looked()


@shows("refused-subscription-unnoticed")
def takes_a_refusal_for_a_success() -> Story:
    story = Story().ready()
    number = story.online("refuse-subscribe", subscribes=False)
    story.subscribe(number, "devices/x/cmd", code=0x80)
    return story.telemetry(number, 6).looked()


@shows("subscribe-not-retried")
def waits_for_a_suback() -> Story:
    story = Story().ready()
    number = story.online("withhold", subscribes=False, parameters={"packet": "suback"})
    story.subscribe(number, "devices/x/cmd", code=None)
    return story.telemetry(number, 3).looked()


# -- acknowledgements --------------------------------------------------------------------------------------------------


@shows("publish-not-resent")
def never_resends() -> Story:
    story = Story().ready()
    number = story.online("withhold", parameters={"packet": "puback"})
    return story.telemetry(number, 2, ack=False).looked()


@shows("resent-with-new-id")
def resends_as_another_message() -> Story:
    story = Story().ready()
    number = story.online("withhold", parameters={"packet": "puback"})
    story.telemetry(number, payload='{"seq": 17}', every=1, ack=False)
    story.telemetry(number, payload='{"seq": 17}', every=1)
    return story


@shows("disconnects-unacknowledged")
def drops_the_connection() -> Story:
    story = Story().ready()
    for _ in range(2):
        number = story.online("withhold", parameters={"packet": "puback"})
        story.telemetry(number, every=1.5, ack=False).close(number, "device", "fin").wait(1)
    return story


@shows("unacknowledged-messages-lost")
def leaves_out_what_a_black_hole_has_swallowed() -> Story:
    story = Story().ready()
    number = story.online("black-hole")
    story.telemetry(number, payload='{"seq": 4}', every=8).close(number, "gateway", "keep-alive").wait(1)
    return story.telemetry(story.online(), payload='{"seq": 7}').looked()


@shows("message-not-acknowledged")
def sends_no_puback() -> Story:
    story = Story().ready()
    number = story.online()
    story.publish(number, "devices/x/cmd", "{}", direction="down", ack=False)
    return story.telemetry(number, 2)


@shows("unacknowledged-messages-lost")
def forgets_its_outbox() -> Story:
    story = Story().ready()
    number = story.online()
    story.telemetry(number, payload='{"seq": 1}', every=0.1, ack=False).close(number).wait(1)
    return story.telemetry(story.online(), payload='{"seq": 2}').looked()


# -- messages ----------------------------------------------------------------------------------------------------------


@shows("online-message-missing")
def does_not_greet() -> Story:
    story = Story().ready()
    return story.telemetry(story.online(greets=False), 2)


@shows("online-message-once")
def greets_once_a_boot() -> Story:
    story = Story().ready()
    story.close(story.online()).wait(1)
    return story.telemetry(story.online(greets=False), 2).looked()


@shows("telemetry-missing")
def sends_no_telemetry() -> Story:
    story = Story().ready()
    number = story.online()
    for _ in range(5):
        story.wait(5).gateway(number, "pingreq")
    return story


@shows("telemetry-differs")
def sends_telemetry_at_qos_2() -> Story:
    story = Story().ready()
    return story.telemetry(story.online(), qos=2)


@shows("leaves-without-disconnect")
def leaves_rudely() -> Story:
    story = Story().ready()
    number = story.online()
    story.event("console", "sent", text="disconnect\n")
    return story.close(number, "device", "fin")


def with_heap(*told: tuple[int, int]) -> Story:
    """Connections that each tell their free heap, with so many failed connects before each."""
    story = Story().ready()
    for heap, failures in told:
        for _ in range(failures):
            story.close(story.accept("refuse-connect"), "gateway", "fault").wait(2)
        number = story.online()
        story.telemetry(number, payload=f'{{"seq": 1, "heap": {heap}}}', every=9).close(number).wait(1)
    return story


@shows("heap-lost-on-failed-connect")
def loses_memory_with_failed_connects() -> Story:
    return with_heap((168000, 0), (159800, 2), (159800, 0), (151600, 2))


@shows("heap-lost-on-reconnect")
def loses_memory_with_each_connection() -> Story:
    return with_heap((168000, 0), (163900, 0), (159800, 0), (155700, 0))


# -- commands ----------------------------------------------------------------------------------------------------------


def command(story: Story, number: int, **more: object) -> None:
    story.publish(number, "devices/x/cmd", '{"id": 7, "do": "ping"}', direction="down", **more)  # type: ignore[arg-type]


def answer(story: Story, number: int) -> None:
    story.publish(number, "devices/x/answer", '{"id": 7, "ok": true}')


@shows("command-unanswered")
def does_not_answer() -> Story:
    story = Story().ready()
    number = story.online()
    command(story, number)
    return story.telemetry(number, 2)


@shows("command-not-delivered")
def is_subscribed_elsewhere() -> Story:
    story = Story().ready()
    number = story.online(subscribes=False)
    story.subscribe(number, "devices/x/else")
    story.event("monitor", "message", None, topic="devices/x/cmd", payload="{}", retain=False)
    return story.telemetry(number, 2)


@shows("retained-command-obeyed")
def obeys_what_was_retained() -> Story:
    story = Story().ready()
    number = story.online()
    command(story, number, retain=True)
    answer(story, number)
    return story


@shows("command-obeyed-twice")
def obeys_twice() -> Story:
    story = Story().ready()
    number = story.online()
    command(story, number, qos=2, packet_id=9)
    answer(story, number)
    command(story, number, qos=2, packet_id=9, dup=True)
    answer(story, number)
    return story


# -- the time ----------------------------------------------------------------------------------------------------------


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


# -- power and boot ----------------------------------------------------------------------------------------------------


@shows("crash-on-large-message")
def crashes_on_a_large_message() -> Story:
    story = Story().ready()
    number = story.online()
    story.wait(5).publish(number, "devices/x/cmd", "a" * 3000, direction="down", ack=False)
    story.wait(0.02).says("Guru Meditation Error: Core  0 panic'ed (StoreProhibited)")
    return story.wait(0.1).boot(0xC)


@shows("crash-on-malformed-packet")
def crashes_on_a_malformed_packet() -> Story:
    story = Story().ready()
    number = story.online()
    story.wait(5).fault(number, "malformed", kind="length")
    return story.wait(0.2).boot(0xC)


@shows("crash")
def crashes() -> Story:
    story = Story().ready()
    story.online()
    return story.wait(9).says("abort() was called at PC 0x400d1f2e on core 0").wait(0.1).boot(0xC)


@shows("brown-out")
def browns_out() -> Story:
    story = Story().ready()
    story.online()
    return story.wait(9).boot(0xF)


@shows("soft-reset-hang")
def hangs_after_a_soft_reset() -> Story:
    story = Story().ready()
    number = story.online()
    return story.wait(1).start("soft", 0xC).wait(15).close(number, "gateway", "keep-alive").wait(5).looked()


@shows("quick-boots-lock-out")
def stays_away_after_quick_boots() -> Story:
    story = Story()
    for _ in range(4):
        story.start().wait(0.5).off().wait(0.1)
    return story.start().says("W app: 3 quick resets: in set-up mode").wait(20).looked()


@shows("no-download-mode")
def cannot_be_flashed() -> Story:
    story = Story().ready()
    story.event("flash", "start")
    for _ in range(3):
        story.accept()
        story.wait(1)
    story.event("flash", "failed", reason="Failed to connect to ESP32: No serial data received.")
    return story.wait(1).looked()


@shows("settings-lost")
def loses_its_settings() -> Story:
    story = Story().ready()
    story.online()
    story.off().wait(1).start().wait(0.3).off().wait(1).start()
    return story.says("E app: setting wifi_ssid is missing in NVS").wait(20).looked()


@shows("firmware-damaged")
def has_no_firmware() -> Story:
    story = Story()
    story.event("flash", "start")
    return story.off().wait(1).start().says("invalid header: 0xffffffff", "invalid header: 0xffffffff").wait(9).looked()


@shows("secret-on-console")
def prints_its_password() -> Story:
    story = Story().ready().says("I wifi: password [redacted]", "I tls: key [redacted]")
    story.online()
    return story


# -- signs of life -----------------------------------------------------------------------------------------------------


@shows("keep-alive-missed")
def never_pings() -> Story:
    story = Story(telemetry=None).ready()
    for _ in range(3):
        story.close(_silent(story), "gateway", "keep-alive").wait(1)
    return story.says("connection lost")


def _silent(story: Story) -> int:
    number = story.online()
    story.wait(15)
    return number


@shows("ping-answer-ignored")
def does_not_mind_a_ping_without_an_answer() -> Story:
    story = Story(telemetry=None).ready()
    number = story.online("withhold", parameters={"packet": "pingresp"})
    for _ in range(8):
        story.wait(5).gateway(number, "pingreq")
    return story


@shows("device-hangs")
def hangs() -> Story:
    story = Story().ready()
    number = story.online()
    return story.telemetry(number, 3).wait(10).close(number, "gateway", "keep-alive").wait(20).looked()


@shows("never-online")
def is_never_seen() -> Story:
    return Story().start().wait(30).looked()


@shows("connection-lost")
def leaves_by_itself() -> Story:
    story = Story().ready()
    for _ in range(2):
        number = story.online()
        story.telemetry(number, 2, every=4).close(number, "device", "reset").wait(1)
    return story


@shows("server-ends-connection")
def is_thrown_out() -> Story:
    story = Story().ready()
    number = story.online()
    story.telemetry(number, 2, every=4).close(number, "broker", "reset").wait(1)
    story.online()
    return story


# -- and the tests -----------------------------------------------------------------------------------------------------


# -- the serial link ---------------------------------------------------------------------------------------------------


def linked() -> Story:
    story = Story(link={"silence": 3.0}).start()
    story.event("link", "alive")
    return story


@shows("taken-for-dead")
def a_long_silence_and_a_word() -> Story:
    story = linked().wait(3)
    story.event("link", "dead", why="silence", seconds=3.0)
    story.wait(4).event("link", "alive")
    return story


@shows("line-silent")
def a_hang_that_nothing_ends() -> Story:
    story = linked().wait(3)
    story.event("link", "dead", why="silence", seconds=3.0)
    return story.wait(10).looked()


@shows("line-silent")
def a_start_and_not_a_word() -> Story:
    story = Story(link={"silence": 3.0})
    story.event("power", "on")
    return story.wait(10).looked()


@shows("lines-unreadable")
def half_a_line() -> Story:
    story = linked()
    story.event("link", "bad-line", reason="it is no JSON object", text='{"topic":')
    return story.wait(1).looked()


@pytest.mark.parametrize(("slug", "telling"), STORIES, ids=lambda part: part if isinstance(part, str) else "")
def test_the_cause_is_named_first(slug: str, telling: Telling) -> None:
    ranked = found(telling())
    assert ranked, "nothing was found"
    assert ranked[0].cause == slug, [str(one) for one in ranked]
    assert ranked[0].evidence, "no event shows it"
    assert ranked[0].next_steps


def test_each_cause_has_a_story() -> None:
    assert {cause.slug for cause in CAUSES} == {slug for slug, _ in STORIES}


def test_no_two_causes_have_one_name() -> None:
    assert len({cause.slug for cause in CAUSES}) == len(CAUSES)


def test_what_is_outranked_is_there() -> None:
    slugs = {cause.slug for cause in CAUSES}
    assert {slug for cause in CAUSES for slug in cause.outranks} <= slugs
    assert not [cause.slug for cause in CAUSES if cause.slug in cause.outranks]


def test_a_lock_out_that_outlasts_its_quick_boots_is_known_by_its_words() -> None:
    story = Story()
    story.start().says("W app: 3 quick resets: in set-up mode").wait(20).looked()
    assert diagnose(story.events, "x")[0].cause == "quick-boots-lock-out"
    waiting = Story()
    waiting.start().says("W app: in set-up mode").wait(20).looked()
    assert diagnose(waiting.events, "x")[0].cause != "quick-boots-lock-out"


def test_quick_boots_of_the_test_before_count_as_well() -> None:
    story = Story()
    for _ in range(3):
        story.start().wait(0.5).off().wait(0.1)
    began = len(story.events)
    story.start().says("W app: 3 quick resets: in set-up mode").wait(20).looked()
    assert diagnose(story.events, "x", after=began)[0].cause == "quick-boots-lock-out"


def test_a_connection_of_the_life_before_is_no_sign_of_a_hang() -> None:
    story = Story().ready()
    number = story.online()
    story.wait(1).off().start().says("booting").asks_time()
    story.close(story.accept("refuse-connect"), "gateway", "fault")
    story.wait(15).close(number, "gateway", "keep-alive").wait(5).looked()
    assert found(story)[0].cause == "no-retry"
