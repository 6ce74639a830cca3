"""Versions that are tried one after another: images that lie there already, or revisions of a git repository."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hil.evidence.culprit import in_a_row
from hil.reproduce.firmwares import identity, named


class CannotBeTried(Exception):
    """A version of which there is no image. One line that says why."""


@dataclass(frozen=True, slots=True)
class Version:
    """`name`: for people, and for the journal. `identity`: what makes it this version; `about`: a line on it."""

    name: str
    identity: str
    about: str = ""


class Versions(Protocol):
    """What is walked over, the good one first.

    `contained`: see `hil.bisect.walk.Walk`. `asked`: how the images come about.
    """

    @property
    def versions(self) -> Sequence[Version]: ...
    @property
    def contained(self) -> Sequence[int]: ...
    @property
    def asked(self) -> dict[str, str]: ...

    def image(self, place: int, told: Callable[[str], None]) -> Path:
        """The image, or the folder of images, of a version; built now if need be. Raises CannotBeTried."""
        ...


class Images:
    """Images, or folders of images, oldest first.

    Raises ValueError for fewer than two, or one that is not there, and OSError.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        if len(paths) < 2:
            raise ValueError(
                f"found {len(paths)} firmware image(s), expected two or more: a good one first, a bad one last"
            )
        missing = next((path for path in paths if not path.exists()), None)
        if missing is not None:
            raise ValueError(f"{missing}: no such firmware; build it first, or see whether the path is right")
        self._paths = list(paths)
        names = named(paths)
        self.versions = [Version(name, identity(path)) for name, path in zip(names, paths, strict=True)]
        self.contained = in_a_row(len(paths))
        self.asked: dict[str, str] = {}

    def image(self, place: int, told: Callable[[str], None]) -> Path:
        """It lies there."""
        return self._paths[place]


def listed(path: Path) -> list[Path]:
    """The images that a file names, one a line, oldest first, from its folder on; `#` begins a comment.

    Raises ValueError for one that cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"--list: {path}: {error.strerror}; expected a file that names an image a line") from None
    except UnicodeDecodeError:
        raise ValueError(f"--list: {path}: is no text; expected a file that names an image a line") from None
    lines = [line.split("#", 1)[0].strip() for line in text.splitlines()]
    return [path.parent / Path(line).expanduser() for line in lines if line]
