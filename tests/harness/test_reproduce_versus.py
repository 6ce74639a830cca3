"""`hil reproduce --firmware A --firmware B`, with a bench that is made up. The statistics: test_comparing.py."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from hil.cases import Case, load
from hil.cases.finding import find
from hil.cli import main
from hil.reproduce import Outcome, Trial
from hil.reproduce.comparing import Plan
from hil.reproduce.versus import Beside, code_of, compare, with_each
from hil.timeline import Timeline


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    found = []
    for version in ("1.4.1", "1.4.2"):
        folder = tmp_path / version
        folder.mkdir()
        (folder / "firmware.bin").write_bytes(version.encode())
        found.append(folder)
    return found


class MadeUpBench:
    """Every trial of 1.4.2 fails, none of 1.4.1; `breaks` is called before each."""

    def __init__(self, breaks: Callable[[int], None] = lambda number: None) -> None:
        self.tried: list[str] = []
        self._breaks = breaks

    def __call__(
        self, case: Case, *, times: int, stop: Callable[[Sequence[Trial]], bool] | None = None
    ) -> Iterator[Trial]:
        for _ in range(times):
            self.tried.append(str(case.firmware.version))
            self._breaks(len(self.tried))
            outcome = Outcome.REPRODUCED if case.firmware.version == "1.4.2" else Outcome.PASSED
            yield Trial(len(self.tried), "a", str(case.firmware.version), outcome, 1.0, "why")


def test_each_firmware_has_its_case_and_the_worse_one_is_told(images: list[Path]) -> None:
    cases = with_each(load(find("field/no-retry")), images)
    assert list(cases) == ["1.4.1", "1.4.2"]
    assert all(case.firmware.options is None for case in cases.values())  # the images have been built
    told: list[str] = []
    found, whole = compare(cases, MadeUpBench(), Plan(), lambda name, trial: told.append(name))
    assert whole
    assert code_of(found) == 0
    assert "1.4.2 fails more often than 1.4.1" in str(found)
    assert len(told) == found.trials < 40  # no more than are needed


def test_what_is_known_at_a_ctrl_c_is_told(images: list[Path]) -> None:
    def breaks(number: int) -> None:
        if number == 3:
            raise KeyboardInterrupt

    found, whole = compare(
        with_each(load(find("field/no-retry")), images), MadeUpBench(breaks), Plan(), lambda *_: None
    )
    assert not whole
    assert (found.trials, code_of(found)) == (2, 1)


def test_beside_the_rates_it_is_told_when_and_where_each_fails(tmp_path: Path) -> None:
    timeline = Timeline(tmp_path / "timeline.jsonl")
    trials = []
    for number in range(1, 9):
        bad = number % 2
        after = timeline.record("power", "on", "a").sequence
        timeline.record("gateway", "accept", "a", connection=number)
        timeline.record("gateway", "close" if bad else "hello", "a", connection=number)
        outcome = (Outcome.NOT_RUN if number == 7 else Outcome.REPRODUCED) if bad else Outcome.PASSED
        found = Trial(number, "a", "1.4.2" if bad else "1.4.1", outcome, float(number), "why", after, timeline.mark())
        trials.append(replace(found, timeline=str(timeline.path)))
    timeline.close()
    told = Beside.of(trials)
    assert told.lines()[:3] == ["on 1.4.2", "  time to failure: 3.00 s, the median", "  not run, 1 times: why"]
    assert told.lines()[3].startswith("first difference, at +")
    assert told.lines()[4:6] == ["  passing: gateway.hello", "  failing: gateway.close"]
    assert "which ran other firmware: consoles were left out" in told.lines()[6]
    facts = json.loads(json.dumps(told.facts()))
    assert facts["time_to_failure"]["1.4.2"]["seconds"] == 3
    assert facts["difference"]["lane"] == "TLS"
    assert len(facts["trials"]) == len(trials)


def test_a_firmware_that_is_not_there_or_twice_there_is_one_line(
    images: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for paths, words in (
        ([images[0], Path("nowhere.bin")], "--firmware: nowhere.bin: no such file"),
        ([images[0], images[0]], "twice, expected each firmware once"),
        ([Path("nowhere.bin")], "--firmware: nowhere.bin: no such file"),
    ):
        given = [word for path in paths for word in ("--firmware", str(path))]
        assert main(["reproduce", "field/no-retry", "--run", "unused", *given]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line
    assert not Path("unused").exists()
