"""What a capture of the device's connections shows: how each began, what was said in clear, who ended it.

With TLS 1.2 the handshake is in clear: alerts, and the certificates of both sides. With TLS 1.3 only the two hellos
are, and a refusal looks like any other end. What is not encrypted is read as MQTT.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Final

from hil.cases.capture import Kept, is_about_time
from hil.cases.proposing.chains import flaw_of
from hil.cases.proposing.sighting import Sighting
from hil.diagnose.words import listed, span, times
from hil.gateway.tls.alerts import alert_name
from hil.gateway.tls.hello import HelloRetry, parse_client_hello, parse_server_hello
from hil.wire import tls_records
from hil.wire.ip import Packet
from hil.wire.mqtt import (
    Connack,
    Connect,
    Decoder,
    Disconnect,
    Pingreq,
    Pingresp,
    ProtocolError,
    Publish,
    Suback,
    Subscribe,
)
from hil.wire.mqtt import Packet as Message
from hil.wire.tcp_stream import Conversation, Side, conversations
from hil.wire.tls_records import Records

_SOON: Final = 3.0  # seconds after CONNACK within which an end is one straight after connecting
_AGAIN: Final = 2
_MODE_CLIENT, _MODE_SERVER = 3, 4  # RFC 5905, figure 10
_LONG: Final = 30.0  # seconds of capture behind a failure in which good firmware has tried again
_REFUSALS_OF_CLIENT: Final = {42, 43, 44, 45, 46, 48, 49, 51}
"""Alerts by which a certificate is refused (RFC 8446, section 6.2), decrypt_error among them."""
_OF_DATES: Final = {42, 45, 46}
"""By which a device breaks off when the server's certificate is of the future, or of the past, to its clock: OpenSSL
says bad_certificate (42) of one that is not valid yet, mbedTLS certificate_unknown (46); certificate_expired is 45."""
_HANDSHAKE_FAILURE, _PROTOCOL_VERSION, _CERTIFICATE_REQUIRED, _EXPIRED = 40, 70, 116, 45


def look(name: str, kept: Kept) -> tuple[list[Sighting], dict[str, str]]:
    """What the capture `name` shows, and what it tells of the device and the network, in words by field."""
    found = conversations(kept.packets)
    readers = [_Reader(name, conversation) for conversation in found]
    seen = [sighting for reader in readers for sighting in reader.look()]
    seen += _cut_off(readers)
    seen += _retry(name, found, kept.packets[-1][1] if kept.packets else 0.0)
    seen += _time(name, kept.packets, [sighting for sighting in seen if sighting.what == "server-not-trusted"])
    return seen, _told(found, readers)


class _Reader:
    """One connection."""

    def __init__(self, name: str, conversation: Conversation) -> None:
        self._name = name
        self.conversation = conversation
        self.connect: Connect | None = None
        self.cut: str | None = None  # behind what it was cut off straight after connecting
        self.behind: str | None = None  # 'connect' or 'more': what it had said by then, where TLS hides what that was
        self.sni: str | None = None

    def look(self) -> Iterator[Sighting]:
        """What it shows."""
        c = self.conversation
        if not c.answered and c.syns:
            if c.how == "reset" and c.ended == "server":
                yield self._at("network-refused", 0.9, "the server's port is closed", c.end[0])
            elif c.ended is None:
                words = f"nobody answered its SYN, sent {times(len(c.syns))}"
                yield self._at("no-answer", 0.8 if len(c.syns) > 1 else 0.4, words, *c.syns)
            return
        up = bytes(c.up.data)
        if tls_records.looks_like(up):
            yield from self._tls(tls_records.read(up), tls_records.read(bytes(c.down.data)))
        elif up:
            yield from self._mqtt(up, bytes(c.down.data))
        elif c.ended == "server" and c.syns and c.up.whole and not c.down.data:
            yield self._at("network-refused", 0.7, "it was accepted, and ended before a word was said", c.end[0])

    def _at(self, what: str, sure: float, words: str, *numbers: int, **details: Any) -> Sighting:
        where = tuple(f"{self._name}:{number}" for number in numbers)
        return Sighting(what=what, sure=sure, words=words, where=where, details=details)

    # -- TLS -------------------------------------------------------------------------------------------------------

    def _tls(self, up: Records, down: Records) -> Iterator[Sighting]:
        c = self.conversation
        self._hello(up)
        certificates = _certificates(up)
        yield from self._alerts(up, down, certificates)
        at = c.up.when(next((at for message, at in up.messages if message[0] == tls_records.CERTIFICATE), 0))[0]
        if certificates is not None and not down.alerts:
            yield from self._chain(certificates, at, c.began)
        if up.alerts or down.alerts or c.ended is None:
            return
        if not down.messages and not down.sealed:
            if c.ended == "server":
                yield self._at("handshake-cut", 0.7, "the server ended it behind the ClientHello", c.end[0])
            else:
                yield self._at("handshake-silent", 0.8, "the server never answered the ClientHello", c.end[0])
        elif _version(down) == "TLSv1.3" and len(up.sealed) <= 3 and len(down.sealed) <= 6 and c.ended == "server":
            words = "in TLS 1.3 the server ended it straight behind the handshake; why is encrypted"
            yield self._at("client-certificate-refused", 0.4, words, c.end[0])
        elif self._was_let_in(up, down) and self._server_ended(up, down) and c.last - c.began <= _SOON:
            self.cut = "cut-off"  # behind the handshake something was said both ways; what, is encrypted
            self.behind = _behind(c, up, down)

    @staticmethod
    def _was_let_in(up: Records, down: Records) -> bool:
        """Whether something was said both ways behind the handshake: CONNECT and CONNACK, whatever that says."""
        if _version(down) == "TLSv1.3":
            return len(up.sealed) >= 2 and len(down.sealed) >= 2
        return bool(up.data and down.data)

    def _server_ended(self, up: Records, down: Records) -> bool:
        """Whether the server wanted the end first: who sends close_notify does, whoever sends the first FIN."""
        c = self.conversation
        ends = [("client", c.up.when(at)[0]) for at in up.alerts_sealed[:1]]
        ends += [("server", c.down.when(at)[0]) for at in down.alerts_sealed[:1]]
        return min(ends, key=lambda end: end[1])[0] == "server" if ends else c.ended == "server"

    def _hello(self, up: Records) -> None:
        for message, _ in up.messages:
            if message[0] == tls_records.CLIENT_HELLO:
                try:
                    self.sni = parse_client_hello(message).sni
                except ValueError:
                    continue

    def _alerts(self, up: Records, down: Records, certificates: list[bytes] | None) -> Iterator[Sighting]:
        c = self.conversation
        for alert in up.alerts[:1]:
            words = f"the device ends the handshake: {alert_name(alert.description)}"
            if alert.description in _REFUSALS_OF_CLIENT:
                cure = _server_cure(down, c.began)
                dated = {"dated": True} if not cure and alert.description in _OF_DATES else {}
                yield self._at("server-not-trusted", 0.85, words, c.up.when(alert.at)[0], **cure, **dated)
        for alert in down.alerts[:1]:
            number = c.down.when(alert.at)[0]
            words = f"the server ends the handshake: {alert_name(alert.description)}"
            if alert.description == _PROTOCOL_VERSION:
                yield self._at("no-common-tls-version", 0.9, words, number)
            elif certificates == [] or alert.description == _CERTIFICATE_REQUIRED:
                yield self._at("no-client-certificate", 0.95, f"{words}; it sent no certificate", number)
            elif alert.description in _REFUSALS_OF_CLIENT:
                yield self._refused(certificates, words, number)
            elif alert.description == _HANDSHAKE_FAILURE and not down.messages:
                yield self._at("weak-ciphers", 0.7, f"{words}, straight behind the ClientHello", number)
            elif alert.description == _HANDSHAKE_FAILURE:
                yield self._at("client-certificate-refused", 0.5, words, number)

    def _refused(self, certificates: list[bytes] | None, words: str, number: int) -> Sighting:
        flaw = flaw_of(certificates or [], self.conversation.began)
        if flaw == "no-intermediate":
            return self._at("client-chain-incomplete", 0.85, f"{words}; its chain is one certificate", number)
        if flaw is not None:
            words = f"{words}; the chain that it sent: {flaw}"
            return self._at("client-certificate-refused", 0.9, words, number, flaw=flaw)
        return self._at("client-certificate-refused", 0.8, words, number)

    def _chain(self, certificates: list[bytes], number: int, when: float) -> Iterator[Sighting]:
        """No alert came, but the handshake may have been cut for what the device sent."""
        if self.conversation.ended != "server":
            return
        if not certificates:
            yield self._at("no-client-certificate", 0.7, "it sent an empty certificate message", number)
        elif (flaw := flaw_of(certificates, when)) is not None:
            words = f"the chain that it sent: {flaw}"
            yield self._at("client-certificate-refused", 0.6, words, number, flaw=flaw)

    # -- MQTT in clear ---------------------------------------------------------------------------------------------

    def _mqtt(self, up: bytes, down: bytes) -> Iterator[Sighting]:
        c = self.conversation
        decoder = Decoder()
        sent, malformed = _packets(decoder, c.up, up)
        if malformed is not None:
            number = c.up.when(malformed[0])[0]
            if not sent:
                yield self._at("plain-fallback", 0.5, "what it sent is neither TLS nor MQTT", number)
                return
            yield self._at("malformed-packet", 0.8, f"it sent what is no MQTT: {malformed[1]}", number)
        self.connect = next((message for message, _, _ in sent if isinstance(message, Connect)), None)
        got, _ = _packets(Decoder(decoder.version, sender="either"), c.down, down)
        connack = next(((m, number, at) for m, number, at in got if isinstance(m, Connack)), None)
        if self.connect is None:
            return
        if connack is None:
            if tls_records.looks_like(down):
                yield self._at("plain-fallback", 0.9, "it speaks MQTT in clear, and the server TLS", c.down.when(0)[0])
            elif c.ended is not None:
                yield self._at("connack-missing", 0.7, "no CONNACK came to its CONNECT", c.end[0])
        elif connack[0].code:
            code = connack[0].code
            yield self._at(
                "connect-refused", 0.95, f"CONNACK {code}", connack[1], code=code if code <= 5 or code >= 0x80 else 5
            )
        else:
            yield from self._after(sent, got, connack[2])

    def _after(self, sent: _Messages, got: _Messages, accepted: float) -> Iterator[Sighting]:
        """What became of a connection that the broker had accepted."""
        c = self.conversation
        number, ended = c.end
        if any(isinstance(m, Disconnect) for m, _, _ in sent):
            return
        if c.ended == "client":
            yield self._at("connection-lost", 0.5, f"it ended the connection without DISCONNECT, by {c.how}", number)
        pings = sum(isinstance(m, Pingreq) for m, _, _ in sent) - sum(isinstance(m, Pingresp) for m, _, _ in got)
        if pings > 0 and c.ended == "client":
            yield self._at("network-silent", 0.6, "its last ping had no answer", sent[-1][1])
        if c.ended != "server":
            return
        keep_alive = self.connect.keep_alive if self.connect is not None else 0
        quiet = ended - sent[-1][2]
        if keep_alive and quiet >= keep_alive:
            words = f"the broker ended it after {span(quiet)} of silence; its keep-alive is {keep_alive} s"
            yield self._at("keep-alive-missed", 0.8, words, number)
        elif ended - accepted <= _SOON:
            self.cut = _cut_behind(sent, got, self.connect)


_Messages = list[tuple[Message, int, float]]
"""Packets of MQTT, with the number and the time of what brought their last byte."""


def _packets(decoder: Decoder, side: Side, data: bytes) -> tuple[_Messages, tuple[int, str] | None]:
    """The packets of one side; and where a bad one begins, and what is wrong with it."""
    bad: str | None = None
    try:
        packets = decoder.feed(data)
    except ProtocolError as error:
        packets, bad = error.packets, error.reason
    found, at = _Messages(), 0
    for packet, raw in packets:
        at += len(raw)
        found.append((packet, *side.when(at - 1)))
    return found, None if bad is None else (at, bad)


def _behind(conversation: Conversation, up: Records, down: Records) -> str | None:
    """What the device had said in TLS 1.2 when the server ended it: 'connect' alone, or 'more'; None: who knows."""
    if not down.alerts_sealed and conversation.how == "reset":
        return None
    end = conversation.down.when(down.alerts_sealed[0])[0] if down.alerts_sealed else conversation.end[0]
    said = [at for at in up.data if conversation.up.when(at)[0] < end]
    return None if _version(down) == "TLSv1.3" else "connect" if len(said) == 1 else "more"


def _cut_behind(sent: _Messages, got: _Messages, connect: Connect | None) -> str:
    """The cause that fits best what it had said last when it was cut off."""
    last = next((m for m, _, _ in reversed(sent) if isinstance(m, Subscribe | Publish)), None)
    answered = any(isinstance(m, Suback) for m, _, _ in got)
    if isinstance(last, Subscribe) and not answered:
        return "subscribe-denied"
    if isinstance(last, Publish):
        return "publish-denied"
    return "will-topic-denied" if connect is not None and connect.will is not None else "cut-off"


# -- all connections together --------------------------------------------------------------------------------------


def _cut_off(readers: Sequence[_Reader]) -> Iterator[Sighting]:
    cut = [reader for reader in readers if reader.cut is not None]
    if len(cut) < _AGAIN:
        return
    name, whats = cut[0]._name, [str(reader.cut) for reader in cut]
    where = tuple(f"{name}:{reader.conversation.end[0]}" for reader in cut)
    words = f"the broker ended it within {_SOON:g} s of connecting, {times(len(cut))}"
    if len(set(whats)) == 1 and whats[0] != "cut-off":
        yield Sighting(what=whats[0], sure=0.7, words=f"{words}, each time behind the same packet", where=where)
    behind = [reader.behind for reader in cut if reader.behind is not None]
    details = {"behind": "connect" if "connect" in behind else "more"} if behind else {}
    if early := behind.count("connect"):
        words += f", {times(early)} before it had said more than CONNECT"
        refused = "the CONNACK is encrypted, and may have refused it"
        yield Sighting(what="connect-refused", sure=0.4, words=refused, where=where)
    elif behind:
        words += ", each time behind more than CONNECT"
    yield Sighting(what="cut-off", sure=0.65, words=words, where=where, details=details)


def _retry(name: str, found: Sequence[Conversation], end: float) -> Iterator[Sighting]:
    ended = [conversation for conversation in found if conversation.ended is not None]
    if len(found) != 1 or not ended:
        return
    only, silence = ended[0], end - ended[0].end[1]
    where = (f"{name}:{only.end[0]}",)
    if silence >= _LONG:
        words = f"one connection, and none for {span(silence)} behind it"
        yield Sighting(what="no-retry", sure=0.65, words=words, where=where)
    elif only.ended == "server" and only.up.whole and not only.down.data:
        words = "one connection, which failed, and none behind it; for how long nothing came is not in the capture"
        yield Sighting(what="no-retry", sure=0.5, words=words, where=where)


def _time(name: str, packets: Sequence[tuple[int, float, Packet]], bad: Sequence[Sighting]) -> Iterator[Sighting]:
    """`bad`: where the device refuses the server's certificate."""
    clock = [(number, packet.payload[0] & 0x07) for number, _, packet in packets if is_about_time(packet)]
    asked = [number for number, mode in clock if mode == _MODE_CLIENT]
    answered = [number for number, mode in clock if mode == _MODE_SERVER]
    if asked and not answered:
        words = f"it asked for the time {times(len(asked))}, and had no answer"
        yield Sighting(what="time-unanswered", sure=0.8, words=words, where=tuple(f"{name}:{n}" for n in asked[:5]))
    elif not asked and bad:
        dated = any(sighting.details.get("dated") for sighting in bad)
        words = "it refuses the server, and never asked for the time in this capture, if that would show it (port 123)"
        yield Sighting(what="time-never-asked", sure=0.6 if dated else 0.4, words=words, where=())


def _told(found: Sequence[Conversation], readers: Sequence[_Reader]) -> dict[str, str]:
    told: dict[str, str] = {}
    connect = next((reader.connect for reader in readers if reader.connect is not None), None)
    if connect is not None:
        will = f", will on {connect.will.topic}" if connect.will is not None else ""
        session = "clean session" if connect.clean else "kept session"
        told["device"] = (
            f"client {connect.client_id}: MQTT {connect.version}, {session}, keep-alive {connect.keep_alive} s{will}"
        )
    gaps = [after.began - before.end[1] for before, after in itertools.pairwise(found) if before.ended is not None]
    if found:
        again = f", again after {listed([span(gap) for gap in gaps if gap >= 0])}" if gaps else ""
        told["network"] = f"{len(found)} connection(s){again}"
    names = list(dict.fromkeys(reader.sni for reader in readers if reader.sni))
    return told | ({"broker": f"asked for as {listed(names)}"} if names else {})


# -- certificates --------------------------------------------------------------------------------------------------


def _certificates(records: Records) -> list[bytes] | None:
    """The chain that a side sent in clear, or None if it sent no such message."""
    messages = [message for message, _ in records.messages if message[0] == tls_records.CERTIFICATE]
    return tls_records.certificates(messages[0]) if messages else None


def _version(records: Records) -> str | None:
    for message, _ in records.messages:
        if message[0] == tls_records.SERVER_HELLO:
            try:
                return parse_server_hello(message).version
            except HelloRetry:
                continue
            except ValueError:
                return None
    return None


def _server_cure(down: Records, when: float) -> dict[str, Any]:
    """A condition for what is wrong with the server's chain, where it is to be seen."""
    flaw = flaw_of(_certificates(down) or [], when)
    return {"cure": {"name": "server-certificate", "kind": "server-certificate", "flaw": flaw}} if flaw else {}
