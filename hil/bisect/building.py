"""Images of git revisions, built by a command in a worktree of their own.

The user's checkout is not touched: git gets a second one, which is removed at the end. What was built is kept by
revision, so that none is built twice.
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final

from hil import process
from hil.bisect.revisions import GitError, between, commit_of, git
from hil.bisect.versions import CannotBeTried, Version
from hil.report.legible import one_line

_IMAGES, _LOGS, _SOURCE = "images", "builds", "source"
BUILD_SECONDS: Final = 1800.0
"""How long one build may take."""


class Revisions:
    """The revisions of the repository at `repo` from `good` to `bad`; `build` is run in a checkout of each.

    `image`: where the image, or the folder of images, lies then, as a path from the top of the checkout. `folder`: for
    the checkout, what was built, and the logs of the builds. Close it, or use it as a context manager. Raises GitError,
    and ValueError for an `image` that leads out of the checkout.
    """

    def __init__(
        self,
        repo: Path,
        good: str,
        bad: str,
        *,
        build: str,
        image: str,
        folder: Path,
        first_parent: bool = False,
        seconds: float = BUILD_SECONDS,
    ) -> None:
        if Path(image).is_absolute() or ".." in Path(image).parts:
            raise ValueError(f"--image: found {image!r}, expected a path from the top of the checkout on")
        self._repo, self._build, self._image = repo.resolve(), build, Path(image)
        self._folder, self._seconds = folder.resolve(), seconds
        revisions, self.contained = between(self._repo, good, bad, first_parent=first_parent)
        self.versions = [Version(one.short, one.commit, one.line) for one in revisions]
        self.asked = {"build": build, "image": image}

    def image(self, place: int, told: Callable[[str], None]) -> Path:
        """Build it, unless it was built before. Raises CannotBeTried where that fails, GitError where git does."""
        version = self.versions[place]
        kept = self._folder / _IMAGES / version.identity
        built = kept / self._image.name
        if built.exists():
            return built
        told(f"building {version.name}: {version.about}")
        made = self._made(version)
        # Put there at once or not at all: what is there is taken for whole.
        new = kept.with_name(f".{version.identity}.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        if made.is_dir():
            shutil.copytree(made, new / self._image.name)
        else:
            shutil.copy2(made, new / self._image.name)
        shutil.rmtree(kept, ignore_errors=True)
        new.rename(kept)
        return built

    def close(self) -> None:
        """Remove the checkout; what was built stays."""
        source = self._folder / _SOURCE
        if source.exists():
            with contextlib.suppress(GitError):
                git(self._repo, "worktree", "remove", "--force", str(source))
            shutil.rmtree(source, ignore_errors=True)
        with contextlib.suppress(GitError):
            git(self._repo, "worktree", "prune")

    def __enter__(self) -> Revisions:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _made(self, version: Version) -> Path:
        source = self._checkout(version.identity)
        made = source / self._image
        # One of the revision before would be taken for this one's if the build left it as it is.
        if made.is_dir() and not made.is_symlink():
            shutil.rmtree(made)
        else:
            made.unlink(missing_ok=True)
        log = self._folder / _LOGS / f"{version.identity}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w", encoding="utf-8") as file:

            def keep(text: str) -> None:
                file.write(text)

            # A build command of several parts must not go on elsewhere if the folder is gone.
            command = f"cd {shlex.quote(str(source))} || exit 125\n{self._build}"
            done = process.run(process.shell(command), timeout=self._seconds, merge=True, on_output=keep)
        if done.ended == "time-out":
            raise CannotBeTried(f"its build took longer than {self._seconds:.0f} s; see {log}")
        if done.code != 0:
            raise CannotBeTried(f"its build failed ({one_line(done.last_words, 120)}); see {log}")
        if not made.exists() or not made.resolve().is_relative_to(source):
            raise CannotBeTried(f"its build made no {self._image}; see {log}")
        return made

    def _checkout(self, commit: str) -> Path:
        source = self._folder / _SOURCE
        if not (source / ".git").exists():
            shutil.rmtree(source, ignore_errors=True)
            self._folder.mkdir(parents=True, exist_ok=True)
            git(self._repo, "worktree", "prune")
            git(self._repo, "worktree", "add", "--detach", "--force", str(source), commit)
        elif commit_of(source, "HEAD") != commit:
            git(source, "checkout", "--quiet", "--force", "--detach", commit)
        return source
