"""What a case needs of a bench and a board, and why it may not be there."""

from __future__ import annotations

from hil.bench import Bench
from hil.board import Board
from hil.cases import Case
from hil.reproduce.attempt import signature_of

_NEEDS = {
    "gateway-fault": "gateway",
    "time-server": "time",
    "broker-policy": "gateway",
    "server-certificate": "gateway",
    "device-certificate": "own-tls",
    "client-refused": "gateway",
    "second-client": "gateway",
    "wifi-loss": "access-point",
    "dns-outage": "name-server",
    "wrong-name": "provisioning",
    "power-cut": "power-cut",
    "brown-out": "power-cut",
    "random-cuts": "power-cut",
}
"""What a kind of condition needs of a bench (hil.needs)."""


def needs(case: Case) -> list[str]:
    """What the case needs of a bench and a board, names of hil.needs."""
    found = {_NEEDS[condition.kind] for condition in case.conditions if condition.kind in _NEEDS}
    patterns = [*signature_of(case).seen, *signature_of(case).never]
    if any(pattern.source == "gateway" for pattern in patterns):
        found.add("gateway")
    if any(step.do == "power-off" for step in case.trial.steps):
        found.add("power-cut")
    return sorted(found)


def lacks(case: Case, bench: Bench, board: Board) -> str | None:
    """Why the case says nothing on this board, as a phrase; None if it can be tried."""
    return next((reason for need in needs(case) if (reason := bench.lacks(board, need)) is not None), None)
