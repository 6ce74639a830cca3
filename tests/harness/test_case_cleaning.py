"""Secrets are taken out of what the field tells, and nothing else."""

from __future__ import annotations

import pytest

from hil.cases.cleaning import BLANK, clean
from hil.cases.proposing import from_broker_log, from_console
from hil.cases.proposing.sighting import LONGEST_LINE

KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIabc\nd+ef==\n-----END EC PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("wifi password: hunter2secret", "hunter2secret"),
        ("D (3) wifi: ssid net, password hunter2secret", "hunter2secret"),
        ('WiFi.begin("net", "hunter2secret");', "hunter2secret"),
        ('{"wifi_pass": "hunter2 secret"}', "hunter2 secret"),
        ("psk=hunter2secret", "hunter2secret"),
        ("got ip 10.0.0.7, wifiPass=hunter2secret", "hunter2secret"),
        ("ssid: net, pw: hunter2secret", "hunter2secret"),
        ("Authorization: Bearer hunter2secret", "hunter2secret"),
        ('AT+CWJAP="net","hunter2secret"', "hunter2secret"),
        ('AT+MQTTUSERCFG=0,1,"id","user","hunter2secret",0,0,""', "hunter2secret"),
        ("mqtts://joe:hunter2secret@broker:8883", "hunter2secret"),
        ("SharedAccessSignature=sr%3dhunter2secret", "hunter2secret"),
        (KEY, "MHcCAQEEIabc"),
        (f"D (1) tls: {KEY}\nnext", "d+ef=="),
        (KEY.replace("\n", "\\n"), "MHcCAQEEIabc"),
        ("-----BEGIN PRIVATE KEY-----\nMHcCAQEEIabc", "MHcCAQEEIabc"),
    ],
)
def test_secrets_are_blanked(text: str, secret: str) -> None:
    cleaned = clean(text)
    assert secret not in cleaned.text
    assert BLANK in cleaned.text
    assert cleaned.count == 1
    assert cleaned.text.count("\n") == text.count("\n"), "line numbers stay"
    assert clean(cleaned.text).count == 0, "clean is clean"


def test_long_lines_cost_little() -> None:
    """A dump in one line: what looks for words must not begin anew at each letter, or this does not end in time."""
    for line in ("a" * 300_000, "0x" * 150_000, "password" * 30_000, "-----BEGIN " * 20_000, "wifi " * 50_000):
        clean(line)
        from_console.look("log", line)
        from_broker_log.look("log", line)


def test_of_a_long_line_the_beginning_is_looked_at() -> None:
    for length, sightings in ((100, 1), (LONGEST_LINE, 0)):
        line = f"{'x' * length} tls: mbedtls_ssl_handshake returned -0x2700"
        assert len(from_console.look("log", line)[0]) == sightings
        assert len(from_broker_log.look("log", f"{'x' * length} alert unknown ca")[0]) == sightings


def test_in_what_a_person_wrote_a_word_alone_is_no_secret() -> None:
    story = "The password changed, then the token expired. The new password is hunter2secret, psk=hunter2secret"
    cleaned = clean(story, prose=True)
    assert cleaned.count == 2
    assert cleaned.text.startswith("The password changed, then the token expired. The new password is [redacted]")


@pytest.mark.parametrize(
    "text", ["bad username or password", "password is wrong", "passed 3 tests", "compass 12", "LTE bearer activated"]
)
def test_what_only_speaks_of_secrets_stays(text: str) -> None:
    assert clean(text).text == text
