"""Has a program say its version, within a time: one that is missing, hangs or does not run is said to be so."""

from __future__ import annotations

import os
import re
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from hil import process
from hil.tools.tool import Tool

#: Where Debian puts what an ordinary user's PATH does not name.
MORE_PATHS = ":/usr/sbin:/usr/local/sbin"

#: Has an environment's own Python say of which version a package is (its name is the argument behind it).
_OF_PACKAGE = "import sys; from importlib.metadata import version; print('version', version(sys.argv[1]))"
_VERSION = re.compile(r"\b(\d+\.\d+(?:\.\d+)*)\b")
#: The lines that tell it: 'avrdude version 7.1', '2.5.0-1', 'SiS PM Control for Linux 4.9' (sispmctl's main.c).
_TELLING = re.compile(r"ersion|^\W*v?\d|for Linux \d")


@dataclass(frozen=True)
class Answer:
    """What became of asking. `program`: where it is, or what was looked for; `trouble`: why it says nothing, or ''."""

    program: str
    version: Version | None = None
    trouble: str = ""


def find(program: str) -> str | None:
    """The path of a program, also where an ordinary user's PATH does not look; None if it is not there."""
    return shutil.which(program, path=os.environ.get("PATH", "") + MORE_PATHS)


def ask(tool: Tool, program: str | None = None, *, patience: float, stop: threading.Event | None = None) -> Answer:
    """Which version a tool is of. `program`: where it is, if not as its name says; `patience` in seconds.

    `stop` gives it up: what was not said until then stays unsaid. Raises nothing for a tool that cannot be run.
    """
    wanted = program or tool.name
    found = find(wanted)
    if found is None:
        return Answer(wanted, trouble=f"{wanted} was not found")
    said = _words(found, tool.ask, patience, stop)
    if isinstance(said, Answer):
        return said
    version = version_in(said)
    python = Path(found).parent / "python"
    if version is None and tool.package is not None and python.exists():
        more = _words(str(python), ("-c", _OF_PACKAGE, tool.package), patience, stop)
        version = version_in(more) if isinstance(more, str) else None
    return Answer(found, version)


def _words(program: str, arguments: tuple[str, ...], patience: float, stop: threading.Event | None) -> str | Answer:
    """What it says to these arguments, whatever its exit code; an answer with its trouble where it says nothing."""
    try:
        done = process.run([program, *arguments], timeout=patience, merge=True, stop=stop)
    except OSError as error:
        return Answer(program, trouble=f"{program} does not run: {error.strerror}")
    if done.ended == "exit":
        return done.output
    when = "when it was given up" if done.ended == "stopped" else f"after {patience:g} s"
    return Answer(program, trouble=f"{program} {' '.join(arguments)} was not done {when}")


def version_in(said: str) -> Version | None:
    """The first version in a tool's words that does not belong to something else, such as a file's name."""
    for line in said.split("\n"):
        match = _VERSION.search(line) if _TELLING.search(line) else None
        if match is not None:
            try:
                return Version(match[1])
            except InvalidVersion:
                continue
    return None
