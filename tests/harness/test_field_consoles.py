"""What a device's log of the field shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.cases.drafting import draft
from hil.cases.proposing import from_broker_log, from_console, hypotheses
from hil.cases.proposing.sighting import Sighting, together

FILES = Path(__file__).parent / "field_files"


@pytest.mark.parametrize(
    ("board", "what"),
    [
        ("foreign-will", "cut-off"),
        ("foreign-subscribe", "subscribe-denied"),
        ("no-certificate", "no-client-certificate"),
        ("poor-intermediate", "client-certificate-refused"),
        ("gives-up", "no-retry"),
        ("no-time", "connects-before-time"),
    ],
)
def test_consoles_of_the_field_failures(board: str, what: str) -> None:
    seen, facts = from_console.look("log", (FILES / f"{board}.console.log").read_text())
    assert together(seen)[0].what == what
    assert facts["power"].startswith("started ")


@pytest.mark.parametrize(
    ("line", "first", "fits"),
    [
        ("mbedtls_ssl_handshake returned -0x7780 (tlsv1 alert unknown ca)", "no-intermediate", 4),
        ("ssl_tls.c:4805: is a fatal alert message (msg 48)", "no-intermediate", 4),
        ("ssl_tls.c:4805: is a fatal alert message (msg 45)", "expired", 2),
        ("esp-tls: sslv3 alert certificate expired", "expired", 2),
        ("esp-tls: sslv3 alert certificate revoked", "revoked", 1),
        ("mbedtls_ssl_handshake returned -0x7780", "no-intermediate", 5),
    ],
)
def test_an_alert_of_the_server_leaves_so_many_candidates(line: str, first: str, fits: int) -> None:
    seen, _ = from_console.look("log", f"E (5) {line}\n")
    made = draft(seen)
    (condition,) = made.conditions
    assert first in (getattr(condition, "flaw", None), getattr(condition, "why", None))
    assert made.candidates == fits
    assert made.signature is not None
    assert made.signature.seen[0].data["reason"] == "client certificate refused"


def cycles(*lines: str) -> list[Sighting]:
    again = ["I (1) mqtt_client: connected, session_present=0", *lines, "W (2) mqtt_client: connection lost"]
    return together(from_console.look("log", "\n".join(again * 3))[0])


def test_what_a_log_says_of_topics_tells_a_subscription_from_a_will() -> None:
    (both,) = cycles("I (1) app: subscribe request sent, topic devices/a/command")
    assert (both.what, both.details) == ("cut-off", {})
    assert both.words.endswith(", behind a subscription that had no answer: devices/a/command")
    denied, _ = cycles("subscribing to ok/a", "subscribed to ok/a", "subscribing to not/ok")
    assert (denied.what, denied.words) == (
        "subscribe-denied",
        "the broker never answered for not/ok, and did for ok/a",
    )
    sample, _ = cycles("Subscribing to ssl/mqtts", "Subscribe request sent")
    assert (sample.what, sample.where[0]) == ("subscribe-denied", "log:4")
    roots, _ = cycles("subscribing to ok/a", "subscribing to not/ok")
    assert roots.words == "it subscribes below different roots, and none was answered: ok/a and not/ok"
    (will,) = cycles("subscribing to ok/a", "subscribed to ok/a")
    assert (will.what, will.details) == ("cut-off", {"subscribed": True})
    assert [each.options[1] for each in hypotheses.cut_off(will.details) if each.options] == [
        "foreign-will",
        "foreign-publish",
    ]


def test_a_sketch_says_connected_in_its_own_words() -> None:
    lines = ["Connected to MQTT broker", "Disconnected from MQTT broker, state 8"]
    (cut_off,) = together(from_console.look("log", "\n".join(lines * 2))[0])
    assert (cut_off.what, cut_off.where) == ("cut-off", ("log:2", "log:4"))
    assert from_console.look("log", "Connected to WiFi\nDisconnected from WiFi\n" * 3)[0] == []


def test_requests_without_an_answer_say_something_where_no_end_is_in_the_log() -> None:
    (sample,) = together(from_console.look("log", "Subscribing to ssl/mqtts\nSubscribe request sent\n")[0])
    assert (sample.what, sample.sure) == ("subscribe-denied", 0.5)
    (again,) = together(from_console.look("log", "link up\nSubscribing to pump/7/cmd\nlink down\n" * 2)[0])
    assert (again.what, again.sure) == ("subscribe-denied", 0.4)
    assert from_console.look("log", "Subscribing to pump/7/cmd\n")[0] == [], "many sketches say no more of it"


def test_a_connect_that_fails_without_a_reason_leaves_the_usual_ones() -> None:
    seen, _ = from_console.look("log", "Connecting ...\nMQTT connect failed\n")
    made = draft(seen)
    assert made.signature is not None
    assert made.signature.never[0].online
    assert (made.conditions, made.candidates) == ([], 7), "the firmware alone, or one of six reasons"
    assert [c.kind for c in draft(seen, choose=3).conditions] == ["device-certificate"]
    seen, _ = from_console.look("log", "mbedtls_ssl_handshake returned -0x7780\nMQTT connect failed\n")
    assert [each.what for each in seen] == ["client-certificate-refused"], "that says more"
    for innocent in (
        "MQTT publish failed",
        "Attempting MQTT connection...failed, rc=-2\nAttempting MQTT connection...connected",
    ):
        assert from_console.look("log", innocent)[0] == [], "it is online, or came there"


def test_a_log_without_a_word_of_the_time_never_asked_for_it() -> None:
    early = "E (5) tls: the certificate validity starts in the future"
    for line, option in (("I (1) sntp: asking 10.0.0.2", "time-wait"), ("I (1) app: hello", "time-sync")):
        made = draft(from_console.look("log", f"{line}\n{early}\n")[0], virtual=True)
        assert made.options == ["--without", option]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (
            "[  1234][E][ssl_client.cpp:37] _handle_error(): [start_ssl_client():273]: (-9984) X509 - x",
            "server-not-trusted",
        ),
        ("start_ssl_client: -9984", "server-not-trusted"),
        ("start_ssl_client: connect failed: -29312", "handshake-cut"),
        ("E (1) esp-tls-mbedtls: mbedtls_ssl_handshake returned -0x7F00", "heap-lost-on-failed-connect"),
        ("\x1b[0;31mE (9) esp-tls-mbedtls: mbedtls_x509_crt_parse of CA returned -0x2180\x1b[0m", "damaged-anchors"),
        ("E (9) tls: mbedtls_pk_parse_key of the device returned -0x3D00", "damaged-key"),
        (
            "verification info: flags 0x4, The certificate Common Name (CN) does not match with the expected CN",
            "server-not-trusted",
        ),
        ("SSL error: 62 Chain could not be linked to a trust anchor.", "server-not-trusted"),
        ("SSL error: Certificate is expired or not yet valid.", "server-not-trusted"),
        ("failed, rc=-2 try again in 5 seconds", "never-online"),
        ("W (5) mqtt_client: Connection refused, not authorized", "connect-refused"),
        ("failed, rc=-4 try again in 5 seconds", "connack-missing"),
        ("failed, rc=5 try again in 5 seconds", "connect-refused"),
        ("E (7) mqtt_client: No PING_RESP, disconnected", "network-silent"),
        ("E (7) esp-tls: delayed connect error: Connection refused (errno 111)", "network-refused"),
        ("E (7) esp-tls: couldn't get hostname for :broker: getaddrinfo() returns 202", "name-unresolved"),
        ("W (7) wifi: disconnected, reason 200 (beacon timeout)", "wifi-lost"),
        ("W (7) sntp: no answer (timed out)", "time-unanswered"),
        ("rst:0xf (RTCWDT_BROWN_OUT_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)", "brown-out"),
        ("rst:0x8 (TG1WDT_SYS_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)", "crash"),
        ("Guru Meditation Error: Core  0 panic'ed (LoadProhibited). Exception was unhandled.", "crash"),
        ("invalid header: 0xffffffff", "firmware-damaged"),
        ("E (5) app: host is missing in NVS", "settings-lost"),
    ],
)
def test_lines_that_say_something(line: str, what: str) -> None:
    seen, _ = from_console.look("log", f"hello\n{line}\n")
    assert together(seen)[0].what == what
    assert together(seen)[0].where == ("log:2",)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("W (7) wifi: disconnected, reason 200 (beacon timeout)", "wifi-loss"),
        ("E (7) esp-tls: couldn't get hostname for :broker: getaddrinfo() returns 202", "wrong-name"),
    ],
)
def test_a_network_that_is_away_is_played(line: str, kind: str) -> None:
    (condition,) = draft(from_console.look("log", line)[0]).conditions
    assert condition.kind == kind


def test_an_innocent_log_shows_nothing() -> None:
    lines = "\n".join(
        f"I ({n}) app: measured {n} -0x10 degrees, uptime {n}, sampling failed, 2026-11-20" for n in range(30)
    )
    seen, _ = from_console.look("log", f"rst:0x1 (POWERON_RESET),boot:0x13\ninvalid header: 0xffffffff\n{lines}\n")
    assert seen == [], "a new chip has no header either, and was flashed then"


def test_what_a_client_s_alert_says_of_the_server_comes_first() -> None:
    """In mosquitto's log; and what is said twice is one candidate, for virtual boards, too."""
    line = "1700000000: OpenSSL Error[0]: error:0A000418:SSL routines::tlsv1 alert unknown ca"
    seen, _ = from_broker_log.look("m", line)
    for virtual in (False, True):
        made = draft(seen, virtual=virtual)
        assert [condition.flaw.value for condition in made.conditions] == ["unknown-authority"]
        assert made.candidates == 4
        assert "the server's certificate: unknown-authority (taken)" in made.told[1]


def test_what_a_refusal_says_is_what_is_played() -> None:
    seen, _ = from_console.look("log", "W (5) mqtt_client: Connection refused, bad username or password\n")
    (condition,) = draft(seen).conditions
    assert condition.parameters == {"code": 4}
    seen, _ = from_console.look("log", "mqtt failed, rc=7\n")  # AWS IoT says 7 for 'not authorised'
    assert draft(seen).conditions[0].parameters == {"code": 5}
