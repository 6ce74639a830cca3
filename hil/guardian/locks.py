"""All locks of one bench: a board is taken together with its outlet, and with whoever shares that outlet.

locks = Locks(rig, folder=artifacts)
locks.take(["esp32-a"])          # raises Taken: which, by whom, since when, and the cure
locks.free()
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from hil.guardian import identity, lock_file, supply
from hil.guardian.guardian import Watch
from hil.guardian.holder import Holder
from hil.guardian.identity import Identity
from hil.guardian.lock_file import LockFileError
from hil.rig import Rig

#: Seconds between two tries at a lock that others have: the kernel's own waiting knows no time-out.
_GLANCE = 0.1
#: Seconds for which nobody may have said that a lock is his: it has just been taken, or is just being freed.
_UNSAID = 0.5
#: Seconds that the guardian of a run that has died may need: its limit for switches, and for processes to end.
CLEANING = 10.0


class Taken(Exception):
    """A board or its outlet is in use by another run, or cannot be locked. One line: which, by whom, and the cure."""


class Locks:
    """The locks of one bench, whose run leaves its artifacts in `folder`; none is taken yet.

    `state`: the folder of virtual boards if others may use it too. `watch`: the guardian gets each lock once it is
    taken; to be closed before the locks are freed.
    """

    def __init__(
        self,
        rig: Rig,
        *,
        folder: Path | None = None,
        state: Path | None = None,
        watch: Watch | None = None,
    ) -> None:
        self._rig = rig
        self._state = state
        self._watch = watch
        self._holder = Holder.this_process(rig.path, folder)
        self._held: dict[str, tuple[Path, int]] = {}
        self._owners: dict[str, str] = {}

    def take(self, boards: Iterable[str]) -> None:
        """Take what these boards need: all of it, or nothing more than was held before.

        Waits as long as the rig says for what others have. Raises Taken.
        """
        wanted = self._wanted(boards)
        new: list[Identity] = []
        deadline = time.monotonic() + self._rig.file.wait
        try:
            # In one order for all runs, so that no two wait for each other; boards first: they tell people more.
            for item in sorted(wanted, key=lambda i: (i.key.startswith("outlet "), i.key)):
                if item.key not in self._held:
                    self._take(item, *wanted[item], deadline)
                    new.append(item)
        except LockFileError as error:
            self._give_back(new)
            raise Taken(f"board {wanted[item][1]}: cannot be locked: {error}") from None
        except BaseException:
            self._give_back(new)
            raise

    def free(self) -> None:
        """Free all of them. Twice does nothing."""
        for key in list(self._held):
            self._free(key)
        self._owners.clear()

    def _wanted(self, boards: Iterable[str]) -> dict[Identity, tuple[str, str]]:
        """What has to be locked; of each the board that it is, and the one that it is locked for, in words."""
        wanted: dict[Identity, tuple[str, str]] = {}
        for name in boards:
            for mate in [name, *identity.mates(self._rig, name)]:
                item = identity.board(self._rig.boards[mate], self._state)
                if item is None:
                    continue
                owner = self._owners.setdefault(item.key, mate)
                if owner != mate:
                    raise Taken(
                        f"board {mate}: its port {item.what} is that of board {owner}, by another name; correct the rig"
                    )
                wanted.setdefault(item, (mate, name if mate == name else f"{name} (with {mate}: one outlet)"))
            item = identity.outlet(self._rig.boards[name])
            if item is not None:
                wanted.setdefault(item, (name, name))
        return wanted

    def _take(self, item: Identity, board: str, whom: str, deadline: float) -> None:
        path = lock_file.path_of(item.key)
        waited, due = False, 0.0
        while (descriptor := lock_file.take(path)) is None:
            now = time.monotonic()
            if now >= deadline:
                # What a dead run had is in order in a moment: for that nobody has to say that he waits.
                due = due or now
                holder = Holder.read(path)
                if now - due >= (CLEANING if holder.has_died else 0.0 if holder.pid else _UNSAID):
                    raise Taken(self._why(path, item, whom))
            elif not waited:
                waited = True
                left = deadline - now
                print(f"hil: waiting up to {left:.0f} s: {self._why(path, item, whom)}", file=sys.stderr, flush=True)
            time.sleep(_GLANCE)
        self._held[item.key] = path, descriptor
        guardian = 0
        if self._watch is not None:
            self._watch.lock(path, descriptor)
            guardian = self._watch.pid
        record = replace(self._holder, what=item.what, board=board, guardian=guardian)
        lock_file.write(descriptor, record.as_json())

    def _free(self, key: str) -> None:
        path, descriptor = self._held.pop(key)
        if self._watch is not None:
            self._watch.unlock(path)
        lock_file.free(path, descriptor)

    def _give_back(self, items: Iterable[Identity]) -> None:
        for item in items:
            self._free(item.key)
            self._owners.pop(item.key, None)

    @staticmethod
    def _why(path: Path, item: Identity, whom: str) -> str:
        holder = Holder.read(path)
        if holder.has_died:
            cure = f"end it with kill -9 {holder.guardian}" if holder.guardian else "`hil locks` may tell more"
            return f"board {whom}: {item.what}: its run has died, and its guardian has not made it safe; {cure}"
        cure = f"end it (kill {holder.pid})" if holder.pid else "`hil locks` may tell more"
        return f"board {whom}: {item.what} is held by {holder.words}; wait for it with --wait SECONDS, or {cure}"


@contextlib.contextmanager
def locked(rig: Rig, boards: Iterable[str], *, state: Path | None) -> Iterator[None]:
    """Inside, this process has these boards; should it die, its guardian leaves them in order. Raises Taken."""
    watch = Watch()
    locks = Locks(rig, state=state, watch=watch)
    names = list(boards)
    try:
        locks.take(names)
        for name in names:
            watch.power(supply.duty(rig, name, state))
        yield
    finally:
        watch.close()
        locks.free()


def held() -> list[Holder]:
    """Who holds what on this host now. Raises LockFileError."""
    return [Holder.read(path) for path in lock_file.everywhere() if lock_file.is_held(path)]
