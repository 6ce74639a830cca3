"""What a bisection came to, in lines for people and as JSON can hold it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hil.bisect.versions import Version
from hil.bisect.walk import Ending, Result, Tally


def lines(result: Result, versions: Sequence[Version]) -> list[str]:
    """The table of counts, and what follows from it."""
    return [*_table(result, versions), *_verdict(result, versions), *_remarks(result, versions)]


def facts(result: Result, versions: Sequence[Version]) -> dict[str, Any]:
    """As JSON can hold it; docs/bisect-and-shrink.md has the keys."""
    found = result.ending is Ending.FOUND
    return {
        "ending": str(result.ending),
        "first_bad": [_named(versions[place]) for place in result.suspects] if found else None,
        "suspects": [_named(versions[place]) for place in result.suspects],
        "probability": result.probability,
        "rates": {"without": result.good, "with": result.bad} if found else None,
        "odd": [versions[place].name for place in result.odd],
        "trials": result.trials,
        "nothing": result.nothing,
        "versions": [
            {**_named(version), **_counted(tally)} for version, tally in zip(versions, result.tallies, strict=True)
        ],
    }


def _named(version: Version) -> dict[str, str]:
    return {"name": version.name, "identity": version.identity, "about": version.about}


def _counted(tally: Tally) -> dict[str, Any]:
    counts = {name: getattr(tally, name) for name in ("reproduced", "other", "passed", "not_run")}
    return {**counts, "tries": tally.tries, "skipped": tally.skipped}


def _table(result: Result, versions: Sequence[Version]) -> list[str]:
    shown = [place for place, tally in enumerate(result.tallies) if tally.tries or tally.not_run or tally.skipped]
    width = max((len(versions[place].name) for place in shown), default=0)
    return [f"  {versions[place].name:{width}}  {_row(result.tallies[place])}" for place in shown]


def _row(tally: Tally) -> str:
    if tally.skipped:
        return f"passed over: {tally.skipped}"
    text = f"fails {tally.reproduced} of {tally.tries}"
    if tally.other:
        text += f", and {tally.other} in another way"
    return text + (f"; {tally.not_run} could not be run" if tally.not_run else "")


def _verdict(result: Result, versions: Sequence[Version]) -> list[str]:
    first, last = versions[0].name, versions[-1].name
    after = f"after {result.trials} trials"
    names = [versions[place].name for place in result.suspects]
    for place in (0, len(versions) - 1):
        if result.tallies[place].skipped:
            name = versions[place].name
            return [f"not begun: {name} cannot be tried, and without it nothing is known; put right what is wrong"]
    match result.ending:
        case Ending.NO_DIFFERENCE:
            sure = "" if result.nothing < 0.5 else f" ({result.nothing:.0%} that it does not, {after})"
            return [f"nothing to find: it was not shown that {last} fails more often than {first}{sure}"]
        case Ending.UNFINISHED:
            where = f"one of {_some(names)}" if len(names) > 1 else names[0]
            nothing = f", or nothing to find with {result.nothing:.0%}" if result.nothing >= 0.01 else ""
            return [f"not found yet, {after}: {where} with {result.probability:.0%}{nothing}"]
    if len(names) == 1:
        found = [f"first bad: {names[0]} ({result.probability:.0%}, {after})"]
    else:
        untold = "no trial can tell them apart, since some of them cannot be tried"
        found = [f"first bad: one of {_some(names)} ({result.probability:.0%}, {after}); {untold}"]
    found += [
        f"  {versions[place].name}  {versions[place].about}" for place in result.suspects if versions[place].about
    ]
    return [*found, f"  without it about {result.good:.0%} of the trials fail, with it {result.bad:.0%}"]


def _remarks(result: Result, versions: Sequence[Version]) -> list[str]:
    if not result.odd:
        return []
    names = ", ".join(versions[place].name for place in result.odd)
    return [f"  warning: {names} does not fit: there may have been more than one change"]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 6 else f"{len(names)} versions from {names[0]} to {names[-1]}"
