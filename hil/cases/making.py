"""Faults and modes of the time server by their names, made from the parameters that a TOML file gives."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, Final

from hil.gateway import faults
from hil.gateway.faults import Fault
from hil.timeserver import modes
from hil.timeserver.modes import Mode


def _sayable(fault: type[Fault]) -> bool:
    """Whether its parameters can stand in a file: certificates and lists of the bench's authority cannot."""
    return not any(field.name.endswith("_pem") for field in fields(fault))


_CLASSES = [getattr(faults, name) for name in faults.__all__]

FAULTS: Final[Mapping[str, type[Fault]]] = {
    each.name: each
    for each in _CLASSES
    if isinstance(each, type) and issubclass(each, Fault) and each is not Fault and _sayable(each)
}
"""The gateway's faults by name."""

MODES: Final[Mapping[str, type[Any]]] = {
    each.name: each
    for each in (modes.TrueTime, modes.Offset, modes.Jump, modes.Silent, modes.KissOfDeath, modes.Delayed)
}
"""The time server's modes by name."""


def fault(name: str, parameters: Mapping[str, Any], *, draw: int = 0) -> Fault:
    """The fault of this name. `draw` is added to its seed, if it has one: each trial draws anew.

    Raises ValueError in one line for a name or parameter that there is not, or a value that cannot be.
    """
    made: Fault = _make("fault", FAULTS, name, parameters, draw)
    return made


def mode(name: str, parameters: Mapping[str, Any]) -> Mode:
    """The mode of this name. Raises ValueError as `fault` does."""
    made: Mode = _make("mode", MODES, name, parameters, 0)
    return made


def parameter_names(known: type[Any]) -> list[str]:
    """The names of what a fault or mode may be given."""
    return [field.name for field in fields(known)]


def _make(key: str, known: Mapping[str, type[Any]], name: str, parameters: Mapping[str, Any], draw: int) -> Any:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{key}: found {name!r}, expected one of {', '.join(sorted(known))}{meant}")
    allowed = {field.name: field for field in fields(known[name])}
    for parameter in parameters:
        if parameter not in allowed:
            there = ", ".join(allowed) or "none"
            raise ValueError(
                f"parameters.{parameter}: found a parameter that {name!r} has not, expected some of: {there}"
            )
    values = {key: _as_field(value, allowed[key].type) for key, value in parameters.items()}
    missing = [n for n, f in allowed.items() if n not in values and f.default is MISSING]
    if missing:
        raise ValueError(f"parameters.{missing[0]}: found nothing, expected it for {name!r}")
    if "seed" in allowed:
        values["seed"] = values.get("seed", 0) + draw
    try:
        return known[name](**values)
    except TypeError as error:
        raise ValueError(f"parameters: {name!r} cannot be made of {dict(parameters)}: {error}") from None


def _as_field(value: Any, annotation: Any) -> Any:
    """Lists become tuples; texts bytes, where a field is of bytes."""
    if isinstance(value, list):
        return tuple(value)
    return value.encode() if isinstance(value, str) and annotation == "bytes" else value
