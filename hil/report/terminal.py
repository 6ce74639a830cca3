"""The summary that ends a run on the terminal, made again from what the run left."""

from __future__ import annotations

from collections.abc import Iterator

from hil.report.alike import alike
from hil.report.legible import legible, one_line
from hil.report.results import Retold
from hil.report.runs import Run
from hil.report.summary import summary
from hil.report.verdicts import Verdicts


def as_terminal(run: Run) -> str:
    """Board by scenario, warnings, findings, where the artifacts lie, why tests failed; as at the end of the run."""
    verdicts = Verdicts(run.boards)
    for result in run.results:
        for phase in result.phases:
            verdicts.add(Retold(result, phase, run.folder))
    lines = [*verdicts.summary(), *causes(run)] if verdicts else ["no tests"]
    return "".join(f"{legible(line)}\n" for line in lines)


def causes(run: Run) -> list[str]:
    """What probably made tests fail, a line for each cause on each board; nothing where no cause is known."""
    found = list(_causes(run))
    return ["", "Probable causes:", *found] if found else []


def _causes(run: Run) -> Iterator[str]:
    for one in alike(summary(run)["tests"]):
        if one.cause is not None:
            count = f"{len(one.tests)} tests" if len(one.tests) > 1 else one_line(one.tests[0]["scenario"])
            title, sure = one_line(one.cause["title"]), one.cause["confidence"]
            yield f"  {legible(one.tests[0]['board'], keep='')}: {title} ({sure:.0%}): {count}"
