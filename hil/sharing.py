"""Which tests go to one worker, where pytest-xdist runs several side by side.

A real board is one, so all its tests go to the worker that has opened it; so do those of the boards that get their
power from the same outlet, since one of them would cut the other's. A virtual board is a program that each worker
starts for itself: its tests may be shared among as many workers as there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hil.guardian.identity import outlet
from hil.rig import Rig
from hil.rig_file import ExternalBroker


def lanes(rig: Rig, names: Sequence[str]) -> dict[str, str]:
    """For each of these boards the lane that its tests go along, named after the first board in it.

    Boards on one outlet share a lane; so do all where the rig fixes the time server's port, which only one process can
    have. As many workers as there are lanes have something to do.
    """
    if rig.file.time_server.port:
        return dict.fromkeys(names, names[0]) if names else {}
    first: dict[str, str] = {}
    found = {}
    for name in names:
        place = outlet(rig.boards[name])
        found[name] = name if place is None else first.setdefault(place.key, name)
    return found


def copied(rig: Rig) -> frozenset[str]:
    """The boards of which there may be several at once: virtual ones, unless the rig fixes their ports.

    Nor where all are on one broker, on which two of a name would take each other's session over.
    """
    if rig.file.gateway.first_port or rig.file.time_server.port or shares_broker(rig):
        return frozenset()
    return frozenset(name for name, board in rig.boards.items() if board.config.virtual)


def shares_broker(rig: Rig) -> bool:
    """Whether the workers of a run use one broker."""
    broker = rig.file.broker
    return isinstance(broker, ExternalBroker) or broker.shared


def groups(boards: Sequence[str], lane_of: Mapping[str, str], copied: frozenset[str], workers: int) -> list[str]:
    """For each test, by the board that it is for, the name of its group.

    `lane_of`: see `lanes`; `copied` names the boards of which there may be several. `workers`: how many there are; 1
    or less: no sharing.
    """
    copies = max(1, workers // max(1, len({lane_of[name] for name in boards})))
    seen: dict[str, int] = {}
    found = []
    for board in boards:
        number = seen[board] = seen.get(board, -1) + 1
        found.append(f"{board}/{number % copies + 1}" if board in copied else lane_of[board])
    return found


def refusal(mode: str, boards: Sequence[str], copied: frozenset[str]) -> str | None:
    """Why pytest-xdist's --dist `mode` must not share out tests of these boards, or None if it may."""
    alone = [name for name in dict.fromkeys(boards) if name not in copied]
    if mode in ("no", "loadgroup") or not alone:
        return None
    return (
        f"found --dist {mode}, which may send tests of board {alone[0]} to several workers at once, expected --dist "
        "loadgroup (what -n alone means on a bench): all tests of a board then go to one"
    )
