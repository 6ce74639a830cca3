"""The summary that ends a run on the terminal, made again from what the run left."""

from __future__ import annotations

from hil.report.legible import legible
from hil.report.results import Retold
from hil.report.runs import Run
from hil.report.verdicts import Verdicts


def as_terminal(run: Run) -> str:
    """Board by scenario, warnings, findings, where the artifacts lie; as at the end of the run."""
    verdicts = Verdicts()
    for result in run.results:
        for phase in result.phases:
            verdicts.add(Retold(result, phase, run.folder))
    return "".join(f"{legible(line)}\n" for line in verdicts.summary()) if verdicts else "no tests\n"
