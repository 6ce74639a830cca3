"""Tables of a case, as proposals write them: conditions, and steps of a signature."""

from __future__ import annotations

from typing import Any

Table = dict[str, Any]


def fault(name: str, fault: str, /, when: Table | None = None, **parameters: Any) -> Table:
    """A fault of the gateway, as a condition of this name."""
    table: Table = {"name": name, "kind": "gateway-fault", "fault": fault}
    return table | ({"parameters": parameters} if parameters else {}) | ({"when": when} if when else {})


def condition(name: str, kind: str, **keys: Any) -> Table:
    """A condition of any kind."""
    return {"name": name, "kind": kind, **keys}


def event(source: str, kind: str, count: int = 1, **data: Any) -> Table:
    """A step of a signature: an event, so many times."""
    table: Table = {"source": source, "kind": kind}
    return table | ({"data": data} if data else {}) | ({"count": count} if count > 1 else {})
