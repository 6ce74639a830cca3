"""Run a tool to its end, its time-out, or its silence; and leave nothing of it behind.

Every tool is the leader of a process group of its own, which is ended as a whole when time is up or the run is
interrupted: a flasher that outlives its test would keep the port.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hil.guardian import mark

Ending = Literal["exit", "time-out", "silence", "stopped"]

# How often a running tool looks whether somebody wants it stopped, in seconds.
STOP_LATENCY = 0.2
# What a tool gets between SIGTERM and SIGKILL, in seconds.
GRACE = 2.0


@dataclass(frozen=True, slots=True)
class Finished:
    """How a tool ended. `code` is its exit code (negative: the signal), `output` and `errors` what it printed."""

    ended: Ending
    code: int
    output: str
    errors: str
    seconds: float

    @property
    def last_words(self) -> str:
        """The last line that says something, of the errors if there are any: for a message of one line."""
        lines = [line.strip() for line in (self.errors.strip() or self.output).splitlines() if line.strip()]
        return lines[-1] if lines else "it printed nothing"


def shell(command: str) -> list[str]:
    """The arguments that have the shell run `command`."""
    return ["/bin/sh", "-c", command]


def run(
    command: Sequence[str],
    *,
    timeout: float,
    silence: float | None = None,
    env: Mapping[str, str] | None = None,
    on_output: Callable[[str], None] | None = None,
    merge: bool = False,
    stop: threading.Event | None = None,
) -> Finished:
    """Run `command` for at most `timeout` seconds, and no longer than `silence` seconds without any output.

    `stop`: once another thread sets it, the tool is ended. `on_output` gets each piece of text as it comes; `merge`
    puts errors among the output. Raises FileNotFoundError or PermissionError if the command cannot be started. Its
    process group has been killed when this returns or raises.
    """
    start = time.monotonic()
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if merge else subprocess.PIPE,
        env=mark.environment(env),
        start_new_session=True,
    )
    pieces: dict[str, list[bytes]] = {"output": [], "errors": []}
    ended: Ending = "exit"
    try:
        ended = _follow(process, pieces, start + timeout, silence, on_output, stop or threading.Event())
    finally:
        _end(process)
    output, errors = (b"".join(pieces[name]).decode("utf-8", "backslashreplace") for name in ("output", "errors"))
    return Finished(ended, process.returncode, output, errors, time.monotonic() - start)


def _follow(
    process: subprocess.Popen[bytes],
    pieces: dict[str, list[bytes]],
    deadline: float,
    silence: float | None,
    on_output: Callable[[str], None] | None,
    stop: threading.Event,
) -> Ending:
    """Collect what the process prints until it is gone, or should be."""
    gone = os.pidfd_open(process.pid)
    with selectors.DefaultSelector() as selector, contextlib.closing(_Descriptor(gone)):
        selector.register(gone, selectors.EVENT_READ, "gone")
        for name, pipe in (("output", process.stdout), ("errors", process.stderr)):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ, name)
        heard = time.monotonic()
        while True:
            quiet_at = deadline if silence is None else min(deadline, heard + silence)
            ready = selector.select(min(STOP_LATENCY, max(0.0, quiet_at - time.monotonic())))
            if stop.is_set():
                return "stopped"
            if not ready:
                if time.monotonic() < quiet_at:
                    continue
                return "time-out" if quiet_at == deadline else "silence"
            # A child of the tool may hold the pipes open: the tool's own end is what counts, once all is read.
            over = [key.data for key, _ in ready] == ["gone"]
            for key, _ in ready:
                if key.data != "gone":
                    heard = time.monotonic()
                    data = os.read(key.fd, 65536)
                    if not data:
                        selector.unregister(key.fileobj)
                    pieces[key.data].append(data)
                    if on_output is not None and data:
                        on_output(data.decode("utf-8", "replace"))
            if over:
                return "exit"


class _Descriptor:
    def __init__(self, number: int) -> None:
        self._number = number

    def close(self) -> None:
        os.close(self._number)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the whole group, politely first, and collect the tool's exit code."""
    if process.poll() is None:
        _signal(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
    _signal(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
