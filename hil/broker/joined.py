"""A broker that the process which hands out the tests has started, and all its workers use.

Its log is one file. Each worker reads on in it, and takes for its own timeline what is about its own boards: whose a
line is shows in the port from which the client came, and only the gateway that opened that port knows it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.broker import mosquitto
from hil.broker.broker import Attribution, BrokerError, LogAttribution, record_log
from hil.timeline import Timeline

_REACH_PATIENCE = 10.0
"""Seconds that it gets to accept a TCP connection: it runs already."""
_LOOKS = 0.05
"""Seconds between two looks at the log: a file does not say when it grows."""


@dataclass(frozen=True, slots=True)
class SharedBroker:
    """Where a broker is that runs already, and what it can do; as plain data it goes to other processes.

    `log`: the file that it writes, None for one whose log nobody keeps.
    """

    kind: str
    host: str
    port: int
    version: str | None
    capabilities: frozenset[str]
    log: Path | None

    def plain(self) -> dict[str, Any]:
        """Numbers, texts and lists alone."""
        return {
            **{"kind": self.kind, "host": self.host, "port": self.port, "version": self.version},
            **{"capabilities": sorted(self.capabilities), "log": str(self.log) if self.log is not None else None},
        }

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> SharedBroker:
        """From what `plain` gave."""
        log = plain["log"]
        given = {**plain, "capabilities": frozenset(plain["capabilities"]), "log": Path(log) if log else None}
        return cls(**given)


class Joined:
    """A broker that is shared with other processes. It is neither started nor stopped here."""

    def __init__(self, timeline: Timeline, shared: SharedBroker) -> None:
        self._timeline = timeline
        self._shared = shared
        self.kind = shared.kind
        self.host = shared.host
        self.port = shared.port
        self.version = shared.version
        self.capabilities = shared.capabilities
        self._attribution = LogAttribution(mosquitto.CONNECTED, mosquitto.ADDRESS, mosquitto.CONTINUED)
        self._over = threading.Event()
        self._reader: threading.Thread | None = None

    def attribute(self, board_of_port: Attribution) -> None:
        """Say whose the broker's clients are: only log lines about a board of this process are recorded."""
        self._attribution.board_of_port = board_of_port

    def start(self) -> None:
        """See that it accepts connections, and read its log from now on. Raises BrokerError."""
        if not mosquitto.accepts(self.host, self.port, _REACH_PATIENCE):
            raise BrokerError(
                f"the shared broker at {self.host}:{self.port} does not accept connections: the process that started "
                f"it may have ended; its log: {self._shared.log or 'none'}"
            )
        if self._shared.log is not None:
            log = self._shared.log.open("rb")
            log.seek(0, 2)
            self._reader = threading.Thread(target=self._read, args=(log,), name="hil-broker-log", daemon=True)
            self._reader.start()
        told = {"kind": self.kind, "version": self.version, "port": self.port, "shared": True}
        self._timeline.record("broker", "joined", **told)

    def close(self) -> None:
        """Read its log no further; it goes on without us. Closing twice does nothing."""
        self._over.set()
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.join()

    def __enter__(self) -> Joined:
        self.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def _read(self, log: Any) -> None:
        rest = b""
        with contextlib.closing(log):
            while True:
                last = self._over.is_set()
                *lines, rest = (rest + log.read()).split(b"\n")
                for line in lines:
                    text = line.decode("utf-8", "backslashreplace")
                    record_log(self._timeline, self._attribution, text, others=False)
                if last:
                    return
                self._over.wait(_LOOKS)
