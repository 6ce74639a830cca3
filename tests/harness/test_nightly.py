"""Nights with made-up parts: what is run, what is not run again, what it all comes to."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hil.nightly import journal
from hil.nightly.ending import leave
from hil.nightly.plan import now
from hil.nightly.policy import Policy, Retry
from hil.nightly.screen import HEIGHT, WIDTH
from hil.report import files, runs
from tests.harness.made_up_nights import BOARDS, Killed, Lab, planned

FLASH = ("01-flash", [f"flash {board}" for board in BOARDS])
ALL = [planned(name, board) for name in ("one", "two", "three") for board in BOARDS]


def test_all_is_run_once_and_the_night_passes(tmp_path: Path) -> None:
    lab = Lab(tmp_path, *ALL, two=["skipped"])
    night = lab.night()
    assert lab.parts.ran == [FLASH, ("02-scenarios", [one.scenario for one in ALL])]
    assert (night.code, dict(night.verdicts)) == (0, {"pass": 7, "n/a": 1})
    assert "--board=esp32-a" in lab.parts.options[1]
    assert f"--part-of={tmp_path}" in lab.parts.options[1]
    assert [record["what"] for record in journal.read(tmp_path)] == [
        *("night", "doctor", "doctor", "begun", "ended", "begun", "ended")
    ]


def test_after_a_kill_only_what_is_left_is_run(tmp_path: Path) -> None:
    lab = Lab(tmp_path, *[planned(f"t{n}") for n in range(5)], t1=["failed"], t3=["dies"])
    with pytest.raises(Killed):
        lab.night()
    night = lab.night()
    assert [tests for _, tests in lab.parts.ran] == [FLASH[1], ["t0", "t1", "t2", "t3"], ["t3", "t4"]]
    assert (night.code, dict(night.verdicts)) == (1, {"pass": 6, "FAIL": 1})
    again = lab.night()
    assert len(lab.parts.ran) == 3
    assert again.verdicts == night.verdicts


def test_a_kill_while_flashing_flashes_only_what_was_not(tmp_path: Path) -> None:
    lab = Lab(tmp_path, *ALL)
    lab.parts.script["flash esp32c3-a"] = ["dies"]
    with pytest.raises(Killed):
        lab.night()
    assert lab.night().code == 0
    assert lab.parts.ran[1] == ("02-flash", ["flash esp32c3-a"])


@pytest.mark.parametrize(("how", "times"), [("dies", 4), ("crashes", 2)])
def test_where_the_run_dies_too_often_the_test_is_passed_over(tmp_path: Path, how: str, times: int) -> None:
    """Sooner where pytest alone dies: when the whole night does, the mains may have failed."""
    lab = Lab(tmp_path, planned("well"), planned("deadly"), planned("after"), deadly=[how] * times)
    for _ in range(times if how == "dies" else 0):
        with pytest.raises(Killed):
            lab.night()
    night = lab.night()
    tests = [["well", "deadly"], *[["deadly"]] * (times - 1), ["after"]]
    assert lab.parts.ran[1:] == [(f"{number:02}-scenarios", ran) for number, ran in enumerate(tests, 2)]
    (error,) = [result for result in night.results if result.verdict == "ERROR"]
    assert error.scenario == "deadly"
    assert f"the run died here {times} times" in str(error.phases[-1].failure)
    assert night.code == 1


def test_a_test_that_was_ended_in_order_has_killed_nobody(tmp_path: Path) -> None:
    lab = Lab(tmp_path, planned("long"), long=["late", "late", "late"])
    assert lab.night().code == 0
    assert [tests for _, tests in lab.parts.ran[1:]] == [["long"]] * 4


def test_a_board_that_is_not_fit_is_left_out_and_the_others_go_on(tmp_path: Path) -> None:
    lab = Lab(tmp_path, *ALL)
    lab.unfit = {"esp32-a": ["esp32-a port: gone (plug it in)"]}
    night = lab.night()
    assert night.code == 3
    assert {result.board for result in night.results} == {"esp32c3-a"}
    assert [one.board for one, _ in night.not_run] == ["esp32-a"] * 3
    lab.unfit = {}
    mended = lab.night()
    assert (mended.code, mended.verdicts["pass"]) == (0, 8)


def test_a_board_that_cannot_be_flashed_is_left_out(tmp_path: Path) -> None:
    lab = Lab(tmp_path, *ALL)
    lab.parts.script["flash esp32-a"] = ["error"]
    night = lab.night()
    assert lab.parts.ran[1] == ("02-scenarios", ["one", "two", "three"])
    assert night.left_out == {"esp32-a": "flash: it could not be flashed; E  the port is gone"}
    assert night.code == 1


ONCE = Policy(retry=[Retry(times=1)])


def test_nothing_is_tried_again_without_a_policy(tmp_path: Path) -> None:
    lab = Lab(tmp_path, planned("moody"), moody=["failed"])
    assert lab.night().verdicts["FAIL"] == 1
    assert len(lab.parts.ran) == 2


def test_a_pass_after_a_failure_is_flaky_everywhere(tmp_path: Path) -> None:
    lab = Lab(tmp_path, planned("moody"), planned("bad"), planned("well"), policy=ONCE, moody=["failed"])
    lab.parts.script["bad"] = ["failed"] * 9
    night = lab.night()
    assert [tests for _, tests in lab.parts.ran[1:]] == [["moody", "bad", "well"], ["moody", "bad"]]
    assert {r.scenario: r.verdict for r in night.results if r.board == "esp32-a"} == {
        **{"takes its firmware and its credentials": "pass", "moody": "flaky", "bad": "FAIL", "well": "pass"}
    }
    assert night.code == 1
    run = runs.read(tmp_path)
    told = json.loads(files.FORMS["json"].render(run))
    assert [t["verdict"] for t in told["tests"] if t["scenario"] == "moody"] == ["retried", "flaky"]
    assert [t["reasons"] for t in told["tests"] if t["verdict"] == "flaky"] == [["failed 1 of 2 times: no"]]
    junit = files.FORMS["junit"].render(run)
    assert '<skipped message="failed 1 of 2 times: no" type="flaky" />' in junit
    assert junit.count("<flakyFailure ") == junit.count("<rerunFailure ") == junit.count("<failure ") == 1
    assert junit.count("<testcase ") == len(night.results)
    assert "🎲 **1** flaky" in files.FORMS["markdown"].render(run)
    assert re.search(r"^moody +flaky [\d.]+ s", files.FORMS["terminal"].render(run), re.MULTILINE)
    screen = leave(lab.plan, night, notify=None, markdown=None)
    assert "Flaky (1):\n  esp32-a: moody: failed 1 of 2 times: no" in screen


def test_flaky_alone_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    lab = Lab(tmp_path, planned("moody"), policy=ONCE, moody=["failed"])
    assert lab.night().code == 5


def test_a_kill_while_trying_again_does_not_try_once_more(tmp_path: Path) -> None:
    lab = Lab(
        tmp_path, planned("moody"), planned("bad"), policy=ONCE, moody=["failed", "failed"], bad=["failed", "dies"]
    )
    with pytest.raises(Killed):
        lab.night()
    night = lab.night()
    assert [tests for _, tests in lab.parts.ran[1:]] == [["moody", "bad"], ["moody", "bad"]]
    assert night.verdicts["FAIL"] == 2


def test_the_deadline_ends_it_and_says_what_was_not_run(tmp_path: Path) -> None:
    lab = Lab(tmp_path, *ALL)
    night = lab.night(deadline=now() - 1)
    assert (lab.parts.ran, night.code, len(night.not_run)) == ([], 4, 6)
    screen = leave(lab.plan, night, notify=None, markdown=None)
    assert "esp32-a: 3 tests: the deadline came, " in screen


def test_the_soak_lasts_until_its_hour(tmp_path: Path) -> None:
    soaks = [planned("s1", "esp32-a", "soak"), planned("s2", "esp32-a", "soak"), planned("s1", "esp32c3-a", "soak")]
    lab = Lab(tmp_path, planned("one"), *soaks)
    assert lab.night().code == 0
    assert len(lab.parts.ran) == 2
    lab = Lab(tmp_path / "soaked", planned("one"), *soaks)
    assert lab.night(soak_until=now() + 3601).code == 0
    assert lab.parts.ran[2] == ("03-soak", ["s1", "s2", "s1"])
    minutes = float(lab.parts.options[2][-1])
    assert lab.parts.options[2][-2] == "--soak"
    assert 29 < minutes <= 30  # two of them, one after the other
    lab = Lab(tmp_path / "late", planned("one"), *soaks)
    late = lab.night(soak_until=now() - 1)
    assert (late.code, len(late.not_run)) == (4, 3)


def test_a_part_that_does_nothing_ends_the_night(tmp_path: Path) -> None:
    lab = Lab(tmp_path, *ALL)
    lab.parts.broken = "02-scenarios"
    night = lab.night()
    assert night.code == 6
    assert "had begun no test" in str(night.trouble)


def test_a_night_fits_on_one_screen(tmp_path: Path) -> None:
    tests = [planned(f"a scenario with a rather long title, number {n}", board) for n in range(40) for board in BOARDS]
    lab = Lab(tmp_path / ("long" * 30), *tests)
    lab.parts.script = {one.scenario: ["failed", "failed"] for one in tests[::3]}
    night = lab.night()
    lines = leave(lab.plan, night, notify=None, markdown=None).splitlines()
    assert len(lines) < HEIGHT
    assert max(map(len, lines)) <= WIDTH
    assert lines[0].startswith("FAILED: virtual: 54 FAIL, 28 pass")
    assert lines[-2].startswith("report: …")
    assert lines[-2].endswith("/report.html")
    assert lines[-1] == "exit code 1: something failed"


def test_whoever_wants_to_be_told_gets_the_summary(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lab = Lab(tmp_path / "night", planned("one"))
    night = lab.night()
    marked = tmp_path / "job.md"
    marked.write_text("before\n")
    command = f'cat > {tmp_path}/told; echo "$HIL_NIGHT_CODE $HIL_NIGHT_FOLDER" >> {tmp_path}/told; exit 7'
    screen = leave(lab.plan, night, notify=command, markdown=marked)
    assert (tmp_path / "told").read_text() == f"{screen}0 {tmp_path}/night\n"
    assert "the command ended with 7" in capfd.readouterr().err
    assert marked.read_text().startswith("before\n## hil nightly: PASSED")
    assert (tmp_path / "night" / "report.html").exists()
