"""What `hil case` does: each action from the options to an exit code."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from hil.cases import asking, finding, listing
from hil.cases.case import FILE, load
from hil.cases.creating import Created, Told, create
from hil.report.legible import legible
from hil.toml import FileError


def check(options: argparse.Namespace) -> int:
    """Each case, and each fault in it, a line; 2 if one cannot be used, 1 if one lacks something."""
    code = 0
    for name in options.cases:
        try:
            case = load(finding.find(name))
        except FileError as error:
            print("\n".join(f"hil: {line}" for line in str(error).split("\n")), file=sys.stderr)
            code = 2
            continue
        lacks = listing.missing(case)
        for line in lacks:
            print(f"{case.name}: {line}")
        if lacks:
            code = max(code, 1)
        else:
            print(f"{case.name}: sound, {len(case.conditions)} condition(s)")
    return code


def show(options: argparse.Namespace) -> int:
    """A case in words."""
    print("\n".join(listing.shown(load(finding.find(options.case)))))
    return 0


def list_cases(options: argparse.Namespace) -> int:
    """The cases of a folder; without one those of the folder of all, and those that come with hil.

    One that cannot be read is told so in its line. 1 where there is none.
    """
    folder = Path(options.folder) if options.folder is not None else finding.home()
    own = {path.name: path for path in finding.all_in(folder)}
    come_with_hil = {} if options.folder is not None else {finding.name_of(path): path for path in finding.shipped()}
    if not own and not come_with_hil:
        print(f"hil: no cases in {folder}; hil case new NAME makes one", file=sys.stderr)
        return 1
    for cases in (own, come_with_hil):
        width = max((len(name) for name in cases), default=0)
        for name, path in cases.items():
            print(f"{name:{width}}  {_line(path)}")
    return 0


def _line(folder: Path) -> str:
    try:
        return legible(load(folder).title, keep="")
    except FileError as error:
        return f"cannot be used: {error.faults[0]}"


def new(options: argparse.Namespace) -> int:
    """Make a case: asks where nothing was said but its name."""
    folder = finding.find(options.name)
    said = any(getattr(options, key) is not None for key in ("title", "files", "story", "source", "on", "firmware"))
    if folder.exists() and not said:
        raise FileExistsError(f"{folder} is there already; name a new folder for the case")
    try:
        made = _told(folder, options) if said else _asked(folder, options)
    except (EOFError, KeyboardInterrupt) as ended:
        if sys.stdin.isatty():
            print()  # behind the question that had no answer
        if isinstance(ended, KeyboardInterrupt):
            print("hil: interrupted; nothing was made", file=sys.stderr)
            return 130
        raise ValueError(
            "the answers ended before all was asked, and nothing was made; say --title and --from in place of them"
        ) from None
    for note in made.notes:
        print(legible(note, keep=""))
    print(f"made {folder / FILE}: {len(made.case.conditions)} condition(s)")
    if made.candidates > 1:
        print(f"the files fit {made.candidates} candidates; hil case new with --choose N makes another of them")
    for line in listing.missing(made.case):
        print(f"still missing: {line}")
    if made.case.signature is not None:
        print(f"next: hil reproduce {shlex.quote(options.name)} --rig RIG")
    return 0


def _told(folder: Path, options: argparse.Namespace) -> Created:
    told = Told(
        title=options.title or folder.name.replace("-", " "),
        story=options.story or "",
        source=options.source or "",
        reported=options.on,
        version=options.firmware,
        files=options.files or (),
        board=options.board,
        test=options.test,
        client=options.client,
        port=options.port,
        device=options.device,
        virtual=options.virtual,
        choose=options.choose,
    )
    return create(folder, told)


def _asked(folder: Path, options: argparse.Namespace) -> Created:
    """The same with answers of a person. What is said of one kind of file holds for those that are named."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  # keys that move in a line, and lines of more than the terminal's 4095 characters
    about = {name: getattr(options, name) for name in ("board", "test", "client", "port", "device")}

    def say(words: str) -> None:
        print(legible(words, keep=""))  # what a file of the field says may hold keys for a terminal

    told = replace(asking.tell(input, say), virtual=options.virtual, choose=options.choose, **about)
    return create(folder, told, asking.accepting(input, say))


def scenario(options: argparse.Namespace) -> int:
    """Write a test of a case."""
    from hil.reproduce import scenario as scenarios
    from hil.reproduce.kept import kept

    case = load(finding.find(options.case))
    times = options.times
    if options.reproduced is not None:
        times = scenarios.times_for(kept(Path(options.reproduced)))
    if times < 1:
        raise ValueError(f"--times: found {times}, expected 1 or more")
    test = scenarios.write(case, Path(options.to), times=times)
    trials = "trial" if times == 1 else "trials"
    print(f"{test}: {times} {trials} in each run; run it with: pytest {test} --rig RIG")
    return 0


ALL = {"new": new, "check": check, "show": show, "list": list_cases, "scenario": scenario}
