"""A broker for machines on which mosquitto cannot be installed: amqtt, from PyPI, in a child process.

It is good enough for most of what a bench asks, and says what it is not good enough for.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import threading
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from hil.broker.broker import Attribution, BrokerError, Child, LogAttribution, record_log
from hil.timeline import Timeline

_START_PATIENCE = 60.0
"""Seconds until it must be ready. It takes about one to import; a busy machine takes longer."""

_READY: Final = re.compile(r"ready on port (\d+)")
_CONNECTED: Final = re.compile(r"connected from \S+?:(?P<port>\d+) as (?P<id>\S+)")
_ADDRESS: Final = re.compile(r"Connection from \S+?:(?P<port>\d+)\b")
_CONTINUED: Final = re.compile(r"\s")

# Each tried with amqtt 0.12; tests/harness/test_broker_embedded.py fails when one of them has become possible.
LACKS: Final[Mapping[str, str]] = {
    "mqtt5": "the embedded broker speaks MQTT 3.1.1 alone",
    "will-on-takeover": "the embedded broker publishes no will when another client takes an id over",
    "persistent-sessions": "the embedded broker sends a returning client retained messages of others' topics",
    "log": "the embedded broker's log does not say how a client left",
}
"""What it cannot do, by the words of Broker.capabilities, each with the reason for a scenario that needs it."""


class Embedded:
    """amqtt in a child process, on loopback, until `close`. `port` 0 picks a free one."""

    kind = "embedded"
    host = "127.0.0.1"
    # A silent client's will comes only because the gateway drops the connection; amqtt itself never would.
    capabilities = frozenset({"will-on-keep-alive", "retain"})

    def __init__(self, timeline: Timeline, *, port: int = 0) -> None:
        self._timeline = timeline
        self._wanted_port = port
        self._child: Child | None = None
        self._attribution = LogAttribution(_CONNECTED, _ADDRESS, _CONTINUED)
        self._ready = threading.Event()
        self._closing = False
        self._lines: list[str] = []
        self.port = port
        self.version: str | None = None

    @property
    def lacks(self) -> Mapping[str, str]:
        """What it cannot do, and why, by the words of `capabilities`."""
        return LACKS

    def attribute(self, board_of_port: Attribution) -> None:
        """Say whose the broker's clients are: from now on log lines carry the board that they are about."""
        self._attribution.board_of_port = board_of_port

    def start(self) -> None:
        """Start it; returns when it accepts connections. Raises BrokerError if amqtt is missing or does not start."""
        if importlib.util.find_spec("amqtt") is None:
            raise BrokerError(
                "no broker: mosquitto is not installed and neither is amqtt; "
                "run 'apt install mosquitto', or 'pip install hil[embedded]'"
            )
        try:
            self.version = version("amqtt")
        except PackageNotFoundError:
            self.version = None
        self._ready.clear()
        self._lines.clear()
        self._closing = False
        command = [sys.executable, "-m", "hil.broker.embedded", "--port", str(self._wanted_port), "--follow-stdin"]
        self._child = Child(command, self._line, self._ended, keep_stdin=True)
        if not self._ready.wait(_START_PATIENCE) or self._child.exit_status is not None:
            said = " / ".join(self._lines[-3:]) or "it said nothing"
            self.close()
            raise BrokerError(f"the embedded broker did not start: {said}")
        self._timeline.record("broker", "started", kind=self.kind, version=self.version, port=self.port)

    def close(self) -> None:
        """Stop it. Closing twice does nothing."""
        child, self._child = self._child, None
        if child is not None:
            self._closing = True
            child.stop()

    def __enter__(self) -> Embedded:
        self.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _line(self, text: str) -> None:
        if len(self._lines) < 200:
            self._lines.append(text)
        if (ready := _READY.search(text)) is not None:
            self.port = int(ready[1])
            self._ready.set()
        record_log(self._timeline, self._attribution, text)

    def _ended(self, status: int) -> None:
        self._timeline.record("broker", "stopped", kind=self.kind, status=status, expected=self._closing)
        self._ready.set()  # nobody shall wait for it any longer
