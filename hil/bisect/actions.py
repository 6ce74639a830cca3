"""What `hil bisect` does: from the options to lines and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from hil.bisect import wording
from hil.bisect.building import Revisions
from hil.bisect.play import play, resume
from hil.bisect.revisions import GitError
from hil.bisect.versions import Images, Versions, listed
from hil.bisect.walk import Ending, Walk
from hil.cases import Case, load
from hil.cases.finding import find
from hil.cases.writing import text
from hil.report.legible import legible
from hil.reproduce.attempt import NoSignature, signature_of
from hil.reproduce.journal import Journal, JournalError
from hil.reproduce.running import BenchRunner
from hil.reproduce.telling import complaint, teller
from hil.rig import Rig, RigBoard
from hil.toml import FileError

FOUND, NOT_FOUND, USAGE, INTERRUPTED = 0, 1, 2, 130


def bisect(rig: Rig, boards: Sequence[RigBoard], options: argparse.Namespace) -> int:
    """Walk, and say what was found. Raises BenchError."""
    with contextlib.ExitStack() as opened:
        try:
            case = load(find(options.case))
            signature_of(case)
            folder = Path(options.to) if options.to else rig.resolve(rig.file.artifacts) / f"bisect-{case.name}"
            versions = opened.enter_context(_versions(options, folder))
            journal = opened.enter_context(Journal(folder, _asked(case, versions), what="bisection", option="-o"))
        except (FileError, GitError, JournalError, NoSignature, OSError, ValueError) as error:
            print(complaint(error), file=sys.stderr)
            return USAGE
        try:
            return _walked(rig, boards, options, case, versions, journal)
        except GitError as error:
            print(complaint(error), file=sys.stderr)
            return NOT_FOUND


def _walked(
    rig: Rig, boards: Sequence[RigBoard], options: argparse.Namespace, case: Case, versions: Versions, journal: Journal
) -> int:
    folder = journal.path.parent
    names = [board.name for board in boards]
    walk = Walk(
        versions.contained, confidence=options.confidence, most=options.most, ends=options.ends, boards=len(names)
    )
    told = teller(as_json=options.json)
    known = resume(walk, versions, journal)
    told(f"{case.name}: {len(versions.versions)} versions, {versions.versions[0].name} to {versions.versions[-1].name}")
    if known:
        told(f"{known} trials are known from {journal.path}")
    whole = True
    run_folder = folder / "runs" / datetime.now().strftime("%Y%m%d-%H%M%S")
    try:
        with BenchRunner(rig, names, folder=run_folder, first=journal.next_number) as run:
            play(walk, versions, case, run, journal, told)
    except KeyboardInterrupt:
        whole = False
    result = walk.result()
    if options.json:
        found = {"case": case.name, "folder": str(folder), "whole": whole, **wording.facts(result, versions.versions)}
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        so_far = [] if whole else ["interrupted; so far:"]
        lines = [*so_far, *wording.lines(result, versions.versions)]
        print("\n".join(legible(line, keep="") for line in lines))
        print(f"  {folder} holds the journal: the same command goes on from there")
    if not whole:
        return INTERRUPTED
    return FOUND if result.ending is Ending.FOUND else NOT_FOUND


@contextlib.contextmanager
def _versions(options: argparse.Namespace, folder: Path) -> Iterator[Versions]:
    """The versions that the options name. Raises ValueError where they name none, or both kinds."""
    if options.repo is None:
        paths = [Path(path) for path in options.firmwares]
        if options.list is not None:
            paths += listed(Path(options.list))
        if not paths:
            raise ValueError(
                "found no firmware, expected --firmware, --list, or --repo with --good, --build and --image"
            )
        yield Images(paths)
        return
    if options.firmwares or options.list:
        raise ValueError("found --repo beside --firmware or --list, expected one of them")
    missing = [name for name in ("good", "build", "image") if getattr(options, name) is None]
    if missing:
        raise ValueError(f"--repo: found no --{', --'.join(missing)}, expected --good, --build and --image beside it")
    with Revisions(
        Path(options.repo),
        options.good,
        options.bad,
        build=options.build,
        image=options.image,
        folder=folder,
        first_parent=options.first_parent,
        seconds=options.build_timeout,
    ) as revisions:
        yield revisions


def _asked(case: Case, versions: Versions) -> dict[str, object]:
    """What the journal is of: trials of another case, or of other images, must not be taken for this one's."""
    content = hashlib.sha256(text(case.file).encode()).hexdigest()
    which = [[version.name, version.identity] for version in versions.versions]
    return {"case": case.name, "content": content, "versions": which, "built": versions.asked}
