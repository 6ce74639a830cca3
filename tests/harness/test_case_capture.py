"""What a capture of the device's connections shows, and what of it a case keeps."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from captures import CLOCK, DEVICE, Capture, Connection, authority, pcapng

from hil import cases
from hil.cases.capture import keep
from hil.cases.drafting import draft
from hil.cases.proposing import from_pcap, hypotheses
from hil.cases.proposing.sighting import Sighting, together
from hil.cli import main
from hil.credentials import Authority, Flaw, broken
from hil.wire import ip, pcap, sntp
from hil.wire.mqtt import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Publish,
    Suback,
    Subscribe,
    Subscription,
    Version,
    Will,
    encode,
)
from hil.wire.tcp_stream import conversations

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def mqtt(*packets: Packet, version: Version = Version.V311) -> bytes:
    return b"".join(encode(packet, version) for packet in packets)


OWN_WAY: dict[str, Any] = {"authentication_method": "x", "authentication_data": b"hunter2secret"}
CONNECT = Connect("dev-1", clean=True, keep_alive=30, username="joe", password=b"hunter2secret")
WILL = Connect("dev-1", will=Will("foreign/x", b"", 0, False))
SUBSCRIBE = Subscribe(1, (Subscription("foreign/cmd", 1),))


def sightings(capture: Capture) -> list[Sighting]:
    return together(from_pcap.look("c", keep(capture.pcap()))[0])


def flawed(flaw: Flaw) -> Any:
    return broken.device(authority(), "dev-1", flaw)


# -- TLS -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("credentials", "what", "flaw"),
    [
        (lambda: None, "no-client-certificate", None),
        (lambda: flawed(Flaw.NO_INTERMEDIATE), "client-chain-incomplete", None),
        (lambda: flawed(Flaw.EXPIRED), "client-certificate-refused", "expired"),
        (lambda: flawed(Flaw.NO_CERT_SIGN), "client-certificate-refused", "no-key-cert-sign"),
        (lambda: flawed(Flaw.NOT_AN_AUTHORITY), "client-certificate-refused", "ca-false"),
        (lambda: flawed(Flaw.SELF_SIGNED), "client-certificate-refused", "self-signed"),
        (lambda: flawed(Flaw.UNKNOWN_AUTHORITY), "client-certificate-refused", None),
    ],
)
def test_what_the_device_shows(credentials: Any, what: str, flaw: str | None) -> None:
    """Real handshakes of TLS 1.2: its certificates are in clear, and so is the server's alert."""
    capture = Capture()
    capture.connect().tls(credentials(), size=700).end("down")
    first = sightings(capture)[0]
    assert (first.what, first.details.get("flaw")) == (what, flaw)
    (place,) = first.where
    frame = list(pcap.read(keep(capture.pcap()).bytes()))[int(place.partition(":")[2]) - 1]
    packet = ip.parse(frame)
    assert packet is not None
    assert packet.payload.startswith(b"\x15\x03\x03\x00\x02\x02"), "the packet that is named holds the alert"


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_a_good_handshake_shows_nothing(version: ssl.TLSVersion) -> None:
    capture = Capture()
    connection = capture.connect().tls(authority().issue_device("dev-1"), version=version)
    for _ in range(4):
        connection.say("up", b"\x17\x03\x03\x00\x05abcde").say("down", b"\x17\x03\x03\x00\x05abcde")
    connection.end("up")
    assert sightings(capture) == []
    _, facts = from_pcap.look("c", keep(capture.pcap()))
    assert facts["broker"] == "asked for as broker.test"


def test_a_server_that_the_device_does_not_trust() -> None:
    capture = Capture()
    capture.connect().tls(authority().issue_device("a"), trusts=Authority.create().trust_anchors_pem).end("up")
    first, second = sightings(capture)
    assert (first.what, first.words) == ("server-not-trusted", "the device ends the handshake: unknown_ca")
    assert (second.what, second.sure) == ("time-never-asked", 0.4)


def test_what_tls_13_hides_is_said_to_be_a_guess() -> None:
    capture = Capture()
    capture.connect().tls(None, version=TLS13).end("down")
    (only,) = sightings(capture)
    assert (only.what, only.sure) == ("client-certificate-refused", 0.4)


def test_handshakes_that_stand_still_or_are_cut() -> None:
    hello = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01x"
    capture = Capture()
    capture.connect().say("up", hello).end("up")
    capture.connect().say("up", hello).end("down", "reset")
    capture.connect().say("up", hello).say("down", b"\x15\x03\x03\x00\x02\x02\x46").end("down")
    assert [s.what for s in sightings(capture)] == ["no-common-tls-version", "handshake-silent", "handshake-cut"]


# -- below TLS -----------------------------------------------------------------------------------------------------


def test_connections_that_are_none() -> None:
    capture = Capture()
    capture.connect(opened=False).end("down", "reset")
    silent = capture.connect(opened=False)
    silent.segment("up", ip.SYN, back=1)
    assert [(s.what, s.where) for s in sightings(capture)] == [
        ("network-refused", ("c:2",)),
        ("no-answer", ("c:3", "c:4")),
    ]


def test_one_try_and_a_long_silence() -> None:
    capture = Capture()
    capture.connect().say("up", mqtt(CONNECT)).end("down", "reset")
    capture.now += 60
    capture.datagram((DEVICE, 123), (CLOCK, 123), b"\x23" + bytes(47))
    found = {s.what: s for s in sightings(capture)}
    assert found["no-retry"].words == "one connection, and none for 60 s behind it"
    assert found["time-unanswered"].words == "it asked for the time once, and had no answer"


def test_one_try_that_failed_at_the_end_of_a_capture() -> None:
    """Accepted, and reset before a word was said: nothing tells how long nothing came, and the sighting says so."""
    capture = Capture()
    capture.connect().end("down", "reset")
    found = {s.what: s for s in sightings(capture)}
    assert {what: s.sure for what, s in found.items()} == {"network-refused": 0.7, "no-retry": 0.5}
    assert draft(list(found.values()), virtual=True).options == ["--without", "retry"], "it is taken first"
    retry = found["no-retry"]
    assert retry.words.endswith("for how long nothing came is not in the capture")
    capture.connect().end("down", "reset")
    assert [s.what for s in sightings(capture)] == ["network-refused"]


def test_a_server_that_is_good_by_the_capture_s_clock_and_not_by_the_device_s() -> None:
    """bad_certificate for a chain that is good: the device's clock is wrong, and no request for the time was heard."""
    refusing = b"\x15\x03\x03\x00\x02\x02\x2a"  # alert 42, bad_certificate
    capture = Capture()
    for _ in range(2):
        connection = capture.connect().tls(authority().issue_device("a"), until="server")
        connection.say("up", refusing).end("up")
    found = {s.what: s for s in sightings(capture)}
    assert (found["time-never-asked"].sure, found["server-not-trusted"].details) == (0.6, {"dated": True})
    assert draft(sightings(capture)).signature == draft([found["time-never-asked"]]).signature, "the clock comes first"
    capture.datagram((DEVICE, 5000), (CLOCK, 42440), sntp.request()[1])
    assert "time-never-asked" not in {s.what for s in sightings(capture)}, "a bench's time server has any port"


# -- MQTT in clear -------------------------------------------------------------------------------------------------


def cut_off(sent: list[Packet], got: list[Packet]) -> Capture:
    capture = Capture()
    for _ in range(3):
        connection = capture.connect(1883).say("up", mqtt(sent[0])).say("down", mqtt(Connack()))
        connection.say("up", mqtt(*sent[1:])).say("down", mqtt(*got)).end("down")
        capture.now += 5
    return capture


@pytest.mark.parametrize(
    ("sent", "got", "what"),
    [
        ([WILL], [], "will-topic-denied"),
        ([WILL, SUBSCRIBE], [], "subscribe-denied"),
        ([CONNECT, SUBSCRIBE, Publish("x", b"1", qos=1, packet_id=2)], [Suback(1, (0,))], "publish-denied"),
        ([CONNECT], [], "cut-off"),
    ],
)
def test_cut_off_straight_after_connecting(sent: list[Packet], got: list[Packet], what: str) -> None:
    assert sightings(cut_off(sent, got))[0].what == what
    _, facts = from_pcap.look("c", keep(cut_off(sent, got).pcap()))
    assert facts["network"].startswith("3 connection(s), again after 5.0 s and 5.0 s")
    assert facts["device"].startswith("client dev-1: MQTT 3.1.1, clean session, keep-alive ")


@pytest.mark.parametrize(
    ("up", "down", "ended", "what"),
    [
        (mqtt(CONNECT), mqtt(Connack(code=4)), "down", "connect-refused"),
        (mqtt(CONNECT), b"", "up", "connack-missing"),
        (mqtt(CONNECT), b"\x15\x03\x01\x00\x02\x02\x46", "down", "plain-fallback"),
        (mqtt(CONNECT), mqtt(Connack()), "up", "connection-lost"),
        (mqtt(CONNECT) + b"\x00\x00", mqtt(Connack()), "down", "malformed-packet"),
        (b"hello, broker", b"", "down", "nothing"),
        (mqtt(CONNECT, Disconnect()), mqtt(Connack()), "down", "nothing"),
    ],
)
def test_what_is_said_in_clear(up: bytes, down: bytes, ended: str, what: str) -> None:
    capture = Capture()
    connection = capture.connect(1883).say("up", up)
    if down:
        connection.say("down", down)
    connection.end(ended)
    assert [s.what for s in sightings(capture)][:1] == ([what] if what != "nothing" else [])


def test_silence_for_longer_than_its_keep_alive() -> None:
    capture = Capture()
    connection = capture.connect(1883).say("up", mqtt(CONNECT)).say("down", mqtt(Connack()))
    capture.now += 45
    connection.end("down")
    assert sightings(capture)[0].words == "the broker ended it after 45 s of silence; its keep-alive is 30 s"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# -- what is kept --------------------------------------------------------------------------------------------------


def in_pieces(connection: Connection, data: bytes, size: int) -> None:
    for at in range(0, len(data), size):
        connection.segment("up", ip.ACK, data[at : at + size])
        connection.segment("up", ip.ACK, data[max(0, at - 2) : at + size], back=min(at, 2) + len(data[at : at + size]))


@pytest.mark.parametrize("size", [3, 1000])
def test_passwords_are_overwritten_wherever_they_come(size: int) -> None:
    """In segments of three bytes, and in those that are sent again with bytes of the one before."""
    capture = Capture()
    connection = capture.connect(1883)
    in_pieces(connection, mqtt(CONNECT, SUBSCRIBE), size)
    kept = keep(capture.pcap())
    assert kept.blanked == 1
    payloads = [packet.payload for _, _, packet in kept.packets if packet.source[0] == DEVICE]
    assert b"hunter2secret" not in kept.bytes()
    for piece in (b"hun", b"ter", b"ecr", b"ret", b"2se"):
        assert all(piece not in payload for payload in payloads), piece
    (found,) = conversations(kept.packets)
    assert mqtt(CONNECT, SUBSCRIBE).replace(b"hunter2secret", b"*" * 13) == bytes(found.up.data), "and nothing else is"


@pytest.mark.parametrize(
    "said",
    [
        mqtt(CONNECT)[:-3],  # not whole
        b"GET /?password=hunter2secret HTTP/1.0\r\n\r\n",
        mqtt(Connect("a", version=Version.V5, properties=OWN_WAY), version=Version.V5),
        mqtt(Connect("a", version=Version.V5), Auth(0x18, OWN_WAY), version=Version.V5),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_not_kept(said: bytes) -> None:
    capture = Capture()
    capture.connect(1883).say("up", said).end("down")
    kept = keep(capture.pcap())
    assert kept.stripped == 1
    assert b"hunter2" not in kept.bytes()
    assert len(kept.packets) == len(capture.frames), "their headers are"


def test_a_connection_that_began_before_the_capture_keeps_headers() -> None:
    capture = Capture()
    capture.connect(1883).say("up", mqtt(CONNECT)).end("down")
    del capture.frames[0]
    assert (keep(capture.pcap()).stripped, b"hunter2" in keep(capture.pcap()).bytes()) == (1, False)


def test_other_peoples_connections_are_left_out() -> None:
    capture = Capture()
    capture.connect(443).tls(None).end("up")
    capture.connect(80).say("up", b"GET / HTTP/1.0\r\n\r\n").end("up")
    capture.datagram((DEVICE, 5000), (CLOCK, 53), b"who is")
    capture.connect(8883).tls(None).end("down")
    kept = keep(capture.pcap())
    assert {packet.target[1] for _, _, packet in kept.packets if packet.source[0] == DEVICE} == {8883}
    assert kept.left_out == len(capture.frames) - len(kept.packets)
    bench = Capture()
    bench.connect(35000).tls(None).end("up")
    bench.connect(80).say("up", b"GET / HTTP/1.0\r\n\r\n").end("up")
    targets = {packet.target[1] for _, _, packet in keep(bench.pcap()).packets if packet.source[0] == DEVICE}
    assert targets == {35000}, "a bench's ports are any"
    assert {c.server[1] for c in conversations(keep(capture.pcap(), port=443).packets)} == {443}
    assert keep(capture.pcap(), device="10.0.0.8").packets == []
    assert (kept.clients, kept.servers) == (1, 1), "those of other people do not count"
    capture.connect(1883).say("up", mqtt(CONNECT)).end("down")
    assert (keep(capture.pcap()).clients, keep(capture.pcap()).servers) == (1, 2)
    assert len(keep(capture.pcap(), device=DEVICE, port=8883).packets) == len(kept.packets)


def test_cut_off_behind_a_handshake() -> None:
    """In TLS 1.2, with all of MQTT encrypted: it was let in, and thrown out, again and again."""
    capture = Capture()
    for _ in range(3):
        connection = capture.connect().tls(authority().issue_device("dev-1"))
        connection.say("up", b"\x17\x03\x03\x00\x05abcde").say("down", b"\x17\x03\x03\x00\x05abcde").end("down")
    cut, refused = sightings(capture)
    assert (cut.what, cut.details) == ("cut-off", {"behind": "connect"})
    assert (
        cut.words
        == "the broker ended it within 3 s of connecting, 3 times, 3 times before it had said more than CONNECT"
    )
    assert (refused.what, refused.sure) == ("connect-refused", 0.4)


def test_cut_off_behind_more_than_connect() -> None:
    """What the device had said when the server said goodbye tells CONNECT's will from what comes behind it; the server
    says it by close_notify, and need not be the first to close."""
    data, goodbye = b"\x17\x03\x03\x00\x05abcde", b"\x15\x03\x03\x00\x05abcde"
    capture = Capture()
    for _ in range(3):
        connection = capture.connect().tls(authority().issue_device("dev-1")).say("up", data).say("down", data)
        connection.say("up", data).say("down", goodbye).say("up", goodbye).end("up")
    (only,) = sightings(capture)
    assert (only.what, only.details) == ("cut-off", {"behind": "more"})
    assert [hypothesis.options[1] for hypothesis in hypotheses.cut_off(only.details)[:2]] == [
        "foreign-subscribe",
        "foreign-publish",
    ]


def test_a_case_of_a_capture(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    capture = cut_off([CONNECT, SUBSCRIBE], [])
    Path("field.pcapng").write_bytes(pcapng(pcap.LINK_RAW, capture.frames))
    assert main(["case", "new", "cases/captured", "--from", "field.pcapng"]) == 0
    out = capsys.readouterr().out
    assert f"field.pcapng: {len(capture.frames)} packets kept, 0 left out; 3 password(s) overwritten" in out
    case = cases.load(Path("cases/captured"))
    assert case.file.evidence[0].file == "evidence/capture.pcap"
    assert case.conditions[0].kind == "broker-policy"
    assert case.signature is not None
    assert case.signature.cause == "subscribe-denied"
    kept = case.resolve("evidence/capture.pcap")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert b"hunter2secret" not in kept.read_bytes()
    Path("nothing.pcap").write_bytes(pcap.write(pcap.LINK_RAW, []))
    Path("bad.pcap").write_bytes(pcap.write(1, [])[:24] + b"\xff" * 16)
    assert main(["case", "new", "cases/no", "--from", "nothing.pcap"]) == 1
    assert main(["case", "new", "cases/no", "--from", "bad.pcap"]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("hil: nothing.pcap: has no connection that speaks TLS or MQTT")
    assert told[1].startswith("hil: bad.pcap: byte 24: a frame of 4294967295 bytes")
