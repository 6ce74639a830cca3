"""Spares esptool the text of a trace that nobody asked for: half of the processor time of a run that writes or reads.

esptool 5 puts all that goes over the line into hexadecimal for its trace before it looks whether there is a trace: for
192 KiB of firmware that takes longer than to send it. It is imported by no name of hil: the module is waited for.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


class Untraced:
    """A finder of modules that has a look at `esptool.loader` as it is imported, and leaves all others alone."""

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """See importlib."""
        if name != "esptool.loader":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        loader: Any = None if spec is None else spec.loader
        if loader is not None and not is_traced(sys.argv[1:]):
            execute = loader.exec_module

            def then_spare(module: ModuleType) -> None:
                execute(module)
                spare(module)

            loader.exec_module = then_spare
        return spec


def is_traced(words: list[str]) -> bool:
    """Whether these arguments of esptool ask for a trace, or may: its short option can stand among others."""
    return any(word == "--trace" or (word[:1] == "-" and word[1:2] != "-" and "t" in word) for word in words)


def spare(module: Any) -> None:
    """Make no text of bytes; a version of esptool that does it otherwise is left as it is."""
    formatter = getattr(module, "HexFormatter", None)
    if formatter is not None:
        formatter.__str__ = lambda self: ""
