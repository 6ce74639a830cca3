"""The files from which pages are put together: styles and scripts, which `hil serve` has in common with the report."""

from __future__ import annotations

from importlib import resources


def asset(name: str) -> str:
    """The text of a file in assets/."""
    return (resources.files(__package__) / "assets" / name).read_text(encoding="utf-8")
