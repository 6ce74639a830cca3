"""Who holds a lock, as he says himself in its file: user, process, command, rig and run folder, and since when."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from hil.guardian import lock_file

#: Characters of one entry that are shown.
_LONGEST = 300


@dataclass(frozen=True)
class Holder:
    """`what`: the port or outlet that is locked, `board` whose it is in the holder's rig. `since`: seconds since 1970.

    `pid` 0: nobody said who he is. `guardian`: the process that makes the bench safe should that one die; 0: none.
    """

    what: str
    board: str = ""
    user: str = ""
    pid: int = 0
    command: str = ""
    rig: str = ""
    folder: str = ""
    since: float = 0.0
    guardian: int = 0

    @classmethod
    def this_process(cls, rig: Path, folder: Path | None) -> Holder:
        """What is the same for all locks of a run."""
        user = ""
        with contextlib.suppress(KeyError, OSError):  # an id without a name
            user = getpass.getuser()
        return cls("", "", user or str(os.getuid()), os.getpid(), _command(), str(rig), str(folder or ""), time.time())

    @classmethod
    def read(cls, path: Path) -> Holder:
        """What a lock's file says; whatever it is, it can be shown."""
        try:
            said = json.loads(lock_file.read(path))
            what, board, user, command, rig, folder = (_shown(str(said[name])) for name in _TEXTS)
            pid, since, guardian = int(said["pid"]), float(said["since"]), int(said.get("guardian", 0))
            datetime.fromtimestamp(since)
        except (ValueError, KeyError, TypeError, OverflowError, OSError):
            return cls(what=path.name)
        return cls(what, board, user, pid, command, rig, folder, since, guardian)

    def as_json(self) -> bytes:
        """What to write into the lock's file."""
        return json.dumps(asdict(self)).encode()

    @property
    def has_died(self) -> bool:
        """Whether the process that said who it is has ended, though it may not have been waited for."""
        if not self.pid:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):
            return False
        try:
            # proc(5): the state follows the name, which is in parentheses and may hold some.
            state = Path("/proc", str(self.pid), "stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, IndexError):
            return False
        return state in "ZX"

    @property
    def words(self) -> str:
        """'alice, pid 7 (pytest, rig b.toml, run folder runs/1, guardian 8), since 2026-03-01 09:00:00 (12 min)'."""
        if not self.pid:
            return "a process that has not said who it is"
        where = [
            self.command,
            self.rig and f"rig {self.rig}",
            self.folder and f"run folder {self.folder}",
            self.guardian and f"guardian {self.guardian}",
        ]
        when = datetime.fromtimestamp(self.since).strftime("%Y-%m-%d %H:%M:%S")
        return (
            f"{self.user}, pid {self.pid} ({', '.join(str(part) for part in where if part)}), since {when} "
            f"({in_words(time.time() - self.since)})"
        )


_TEXTS = ("what", "board", "user", "command", "rig", "folder")


def in_words(seconds: float) -> str:
    """'40 s', '12 min', '3.5 h': how long something has lasted."""
    if seconds < 90:
        return f"{max(0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _shown(text: str) -> str:
    """Without what a terminal might take for an order: anybody can write into a lock's file."""
    return "".join(c if c.isprintable() else "?" for c in text[:_LONGEST])


def _command() -> str:
    """The program's name, and for `hil` its subcommand: no other arguments, which may hold what is not for all."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if sys.argv[0] in ("", "-c"):
        return f"pytest worker {worker}" if worker else "python"
    program = Path(sys.argv[0])
    name = program.parent.name if program.name == "__main__.py" else program.name
    return f"{name} {sys.argv[1]}" if name == "hil" and sys.argv[1:] and sys.argv[1].isalpha() else name
