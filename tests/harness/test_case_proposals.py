"""What the field's files show, and what a case makes of it."""

from __future__ import annotations

import functools
import gzip
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from stories import Story

from hil.cases.candidates import NoSuchCandidate
from hil.cases.cleaning import BLANK, clean
from hil.cases.conditions import Condition
from hil.cases.creating import Told, create
from hil.cases.drafting import draft
from hil.cases.proposing import from_broker_log, from_chain, from_console, from_timeline, hypotheses, recognising
from hil.cases.proposing.outranking import OUTRANKS
from hil.cases.proposing.recognising import EvidenceError, recognise
from hil.cases.proposing.remedies import REMEDIES
from hil.cases.proposing.sighting import Sighting, together
from hil.cases.signature import Signature
from hil.credentials import Authority, Flaw, broken
from hil.diagnose import CAUSES
from hil.gateway import policies

FILES = Path(__file__).parent / "field_files"
BROKER = (FILES / "mosquitto-2.0.11.log").read_text()


def surest(sightings: list[Sighting]) -> dict[str, float]:
    return {sighting.what: sighting.sure for sighting in together(sightings)}


# -- recognising ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (
            b'{"sequence":0,"monotonic":1,"wall":1,"source":"gateway","kind":"accept","board":"a","data":{}}\n',
            "timeline",
        ),
        (b"1795828549: New connection from 127.0.0.1:57720 on port 18831.\n", "broker-log"),
        (b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00" + bytes(16), "pcap"),
        (b"\x0a\x0d\x0d\x0a" + bytes(24), "pcap"),
        (b"rst:0x1 (POWERON_RESET),boot:0x13\r\nhello\n", "console"),
        (b"\x00\xff\xfe boot noise \xff\nI (12) app: hello, hello, hello, hello\n", "console"),
    ],
)
def test_a_file_is_known_by_what_is_in_it(tmp_path: Path, content: bytes, kind: str) -> None:
    path = tmp_path / "whatever.dat"
    path.write_bytes(content)
    assert recognise(path).kind == kind


def test_what_cannot_be_taken_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b" \n")
    (tmp_path / "image").write_bytes(b"\xe9\x01" + bytes(500))
    for name, told in (("empty", "is empty"), ("image", "neither text nor a capture"), ("gone", "No such file")):
        with pytest.raises(EvidenceError, match=told):
            recognise(tmp_path / name)
    with pytest.raises(EvidenceError, match=r"a folder without a timeline\.jsonl is no run"):
        recognise(tmp_path)


def test_a_log_may_be_packed_or_of_windows(tmp_path: Path) -> None:
    text = (FILES / "gives-up.console.log").read_text()
    (tmp_path / "device.log.1.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "redirected.log").write_bytes(text.encode("utf-16"))
    for path in tmp_path.iterdir():
        found = recognise(path)
        assert (found.kind, found.text) == ("console", text), path


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (bytes(range(256)) * 20, "is neither text nor a capture"),
        (gzip.compress(b"x" * 5000, mtime=0)[:-20], "is packed with gzip, and damaged"),
        (
            gzip.compress(b'{"source": "gateway", "kind": "accept"}\n', mtime=0),
            "a timeline that is packed; unpack it with gunzip",
        ),
        (b"PK\x03\x04" + bytes(200), "is packed; unpack it with unzip first"),
        (b"\xfd7zXZ\x00" + bytes(200), "is packed; unpack it with unxz first"),
    ],
    ids=["binary", "damaged", "timeline", "zip", "xz"],  # never the contents: their names are the same in each worker
)
def test_what_is_packed_or_no_text_is_said(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "field"
    path.write_bytes(content)
    with pytest.raises(EvidenceError, match=told):
        recognise(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(EvidenceError, match="is a device or a pipe"):
        recognise(tmp_path / "pipe")


def test_what_grows_too_large_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognising, "MOST_BYTES", 1 << 20)
    for name, content in (("plain", b"x" * (2 << 20)), ("packed", gzip.compress(b"x" * (2 << 20)))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(EvidenceError, match="cut out the part around the failure"):
            recognise(tmp_path / name)


# -- a broker's log ------------------------------------------------------------------------------------------------


def test_what_a_real_mosquitto_said() -> None:
    seen, facts = from_broker_log.look("m.log", BROKER)
    places = {sighting.what: sighting.where for sighting in together(seen)}
    lines = BROKER.splitlines()

    def said(what: str) -> set[str]:
        return {lines[int(place.rpartition(":")[2]) - 1].partition(": ")[2] for place in places[what]}

    assert all("peer did not return a certificate" in line for line in said("no-client-certificate"))
    assert all("certificate verify failed" in line for line in said("client-certificate-refused"))
    assert all("alert" in line for line in said("server-not-trusted"))
    assert said("connect-refused") == {"Sending CONNACK to 127.0.0.1 (0, 5)"}
    assert said("keep-alive-missed") == {"Client dev-3 has exceeded timeout, disconnecting."}
    assert all("Denied PUBLISH from dev-1" in line for line in said("publish-denied"))
    assert all("protocol error" in line for line in said("malformed-packet"))
    assert "client-id-not-its-own" not in places, "one takeover is a client that came back"
    assert facts["device"].startswith(
        "client dev-1: MQTT 3.1.1, clean session, keep-alive 60 s, will on foreign/dev-1/st"
    )


def test_one_client_of_a_log() -> None:
    seen, facts = from_broker_log.look("m.log", BROKER, "dev-3")
    assert "publish-denied" not in surest(seen), "that is another client's"
    assert together(seen)[0].what == "keep-alive-missed", "what names it counts more than what names nobody"
    assert facts["device"].endswith("keep-alive 1 s, connected once")


def test_two_clients_with_one_id_and_one_that_is_thrown_out() -> None:
    turn = (
        "{t}: New client connected from 10.0.0.{n}:1 as device (p2, c1, k60).\n"
        "{t}: Client device already connected, closing old connection.\n"
    )
    seen, _ = from_broker_log.look("m", "".join(turn.format(t=1700000000 + n, n=n) for n in range(4)))
    assert surest(seen)["client-id-not-its-own"] == 0.8
    assert [condition.kind for condition in draft(seen).conditions] == ["second-client"]
    end = (
        "2026-11-20T10:00:{n:02}: New client connected from 10.0.0.1:1 as a (p5, c0, k30, u'joe').\n"
        "2026-11-20T10:00:{n:02}: Client a disconnected: connection closed by client.\n"
    )
    seen, facts = from_broker_log.look("m", "".join(end.format(n=n) for n in range(4)))
    (lost,) = together(seen)
    assert (lost.what, lost.sure, lost.words) == (
        "connection-lost",
        0.6,
        "a closed its connection within 3 s of connecting, 4 times",
    )
    assert facts["device"] == "client a: MQTT 5, kept session, keep-alive 30 s, connected 4 times"


@pytest.mark.parametrize(
    "before",
    [
        "Nov 20 10:00:{n:02} gw mosquitto[811]: 17000000{n:02}: ",
        "Nov 20 10:00:{n:02} gw mosquitto[811]: ",
        "2026-11-20T10:00:{n:02}.123456789Z 17000000{n:02}: ",
        "mosquitto-1  | 17000000{n:02}: ",
        "2026-11-20 10:00:{n:02}: ",
    ],
    ids=["journald", "syslog", "docker", "compose", "blank"],
)
def test_whoever_has_kept_a_brokers_log(before: str) -> None:
    lines = [
        f"{before.format(n=n)}{words}"
        for n in range(0, 40, 10)
        for words in (
            "New client connected from 10.0.0.1:1 as a (p2, c1, k60).",
            "Client a [10.0.0.1:1] disconnected: connection closed by client.",
        )
    ]
    seen, _ = from_broker_log.look("m", "\n".join(lines), "a")
    assert surest(seen) == {"connection-lost": 0.6}, "soon after connecting: the times of the lines are known"


def test_words_of_newer_releases() -> None:
    """Published logs of mosquitto 2.1 have them; 2.0.11, which was tried, has not."""
    seen, _ = from_broker_log.look("m", "1700000000: Client a [10.0.0.1:1] disconnected: exceeded timeout.\n", "a")
    assert surest(seen) == {"keep-alive-missed": 0.7}
    turn = (
        "{t}: Client a already connected, closing old connection.\n"
        "{t}: Client a [10.0.0.1:1] disconnected: session taken over.\n"
    )
    taken, _ = from_broker_log.look("m", "".join(turn.format(t=1700000000 + n) for n in range(2)))
    assert taken == [], "both lines are of one takeover"
    taken, _ = from_broker_log.look("m", "1: Client a [10.0.0.1:1] disconnected: session taken over.\n\n" * 3)
    assert surest(taken) == {"client-id-not-its-own": 0.8}


# -- a console's log -----------------------------------------------------------------------------------------------


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


# -- the device's chain --------------------------------------------------------------------------------------------


@functools.cache
def authority() -> Authority:
    return Authority.create()


@pytest.mark.parametrize(
    ("flaw", "name"),
    [
        (None, None),
        (Flaw.NO_CERT_SIGN, "no-key-cert-sign"),
        (Flaw.NOT_AN_AUTHORITY, "ca-false"),
        (Flaw.NO_INTERMEDIATE, "no-intermediate"),
        (Flaw.EXPIRED, "expired"),
    ],
)
def test_a_chain_tells_what_a_log_leaves_open(tmp_path: Path, flaw: Flaw | None, name: str | None) -> None:
    """'unknown ca' in the log, and the chain that the device was given."""
    given = authority().issue_device("dev-1") if flaw is None else broken.device(authority(), "dev-1", flaw)
    path = tmp_path / "device.pem"
    path.write_bytes(given.key_pem + given.chain_pem)
    log = FILES / "poor-intermediate.console.log"
    made = create(tmp_path / "case", Told(title="refused", files=[log, path]))
    (condition,) = made.case.conditions
    assert condition.flaw == (name or "no-intermediate"), "the chain is sound: the likeliest, as without it"
    assert condition.sure == (0.94 if name is not None else 0.6)
    kept = made.case.resolve("evidence/device.pem").read_text()
    assert "PRIVATE KEY" not in kept
    assert [evidence.kind for evidence in made.case.file.evidence] == ["console", "chain"]
    assert made.case.file.field.credentials.startswith("CN=dev-1, issued by ")


def test_a_chain_that_is_none(tmp_path: Path) -> None:
    anchors, damaged, log = tmp_path / "ca.pem", tmp_path / "damaged.pem", tmp_path / "device.log"
    anchors.write_bytes(authority().trust_anchors_pem)
    damaged.write_bytes(authority().issue_device("a").chain_pem.replace(b"-----\nMII", b"-----\n!!!"))
    log.write_bytes(b"I (1) app: my certificate is of this device, and here it comes\n" * 40 + anchors.read_bytes())
    assert [recognise(path).kind for path in (anchors, damaged, log)] == ["chain", "chain", "console"]
    seen, facts = from_chain.look("c", anchors.read_text(), 0.0)
    assert (seen, facts["credentials"].endswith("a device's chain begins with its own certificate")) == ([], True)
    ((only,), _) = from_chain.look("c", damaged.read_text(), 0.0)
    assert (only.what, only.where) == ("damaged-certificate", ("c:1",))


# -- a timeline ----------------------------------------------------------------------------------------------------


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


# -- proposals -----------------------------------------------------------------------------------------------------


def details_for(what: str) -> dict[str, Any]:
    injected = {"condition": {"name": "cut", "kind": "gateway-fault", "fault": "cut"}}
    return injected if what == "injected" else {"cause": "no-retry"} if what == "other-cause" else {}


@pytest.mark.parametrize("what", REMEDIES)
def test_each_remedy_makes_a_case_that_can_be(what: str) -> None:
    made = draft([Sighting(what=what, sure=0.9, words="so", where=("log:1",), details=details_for(what))])
    for condition in made.conditions:
        assert condition.shown_by == ["log:1"]
        assert condition.sure == 0.9
    if what != "injected":
        assert isinstance(made.signature, Signature)
    for hypothesis in REMEDIES[what].hypotheses(details_for(what)):
        for table in hypothesis.tables:
            TypeAdapter(Condition).validate_python(table)


def test_remedies_know_all_that_is_looked_for() -> None:
    rules = [*from_broker_log._RULES, *from_console._RULES]
    looked_for = {rule.what for rule in rules} | {what for what, _, _ in from_console.CODES.values()}
    assert looked_for <= set(REMEDIES)
    diagnosed = {name for name, remedy in REMEDIES.items() if remedy.diagnosed} - {"other-cause"}
    assert diagnosed <= {cause.slug for cause in CAUSES}
    assert set(OUTRANKS) | {name for names in OUTRANKS.values() for name in names} <= set(REMEDIES)


def test_files_that_agree_make_it_surer() -> None:
    one, two = (Sighting(what="crash", sure=0.5, words="x", where=(f"{name}:1",)) for name in ("a", "b"))
    again = Sighting(what="crash", sure=0.4, words="x", where=("a:2",))
    (both,) = together([one, again, two])
    assert (both.sure, both.where, both.times) == (0.75, ("a:1", "a:2", "b:1"), 3)


def test_one_failure_at_a_time_unless_somebody_says_so() -> None:
    seen = [
        Sighting(what="connect-refused", sure=0.9, words="refused", where=("log:1",)),
        Sighting(what="network-silent", sure=0.7, words="silent", where=("log:2",)),
        Sighting(what="brown-out", sure=0.1, words="perhaps", where=("log:3",)),
    ]
    assert [c.name for c in draft(seen).conditions] == ["refused"]
    assert any('fault = "black-hole"' in hint for hint in draft(seen).hints)
    asked: list[str] = []

    def accept(sentence: str, candidates: Sequence[str]) -> int | None:
        asked.append(sentence)
        return 0 if "silent" in sentence else None

    chosen = draft(seen, accept)
    assert [c.name for c in chosen.conditions] == ["hole"]
    assert chosen.signature is not None
    assert chosen.signature.summary.startswith("the network is silent")
    assert asked[0] == "the broker refuses the CONNECT, 90% sure: refused (log:1)"
    assert len(asked) == 2, "what is next to nothing is not asked about"


def test_another_candidate_can_be_chosen() -> None:
    seen = [
        Sighting(what="client-certificate-refused", sure=0.6, words="refused", where=("log:1",)),
        Sighting(what="network-silent", sure=0.4, words="silent", where=("log:2",)),
        Sighting(what="injected", sure=0.9, words="armed", where=("log:3",), details=details_for("injected")),
    ]
    names = {n: [c.name for c in draft(seen, choose=n).conditions] for n in (None, 1, 2, 3, 6)}
    assert names == {
        None: ["cut", "chain"],
        1: ["cut", "chain"],
        2: ["cut", "chain"],
        3: ["cut", "unregistered"],
        6: ["cut", "hole"],
    }
    assert draft(seen, choose=2).conditions[1].flaw == "no-key-cert-sign"
    silent = draft(seen, choose=6)
    assert silent.signature is not None
    assert silent.signature.summary == "the network is silent: no answers, no end"
    assert "6. taken: the network is silent: no answers, no end, 40% sure: silent (log:2)" in silent.told
    with pytest.raises(NoSuchCandidate, match=r"--choose: found 7, expected a number from 1 to 6: 1\. it comes"):
        draft(seen, choose=7)
    with pytest.raises(NoSuchCandidate, match="found 1, but the files show nothing that could be chosen"):
        draft([], choose=1)


def test_for_a_real_board_mistakes_of_a_virtual_one_s_firmware_are_no_candidates() -> None:
    cut_off = [Sighting(what="cut-off", sure=0.6, words="x", where=("log:1",))]
    real = draft(cut_off)
    assert real.candidates == 2, "the broker's rules, and a line that is cut"
    assert real.told[1].startswith("  1. the topic of its last will is not allowed, or a topic that it subscribes ")
    assert sum(hint.startswith("options = ") for hint in real.hints) == 3
    assert draft(cut_off, virtual=True).candidates == 4
    assert draft(cut_off, virtual=True, choose=2).options == ["--with", "foreign-subscribe"]


def test_the_policy_that_is_written_can_be_played(tmp_path: Path) -> None:
    made = draft([Sighting(what="cut-off", sure=0.9, words="x", where=("log:1",))])
    (tmp_path / "policy.toml").write_bytes(made.files["policy.toml"])
    policy = policies.load(tmp_path / "policy.toml")
    assert set(policy.rules) == {"will", "subscribe", "publish"}


# -- secrets -------------------------------------------------------------------------------------------------------


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


def test_in_what_a_person_wrote_a_word_alone_is_no_secret() -> None:
    story = "The password changed, then the token expired. The new password is hunter2secret, psk=hunter2secret"
    cleaned = clean(story, prose=True)
    assert cleaned.count == 2
    assert cleaned.text.startswith("The password changed, then the token expired. The new password is [redacted]")


@pytest.mark.parametrize(
    ("settle", "what"), [(2, "connect-refused"), (10, "cut-off"), (None, "keep-alive-missed"), (None, "crash")]
)
def test_a_trial_is_no_longer_than_what_is_looked_for_asks(settle: float | None, what: str) -> None:
    made = draft([Sighting(what=what, sure=0.9, words="so", where=("log:1",))])
    assert made.trial.get("settle") == settle
    assert made.trial.get("good") == ("online" if settle else None)


@pytest.mark.parametrize("text", ["bad username or password", "password is wrong", "passed 3 tests", "compass 12"])
def test_what_only_speaks_of_secrets_stays(text: str) -> None:
    assert clean(text).text == text
