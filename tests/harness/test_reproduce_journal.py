"""The journal of what was tried: kept, read back, and refused where it is of something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hil.reproduce import Outcome, Trial
from hil.reproduce.journal import Journal, JournalError


def begun(folder: Path, asked: dict[str, Any]) -> Journal:
    return Journal(folder, asked, what="bisection", option="-o")


def trial(number: int) -> Trial:
    return Trial(number, "a", "1.0", Outcome.REPRODUCED, 1.5, "fails")


def test_the_journal_keeps_what_was_tried(tmp_path: Path) -> None:
    with begun(tmp_path, {"case": "x"}) as journal:
        journal.trial("1.0", trial(1))
        journal.skip("1.1", "does not build")
        with pytest.raises(JournalError, match="another bisection writes to it"):
            begun(tmp_path, {"case": "x"})
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write('{"of": "1.0", "tri')  # a kill, in the middle of a line
    with begun(tmp_path, {"case": "x"}) as journal:
        assert [(entry.of, entry.skipped) for entry in journal.entries] == [
            ("1.0", None),
            ("1.1", "does not build"),
        ]
        assert journal.entries[0].trial == trial(1)
        journal.trial("1.0", trial(2))
    with begun(tmp_path, {"case": "x"}) as journal:
        assert len(journal.entries) == 3
        assert journal.next_number == 3


def test_a_journal_of_something_else_is_refused(tmp_path: Path) -> None:
    begun(tmp_path, {"case": "x"}).close()
    with pytest.raises(JournalError, match="is of another bisection"):
        begun(tmp_path, {"case": "y"})
    path = tmp_path / "journal.jsonl"
    for line in ("nonsense", "[]", '{"of": "1", "trial": {}}', '{"skipped": "why"}'):
        path.write_text('{"asked": {"case": "x"}}\n' + line + "\n")
        with pytest.raises(JournalError, match="line 2 is damaged"):
            begun(tmp_path, {"case": "x"})
