"""Names of a package that are imported when somebody asks for them: a command that needs none of them starts sooner.

    if TYPE_CHECKING:
        from hil.cases.case import Case, load

    __getattr__ = names("hil.cases", {"case": ("Case", "load")})

Not for a name that a module of the package has, too: once that is imported, the module is found in its place.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def names(package: str, modules: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """A `__getattr__` (PEP 562) for `package`: the names that each of its modules has."""
    places = {name: f"{package}.{module}" for module, found in modules.items() for name in found}

    def get(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(places[name]), name)

    return get
