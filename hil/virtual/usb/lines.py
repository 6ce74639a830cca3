"""`python -m hil.virtual lines COMMAND ...`: run a command whose programs can set DTR and RTS of virtual USB ports.

lines.c is built on first use, kept in a cache, and loaded into the command and all that it starts (LD_PRELOAD).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hil.virtual.uno.build import cache_folder

SOURCE = Path(__file__).parent / "lines.c"
_FLAGS = ("-shared", "-fPIC", "-O2", "-Wall", "-Werror")


class NoCompiler(Exception):
    """The library cannot be built; one line with the cure."""


def library(cache: Path | None = None) -> Path:
    """The shared library, built if it is not in the cache yet. Raises NoCompiler."""
    digest = hashlib.sha256(" ".join(_FLAGS).encode() + SOURCE.read_bytes()).hexdigest()[:16]
    place = (cache or cache_folder().parent / "usb") / f"lines-{digest}.so"
    if place.is_file():
        return place
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise NoCompiler("the modem lines of virtual USB ports need a C compiler: apt-get install gcc libc6-dev")
    place.parent.mkdir(parents=True, exist_ok=True)
    number, draft = tempfile.mkstemp(dir=place.parent, prefix=".lines-")
    os.close(number)
    done = subprocess.run(
        [compiler, *_FLAGS, "-o", draft, str(SOURCE), "-ldl"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        os.unlink(draft)
        words = (done.stderr.strip() or "no message").split("\n")[0]
        raise NoCompiler(f"{compiler} cannot build {SOURCE}: {words}; apt-get install gcc libc6-dev")
    os.replace(draft, place)
    return place


def environment(cache: Path | None = None) -> dict[str, str]:
    """This process's environment, with the library for programs that are started in it. Raises NoCompiler."""
    there = os.environ.get("LD_PRELOAD", "")
    return {**os.environ, "LD_PRELOAD": " ".join(filter(None, [str(library(cache)), there]))}


def run(command: Sequence[str]) -> int:
    """Become `command`. Raises NoCompiler, and OSError where there is no such program."""
    os.execvpe(command[0], list(command), environment())
