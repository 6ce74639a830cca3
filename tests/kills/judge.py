"""Whether a dead run left its bench safe and free, in time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.kills.standing import IDLE, Standing, Switched
from tests.kills.victim import Victim

#: Seconds after a run's death within which all of it must be gone and the bench safe: what docs/guardian.md promises.
LIMIT = 2.0
#: Seconds after which nobody waits any longer for it.
_PATIENCE = 30.0
_GLANCE = 0.02


@dataclass
class Judgement:
    """`gone`: seconds from the death to the end of the run's last process, locks and ports with it. `safe`: to the last
    order that its switches got. `asked`: how many boards said themselves how they were left. `faults` in words."""

    number: int
    gone: float
    safe: float
    asked: int = 0
    faults: list[str] = field(default_factory=list)


def judge(victim: Victim, standing: Standing, limit: float = LIMIT) -> Judgement:
    """Watch what is left of a run that has just died. Its successor may run already."""
    gone, left = _await_gone(victim)
    supplies = {} if left or victim.code == 0 else _ask(victim, standing)
    diaries = {name: standing.diary(name) for name in IDLE}
    safe, faults = by_diaries(diaries, victim.folder.name, victim.died, ended_well=victim.code == 0)
    for name, on in supplies.items():
        if on != (IDLE[name] == "on"):
            faults.append(f"{name} is {'on' if on else 'off'}, and not as its rig says")
    if left:
        faults.append(f"still there after {gone:.1f} s: {left}")
    faults += [f"{what} took {took:.2f} s" for what, took in (("going", gone), ("the power", safe)) if took > limit]
    faults += [f"a line of {name} is cut off" for name in victim.torn()]
    if victim.code not in (None, 0):
        faults.append(f"could not start or go on (exit code {victim.code}):\n{victim.last_words()}")
    return Judgement(victim.number, gone, safe, len(supplies), faults)


def by_diaries(
    diaries: Mapping[str, Sequence[Switched]], run: str, died: float, *, ended_well: bool
) -> tuple[float, list[str]]:
    """How many seconds after its death the run's last order came, and what is wrong with its orders.

    A run that ended well by itself may leave the power as its command says.
    """
    safe, faults = 0.0, []
    for name, diary in diaries.items():
        mine = [at for at, entry in enumerate(diary) if entry.run == run]
        if not mine:
            continue
        last = diary[mine[-1]]
        safe = max(safe, last.monotonic - died)
        if not ended_well and last.on != (IDLE[name] == "on"):
            faults.append(f"{name} was last switched {'on' if last.on else 'off'}, and not as its rig says")
        if mine != list(range(mine[0], mine[-1] + 1)):
            faults.append(f"{name} was switched by another run in between")
    return safe, faults


def _await_gone(victim: Victim) -> tuple[float, dict[int, str]]:
    """The seconds until its last process was gone, and those that are not."""
    while True:
        left = victim.processes()
        took = time.monotonic() - victim.died
        if not left or took > _PATIENCE:
            return took, left
        time.sleep(_GLANCE)


def _ask(victim: Victim, standing: Standing) -> dict[str, bool]:
    """Whether each board has its supply, by its own word: of those that no successor has touched yet."""
    supplies = {}
    for name in IDLE:
        on = standing.powered(name)
        diary = standing.diary(name)
        if diary and diary[-1].run == victim.folder.name:
            supplies[name] = on
    return supplies
