"""The languages whose sources carry certificates, and how a file's name tells which it is."""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePath


class Language(StrEnum):
    """How a file holds PEM: as string literals of a language, or as it is."""

    C = "c"  # C and C++, headers, Arduino sketches
    CSHARP = "csharp"  # .NET nanoFramework
    PYTHON = "python"  # MicroPython, CircuitPython
    PEM = "pem"  # no literals: the file is the text

    @classmethod
    def of(cls, path: PurePath | str) -> Language:
        """The language of the file with this name; whatever is no source is taken for PEM."""
        return _SUFFIXES.get(PurePath(path).suffix.lower(), cls.PEM)


_SUFFIXES = {
    **dict.fromkeys((".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx", ".inc", ".ino", ".pde"), Language.C),
    ".cs": Language.CSHARP,
    ".csx": Language.CSHARP,
    ".py": Language.PYTHON,
    ".pyi": Language.PYTHON,
}
