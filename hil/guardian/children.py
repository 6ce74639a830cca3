"""The processes that a dead run has left behind: found by their mark, ended by descriptors, so that no other is hit."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from hil.guardian.mark import LAST, VARIABLE
from hil.guardian.mark import words as words_of

#: Seconds between two looks at what is about to become something else.
_GLANCE = 0.005
#: Seconds for which a process is young: it has hardly had the time to be more than a fork.
_YOUNG = 3.0


@dataclass(frozen=True, slots=True)
class Child:
    """A process with a run's mark. `descriptor`: of pidfd_open(2), which stays this process's own. `last`: see mark."""

    pid: int
    descriptor: int
    name: str
    last: bool


def find(mark: str, *, last: bool | None = None) -> list[Child]:
    """All processes with this mark, but for this one; only those to be ended last, or not last, if that is said."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            said = _mark(entry)
            if said is None or said.removesuffix(LAST) != mark or last not in (None, said.endswith(LAST)):
                continue
            with contextlib.suppress(OSError):
                descriptor = os.pidfd_open(int(entry))
                if _mark(entry) == said:  # else the number is another process's by now
                    found.append(Child(int(entry), descriptor, _name(entry), said.endswith(LAST)))
                else:
                    os.close(descriptor)
    return found


def has_mark(pid: int, mark: str) -> bool:
    """Whether a process that lives has this mark."""
    said = _mark(str(pid))
    return said is not None and said.removesuffix(LAST) == mark


def end(mark: str, *, last: bool | None = None, polite: float = 0.0, patience: float = 1.0) -> list[Child]:
    """End all of them, and what they start meanwhile; those that were found.

    SIGTERM first if `polite` seconds are given for it. Returns after `patience` more seconds at the latest.
    """
    ended: dict[int, Child] = {}
    if polite:
        found = find(mark, last=last)
        _signal(found, signal.SIGTERM)
        wait(found, polite)
        ended |= {child.pid: child for child in found}
    deadline = time.monotonic() + patience
    while found := find(mark, last=last):
        ended |= {child.pid: child for child in found}
        _signal(found, signal.SIGKILL)
        if not wait(found, max(0.0, deadline - time.monotonic())):
            break
    return list(ended.values())


def await_forks(run: int, words: bytes, mark: str, seconds: float = 1.0) -> bool:
    """Wait until what the run was just about to start has become what it is to be; whether there was anything.

    Between fork(2) and execve(2) a child is its parent still to whoever looks: the same command line `words` (see
    `mark.words`), and none of the environment that it will have. Nothing is killed for looking like that:
    it may be another run of the same words.
    """
    found = False
    deadline = time.monotonic() + seconds
    while any(_is_fork(entry, run, words, mark) for entry in os.listdir("/proc") if entry.isdigit()):
        found = True
        if time.monotonic() > deadline:
            break
        time.sleep(_GLANCE)
    return found


def wait(children: Iterable[Child], seconds: float) -> bool:
    """Whether all of them have ended within so many seconds. Their descriptors are closed."""
    waiting = {child.descriptor for child in children}
    poll = select.poll()
    for descriptor in waiting:
        poll.register(descriptor, select.POLLIN)
    deadline = time.monotonic() + seconds
    left = set(waiting)
    while left:
        ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
        for descriptor, _ in ready:
            poll.unregister(descriptor)
            left.discard(descriptor)
        if not ready and time.monotonic() >= deadline:
            break
    for descriptor in waiting:
        os.close(descriptor)
    return not left


def names(children: Collection[Child]) -> list[str]:
    """'esptool 77', in order of their numbers."""
    return [f"{child.name} {child.pid}" for child in sorted(children, key=lambda c: c.pid)]


def _is_fork(entry: str, run: int, words: bytes, mark: str) -> bool:
    with contextlib.suppress(OSError, ValueError, IndexError):
        said = words_of(entry)
        if int(entry) in (run, os.getpid()) or said not in (words, b"") or not words:
            return False
        # In the middle of execve(2) it has no words, and a program: a zombie and the kernel's own have none.
        os.readlink(f"/proc/{entry}/exe")
        # Behind the name in brackets, which may hold anything: field 22 of proc(5), the start in ticks since the boot.
        start = int(Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - start < _YOUNG and not has_mark(int(entry), mark)
    return False


def _signal(children: Iterable[Child], number: signal.Signals) -> None:
    for child in children:
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(child.descriptor, number)


def _mark(entry: str) -> str | None:
    """A process's mark; None if it has none, or is not this user's."""
    try:
        environment = Path("/proc", entry, "environ").read_bytes()
    except OSError:
        return None
    start = f"{VARIABLE}=".encode()
    for variable in environment.split(b"\0"):
        if variable.startswith(start):
            return variable[len(start) :].decode("ascii", "replace")
    return None


def _name(entry: str) -> str:
    """The program's name, as the kernel has it; for Python's `-m` the module."""
    with contextlib.suppress(OSError):
        words = Path("/proc", entry, "cmdline").read_bytes().split(b"\0")
        if b"-m" in words[:4]:
            return words[words.index(b"-m") + 1].decode("utf-8", "replace")[:40]
        return Path("/proc", entry, "comm").read_text().strip()
    return "?"
