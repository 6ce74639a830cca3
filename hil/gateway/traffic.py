"""The packets of one connection, both ways: recorded, judged, played with by faults, and passed on.

The rules, before the code:

- Frames go through as they came, byte for byte; a decoded copy goes onto the timeline. Only a policy or an armed fault
  changes that; what is withheld from the board is not told as if it had been sent.
- What one read brought is recorded at once, and before any of it is passed on or answered.
- The first packet is a CONNECT [MQTT-3.1.0-1].
- Up: the record, the faults, the policy, the broker. Down: the policy, the faults, the record, the board.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from hil.gateway.early import Early
from hil.gateway.faults import Frame, Players
from hil.gateway.gatekeeper import Gatekeeper
from hil.gateway.observe import Aliases, Record
from hil.gateway.roles import check_first, check_later
from hil.gateway.ruling import Ruling
from hil.wire.mqtt import (
    Connack,
    Connect,
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
    from hil.gateway.connection import Connection

_SESSION_TAKEN_OVER: Final = 0x8E
_UNSUPPORTED_VERSION: Final = 0x84


class Traffic:
    """Everything runs in the loop's thread.

    `accepted_at`: the loop's time at which CONNACK 0 went to the board. `answered`: the broker has sent its CONNACK,
    whatever became of it. `left_by`: who sent DISCONNECT.
    """

    def __init__(self, connection: Connection, record: Record, max_packet: int) -> None:
        self._connection = connection
        self._record = record
        self.version = Version.V311
        self.players: Players | None = None  # faults at work here
        self.gate: Gatekeeper | None = None
        self.accepted_at: float | None = None
        self.answered = False
        self.left_by: str | None = None
        self.early = Early(connection.device)
        self._from_device = Splitter(max_packet)
        self._from_broker = Splitter()
        self._aliases = {"up": Aliases(), "down": Aliases()}
        self._busy = False  # going through frames: an end waits until those before it are on their way
        self._ending: Callable[[], None] | None = None
        self._cut_after_connack: float | None = None  # seconds from CONNACK to the policy's end
        self._cut_code: int | None = None  # what the policy's DISCONNECT says

    # -- packets from the board ------------------------------------------------------------------------------------

    def from_device(self, data: bytes) -> None:
        error: ProtocolError | None = None
        try:
            frames = self._from_device.feed(data)
        except ProtocolError as caught:
            error = caught
            frames = caught.frames
        if frames:
            self._connection.patience.heard()
        failure = self._pass_on(frames)
        self._connection.holds(self._from_device.held)
        if self._connection.over:
            return
        if failure is None and error is not None and not self.early.frames:
            failure = error
        if failure is not None:
            self.malformed(failure)

    def _pass_on(self, frames: list[bytes]) -> ProtocolError | None:
        """Record, judge and forward frames; returns what was wrong with the first bad one.

        What follows a CONNECT is not looked at before it has been accepted: a board may send without waiting, but
        what it sends is judged only once it is connected.
        """
        out: list[bytes] = []
        failure: ProtocolError | None = None
        self._busy = True
        for index, frame in enumerate(frames):
            if self.gate is not None and self.accepted_at is None:
                self.early.keep(frames[index:])
                break
            try:
                forward = self._up(frame)
            except ProtocolError as caught:
                failure = caught
                break
            if forward is not None:
                out.append(forward)
            if self._ending is not None:
                break
        self._busy = False
        self._record.write()
        self._connection.to_broker(out)
        if self._ending is not None:
            self._ending()
        return failure

    def _catch_up(self) -> None:
        """The board has been accepted: go through what it sent meanwhile."""
        failure = self._pass_on(self.early.take())
        if failure is not None and not self._connection.over:
            self.malformed(failure)

    def _up(self, frame: bytes) -> bytes | None:
        """Record and judge one frame; returns what the broker shall get."""
        if self.gate is None:
            return self._first(frame)
        packet = decode(frame, self.version)
        if isinstance(packet, Publish):
            if packet.properties:
                packet = self._aliases["up"].resolve(packet)
        else:
            check_later(packet)
            if isinstance(packet, Disconnect):
                self.left_by = "device"
        self._record.packet(packet, "up")
        if self.players is not None:
            return self._play(packet, frame, self.players, self.gate)
        if self.gate.idle:
            return frame
        return self._obey(self.gate.up(packet, frame))

    def _first(self, frame: bytes) -> bytes | None:
        packet = check_first(decode(frame, None))
        self.version = packet.version
        self._record.packet(packet, "up")
        self.gate = self._connection.identified(packet)
        if self.players is not None:
            return self._play(packet, frame, self.players, self.gate)
        return self._obey(self.gate.connect(packet, frame))

    def _play(self, packet: Packet, frame: bytes, players: Players, gate: Gatekeeper) -> bytes | None:
        """What faults and then the policy leave of a packet for the broker."""
        self._record.write()
        forward: list[bytes | None] = []
        for one, raw in players.up(Frame(packet, frame)):
            if isinstance(one, Connect):
                forward.append(self._obey(gate.connect(one, raw)))
            elif one is None or gate.idle:
                forward.append(raw)
            else:
                forward.append(self._obey(gate.up(one, raw)))
        return b"".join(part for part in forward if part is not None) or None

    def _obey(self, ruling: Ruling) -> bytes | None:
        for denial in ruling.denials:
            self._record.event("denied", **asdict(denial))
        for lowering in ruling.lowerings:
            self._record.event("lowered", **asdict(lowering))
        if ruling.keep_alive is not None:
            self._connection.set_keep_alive(ruling.keep_alive)
        if ruling.cut or ruling.after_connack:
            self._cut_code = ruling.code
        if ruling.after_connack:
            self._cut_after_connack = ruling.delay
        for answer in ruling.answers:
            self.answer(answer)
        if ruling.fresh is not None:
            self._connection.forget_session(ruling.fresh)
        if ruling.cut and self._ending is None:
            self._ending = self._cut
        return ruling.forward

    # -- packets from the broker -----------------------------------------------------------------------------------

    def from_broker(self, data: bytes) -> None:
        try:
            frames = self._from_broker.feed(data)
        except ProtocolError as error:
            self._record.event("malformed", reason=f"from the broker: {error.reason}")
            self._connection.end("broker", "malformed")
            return
        if not frames:
            return
        before = self.accepted_at
        self._busy = True
        out = [self._down(frame) for frame in frames]
        self._busy = False
        self._record.write()
        self._connection.device.send(out[0] if len(out) == 1 else b"".join(out))
        if self._ending is not None:
            self._ending()
        if before is None:
            self._connection.broker_answered()
            self._look_whether_accepted()

    def _down(self, frame: bytes) -> bytes:
        """Record one frame from the broker; returns what the board shall get. What cannot be read goes through."""
        packet: Packet | None = None
        try:
            packet = decode(frame, self.version, strict=False)
        except ProtocolError as error:
            self._record.event("malformed", reason=f"from the broker: {error.reason}")
        if packet is not None and self.gate is not None and not self.gate.idle:
            packet, frame = self.gate.down(packet, frame)
        if self.players is not None:
            self.answered = self.answered or isinstance(packet, Connack)
            return self._told(self.players.down(Frame(packet, frame)))
        if packet is not None:
            self._tell(packet)
        return frame

    def _tell(self, packet: Packet) -> None:
        """A packet goes to the board: what that means, and onto the timeline with it."""
        if isinstance(packet, Publish):
            if packet.properties:
                packet = self._aliases["down"].resolve(packet)
        elif isinstance(packet, Connack):
            self.answered = True
            if packet.code == 0 and self.accepted_at is None:
                self.accepted_at = self._connection.now()
            keep_alive = packet.properties.get("server_keep_alive")
            if isinstance(keep_alive, int):
                self._connection.set_keep_alive(keep_alive)
        elif isinstance(packet, Disconnect):
            self.left_by = "takeover" if packet.code == _SESSION_TAKEN_OVER else "broker"
        self._record.packet(packet, "down")

    def _told(self, frames: Sequence[Frame]) -> bytes:
        for packet, _ in frames:
            if packet is not None:
                self._tell(packet)
        return b"".join(raw for _, raw in frames)

    def _look_whether_accepted(self) -> None:
        """Packets have gone to a board that had not been accepted before them."""
        if self.accepted_at is None or self._connection.over:
            return
        if self.players is not None:
            self.players.accepted()
        if self._cut_after_connack is not None and not self._connection.over:
            self._connection.soon(self._cut_after_connack, self._cut)
        if not self._connection.over:
            self._catch_up()
            self._connection.caught_up()

    # -- packets of the gateway's own ------------------------------------------------------------------------------

    def answer(self, packet: Packet) -> None:
        """Send a packet of the gateway's own to the board; faults rule on it as if it came from the broker."""
        frame = Frame(packet, encode(packet, self.version, strict=False))  # brokers have codes of their own
        self.deliver([frame] if self.players is None else self.players.down(frame))

    def deliver(self, frames: Sequence[Frame]) -> None:
        """Send frames to the board that no fault has to rule on any more."""
        before = self.accepted_at
        data = self._told(frames)
        self._record.write()
        self._connection.device.send(data)
        if before is None and not self._busy:
            self._look_whether_accepted()

    def malformed(self, error: ProtocolError) -> None:
        """The board sent what MQTT does not allow: that is told, answered as far as may be, and the end."""
        self._record.event("malformed", reason=error.reason)
        if self.gate is None and error.code == _UNSUPPORTED_VERSION:
            self.answer(Connack(False, connack_code(error.code, self.version)))  # [MQTT-3.1.2-2]
        elif self.gate is not None and self.version is Version.V5:
            self.answer(Disconnect(error.code))
        self._connection.end("gateway", "malformed")

    def end_after(self, ending: Callable[[], None]) -> None:
        """Call `ending` now, or once the frames that are being gone through are on their way."""
        if not self._busy:
            ending()
        elif self._ending is None:
            self._ending = ending

    def _cut(self) -> None:
        """End the connection for the policy; an MQTT 5 client is told why, unless the policy keeps silent."""
        if self._connection.over:
            return
        if self.version is Version.V5 and self.accepted_at is not None and self._cut_code is not None:
            self.answer(Disconnect(self._cut_code))
        self._connection.end("gateway", "policy")
