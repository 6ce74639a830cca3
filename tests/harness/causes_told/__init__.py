"""A story for each cause that a diagnosis knows: a file for each group, named as in `hil.diagnose.causes`."""

from __future__ import annotations

import importlib
import pkgutil

from causes_told.telling import STORIES

__all__ = ["STORIES"]

for _file in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_file.name}")
