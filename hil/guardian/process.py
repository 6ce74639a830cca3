"""The guardian's process: waits for the death of its run, and makes the bench safe then.

python -m hil.guardian.process CHANNEL RUN PID

CHANNEL and RUN are descriptors that it inherits: a socket over which it is told what to do, one JSON object a packet,
and the run's process (pidfd_open(2)). PID is for whoever looks at a list of processes. See hil.guardian.guardian.

It has a session of its own and ignores what ends a run politely: SIGINT, SIGTERM and SIGHUP reach both, and the run
closes its bench by itself then. Until the death nothing but the standard library is imported, so that it is small.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from hil.guardian import supply
from hil.guardian.making_safe import Duties, ended, make_safe
from hil.guardian.suspension import Suspension
from hil.timeline.ending import end

_POLITE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Seconds between two looks at the clocks.
_GLANCE = 0.5
#: Seconds that a run has to close its bench by itself after the machine has slept.
_ORDERLY = 1.0
#: Seconds between the end of a run's channel and the end of its process: it closes its other descriptors.
_CLOSING = 1.0
_LONGEST_MESSAGE = 1 << 18


class Guardian:
    """Knows what is to be done for the run `run` (of pidfd_open(2)), whose process is `pid`."""

    def __init__(self, channel: socket.socket, run: int, pid: int, suspension: Suspension) -> None:
        self._channel = channel
        self._run = run
        self._pid = pid
        self._suspension = suspension
        self._parent: int | None = None
        self._mark = ""
        self._words = b""
        self._duties = Duties()
        self._folders: set[Path] = set()
        self._deadline: float | None = None
        self._why = "nobody knows why (killed, perhaps)"
        self._orderly = False

    @property
    def has_duties(self) -> bool:
        """Whether there is anything to be done should the run die now."""
        return bool(self._duties)

    def follow(self) -> None:
        """Return once the run is gone and all is done."""
        while self._lives():
            slept = self._suspension.seconds()
            if slept and self._duties and self._deadline is None:
                self._why = f"this machine was suspended for {slept:.0f} s; its connections and measurements are void"
                self._tell(f"{self._why}: this run is ended")
                self._end_run(signal.SIGTERM)
                self._deadline = time.monotonic() + _ORDERLY
            if self._deadline is not None and self._duties and time.monotonic() > self._deadline:
                self._end_run(signal.SIGKILL)
        if self._duties and not self._orderly:
            make_safe(self._duties, self._pid, self._mark, self._why, self._log, self._words)

    def _lives(self) -> bool:
        """Wait for what comes; False once the run is gone, or has said that all is in order."""
        poll = select.poll()
        watched = [self._channel.fileno(), self._run, *([] if self._parent is None else [self._parent])]
        for descriptor in watched:
            poll.register(descriptor, select.POLLIN)
        # Without duties there is nothing to be done after a sleep, and this process need not wake up.
        ready = {descriptor for descriptor, _ in poll.poll(_GLANCE * 1000 if self._duties else None)}
        # What was told before the death counts: the channel first.
        if self._channel.fileno() in ready:
            return self._take()
        if self._run in ready:
            return False
        if self._parent in ready:
            os.close(self._parent or -1)
            self._parent = None
            self._why = "the process that handed out the tests has ended"
            self._end_run(signal.SIGKILL)
        return True

    def _take(self) -> bool:
        """Take a message; False if it was the last."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._channel, _LONGEST_MESSAGE, 1)
        except OSError:
            data, descriptors = b"", []
        if not data:
            poll = select.poll()
            poll.register(self._run, select.POLLIN)
            poll.poll(_CLOSING * 1000)
            return False
        try:
            return self._obey(json.loads(data), *descriptors)
        except Exception:  # a message that makes no sense must not be the end of all the others
            self._log(traceback.format_exc())
            return True

    def _obey(self, message: dict[str, Any], descriptor: int = -1) -> bool:
        order = message["do"]
        if order == "begin":
            self._mark = message["mark"]
            self._words = message["words"].encode("latin-1")
        elif order == "take":
            self._add(message["key"], message, descriptor)
        elif order == "drop":
            self._remove(message["key"])
        elif order == "farewell":
            self._orderly = True
            return False
        return True

    def _add(self, key: str, duty: dict[str, Any], descriptor: int) -> None:
        what = duty["what"]
        if what == "lock":
            self._duties.locks[key] = Path(duty["path"]), descriptor
        elif what == "power":
            self._duties.power[key] = duty
            supply.prepare(duty)
        elif what == "timeline":
            self._duties.timelines[key] = Path(duty["path"])
            self._folders.add(Path(duty["path"]).parent)
        elif what == "parent":
            self._parent = descriptor

    def _remove(self, key: str) -> None:
        held = self._duties.locks.pop(key, None)
        if held is not None:
            os.close(held[1])
        self._duties.power.pop(key, None)
        timeline = self._duties.timelines.pop(key, None)
        if self._deadline is not None:
            if timeline is not None:  # the run has closed it, as it was told to
                end(timeline, [ended(self._pid, self._why)])
            if not self._duties:
                self._deadline = None

    def _end_run(self, number: signal.Signals) -> None:
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self._run, number)

    def _tell(self, text: str) -> None:
        """Tell the run, which may be unable to listen."""
        with contextlib.suppress(OSError):
            self._channel.send(text.encode(), socket.MSG_DONTWAIT)

    def _log(self, text: str) -> None:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        for folder in self._folders:
            with contextlib.suppress(OSError):
                flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
                descriptor = os.open(folder / "guardian.log", flags, 0o600)
                with open(descriptor, "w", encoding="utf-8", errors="replace") as file:
                    file.writelines(f"{stamp} {line}\n" for line in text.splitlines())


def main() -> None:
    """Never returns."""
    for number in _POLITE:
        # Not SIG_IGN: what switches the power would inherit that.
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _POLITE)  # blocked by whoever started this
    channel, run, pid = (int(word) for word in sys.argv[1:4])
    for descriptor in (channel, run):
        os.set_inheritable(descriptor, False)
    with contextlib.suppress(
        OSError
    ):  # what makes the bench safe when memory runs out goes last, where that may be said
        Path("/proc/self/oom_score_adj").write_text("-900")
    Guardian(socket.socket(fileno=channel), run, pid, Suspension()).follow()
    # Not sys.exit: a switch that never answers must not keep this process.
    os._exit(0)


if __name__ == "__main__":
    main()
