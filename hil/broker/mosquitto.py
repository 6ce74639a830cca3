"""mosquitto, started for one run: its configuration in the run's directory, its log on the timeline."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TextIO

from hil.broker.broker import Attribution, BrokerError, Child, LogAttribution, record_log
from hil.timeline import Timeline

_START_PATIENCE = 15.0
"""Seconds that it gets until it accepts connections; 0.02 are usual."""
_LOG_PATIENCE = 2.0
"""Seconds after which a connection that was accepted counts as its doing although its log does not show it."""
_TRIES: Final = 5
_INSTALL: Final = "install it (apt install mosquitto), or use the embedded broker"

# 'New client connected from 127.0.0.1:40001 as esp32-a (p2, c1, k60).' The wording changes between releases; what
# is not recognised is still on the timeline, without a board.
CONNECTED: Final = re.compile(r"connected from \S+?:(?P<port>\d+) as (?P<id>\S+)")
ADDRESS: Final = re.compile(r"from (?:\d+\.\d+\.\d+\.\d+|\[?[0-9a-fA-F:]+\]?):(?P<port>\d+)\b")
CONTINUED: Final = re.compile(r"\t|Will message|No will message")


def find_mosquitto() -> Path | None:
    """The program, also where Debian puts it and an ordinary user's PATH does not look; None if there is none."""
    found = shutil.which("mosquitto") or shutil.which(
        "mosquitto", path="/usr/local/sbin:/usr/sbin:/sbin:/opt/homebrew/sbin"
    )
    return Path(found) if found else None


class Mosquitto:
    """One mosquitto process that serves until `close`.

    `directory`: where its configuration goes, and its database if `persistence` is asked for. `port` 0 picks a free
    one. `options`: further lines of configuration, as mosquitto.conf(5) has them. `bind` other than loopback opens it,
    without a password, to whoever is on that network: leave it, boards connect to the gateway.
    """

    kind = "mosquitto"
    capabilities = frozenset(
        {"mqtt5", "will-on-keep-alive", "will-on-takeover", "persistent-sessions", "retain", "log"}
    )

    def __init__(
        self,
        timeline: Timeline,
        directory: Path,
        *,
        port: int = 0,
        bind: str = "127.0.0.1",
        persistence: bool = False,
        options: Mapping[str, str] | None = None,
        program: Path | None = None,
    ) -> None:
        self._timeline = timeline
        self._directory = directory
        self._wanted_port = port
        self._persistence = persistence
        self._options = dict(options or {})
        self._program = program
        self._child: Child | None = None
        self._attribution = LogAttribution(CONNECTED, ADDRESS, CONTINUED)
        self._closing = False
        self._log: TextIO | None = None
        self._lines: list[str] = []  # the first lines, for the message when it does not start
        self.host = bind
        self.port = port
        self.version: str | None = None

    @property
    def log_path(self) -> Path:
        """The whole log; the timeline leaves the monitor's own traffic out."""
        return self._directory / "mosquitto.log"

    @property
    def pid(self) -> int | None:
        """The process id, or None when it does not run."""
        return self._child.pid if self._child is not None and self._child.exit_status is None else None

    def attribute(self, board_of_port: Attribution) -> None:
        """Say whose the broker's clients are: from now on log lines carry the board that they are about."""
        self._attribution.board_of_port = board_of_port

    def start(self) -> None:
        """Start it, unless it runs; returns when it accepts connections. Raises BrokerError with its own words if it
        does not."""
        if self.pid is not None:
            return
        program = self._program or find_mosquitto()
        if program is None:
            raise BrokerError(f"mosquitto is not installed; {_INSTALL}")
        self.version = _version(program)
        for attempt in range(_TRIES):
            self.port = self._wanted_port or free_port(self.host)
            if self._launch(program):
                self._wanted_port = self.port  # started again, it is to be found where it was
                self._timeline.record("broker", "started", kind=self.kind, version=self.version, port=self.port)
                return
            taken = any("in use" in line for line in self._lines)
            if not taken or self._wanted_port or attempt == _TRIES - 1:
                raise BrokerError(
                    f"mosquitto did not start on {self.host}:{self.port}: "
                    f"{' / '.join(self._lines[-3:]) or 'it said nothing'} (configuration: {self._config_path})"
                )

    def restart(self, *, down_for: float = 0.0) -> None:
        """Stop it and start it again on the same port, with `down_for` seconds in between: a broker that fails."""
        self.close()
        time.sleep(down_for)
        self.start()

    def close(self) -> None:
        """Stop it. Closing twice does nothing."""
        child, self._child = self._child, None
        if child is not None:
            self._closing = True
            child.stop()

    def __enter__(self) -> Mosquitto:
        self.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    # -- inside ----------------------------------------------------------------------------------------------------

    @property
    def _config_path(self) -> Path:
        return self._directory / "mosquitto.conf"

    def _config(self) -> str:
        lines = [
            "# Written by hil for one run.",
            f"listener {self.port} {self.host}",
            "allow_anonymous true",
            "log_dest stderr",
            "log_type all",
            "log_timestamp false",
            # Never 0: with 0, mosquitto 2.0 disconnects a client for any publish that is denied.
            "max_queued_messages 10000",
            f"persistence {'true' if self._persistence else 'false'}",
        ]
        if self._persistence:
            lines.append(f"persistence_location {self._directory}/")
        if os.geteuid() == 0:
            # Started by root it would become another user, who cannot write here; and the kernel would forget that
            # it shall die with its parent.
            lines.append("user root")
        lines += [f"{key} {value}" for key, value in self._options.items()]
        return "\n".join(lines) + "\n"

    def _launch(self, program: Path) -> bool:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._config_path.write_text(self._config(), encoding="utf-8")
        self._lines.clear()
        self._closing = False
        self._log = open(self.log_path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115
        child = Child([str(program), "-c", str(self._config_path)], self._line, self._ended)
        self._child = child
        deadline = time.monotonic() + _START_PATIENCE
        while child.exit_status is None and time.monotonic() < deadline:
            if self._answers(child):
                return True
            time.sleep(0.005)
        self.close()
        return False

    def _answers(self, child: Child) -> bool:
        """Whether it serves the port. Another program may have taken it, so it must have logged our own connection."""
        try:
            with socket.create_connection((self.host, self.port), timeout=1.0) as probe:
                ours = f":{probe.getsockname()[1]} "
                deadline = time.monotonic() + _LOG_PATIENCE
                while child.exit_status is None and time.monotonic() < deadline:
                    if any(ours in line for line in self._lines):
                        return True
                    time.sleep(0.002)
                return child.exit_status is None
        except OSError:
            return False

    def _line(self, text: str) -> None:
        if len(self._lines) < 100:
            self._lines.append(text)
        if self._log is not None:
            self._log.write(text + "\n")
        record_log(self._timeline, self._attribution, text)

    def _ended(self, status: int) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None
        self._timeline.record("broker", "stopped", kind=self.kind, status=status, expected=self._closing)


def free_port(host: str) -> int:
    """A port that was free a moment ago. Somebody may take it before it is used: be ready to try again."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def accepts(host: str, port: int, timeout: float = 1.0) -> bool:
    """Whether a TCP connection to there is accepted within `timeout` seconds."""
    try:
        with socket.create_connection((host, port), timeout=timeout):
            return True
    except OSError:
        return False


def _version(program: Path) -> str | None:
    try:
        told = subprocess.run([str(program), "-h"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BrokerError(f"{program} cannot be run ({error}); {_INSTALL}") from None
    match = re.search(r"version (\S+)", told.stdout + told.stderr)
    return match[1] if match else None
