"""What the end of a night leaves: reports, history, the one-screen summary, and whoever wants to be told."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hil.diagnose import CANNOT_TELL
from hil.history.outcomes import BROKEN
from hil.nightly import failing
from hil.nightly.changes import Changes, keep_and_ask
from hil.nightly.marking import as_markdown
from hil.nightly.outcome import Outcome
from hil.nightly.plan import Plan
from hil.nightly.screen import on_screen
from hil.nightly.wording import told
from hil.report import files, runs, since
from hil.report.ending import leave_reports

SCREEN, MARKDOWN = "night.txt", "night.md"
"""The summaries, in the night's folder."""

NOTIFY_SECONDS: Final = 120.0
"""What a command that passes a night on may take."""


def leave(plan: Plan, night: Outcome, *, notify: str | None, markdown: Path | None) -> str:
    """Write and pass on all that there is to tell of a night; returns the one-screen summary. Raises OSError.

    `markdown`: a file that the summary is added to, such as $GITHUB_STEP_SUMMARY.
    """
    changes = keep_and_ask(plan.rig, plan.history, night.folder) if night.results else Changes()
    onsets = {about: failing.since(onset) for about, onset in changes.onsets.items()}
    files.put(night.folder / since.FILE, since.as_json(onsets))
    for line in leave_reports([night.folder], None):
        if line.startswith("reports: "):  # what went wrong with them; the rest is on the screen in fewer words
            print(f"hil: {line}", file=sys.stderr)
    words = told(plan, night, changes, _whys(night))
    screen, marked = on_screen(words), as_markdown(words)
    files.put(night.folder / SCREEN, screen)
    files.put(night.folder / MARKDOWN, marked)
    if markdown is not None:
        with markdown.open("a", encoding="utf-8") as file:
            file.write(marked)
    if notify is not None:
        _notify(notify, night, screen)
    return screen


def _whys(night: Outcome) -> Mapping[int, str]:
    """What the diagnosis finds most probable of each failure, in words, by the `id` of the result."""
    bad = {(one.test, one.began): id(one) for one in night.results if one.verdict in BROKEN}
    if not bad:
        return {}
    run = runs.read(night.folder)
    return {
        bad[one.test, one.began]: found[0].title
        for one in run.results
        if (one.test, one.began) in bad and (found := run.diagnoses(one)) and found[0].cause != CANNOT_TELL
    }


def _notify(command: str, night: Outcome, screen: str) -> None:
    """Run a shell command with the summary on its standard input. What it does ill is said, and changes nothing."""
    told = {"HIL_NIGHT_CODE": str(night.code), "HIL_NIGHT_FOLDER": str(night.folder.absolute())}
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            input=screen,
            text=True,
            env={**os.environ, **told},
            timeout=NOTIFY_SECONDS,
            check=False,
        )
        if done.returncode:
            print(f"hil: --notify: the command ended with {done.returncode}", file=sys.stderr)
    except subprocess.TimeoutExpired:
        print(f"hil: --notify: the command did not end within {NOTIFY_SECONDS:g} s", file=sys.stderr)
