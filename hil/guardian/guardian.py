"""The run's side of the guardian: starts it, tells it what to do should this process die, and takes that back.

watch = Watch()
watch.timeline(artifacts / "timeline.jsonl")    # starts the guardian, unless this process has one
watch.lock(path, descriptor)
watch.power(duty)                               # see hil.guardian.supply
watch.close()                                   # all is in order: nothing of it is left to do

A process has one guardian, for all benches that it opens, until it ends. What it is told goes over a socket pair whose
other end nobody else has; so what is told last is known, too, however suddenly this process dies.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from hil.guardian import lock_file, mark
from hil.guardian.holder import Holder

#: Seconds that a guardian has for taking what it is told: it does nothing else while the run lives.
_PATIENCE = 5.0
#: How many guardians may be ended within `_WITHIN` seconds before no other one is started.
_MOST, _WITHIN = 4, 60.0
#: What ends a run politely: the guardian goes on.
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: By this variable GitHub's runner finds what a job has left behind, to end it (github.com/actions/runner, issue 598).
#: The guardian needs a moment longer than its run.
_SWEEP = "RUNNER_TRACKING_ID"


class Watch:
    """What the guardian has to do for one bench. Safe from any thread; nothing is raised if there is no guardian."""

    def __init__(self) -> None:
        self._keys: set[str] = set()

    @property
    def pid(self) -> int:
        """The guardian's process; 0 if it could not be started."""
        return _GUARDIAN.pid

    def lock(self, path: Path, descriptor: int) -> None:
        """Free this lock once all else is done."""
        self._tell(f"lock {path}", {"what": "lock", "path": str(path)}, descriptor)

    def unlock(self, path: Path) -> None:
        """This lock is about to be freed."""
        self._take_back(f"lock {path}")

    def power(self, duty: dict[str, Any] | None) -> None:
        """Leave a board's power as it has to be, see hil.guardian.supply.duty; nothing if None."""
        if duty is not None:
            self._tell(f"power {duty['key']}", {"what": "power", **duty})

    def timeline(self, path: Path) -> None:
        """End this timeline, and leave guardian.log beside it."""
        self._tell(f"timeline {path}", {"what": "timeline", "path": str(path.absolute())})

    def close(self) -> None:
        """Take all of it back. Twice does nothing."""
        for key in list(self._keys):
            self._take_back(key)

    def _tell(self, key: str, duty: dict[str, Any], descriptor: int | None = None) -> None:
        self._keys.add(key)
        _GUARDIAN.tell(key, duty, descriptor)

    def _take_back(self, key: str) -> None:
        if key in self._keys:
            self._keys.discard(key)
            _GUARDIAN.take_back(key)


def follow_parent(parent: int) -> bool:
    """From now on this process may not outlive the one that started it: the guardian ends it then, and all it has.

    False if that one, `parent`, has ended already. For a worker of pytest-xdist, which would go on for many seconds.
    """
    with contextlib.suppress(OSError):
        descriptor = os.pidfd_open(parent)
        if os.getppid() == parent:  # else it has ended, and the number is another's by now
            _GUARDIAN.tell("parent", {"what": "parent"}, descriptor)
            return True
        os.close(descriptor)
    return False


class _Guardian:
    """The one guardian of this process, started when it is first told something."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._duties: dict[str, tuple[dict[str, Any], int | None]] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._starts: list[float] = []
        self._over = False

    @property
    def pid(self) -> int:
        return 0 if self._process is None else self._process.pid

    def tell(self, key: str, duty: dict[str, Any], descriptor: int | None) -> None:
        with self._lock:
            self._duties[key] = duty, descriptor
            if self._channel is None:
                self._start()
            else:
                self._send(_order(key, duty), descriptor)

    def take_back(self, key: str) -> None:
        with self._lock:
            if self._duties.pop(key, None) is not None and self._channel is not None:
                self._send({"do": "drop", "key": key})

    def say_farewell(self) -> None:
        """This process ends. Unless something is left to be done, the guardian ends, too."""
        with self._lock:
            self._over = True
            if self._process is None or self._channel is None or self._duties:
                return
            self._send({"do": "farewell"})
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_PATIENCE)

    def forget(self) -> None:
        """In the child of a fork(2): the guardian is the parent's, and must see it end by the end of its channel."""
        if self._channel is not None:
            self._channel.close()
        self.__init__()  # type: ignore[misc]

    def _start(self) -> None:
        """Start one, and tell it all there is to do."""
        now = time.monotonic()
        self._starts = [at for at in self._starts if now - at < _WITHIN] + [now]
        if self._over or len(self._starts) > _MOST:
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, contextlib.closing(_Descriptor(os.pidfd_open(os.getpid()))) as this_process:
            passed = (theirs.fileno(), this_process.number)
            words = [sys.executable, "-P", "-m", "hil.guardian.process", *map(str, passed), str(os.getpid())]
            # Held back until it has said that it ignores them: it starts with this thread's mask.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, IGNORED)
            try:
                self._process = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=passed,
                    env=_environment(),
                    start_new_session=True,  # no Ctrl-C of the run's terminal, and no hang-up
                )
            except OSError as error:
                ours.close()
                self._process = None
                _say(f"its guardian cannot be started ({error}): if this run is killed, nobody makes the bench safe")
                return
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", int(_PATIENCE), 0))
        self._channel = ours
        # Told from here: this process may be gone before the guardian can look.
        called = mark.words("self").decode("latin-1")
        self._send({"do": "begin", "mark": mark.ours(), "words": called})
        for key, (duty, descriptor) in list(self._duties.items()):
            self._send(_order(key, duty), descriptor)
            if duty["what"] == "lock" and descriptor is not None and len(self._starts) > 1:
                path = Path(duty["path"])
                lock_file.write(descriptor, replace(Holder.read(path), guardian=self.pid).as_json())
        listening = threading.Thread(target=self._listen, args=(ours, self._process), name="hil-guardian", daemon=True)
        listening.start()

    def _send(self, message: dict[str, Any], descriptor: int | None = None) -> None:
        """The guardian's end is noticed by `_listen`, which starts another one and tells it all."""
        channel = self._channel
        assert channel is not None
        try:
            data = [json.dumps(message).encode()]
            if descriptor is None:
                channel.sendmsg(data)
            else:
                socket.send_fds(channel, data, [descriptor])
        except BlockingIOError:  # it takes nothing any more: somebody has stopped it
            if self._process is not None:
                self._process.kill()
        except OSError:
            pass

    def _listen(self, channel: socket.socket, process: subprocess.Popen[bytes]) -> None:
        """Show what the guardian says; when it is gone while this process lives, start another one."""
        with contextlib.suppress(OSError):
            while said := channel.recv(4096):
                _say(said.decode("utf-8", "replace"))
        process.wait()
        with self._lock:
            if self._over or self._channel is not channel:
                return
            channel.close()
            self._channel = self._process = None
            if not self._duties:
                return
            self._start()
            what = f"another one was started, {self.pid}" if self.pid else "no other one was started"
            _say(f"its guardian, process {process.pid}, was ended by somebody; {what}")


def _order(key: str, duty: dict[str, Any]) -> dict[str, Any]:
    """The message with which a duty is given; it is taken back by the same key, whatever the duty itself is called."""
    return {**duty, "do": "take", "key": key}


class _Descriptor:
    def __init__(self, number: int) -> None:
        self.number = number

    def close(self) -> None:
        os.close(self.number)


def _environment() -> dict[str, str]:
    """The guardian has no mark: the guardian of whoever started this run must leave it alone."""
    found = {name: value for name, value in os.environ.items() if name not in (mark.VARIABLE, _SWEEP)}
    # Wherever this process found the package, from the folder it was started in, say.
    root = str(Path(__file__).parents[2])
    found["PYTHONPATH"] = os.pathsep.join([root, *filter(None, [found.get("PYTHONPATH")])])
    return found


def _say(text: str) -> None:
    print(f"hil: {text}", file=sys.stderr, flush=True)


_GUARDIAN = _Guardian()
atexit.register(_GUARDIAN.say_farewell)
os.register_at_fork(after_in_child=_GUARDIAN.forget)
