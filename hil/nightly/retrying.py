"""Which failures of a night are tried again: what the policy says, and no more. Pure, but for the diagnosis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from hil.nightly.planned import Planned
from hil.nightly.policy import Policy
from hil.report.attempts import BAD
from hil.report.results import Result
from hil.report.verdicts import RETRIED


def again(
    policy: Policy,
    planned: Iterable[Planned],
    results: Sequence[Result],
    cause_of: Callable[[Result], str | None],
    died: Iterable[str] = (),
) -> list[Planned]:
    """The tests that failed, and may be tried once more.

    `cause_of`: what the diagnosis of a failure found most probable. `died`: tests that a run has died in; those are
    not tried again. Nor is a soak, but where the bench failed: hours that went wrong are not undone by some minutes.
    """
    times = Counter(result.test for result in results if result.ended_well)
    failed = {r.test: r for r in results if r.attempt != RETRIED and r.verdict in BAD and r.verdict != "quarantined"}
    dead = set(died)
    found = []
    for one in planned:
        result = failed.get(one.test)
        if result is None or one.test in dead or (one.soak and result.verdict != "ERROR"):
            continue
        allowed = policy.times(one.scenario, one.board, result.verdict, cause_of(result))
        if times[one.test] <= allowed:
            found.append(one)
    return found
