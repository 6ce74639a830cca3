"""When a night ends, which folder it is in, what its journal survives, what may be tried again."""

from __future__ import annotations

import datetime
import zoneinfo
from dataclasses import replace
from pathlib import Path

import pytest

from hil.cli import main
from hil.firmware_given import with_firmware
from hil.nightly import journal, keeping, policy
from hil.nightly.clock import moment_after
from hil.nightly.journal import Journal, NightTaken
from hil.nightly.outcome import CODES
from hil.nightly.plan import OtherNight, Plan, folder_for
from hil.nightly.policy import Policy
from hil.toml import FileError
from tests.harness.made_up_nights import BOARDS, RIG

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("now", "said", "then"),
    [
        ("2026-11-27T22:00+01:00", "06:00", "2026-11-28T06:00+01:00"),
        ("2026-11-28T01:00+01:00", "06:00", "2026-11-28T06:00+01:00"),
        ("2026-11-28T06:00+01:00", "6:00", "2026-11-29T06:00+01:00"),
        ("2026-11-28T05:59:59+01:00", "06:00:30", "2026-11-28T06:00:30+01:00"),
        # 29 March 2026: clocks go from 2:00 to 3:00. A night over it is an hour shorter; 2:30 is not there.
        ("2026-03-28T22:00+01:00", "06:00", "2026-03-29T06:00+02:00"),
        ("2026-03-28T22:00+01:00", "02:30", "2026-03-29T03:30+02:00"),
        # 25 October 2026: they go from 3:00 back to 2:00. 2:30 is there twice.
        ("2026-10-24T22:00+02:00", "06:00", "2026-10-25T06:00+01:00"),
        ("2026-10-24T22:00+02:00", "02:30", "2026-10-25T02:30+02:00"),
        ("2026-10-25T02:45+02:00", "02:30", "2026-10-25T02:30+01:00"),
        ("2026-10-25T02:45+01:00", "02:30", "2026-10-26T02:30+01:00"),
    ],
)
def test_the_next_time_that_a_clock_shows_it(now: str, said: str, then: str) -> None:
    begin, end = (datetime.datetime.fromisoformat(text).timestamp() for text in (now, then))
    assert moment_after(said, begin, BERLIN) == end


@pytest.mark.parametrize("said", ["6", "24:00", "06:60", "06:00:60", "soon", "06:00 "])
def test_what_is_no_time_of_day_is_told(said: str) -> None:
    with pytest.raises(ValueError, match="expected a time of day such as 06:00"):
        moment_after(said, 0.0)


def test_a_journal_survives_a_line_that_was_cut_off(tmp_path: Path) -> None:
    book = Journal(tmp_path)
    book.write("night", words="ü")
    with pytest.raises(NightTaken, match="another hil nightly is at this night"):
        Journal(tmp_path)
    book.close()
    with book.path.open("ab") as file:
        file.write(b'{"what": "begun", "at": 1')
    assert [record["what"] for record in journal.read(tmp_path)] == ["night"]
    book = Journal(tmp_path)
    book.write("end")
    book.close()
    assert [record["what"] for record in journal.read(tmp_path)] == ["night", "end"]
    book.path.write_text('{"what": "night"}\n')
    with pytest.raises(ValueError, match=r"night\.jsonl:1: not a record of a night"):
        journal.read(tmp_path)


def plan(folder: Path) -> Plan:
    rig = replace(RIG, file=RIG.file.model_copy(update={"artifacts": str(folder)}))
    return Plan(rig, BOARDS, ("tests",), Policy())


def begin(one: Plan, folder: Path, *whats: str) -> None:
    book = Journal(folder)
    book.write("night", identity=one.identity(), soak_until=one.soak_until, deadline=one.deadline)
    for what in whats:
        book.write(what)
    book.close()


def test_what_was_cut_short_is_gone_on_with(tmp_path: Path) -> None:
    one = plan(tmp_path)
    now = datetime.datetime.now()  # once: midnight may be near

    def chosen(wanted: Plan, *, hours: float = 0.0, new: bool = False) -> str:
        at = now.timestamp() + hours * 3600
        return folder_for(wanted, given=None, resume=None, new=new, now=at).name

    first = chosen(one)
    assert first == f"nightly-{now.date()}"
    begin(one, tmp_path / first)
    assert chosen(one) == first
    assert chosen(one, new=True) == f"{first}-2"
    assert chosen(replace(one, boards=BOARDS[:1])) == f"{first}-3"
    assert chosen(replace(one, version="1.4.2")) == f"{first}-4"
    assert chosen(one, hours=24.1) not in (first, f"{first}-2")
    late = replace(one, deadline=now.timestamp() + 1800)
    begin(late, tmp_path / f"{first}-2", "resumed")
    assert chosen(late) == f"{first}-2"
    assert chosen(late, hours=1) != f"{first}-2"
    begin(one, tmp_path / f"{first}-2", "end")
    assert chosen(one) == first


def test_other_firmware_is_another_night(tmp_path: Path) -> None:
    for name in ("bootloader.bin", "partition-table.bin", "firmware.bin"):
        (tmp_path / name).write_text("1")
    one = plan(tmp_path)
    one = replace(one, rig=with_firmware(one.rig, [f"esp32-a={tmp_path}"]))
    first = one.identity()["firmware"]
    assert (len(str(first["esp32-a"])), first["esp32c3-a"]) == (64, None)
    (tmp_path / "firmware.bin").write_text("2")
    assert one.identity()["firmware"] != first
    (tmp_path / "firmware.bin").unlink()
    assert one.identity()["firmware"]["esp32-a"] is None


def test_another_night_is_not_gone_on_with_by_mistake(tmp_path: Path) -> None:
    one = plan(tmp_path)
    begin(one, tmp_path / "n", "end")
    assert folder_for(one, given=None, resume=tmp_path / "n", new=False, now=0.0) == tmp_path / "n"
    with pytest.raises(
        OtherNight, match=r"n: found a night with version None, expected '2'; say what it was begun with"
    ):
        folder_for(replace(one, version="2"), given=tmp_path / "n", resume=None, new=False, now=0.0)
    with pytest.raises(OtherNight, match=r"found no night\.jsonl of a night"):
        folder_for(one, given=None, resume=tmp_path / "nothing", new=False, now=0.0)


def test_old_nights_are_deleted_and_nothing_else(tmp_path: Path) -> None:
    for number in range(1, 6):
        begin(plan(tmp_path), tmp_path / f"nightly-2026-11-0{number}")
    for name in ("nightly-notes", "20261101-000000"):
        (tmp_path / name).mkdir()
    other = Journal(tmp_path / "nightly-2026-10-01")
    other.write("night", identity={"rig": "/etc/hil/another.toml"})
    other.close()
    busy = Journal(tmp_path / "nightly-2026-11-01")
    gone = keeping.prune(tmp_path / "nightly-2026-11-05", 2)
    busy.close()
    assert sorted(path.name for path in gone) == ["nightly-2026-11-02", "nightly-2026-11-03"]
    assert len(list(tmp_path.iterdir())) == 6, "another rig's nights are its own"


def test_the_first_entry_of_a_policy_that_fits_counts(tmp_path: Path) -> None:
    file = tmp_path / "nightly.toml"
    file.write_text(
        """
        [[retry]]
        times = 2
        scenarios = ["comes back *"]
        boards = ["kit-?"]
        [[retry]]
        times = 1
        verdicts = ["ERROR"]
        [[retry]]
        times = 3
        causes = ["will-*"]
        """
    )
    found = policy.load(file)
    assert found.times("comes back from all", "kit-1", "FAIL", None) == 2
    assert found.times("comes back from all", "kit-10", "ERROR", None) == 1
    assert found.times("last will", "kit-1", "FAIL", "will-topic-denied") == 3
    assert found.times("last will", "kit-1", "FAIL", None) == 0
    assert policy.load(None).times("last will", "kit-1", "ERROR", None) == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[retry]]\ntimes = 0", "retry.0.times: found 0, expected greater than or equal to 1"),
        ("[[retry]]\ntimes = 1\nscenarois = []", "retry.0.scenarois: found a key that is not known; did you mean 'sc"),
        ('[[retry]]\ntimes = 1\ncauses = ["mood"]', "retry.0.causes: found 'mood', which no cause is called"),
        ('[[retry]]\ntimes = 1\nverdicts = ["pass"]', "retry.0.verdicts.0: found 'pass', expected"),
    ],
)
def test_a_policy_that_is_wrong_is_told(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "nightly.toml"
    file.write_text(text)
    with pytest.raises(FileError) as error:
        policy.load(file)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--soak-until", "6"], "hil: --soak-until: found '6', expected a time of day such as 06:00"),
        (["--deadline", "25:00"], "hil: --deadline: found '25:00', expected a time of day such as 06:00"),
        (["--policy", "none.toml"], "hil: none.toml: no such file"),
        (["--firmware", "nowhere"], "found nothing at "),
        (["--board", "nobody"], "found no board 'nobody'; the rig has esp32-a, esp32c3-a"),
        (
            ["--history", "postgresql://me:secret@host/name"],
            "hil: --history: found a password in the URL",
        ),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_begun(
    tmp_path: Path, options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["nightly", "--rig", str(RIG.path), "--folder", str(tmp_path / "n"), *options])
    assert (code, (tmp_path / "n").exists()) == (2, False)
    assert told in capsys.readouterr().err


def test_a_soak_that_ends_after_the_deadline_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    hour = datetime.datetime.now() + datetime.timedelta(hours=2)
    soon = hour - datetime.timedelta(hours=1)
    times = ["--soak-until", hour.strftime("%H:%M"), "--deadline", soon.strftime("%H:%M")]
    assert main(["nightly", "--rig", str(RIG.path), *times]) == 2
    assert "expected the soak to end first" in capsys.readouterr().err


def test_the_exit_codes_are_as_the_document_says() -> None:
    text = (Path(__file__).parents[2] / "docs" / "lab-runner.md").read_text()
    for code, words in CODES.items():
        assert f"| {code} | {words}" in text
