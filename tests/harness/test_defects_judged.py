"""What the matrix makes of verdicts, and what it takes for a table: no bench is needed for that."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.defects import page, plan
from tests.defects.benches import BENCH, Job, Verdict
from tests.defects.judge import Row, fold, unproven
from tests.defects.table import Catch, Defect, TableError, good, load

WILL = Catch("test_will", "", "fail", "no will")
DEFECT = Defect(("without will",), cause="will-missing", caught=(WILL,), elsewhere={"test_last_*": "no will"})


def said(outcome: str, scenario: str = "test_will", text: str = "", case: str = "") -> Verdict:
    return Verdict("without-will", scenario, case, f"{scenario}[{case}]", outcome, text, 1.0)


CAUGHT = said("fail", text="E   AssertionError: the CONNECT carried no will")


def problems(*verdicts: Verdict, diagnosed: str = "") -> list[str]:
    row = fold([DEFECT], verdicts)[0]
    row.diagnoses = {"test_will": diagnosed} if diagnosed else {}
    return list(row.problems())


def test_all_is_as_the_table_says() -> None:
    assert problems(CAUGHT, said("fail", "test_last_will"), said("pass", "test_other"), diagnosed="will-missing") == []


@pytest.mark.parametrize(
    ("verdicts", "words"),
    [
        ([], "test_will did not run"),
        ([said("pass")], "test_will says pass, expected a fail with 'no will'"),
        ([said("fail", text="E   it hangs")], "test_will says fail: it hangs, expected a fail with 'no will'"),
        ([said("warn", text="no will")], "test_will says warn"),
        ([CAUGHT, said("fail", "test_other", "E   why")], "test_other says fail: why; the table has no explanation"),
        ([CAUGHT, said("warn", "test_other", "hm")], "test_other says warn: hm; the table has no explanation"),
        ([CAUGHT, said("error", "test_other", "no port")], "the bench failed in test_other: no port"),
    ],
)
def test_each_problem_is_one_line(verdicts: list[Verdict], words: str) -> None:
    found = problems(*verdicts)
    assert len(found) == 1
    assert words in found[0]
    assert found[0].startswith("without will: ")


def test_a_wrong_diagnosis_is_a_problem() -> None:
    assert problems(CAUGHT, diagnosed="crash") == [
        "without will: diagnosed in test_will as 'crash', expected 'will-missing'"
    ]


def test_good_firmware_may_be_caught_nowhere() -> None:
    row = fold(good([DEFECT]), [Verdict("good", "test_will", "", "test_will", "warn", "hm", 1.0)])[0]
    assert list(row.problems()) == ["good firmware: test_will says warn: hm; the table has no explanation"]


def test_one_case_of_a_scenario_proves_it_and_the_others_need_no_reason() -> None:
    defect = Defect(("without will",), caught=(Catch("test_will", "a", "fail", "no will"),))
    row = fold([defect], [said("fail", text="no will", case="a"), said("fail", text="else", case="b")])[0]
    assert list(row.problems()) == []
    row = fold([defect], [said("fail", text="no will", case="b")])[0]
    assert list(row.problems()) == ["without will: test_will[a] did not run"]


def test_a_second_try_counts_and_the_first_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Job] = []

    def second(job: Job) -> list[Verdict]:
        ran.append(job)
        return [CAUGHT] if job.picked else [said("pass", "test_other")]

    monkeypatch.setattr(Job, "run", second)
    slow, broken = Row(DEFECT, [said("pass")]), Row(DEFECT, [said("error", BENCH, "pytest ended with 3")])
    plan.try_again([slow], tmp_path)
    assert (ran[0].picked, list(slow.problems())) == ([("without-will", "test_will", "")], [])
    assert "- without will: test_will says pass" in page.markdown([slow], [], 1.0)
    plan.try_again([broken], tmp_path)
    assert (ran[1].picked, broken.verdicts) == (None, [said("pass", "test_other")])
    plan.try_again([slow], tmp_path)
    assert len(ran) == 2, "all is well, nothing to try"


def test_a_host_that_stays_busy_for_a_while_has_a_few_tries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = len(plan.LATER_TRIES)
    for caught_at, problems in ((tries, 0), (tries + 1, 1)):
        ran: list[Path] = []

        def late(job: Job, ran: list[Path] = ran, caught_at: int = caught_at) -> list[Verdict]:
            ran.append(job.folder)
            return [CAUGHT if len(ran) == caught_at else said("pass")]

        monkeypatch.setattr(Job, "run", late)
        row = Row(DEFECT, [said("pass")])
        plan.try_again([row], tmp_path)
        assert len(ran) == len(set(ran)) == tries, "each in a folder of its own"
        assert len(list(row.problems())) == problems


def test_what_an_interrupted_run_has_finished_is_not_run_again(tmp_path: Path) -> None:
    (tmp_path / "verdicts.jsonl").write_text(json.dumps(asdict(replace(CAUGHT, timeline=None))) + "\n")
    (tmp_path / "ended").write_text("1")
    assert Job(tmp_path, [DEFECT]).run() == [CAUGHT]


def test_the_proof_needs_few_firmwares_and_leaves_no_scenario_out() -> None:
    one = Defect(("without will",), caught=(WILL,))
    both = Defect(("with foreign-will",), caught=(WILL, Catch("test_other", "", "fail", "")))
    assert [(defect, catch.scenario) for defect, catch in plan.proof([one, both])] == [
        (both, "test_will"),
        (both, "test_other"),
    ]
    assert unproven(["test_will", "test_more"], [one, both]) == ["test_more"]


def test_only_what_is_meant_and_good_firmware_meets_all(tmp_path: Path) -> None:
    def picked(meant: bool) -> list[object]:
        return [job.picked for job in plan.whole([*good([DEFECT]), DEFECT], tmp_path, meant)]

    assert picked(meant=False) == [None, None]
    assert picked(meant=True) == [None, [("without-will", "test_will", "")]]


def test_small_benches_take_all_that_is_chosen_once(tmp_path: Path) -> None:
    catches = [Catch(f"test_{n}", "", "fail", "") for n in range(7)]
    busy, other = Defect(("without will",), caught=tuple(catches)), Defect(("with foreign-will",), caught=(WILL,))
    chosen = [(other, WILL), *((busy, catch) for catch in catches)]
    jobs = plan.part(chosen, tmp_path, most=3)
    assert [[name for _, name, _ in job.picked or []] for job in jobs] == [
        ["test_0", "test_1", "test_2"],
        ["test_3", "test_4", "test_5"],
        ["test_will", "test_6"],
    ]
    assert [[defect.board for defect in job.defects] for job in jobs] == [
        ["without-will"],
        ["without-will"],
        ["with-foreign-will", "without-will"],
    ]
    assert len({job.folder for job in jobs}) == 3


def test_the_page_has_each_firmware_and_a_sign_for_each_verdict() -> None:
    rows = fold([*good([DEFECT]), DEFECT], [CAUGHT, said("n/a", "test_other"), said("warn", "test_last_will")])
    text = page.markdown(rows, ["something is wrong"], 90.0)
    assert "- something is wrong" in text
    assert "| without will | test_will (fail: no will) | - | test_last_will: no will |" in text
    assert text.splitlines()[-2].split() == ["without", "will", "w-F"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[defect]]\ncaught = []", "row 1: found options = None, expected a list such as"),
        ('[[defect]]\noptions = ["without gravity"]', "row 1 (without gravity): the reference firmware has no option"),
        ('[[defect]]\noptions = ["without will"]\nwhy = 1', "found why, expected the keys that table.py lists"),
        ('[[defect]]\noptions = ["without will"]\ncaught = [{ scenario = "x" }]', "found caught = {'scenario': 'x'}"),
        ('[[defect]]\noptions = ["without will"]\n[[defect]]\noptions = ["without will"]', "without-will in two rows"),
        ("[defects]", "found the tables defects, expected [[defect]] alone"),
        ("[[", "table.toml: "),
    ],
)
def test_a_table_that_is_none(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "table.toml"
    path.write_text(text)
    with pytest.raises(TableError) as error:
        load(path)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
