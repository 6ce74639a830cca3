"""`hil doctor`: what it prints, and its exit code."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from rich.console import Console as Screen

from hil.doctor import udev
from hil.doctor.check import Case
from hil.doctor.checks import CHECKS, examine
from hil.doctor.finding import Finding
from hil.rig import Rig, RigBoard

_MARKS = {"ok": "[green]ok   [/]", "note": "[yellow]note [/]", "fault": "[red]FAULT[/]"}


def run(rig: Rig, chosen: list[RigBoard], options: argparse.Namespace) -> int:
    """Print the findings; 1 if one of them is a fault."""
    asked = frozenset(c.asked for c in CHECKS if c.asked and getattr(options, c.asked.strip("-").replace("-", "_")))
    case = Case(rig, chosen, options=asked, say=lambda text: print(f"hil: {text}", file=sys.stderr))
    found = [udev.write(case, Path(options.udev))] if options.udev else examine(case)
    findings = as_json(rig, found) if options.json else on_screen(found, every=options.all)
    return 1 if any(finding.level == "fault" for finding in findings) else 0


def as_json(rig: Rig, findings: Iterable[Finding]) -> list[Finding]:
    """Print them as one object: `rig`, the numbers of `faults` and `notes`, and `findings` with all that each says."""
    found = list(findings)
    numbers = {name: sum(finding.level == level for finding in found) for name, level in _LEVELS.items()}
    print(json.dumps({"rig": rig.name, **numbers, "findings": [asdict(finding) for finding in found]}, indent=1))
    return found


_LEVELS = {"faults": "fault", "notes": "note"}


def on_screen(findings: Iterable[Finding], *, every: bool = False) -> list[Finding]:
    """Print faults and notes as they are found, and what was asked for; the rest in one line, or `every` one."""
    screen = Screen(highlight=False)
    asked = {check.name for check in CHECKS if check.asked}
    found, quiet = [], []
    for finding in findings:
        found.append(finding)
        if finding.level == "ok" and not every and finding.check not in asked:
            quiet.append(finding)
            continue
        screen.print(f"{_MARKS[finding.level]} ", end="")
        screen.print(f"{finding.about}: {finding.found}", soft_wrap=True, markup=False)
        if finding.cure:
            screen.print(f"      -> {finding.cure}", soft_wrap=True, markup=False)
    if quiet:
        names = ", ".join(dict.fromkeys(finding.about for finding in quiet))
        screen.print(f"{_MARKS['ok']} ", end="")
        screen.print(f"{names} (--all says more)", soft_wrap=True, markup=False)
    faults = sum(finding.level == "fault" for finding in found)
    words = f"{faults} fault{'s' if faults > 1 else ''}"
    screen.print(words if faults else "no faults: the bench can be opened")
    return found
