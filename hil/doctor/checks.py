"""Every check that there is. A new one is a function and an entry of `CHECKS` in its group's file, or a group here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hil.doctor import (
    arrival,
    baud,
    chip,
    cutting,
    holders,
    listening,
    ports,
    routes,
    surroundings,
    switches,
    tools,
    wiring,
)
from hil.doctor.check import Case, Check
from hil.doctor.finding import Finding

#: The groups, in the order in which they are looked at.
GROUPS = (tools, surroundings, listening, routes, ports, wiring, holders, switches, chip, baud, cutting, arrival)

CHECKS: tuple[Check, ...] = tuple(check for group in GROUPS for check in group.CHECKS)


def examine(case: Case) -> Iterator[Finding]:
    """All findings, check by check; those checks that touch boards only where the case has their option."""
    for check in CHECKS:
        if not check.asked or check.asked in case.options:
            for finding in check.run(case):
                yield replace(finding, check=check.name)


def markdown() -> str:
    """The checks as the tables of docs/doctor.md: what is always looked at, and what has to be asked for."""
    lines = ["| check | what it looks at | cure |", "|---|---|---|"]
    lines += [f"| `{c.name}` | {c.looks} | {c.cure} |" for c in CHECKS if not c.asked]
    lines += ["", "| check | asked for by | what it does | cure |", "|---|---|---|---|"]
    lines += [f"| `{c.name}` | `{c.asked}` | {c.looks} | {c.cure} |" for c in CHECKS if c.asked]
    return "\n".join(lines) + "\n"
