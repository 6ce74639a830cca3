"""The revisions of a git repository between a good and a bad one, and which of them contain which.

git runs as a process, without the variables by which a hook that calls hil would point it elsewhere.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hil.evidence.culprit import in_a_row

_SECONDS = 120.0


class GitError(Exception):
    """What git said, in one line."""


@dataclass(frozen=True, slots=True)
class Revision:
    """`commit`: its full hash. `short`: as git shortens it. `line`: date, author and subject."""

    commit: str
    short: str
    line: str


def git(folder: Path, *arguments: str) -> str:
    """What git prints. Raises GitError."""
    # A hook has these set, and git would follow them in place of -C.
    env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "-C", str(folder), "-c", "core.hooksPath=/dev/null", *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, env=env, stdin=subprocess.DEVNULL, timeout=_SECONDS, check=False
        )
    except FileNotFoundError:
        raise GitError("git is not installed; install it, or give the images with --firmware") from None
    except subprocess.TimeoutExpired:
        raise GitError(f"git {arguments[0]} took longer than {_SECONDS:.0f} s in {folder}") from None
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise GitError(f"{folder}: git {arguments[0]}: {lines[-1] if lines else f'ended with {done.returncode}'}")
    return done.stdout.decode("utf-8", "surrogateescape")


def commit_of(folder: Path, revision: str) -> str:
    """The full hash of a revision, however it is named. Raises GitError."""
    try:
        return git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").strip()
    except GitError as error:
        if not (folder / ".git").exists():
            git(folder, "rev-parse", "--git-dir")  # says so if this is no repository at all
        raise GitError(f"{folder}: there is no revision {revision!r}") from error


def between(folder: Path, good: str, bad: str, *, first_parent: bool) -> tuple[list[Revision], list[int]]:
    """The good revision, and all behind it up to the bad one, parents before children; and which contain which.

    `first_parent`: only such as one comes by following the first parent of each merge. Raises GitError.
    """
    first, last = commit_of(folder, good), commit_of(folder, bad)
    if first == last:
        raise GitError(f"{folder}: {good} and {bad} are the same revision, expected a good and a bad one")
    base = git(folder, "merge-base", first, last).strip()
    if base != first:
        raise GitError(
            f"{folder}: {good} is not contained in {bad}, so there may be no first bad one between them; "
            f"see whether their common ancestor {base[:12]} is good, and give that"
        )
    options = ["--topo-order", "--reverse", *(["--first-parent"] if first_parent else [])]
    rows = [*_rows(folder, "-1", first), *_rows(folder, *options, f"{first}..{last}")]
    revisions = [Revision(commit, short, line) for commit, _, short, line in rows]
    if first_parent:
        return revisions, in_a_row(len(revisions))
    return revisions, _contained([row[0] for row in rows], [row[1].split() for row in rows])


def _rows(folder: Path, *which: str) -> list[list[str]]:
    """Hash, parents, short hash and a line for people, for each revision."""
    form = "--format=%H%x00%P%x00%h%x00%ad %an: %s"
    text = git(folder, "log", "--no-show-signature", "--no-color", "--date=short", form, *which)
    return [line.split("\0", 3) for line in text.split("\n") if line]


def _contained(commits: Sequence[str], parents: Sequence[Sequence[str]]) -> list[int]:
    """For each commit from the second on: itself and all that follow from it, bit n for commit n."""
    place = {commit: number for number, commit in enumerate(commits)}
    found = [0] + [1 << number for number in range(1, len(commits))]
    for number in range(len(commits) - 1, 0, -1):
        for parent in parents[number]:
            if parent in place:
                found[place[parent]] |= found[number]
    return found[1:]
