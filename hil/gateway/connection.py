"""One board's connection, from accept to close: what it stands on, and how it ends. Its packets: traffic.py.

The rules, before the code:

- Only after a CONNECT is the broker's side opened.
- No packet for 1.5 keep-alives: closed, and the broker's side without DISCONNECT [MQTT-3.1.2-24].
- However the board goes, the broker's side ends as the board's did: after a forwarded DISCONNECT there is no will,
  after anything else the broker publishes it.
- Each connection has exactly one `close` event. Who began to close is who closed.
- Either side that is slow stops the reading of the other, so nothing is held but what is on its way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, Literal

from hil.gateway.admission import judge_server_name
from hil.gateway.client import Client, certificate_names
from hil.gateway.device import DeviceSide, Gone
from hil.gateway.faults import ArmedFault, Frame, Players
from hil.gateway.faults.player import Ending
from hil.gateway.forgetting import Forgetting
from hil.gateway.gatekeeper import Gatekeeper
from hil.gateway.line import Stage
from hil.gateway.observe import Record
from hil.gateway.patience import Patience
from hil.gateway.tls import Failure
from hil.gateway.traffic import Traffic
from hil.gateway.upstream import Upstream
from hil.wire.mqtt import Connect, Disconnect, Packet, ProtocolError, Version

if TYPE_CHECKING:
    from hil.gateway.gateway import Station

By = Literal["device", "broker", "gateway"]
How = Literal["disconnect", "fin", "reset", "keep-alive", "fault", "policy", "tls", "takeover", "shutdown", "malformed"]

_KEEP_ALIVE_TIMEOUT: Final = 0x8D


class Connection:
    """What happens between one board and the broker. Everything runs in the loop's thread."""

    def __init__(self, station: Station, address: str) -> None:
        self._station = station
        self.address = address  # the peer's, without its port
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self.board = station.board
        self.number = station.next_number()
        self.device: DeviceSide = DeviceSide(self)
        self.upstream: Upstream | None = None
        self.client_id: str | None = None
        self.peer = ""
        self.accepted = self._loop.time()
        self.over = False
        self.patience = Patience(self._silence)
        self._record = Record(station.record, self.number)
        self.traffic = Traffic(self, self._record, station.limits.max_packet)
        self.from_device = self.traffic.from_device
        self.from_broker = self.traffic.from_broker
        self._waiting: list[bytes] = []  # for a broker's side that is still being opened
        self._opening = False
        self._forgetting: Connect | None = None  # the broker has to forget this client's session first
        self._held = 0  # bytes of a packet that is not whole yet
        self._gone: Gone | None = None  # how the board left while frames of its own still wait for the CONNACK
        self._cutter: asyncio.TimerHandle | None = None

    # -- the board's side arrives ----------------------------------------------------------------------------------

    def device_arrived(self, side: DeviceSide, peer: str) -> None:
        self.peer = peer
        self._station.arrived(self)
        self._record.event("accept", peer=peer)
        refusal = self._station.admit(self)
        if refusal is None:
            side.session = self._station.session(self)
            self.patience.until(self._station.limits.handshake, self._handshake_is_late)
            self._station.play(self)
            return
        admission, handle = refusal
        if admission == "no-answer":
            handle.held.add(self)
        else:
            self.end("gateway", "fault", reset=admission == "reset", fault=handle.fault.name)

    def device_hello(self, facts: dict[str, Any]) -> None:
        self._record.event("hello", **facts)

    def device_stalled(self, step: str | None) -> None:
        """A fault holds the handshake: for as long as the device waits, or until the fault is cleared."""
        self._record.event("tls-stalled", step=step)
        self.patience.end()

    def device_secured(self, facts: dict[str, Any] | None) -> None:
        if facts is not None:
            self._record.event("tls", **facts)
            denial = judge_server_name(self._station.policy(), facts["sni"])
            if denial is not None:
                self._record.event("denied", **asdict(denial))
                self.end("gateway", "policy")
                return
        self.patience.until(self._station.limits.connect, self._connect_is_late)

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
        if self.traffic.early.frames and self._opening and not self.traffic.answered and self._gone is None:
            self._gone = how  # it did not wait for the CONNACK; what it said is still to be passed on
            self.patience.until(self._station.limits.connect, lambda: self.device_closed(how))
        else:
            self.end("device", "disconnect" if self.traffic.left_by == "device" else how)

    def device_is_slow(self, slow: bool) -> None:
        if self.upstream is not None:
            if slow:
                self.upstream.pause()
            else:
                self.upstream.resume()

    def device_gone(self) -> None:
        if self.traffic.players is not None:
            self.traffic.players.gone()
        self._station.left(self)

    # -- the broker's side -----------------------------------------------------------------------------------------

    def identified(self, packet: Connect) -> Gatekeeper:
        """A CONNECT came, and is on the timeline; returns who judges what the board does."""
        self.client_id = packet.client_id
        self.set_keep_alive(packet.keep_alive)
        self._station.identified(self)
        policy, username = self._station.policy(), packet.username or ""
        certificate = certificate_names(self.device.session.certificate if self.device.session else None)
        name = policy.authentication.name(packet.client_id, username, certificate)
        client = Client(packet.client_id, username, self.board, name)
        return Gatekeeper(policy, packet.version, client, self._station.register, self.number)

    def forget_session(self, packet: Connect) -> None:
        """Have the broker forget the session of the client of `packet` before it gets anything else."""
        self._forgetting = packet

    def to_broker(self, frames: list[bytes]) -> None:
        """Pass frames on; the first of them opens the broker's side."""
        if not frames or self.over:
            return
        if self.upstream is not None:
            self.upstream.write(frames[0] if len(frames) == 1 else b"".join(frames))
            return
        self._waiting += frames
        if not self._opening:
            self._opening = True
            if self._forgetting is not None:
                self._station.open_upstream(Forgetting(self, self._forgetting, self._open_upstream))
            else:
                self._open_upstream()

    def _open_upstream(self) -> None:
        if not self.over:
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

    def broker_answered(self) -> None:
        """What came from the broker has been dealt with; the CONNACK may be kept back by a fault all the same."""
        if self._gone is not None and self.traffic.answered and self.traffic.accepted_at is None and not self.over:
            self.device_closed(self._gone)

    def caught_up(self) -> None:
        """What the board sent before it was accepted has been passed on."""
        if self._gone is not None:
            self.device_closed(self._gone)

    def broker_closed(self, how: str) -> None:
        if self.traffic.left_by == "device":
            self.end("device", "disconnect")
        elif self.traffic.left_by == "takeover" or self._station.superseded(self):
            self.end("broker", "takeover")
        elif self.patience.exhausted:  # a broker counts the same keep-alive: on a busy host it may be the first to look
            self._silence()
        elif self.traffic.left_by == "broker":
            self.end("broker", "disconnect")
        else:
            self.end("broker", "reset" if how == "reset" else "fin")

    def broker_is_slow(self, slow: bool) -> None:
        self.patience.hold(slow)
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
        self.patience.end()
        if self.traffic.players is not None:
            self.traffic.players.ended()
        if self._cutter is not None:
            self._cutter.cancel()
        self._record.event("close", by=by, how=how, seconds=round(self._loop.time() - self.accepted, 6), **more)
        self._station.ended(self)
        self.holds(0)
        if self.traffic.gate is not None:
            self.traffic.gate.ended()
        if self.upstream is not None:
            self.upstream.finish()
        if reset or how == "reset":
            self.device.reset()
        else:
            self.device.close()

    @property
    def secured(self) -> bool:
        """Whether the TLS handshake is done, if there has to be one."""
        return self.device.secured

    def holds(self, size: int) -> None:
        """So many bytes of a packet wait for the rest of it. Ends the connection if that is too much altogether."""
        size = 0 if self.over else size
        change, self._held = size - self._held, size
        if change and not self._station.hold(change):
            most = self._station.limits.unfinished
            self.end("gateway", "reset", reason=f"unfinished packets of all boards take more than {most} bytes")

    def soon(self, seconds: float, call: Callable[[], None]) -> None:
        """Call `call` in so many seconds, unless the connection has ended by then; 0: now."""
        if seconds:
            self._cutter = self._loop.call_later(seconds, call)
        else:
            call()

    def set_keep_alive(self, seconds: int) -> None:
        """The keep-alive that the board has announced, or that the broker has set."""
        self.patience.keep_alive(seconds * self._station.limits.keep_alive_grace)

    def _silence(self) -> None:
        """The board has been silent for longer than its keep-alive allows."""
        if self.traffic.version is Version.V5 and self.traffic.left_by != "broker":
            self.traffic.answer(Disconnect(_KEEP_ALIVE_TIMEOUT))
        self.end("gateway", "keep-alive")

    def _handshake_is_late(self) -> None:
        session = self.device.session
        if session is not None and not session.established and hasattr(session, "timed_out"):
            self.device_failed(session.timed_out(self._station.limits.handshake), "gateway")

    def _connect_is_late(self) -> None:
        if self.traffic.gate is None:
            self.traffic.malformed(ProtocolError(f"no CONNECT within {self._station.limits.connect:g} s", 0x82))

    # -- for faults ------------------------------------------------------------------------------------------------

    def join(self, handle: ArmedFault) -> None:
        """Let an armed fault play here; from now on if its schedule has started."""
        players = self.traffic.players or Players(self)
        link = players.join(handle)
        if link is not None:
            self.traffic.players = players
            if handle.started is not None:
                link.begin()

    @property
    def version(self) -> Version:
        return self.traffic.version

    @property
    def accepted_at(self) -> float | None:
        return self.traffic.accepted_at

    def deliver(self, frames: Sequence[Frame]) -> None:
        self.traffic.deliver(frames)

    def end_by_fault(self, name: str, how: Ending, last: Packet | None) -> None:
        """End the connection, now or once the frames that are being gone through are on their way."""

        def ending() -> None:
            if not self.over and last is not None:
                self.traffic.answer(last)
            self.end("gateway", "fault", reset=how == "reset", fault=name)

        self.traffic.end_after(ending)

    def let_go(self) -> None:
        """The fault that kept this connection out, or would stall its handshake, is over."""
        session = self.device.session
        if session is None or session.stopped is not None:
            self.end("gateway", "fault", reset=True)

    def add_stage(self, direction: Literal["up", "down"], stage: Stage) -> None:
        self.device.line().add(direction, stage)

    def remove_stage(self, stage: Stage) -> None:
        self.device.line().remove(stage)
