"""A test that was run several times in one run: which time counts, and what the others make of it.

A failure is undone by nothing but a pass, and a pass after a failure is flaky: never a pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from hil.report.failure import message_of
from hil.report.verdicts import FLAKY, RETRIED

if TYPE_CHECKING:
    from hil.report.results import Result

GOOD = ("pass", "WARN")
BAD = ("FAIL", "ERROR", "quarantined")


def weigh(results: Iterable[Result]) -> None:
    """Mark what was run more than once: one of each test counts, with what came before; the others are 'retried'.

    `results` in the order in which they were written.
    """
    times: dict[str, list[Result]] = {}
    for result in results:
        times.setdefault(result.test, []).append(result)
    for several in times.values():
        if len(several) > 1:
            _weigh(several)


def _weigh(several: Sequence[Result]) -> None:
    verdicts = [result.verdict for result in several]
    number = counts(verdicts)
    bad = [one for one, verdict in zip(several, verdicts, strict=True) if verdict in BAD]
    for result in several:
        result.attempt = RETRIED
    several[number].attempt = ""
    if bad and verdicts[number] in GOOD:
        several[number].attempt = FLAKY
    judged = sum(verdict in (*GOOD, *BAD) for verdict in verdicts)
    if bad and judged > 1:
        why = next((phase.failure for one in bad for phase in one.phases if phase.failure), None)
        said = f": {message_of(why)}" if why else ""
        several[number].earlier = f"failed {len(bad)} of {judged} times{said}"


def counts(verdicts: Sequence[str]) -> int:
    """Which of a test's verdicts counts, oldest first: the last that passed or failed, if any did; else the last that
    says anything."""
    for wanted in ((*GOOD, *BAD), ("n/a",)):
        found = [number for number, verdict in enumerate(verdicts) if verdict in wanted]
        if found:
            return found[-1]
    return len(verdicts) - 1
