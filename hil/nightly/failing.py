"""A night's failures, put together by what they have in common: the boards, since which firmware, and why. Pure.

New on kit-2, with 1.4.2, good with 1.4.1 (11):
  The device does not try again (9): backs off when CONNACK refuses it; gives up a handshake that stalls; ...
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from hil.history.firmware_names import short
from hil.nightly.changes import Onset
from hil.report.failure import message_of
from hil.report.legible import one_line
from hil.report.results import Result

Key = tuple[str, str]
"""A board and a scenario."""


@dataclass(frozen=True)
class Group:
    """Failures of the same scenarios since the same moment, on some boards. `number`: of tests, on all of them."""

    title: str
    entries: Sequence[str]
    number: int
    new: bool = False


@dataclass(frozen=True)
class Failure:
    """`why`: what the diagnosis found most probable, in words; '' where nobody could say."""

    result: Result
    why: str

    @property
    def alike(self) -> Key:
        """What it shares with the same failure of another board."""
        return self.result.scenario, self.why


def groups(bad: Iterable[Result], onsets: Mapping[Key, Onset], whys: Mapping[int, str]) -> list[Group]:
    """What is new first. `onsets`: since when, where the history knows; `whys`: by the `id` of the result."""
    boards: dict[tuple[Onset | None, str], list[Failure]] = {}
    for result in bad:
        onset = _called(onsets.get((result.board, result.scenario)))
        boards.setdefault((onset, result.board), []).append(Failure(result, whys.get(id(result), "")))
    together: dict[tuple[Onset | None, frozenset[Key]], dict[str, list[Failure]]] = {}
    for (onset, board), failures in boards.items():
        alike = frozenset(one.alike for one in failures)
        together.setdefault((onset, alike), {})[board] = failures
    found = [_group(onset, by_board) for (onset, _), by_board in together.items()]
    return sorted(found, key=lambda group: not group.new)


def _called(onset: Onset | None) -> Onset | None:
    """Firmware as people call it: boards of different chips have different images of one version, and fail alike."""
    if onset is None:
        return None
    good = onset.good_firmware
    if good is None or good == onset.firmware:
        (firmware,) = short(onset.firmware)
        return replace(onset, firmware=firmware, good_firmware=good and firmware)
    firmware, good = short(onset.firmware, good)
    return replace(onset, firmware=firmware, good_firmware=good)


def _group(onset: Onset | None, boards: Mapping[str, Sequence[Failure]]) -> Group:
    first, *_ = boards.values()
    title = _title(onset, _listed(list(boards)))
    return Group(title, list(_entries(first)), sum(map(len, boards.values())), new=onset is not None and onset.new)


def _listed(names: Sequence[str]) -> str:
    """kit-1; kit-1 and kit-2; kit-1, kit-2 and 3 more."""
    if len(names) > 3:
        return f"{', '.join(names[:2])} and {len(names) - 2} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _title(onset: Onset | None, boards: str) -> str:
    return f"Failures on {boards}" if onset is None else since(onset, f" on {boards}")


def since(onset: Onset, where: str = "") -> str:
    """'New on kit-2, with 1.4.2, good with 1.4.1'; `where`: ' on kit-2', or nothing where that stands beside it."""
    if onset.good_firmware is None:
        known = f"the last {onset.tries} runs" if onset.tries > 1 else "the only run that is known"
        return f"Fail{'ures' if where else 'ed'}{where}, in {known}"
    begin = f"New{where}" if onset.new else f"Broken{where} since {onset.since}"
    if onset.firmware == onset.good_firmware:
        return f"{begin}, with the same firmware, {onset.firmware}"
    return f"{begin}, with {', good with '.join(short(onset.firmware, onset.good_firmware))}"


def _entries(failures: Sequence[Failure]) -> Iterator[str]:
    """A line for each cause with the scenarios that it broke, the widest first; for what has none the scenario's."""
    causes: dict[str, list[str]] = {}
    for one in failures:
        if one.why:
            causes.setdefault(one.why, []).append(one.result.scenario)
    for why, scenarios in sorted(causes.items(), key=lambda item: -len(item[1])):
        several = f" ({len(scenarios)})" if len(scenarios) > 1 else ""
        titles = (f"{title} ({times})" if times > 1 else title for title, times in Counter(scenarios).items())
        yield one_line(f"{why}{several}: {'; '.join(titles)}", 5000)
    for one in failures:
        if not one.why:
            error = "ERROR: " if one.result.verdict == "ERROR" else ""
            yield one_line(f"{error}{one.result.scenario}: {reason(one.result)}", 1000)


def reason(result: Result) -> str:
    """Why it failed, or may: in a line, as the test said it."""
    for phase in result.phases:
        if phase.quarantined:
            return phase.quarantined
        if phase.failure:
            return message_of(phase.failure)
    return ""
