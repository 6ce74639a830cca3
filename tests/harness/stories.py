"""Timelines made by hand, for what is judged from a timeline alone: a few lines tell what a board did."""

from __future__ import annotations

from typing import Any

from hil.timeline import Event

CONTRACT: dict[str, Any] = {
    "name": "made up",
    "client_id": "x",
    "version": "3.1.1",
    "keep_alive": 10,
    "clean": True,
    "connect_timeout": 3.0,
    "resend": 1.0,
    "will": {"topic": "devices/x/status", "payload": "offline", "qos": 1, "retain": True},
    "online": {"topic": "devices/x/status", "payload": "online", "qos": 1, "retain": True},
    "telemetry": {"topic": "devices/x/data", "period": 5.0, "qos": 1, "fields": [], "sequence": "seq", "heap": "heap"},
    "command": {"topic": "devices/x/cmd", "answer_topic": "devices/x/answer", "within": 5.0, "max_payload": 8192},
    "retry": {"kind": "exponential-jitter", "first": 1.0, "most": 8.0},
    "time": {"source": "sntp", "required": True, "dates": "checked"},
    "online_within": 10.0,
}


class Story:
    """What happened to a board named x, told in order. `wait` lets time pass; all else takes a millisecond."""

    def __init__(self, **contract: Any) -> None:
        self.events: list[Event] = []
        self.now = 1000.0
        self._connections = 0
        self._packets = 100
        self.event("board", "contract", **{**CONTRACT, **contract})

    def event(self, source: str, kind: str, board: str | None = "x", /, **data: Any) -> Event:
        self.now += 0.001
        self.events.append(Event(len(self.events), self.now, 1.7e9 + self.now, source, kind, board, data))
        return self.events[-1]

    def wait(self, seconds: float) -> Story:
        self.now += seconds
        return self

    def looked(self) -> Story:
        """Somebody has looked until now: an event of no board."""
        self.event("broker", "log", None, text="")
        return self

    # -- power, console, time --------------------------------------------------------------------------------------

    def start(self, kind: str = "on", cause: int = 1) -> Story:
        """Switched on ('on'), or reset ('hard', 'soft'); it boots."""
        self.event("power" if kind == "on" else "reset", kind)
        return self.boot(cause)

    def off(self) -> Story:
        self.event("power", "off")
        return self

    def boot(self, cause: int = 1) -> Story:
        self.event("board", "boot", cause=cause, name=f"cause {cause}")
        return self

    def says(self, *lines: str) -> Story:
        for line in lines:
            self.event("console", "line", text=line)
        return self

    def asks_time(self, mode: str = "true", offset: float | None = 0.0) -> Story:
        self.event("time", "request", mode=mode)
        if offset is not None:
            self.event("time", "answer", mode=mode, offset=offset)
        return self

    def ready(self) -> Story:
        """Switched on, and knows the time."""
        return self.start().says("booting").wait(0.2).asks_time()

    # -- connections -----------------------------------------------------------------------------------------------

    def gateway(self, connection: int, kind: str, /, **data: Any) -> Event:
        return self.event("gateway", kind, connection=connection, **data)

    def fault(self, connection: int, name: str, /, **data: Any) -> Event:
        return self.gateway(connection, "fault", name=name, state="applied", **data)

    def accept(self, *faults: str, **parameters: Any) -> int:
        self._connections += 1
        self.gateway(self._connections, "accept", peer="10.0.0.2:1")
        for name in faults:
            self.fault(self._connections, name, **parameters)
        return self._connections

    def secured(self, *faults: str, sni: str | None = "gateway", **parameters: Any) -> int:
        number = self.accept(*faults, **parameters)
        self.gateway(number, "hello", sni=sni, versions=["TLSv1.2"], ciphers=["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"])
        self.gateway(number, "tls", version="TLSv1.2", subject="CN=x")
        return number

    def connects(self, *faults: str, tls: bool = True, **data: Any) -> int:
        """TLS and a CONNECT; no CONNACK yet."""
        parameters = data.pop("parameters", {})
        number = self.secured(*faults, **parameters) if tls else self.accept(*faults, **parameters)
        told = {key: CONTRACT[key] for key in ("client_id", "version", "clean", "keep_alive", "will")}
        self.gateway(number, "connect", **{**told, "username": None, **data})
        return number

    def online(
        self, *faults: str, present: bool = False, greets: bool = True, subscribes: bool = True, **data: Any
    ) -> int:
        """Connected, accepted, greeted and subscribed."""
        number = self.connects(*faults, **data)
        self.gateway(number, "connack", code=0, session_present=present)
        if greets:
            self.publish(number, "devices/x/status", "online", retain=True)
        if subscribes:
            self.subscribe(number, "devices/x/cmd")
        return number

    def publish(
        self,
        connection: int,
        topic: str,
        payload: str,
        *,
        direction: str = "up",
        qos: int = 1,
        retain: bool = False,
        dup: bool = False,
        ack: bool = True,
        packet_id: int | None = None,
    ) -> Event:
        self._packets += 1
        ident = (packet_id or self._packets) if qos else None
        told = {"topic": topic, "payload": payload, "qos": qos, "retain": retain, "dup": dup, "packet_id": ident}
        message = self.gateway(connection, "publish", direction=direction, **told)
        if ack and qos:
            self.gateway(connection, "puback", direction="down" if direction == "up" else "up", packet_id=ident, code=0)
        return message

    def telemetry(self, connection: int, times: int = 1, every: float = 5.0, **more: Any) -> Story:
        for number in range(times):
            payload = more.pop("payload", None) or f'{{"seq": {number}}}'
            self.publish(connection, "devices/x/data", payload, **more)
            self.wait(every)
        return self

    def subscribe(self, connection: int, *filters: str, code: int | None = 1, packet_id: int | None = None) -> Event:
        self._packets += 1
        ident = packet_id or self._packets
        asked = self.gateway(connection, "subscribe", packet_id=ident, filters=[[f, 1] for f in filters])
        if code is not None:
            self.gateway(connection, "suback", packet_id=ident, codes=[code] * len(filters))
        return asked

    def close(self, connection: int, by: str = "gateway", how: str = "fin") -> Story:
        began = next(e for e in self.events if e.kind == "accept" and e["connection"] == connection)
        self.gateway(connection, "close", by=by, how=how, seconds=round(self.now - began.monotonic, 3))
        return self

    def tls_failed(self, connection: int, reason: str = "", *, by: str = "gateway", alert: str | None = None,
                   verify_code: int | None = None) -> Story:  # fmt: skip
        self.gateway(connection, "tls-failed", reason=reason, alert=alert, alert_from=by if alert else None,
                     verify_code=verify_code, verify_message="words" if verify_code else None, step=None)  # fmt: skip
        return self.close(connection, by, "tls")

    def denied(self, connection: int, what: str, topic: str | None = None, action: str = "disconnect") -> Story:
        self.gateway(connection, "denied", what=what, topic=topic, rule="a rule", action=action, policy="eventgrid")
        return self.close(connection, "gateway", "policy") if action == "disconnect" else self
