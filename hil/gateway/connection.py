"""One board's connection, from accept to close: what is recorded, what is forwarded, and how it ends.

The rules, before the code:

- Frames go through as they came, byte for byte; a decoded copy goes onto the timeline. Only a policy changes that.
- What one read brought is recorded at once, and before any of it is passed on or answered.
- The first packet is a CONNECT [MQTT-3.1.0-1]; only then is the broker's side opened.
- No packet for 1.5 keep-alives: closed, and the broker's side without DISCONNECT [MQTT-3.1.2-24].
- However the board goes, the broker's side ends as the board's did: after a forwarded DISCONNECT there is no will,
  after anything else the broker publishes it.
- Each connection has exactly one `close` event. Who began to close is who closed.
- Either side that is slow stops the reading of the other, so nothing is held but what is on its way.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Literal

from hil.gateway.device import DeviceSide, Gone
from hil.gateway.faults import ArmedFault
from hil.gateway.gatekeeper import Gatekeeper, Ruling
from hil.gateway.observe import Aliases, Record
from hil.gateway.patience import Patience
from hil.gateway.roles import check_first, check_later
from hil.gateway.tls import Failure
from hil.gateway.upstream import Upstream
from hil.wire.mqtt import (
    Connack,
    Disconnect,
    Packet,
    ProtocolError,
    Publish,
    Splitter,
    Version,
    decode,
    encode,
)
from hil.wire.mqtt.codes import connack_code

if TYPE_CHECKING:
    from hil.gateway.gateway import Station

By = Literal["device", "broker", "gateway"]
How = Literal["disconnect", "fin", "reset", "keep-alive", "fault", "policy", "tls", "takeover", "shutdown", "malformed"]

_SESSION_TAKEN_OVER: Final = 0x8E
_KEEP_ALIVE_TIMEOUT: Final = 0x8D
_NOT_AUTHORIZED: Final = 0x87
_UNSUPPORTED_VERSION: Final = 0x84
_MOST_EARLY: Final = 1024 * 1024
"""Bytes that a board may send before its CONNACK; then it is not read until that has come."""


class Connection:
    """What happens between one board and the broker. Everything runs in the loop's thread."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._loop = asyncio.get_running_loop()
        self.board = station.board
        self.number = station.next_number()
        self.device = DeviceSide(self)
        self.upstream: Upstream | None = None
        self.held_by: ArmedFault | None = None
        self.client_id: str | None = None
        self.peer = ""
        self.accepted = self._loop.time()
        self.over = False
        self._record = Record(station.record, self.number)
        self._patience = Patience(self._silence)
        self._version = Version.V311
        self._gate: Gatekeeper | None = None
        self._from_device = Splitter(station.limits.max_packet)
        self._from_broker = Splitter()
        self._aliases = {"up": Aliases(), "down": Aliases()}
        self._waiting: list[bytes] = []  # for a broker's side that is still being opened
        self._opening = False
        self._accepted = False  # CONNACK 0 has come from the broker
        self._early: list[bytes] = []  # frames that came before it
        self._early_size = 0
        self._cutting = False  # the policy ends the connection, once what came before is on its way
        self._gone: Gone | None = None  # how the board left while frames of its own still wait for the CONNACK
        self._left_by: str | None = None  # who sent DISCONNECT
        self._cut_after_connack = False
        self._cutter: asyncio.TimerHandle | None = None

    # -- the board's side arrives ----------------------------------------------------------------------------------

    def device_arrived(self, side: DeviceSide, peer: str) -> None:
        self.peer = peer
        self._station.arrived(self)
        self._record.event("accept", peer=peer)
        if self._station.full():
            self.end("gateway", "reset", reason=f"{self._station.limits.connections} connections are open already")
            return
        refusal = self._station.admit(self)
        if refusal is None:
            side.session = self._station.session(self)
            self._patience.until(self._station.limits.handshake, self._handshake_is_late)
            return
        admission, self.held_by = refusal
        if admission != "no-answer":
            self.end("gateway", "fault", reset=admission == "reset")

    def device_hello(self, facts: dict[str, Any]) -> None:
        self._record.event("hello", **facts)

    def device_stalled(self, step: str | None) -> None:
        """A fault holds the handshake: for as long as the device waits, or until the fault is cleared."""
        self._record.event("tls-stalled", step=step)
        self._patience.end()

    def device_secured(self, facts: dict[str, Any] | None) -> None:
        if facts is not None:
            self._record.event("tls", **facts)
        self._patience.until(self._station.limits.connect, self._connect_is_late)

    def device_failed(self, failure: Failure, by: str) -> None:
        """The handshake failed, or a secured connection broke in the TLS layer."""
        self._record.event(
            "tls-failed",
            reason=failure.reason,
            alert=failure.alert,
            alert_from=failure.alert_from,
            verify_code=failure.verify_code,
            verify_message=failure.verify_message,
            sni=self.device.session.sni if self.device.session else None,
            step=failure.step,
        )
        self.end("device" if by == "device" else "gateway", "fault" if failure.played else "tls", reset=failure.reset)

    def device_closed(self, how: Gone) -> None:
        if self._early and self._opening and self._gone is None:
            self._gone = how  # it did not wait for the CONNACK; what it said is still to be passed on
            self._patience.until(self._station.limits.connect, lambda: self.device_closed(how))
        else:
            self.end("device", "disconnect" if self._left_by == "device" else how)

    def device_is_slow(self, slow: bool) -> None:
        if self.upstream is not None:
            if slow:
                self.upstream.pause()
            else:
                self.upstream.resume()

    def device_gone(self) -> None:
        self._station.left(self)

    # -- packets from the board ------------------------------------------------------------------------------------

    def from_device(self, data: bytes) -> None:
        error: ProtocolError | None = None
        try:
            frames = self._from_device.feed(data)
        except ProtocolError as caught:
            error = caught
            frames = caught.frames
        if frames:
            self._patience.heard()
        failure = self._pass_on(frames)
        if self.over:
            return
        if failure is None and error is not None and not self._early:
            failure = error
        if failure is not None:
            self._malformed(failure)

    def _pass_on(self, frames: list[bytes]) -> ProtocolError | None:
        """Record, judge and forward frames; returns what was wrong with the first bad one.

        What follows a CONNECT is not looked at before the broker has accepted it: a board may send without waiting,
        but what it sends is judged only once it is connected.
        """
        out: list[bytes] = []
        failure: ProtocolError | None = None
        for index, frame in enumerate(frames):
            if self._gate is not None and not self._accepted:
                self._keep_for_later(frames[index:])
                break
            try:
                forward = self._up(frame)
            except ProtocolError as caught:
                failure = caught
                break
            if forward is not None:
                out.append(forward)
            if self._cutting:
                break
        self._record.write()
        self._to_broker(out)
        if self._cutting:
            self._cut()
        return failure

    def _keep_for_later(self, frames: list[bytes]) -> None:
        self._early += frames
        self._early_size += sum(len(f) for f in frames)
        if self._early_size > _MOST_EARLY:
            self.device.pause()

    def _catch_up(self) -> None:
        """The broker has accepted the CONNECT: go through what the board sent meanwhile."""
        frames, self._early = self._early, []
        if self._early_size > _MOST_EARLY:
            self.device.resume()
        self._early_size = 0
        failure = self._pass_on(frames)
        if failure is not None and not self.over:
            self._malformed(failure)
        if self._gone is not None:
            self.device_closed(self._gone)

    def _up(self, frame: bytes) -> bytes | None:
        """Record and judge one frame; returns what the broker shall get."""
        if self._gate is None:
            return self._first(frame)
        packet = decode(frame, self._version)
        if isinstance(packet, Publish):
            if packet.properties:
                packet = self._aliases["up"].resolve(packet)
        else:
            check_later(packet)
            if isinstance(packet, Disconnect):
                self._left_by = "device"
        self._record.packet(packet, "up")
        if self._gate.idle:
            return frame
        return self._obey(self._gate.up(packet, frame))

    def _first(self, frame: bytes) -> bytes | None:
        packet = check_first(decode(frame, None))
        self._version = packet.version
        self.client_id = packet.client_id
        self._record.packet(packet, "up")
        self._set_keep_alive(packet.keep_alive)
        names = {"client_id": packet.client_id, "username": packet.username or "", "board": self.board}
        self._gate = Gatekeeper(self._station.policy(), packet.version, names)
        self._station.identified(self)
        return self._obey(self._gate.connect(packet, frame))

    def _obey(self, ruling: Ruling) -> bytes | None:
        for denial in ruling.denials:
            self._record.event("denied", what=denial.what, topic=denial.topic, rule=denial.rule, action=denial.action)
        if ruling.after_connack:
            self._cut_after_connack = True
        for answer in ruling.answers:
            self._answer(answer)
        self._cutting = self._cutting or ruling.cut
        return ruling.forward

    def _to_broker(self, frames: list[bytes]) -> None:
        if not frames or self.over:
            return
        if self.upstream is not None:
            self.upstream.write(frames[0] if len(frames) == 1 else b"".join(frames))
            return
        self._waiting += frames
        if not self._opening:
            self._opening = True
            self._station.open_upstream(self)

    def upstream_opened(self, upstream: Upstream) -> None:
        self.upstream = upstream
        upstream.write(b"".join(self._waiting))
        self._waiting.clear()
        if self.over:
            upstream.finish()

    def upstream_failed(self, reason: str) -> None:
        self._waiting.clear()
        self.end("broker", "reset", reason=reason)

    # -- packets from the broker -----------------------------------------------------------------------------------

    def from_broker(self, data: bytes) -> None:
        try:
            frames = self._from_broker.feed(data)
        except ProtocolError as error:
            self._record.event("malformed", reason=f"from the broker: {error.reason}")
            self.end("broker", "malformed")
            return
        if not frames:
            return
        was_accepted = self._accepted
        out = [self._down(frame) for frame in frames]
        self._record.write()
        self.device.send(out[0] if len(out) == 1 else b"".join(out))
        if self._accepted and not was_accepted:
            if self._cut_after_connack:
                self._cut_soon()
            if not self.over:
                self._catch_up()

    def _cut_soon(self) -> None:
        delay = self._gate.policy.disconnect_after if self._gate else 0.0
        if delay:
            self._cutter = self._loop.call_later(delay, self._cut)
        else:
            self._cut()

    def _down(self, frame: bytes) -> bytes:
        """Record one frame from the broker; returns what the board shall get. What cannot be read goes through."""
        try:
            packet = decode(frame, self._version, strict=False)
        except ProtocolError as error:
            self._record.event("malformed", reason=f"from the broker: {error.reason}")
            return frame
        if self._gate is not None and not self._gate.idle:
            packet, frame = self._gate.down(packet, frame)
        if isinstance(packet, Publish):
            if packet.properties:
                packet = self._aliases["down"].resolve(packet)
        elif isinstance(packet, Connack):
            self._accepted = packet.code == 0
            keep_alive = packet.properties.get("server_keep_alive")
            if isinstance(keep_alive, int):
                self._set_keep_alive(keep_alive)
        elif isinstance(packet, Disconnect):
            self._left_by = "takeover" if packet.code == _SESSION_TAKEN_OVER else "broker"
        self._record.packet(packet, "down")
        return frame

    def broker_closed(self, how: str) -> None:
        if self._left_by == "device":
            self.end("device", "disconnect")
        elif self._left_by == "takeover" or self._station.superseded(self):
            self.end("broker", "takeover")
        elif self._left_by == "broker":
            self.end("broker", "disconnect")
        else:
            self.end("broker", "reset" if how == "reset" else "fin")

    def broker_is_slow(self, slow: bool) -> None:
        self._patience.hold(slow)
        if slow:
            self.device.pause()
        else:
            self.device.resume()

    # -- the end ---------------------------------------------------------------------------------------------------

    def end(self, by: By, how: How, *, reset: bool = False, **more: Any) -> None:
        """Record `close`, once, and close both sides; the board's with RST if `reset`. Later calls do nothing."""
        if self.over:
            return
        self.over = True
        self._patience.end()
        if self._cutter is not None:
            self._cutter.cancel()
        self._record.event("close", by=by, how=how, seconds=round(self._loop.time() - self.accepted, 6), **more)
        self._station.ended(self)
        if self.upstream is not None:
            self.upstream.finish()
        if reset or how == "reset":
            self.device.reset()
        else:
            self.device.close()

    def _cut(self) -> None:
        """End the connection for the policy; an MQTT 5 client is told why, unless the policy keeps silent."""
        if self.over or self._gate is None:
            return
        if self._version is Version.V5 and self._accepted and self._gate.policy.reason_in_disconnect:
            self._answer(Disconnect(_NOT_AUTHORIZED))
        self.end("gateway", "policy")

    def _malformed(self, error: ProtocolError) -> None:
        self._record.event("malformed", reason=error.reason)
        if self._gate is None and error.code == _UNSUPPORTED_VERSION:
            code = connack_code(error.code, self._version)
            self._answer(Connack(False, code))  # [MQTT-3.1.2-2]
        elif self._gate is not None and self._version is Version.V5:
            self._answer(Disconnect(error.code))
        self.end("gateway", "malformed")

    def _silence(self) -> None:
        """The board has been silent for longer than its keep-alive allows."""
        if self._version is Version.V5:
            self._answer(Disconnect(_KEEP_ALIVE_TIMEOUT))
        self.end("gateway", "keep-alive")

    # -- inside ----------------------------------------------------------------------------------------------------

    def _set_keep_alive(self, seconds: int) -> None:
        self._patience.keep_alive(seconds * self._station.limits.keep_alive_grace)

    def _handshake_is_late(self) -> None:
        session = self.device.session
        if session is not None and not session.established and hasattr(session, "timed_out"):
            self.device_failed(session.timed_out(self._station.limits.handshake), "gateway")

    def _connect_is_late(self) -> None:
        if self._gate is None:
            self._malformed(ProtocolError(f"no CONNECT within {self._station.limits.connect:g} s", 0x82))

    def _answer(self, packet: Packet) -> None:
        """Send a packet of the gateway's own to the board."""
        self._record.packet(packet, "down")
        self._record.write()
        self.device.send(encode(packet, self._version))
