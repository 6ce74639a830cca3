"""The avrdude flasher beside a stand-in for avrdude that says what avrdude 7.1 was seen to say."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from hil.flash import FlashError, Image
from hil.flash.avrdude import BOARDS, Avrdude
from hil.timeline import Timeline

FAKE = Path(__file__).with_name("fake_esptool.py")  # it does what its plan says, whichever tool it stands for
LOST = "\n".join(
    f"avrdude error: programmer is not responding\navrdude warning: attempt {n} of 10: not in sync: resp=0x00"
    for n in range(1, 4)
)
MISMATCH = "avrdude warning: verification mismatch\n  device 0xff != input 0x0c at addr 0x0000 (error)"
WROTE = (
    "Writing | ################################################## | 100% 0.81s\navrdude: 7646 bytes of flash written"
)


class Stand:
    """An Avrdude whose tool follows a plan."""

    def __init__(self, folder: Path, board: str = "uno", **options: Any) -> None:
        self.folder = folder
        self.timeline = Timeline()
        self.tool = folder / "avrdude.py"
        self.tool.write_text(FAKE.read_text())
        self.image = Image(0, folder / "sketch.hex")
        self.image.path.write_text(":00000001FF\n")
        self.flasher = Avrdude(
            self.timeline,
            "a",
            "/dev/ttyACM7",
            BOARDS[board],
            artifacts=folder,
            command=(sys.executable, str(self.tool)),
            **options,
        )

    def plan(self, *steps: dict[str, Any]) -> None:
        (self.folder / "plan.json").write_text(json.dumps(steps))

    def calls(self) -> list[list[str]]:
        return [json.loads(line)["argv"] for line in (self.folder / "calls.jsonl").read_text().splitlines()]

    def rates(self) -> list[str]:
        return [call[call.index("-b") + 1] for call in self.calls()]


def test_it_writes_what_differs_and_tells_progress(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    stand.plan({"say": MISMATCH, "code": 1}, {"say": WROTE})
    result = stand.flasher.flash([stand.image])
    assert (result.written, result.skipped, result.attempts) == (7646, 0, 1)
    hex_file = stand.image.path
    head = ["-p", "m328p", "-c", "arduino", "-P", "/dev/ttyACM7", "-b", "115200"]
    assert stand.calls() == [[*head, "-U", f"flash:v:{hex_file}:i"], [*head, "-D", "-U", f"flash:w:{hex_file}:i"]]
    kinds = [(e.kind, e.get("percent")) for e in stand.timeline.events() if e.source == "flash"]
    assert kinds == [("start", None), ("progress", 100.0), ("done", None)]
    assert "7646 bytes of flash written" in (tmp_path / "a.avrdude.log").read_text()


def test_what_is_there_is_skipped_unless_forced(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    stand.plan({"say": "avrdude: 7646 bytes of flash verified"}, {"say": WROTE})
    assert stand.flasher.flash([stand.image]).skipped == 7646
    assert stand.flasher.flash([stand.image], force=True).written == 7646


def test_auto_tries_the_other_rate_of_a_nano_and_keeps_it(tmp_path: Path) -> None:
    stand = Stand(tmp_path, "nano")
    stand.plan({"say": LOST, "code": 1}, {"say": MISMATCH, "code": 1}, {"say": WROTE})
    stand.flasher.flash([stand.image])
    assert stand.rates() == ["115200", "57600", "57600"]


@pytest.mark.parametrize("byte", ["OK byte 0x10 but got 0x14", "sync byte 0x14 but got 0x10"])
def test_answers_out_of_step_are_asked_for_anew(tmp_path: Path, byte: str) -> None:
    """As a host makes them that is too busy to read an answer in time: each one is then taken for the next's."""
    stand = Stand(tmp_path)
    lost = f"avrdude error: protocol expects {byte}\navrdude error: initialization failed, rc=-1"
    stand.plan({"say": lost, "code": 1}, {"say": MISMATCH, "code": 1}, {"say": lost, "code": 1}, {"say": WROTE})
    assert stand.flasher.flash([stand.image]).attempts == 2
    reasons = [event["reason"] for event in stand.timeline.events() if event.kind == "failed"]
    assert [byte in reason for reason in reasons] == [True, True]


def test_a_rate_that_was_named_is_the_only_one(tmp_path: Path) -> None:
    stand = Stand(tmp_path, "nano", bauds=[57600])
    stand.plan(*[{"say": LOST, "code": 1}] * 2)
    with pytest.raises(FlashError, match=r"not in sync at 57600 bit/s; .*baud = \"auto\"") as caught:
        stand.flasher.flash([stand.image])
    assert stand.rates() == ["57600", "57600"]
    assert "(2 attempts)" in str(caught.value).splitlines()[0]


def test_a_tool_that_goes_on_asking_in_vain_is_ended_early(tmp_path: Path) -> None:
    stand = Stand(tmp_path, attempts=1, timeout=500, silence=400)
    stand.plan({"say": LOST, "hang": True})
    with pytest.raises(FlashError, match="not in sync at 115200"):
        stand.flasher.verify([stand.image])


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("avrdude error: expected signature for ATmega2560 is 1E 98 01", "another chip is on this board"),
        ("avrdude OS error: cannot open port /dev/ttyACM7: No such file or directory", "is the board plugged in"),
        ("avrdude OS error: cannot open port /dev/ttyACM7: Permission denied", "dialout"),
        ("avrdude OS error: cannot open port /dev/ttyACM7: Device or resource busy", "another program has the port"),
        ("avrdude OS error: cannot connect: Connection refused", "nothing listens there"),
        ("avrdude error: cannot find programmer id zzz", "name a programmer"),
    ],
)
def test_other_failures_name_their_cure_and_are_not_tried_again(tmp_path: Path, says: str, told: str) -> None:
    stand = Stand(tmp_path)
    stand.plan({"say": says, "code": 1})
    with pytest.raises(FlashError, match=told):
        stand.flasher.flash([stand.image], force=True)


def test_a_mismatch_is_an_error_when_verifying(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    stand.plan({"say": f"{MISMATCH}\navrdude error: verification mismatch", "code": 1})
    with pytest.raises(FlashError, match="flash it again"):
        stand.flasher.verify([stand.image])


def test_a_tool_that_is_not_there_is_named_with_its_package(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    stand.flasher._command = [str(tmp_path / "none")]
    with pytest.raises(FlashError, match="install it: apt-get install avrdude"):
        stand.flasher.flash([stand.image])


def test_bad_images_are_refused_before_anything_runs(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    with pytest.raises(FlashError, match="expected 0"):
        stand.flasher.flash([Image(0x1000, stand.image.path)])
    with pytest.raises(FlashError, match="does not exist"):
        stand.flasher.flash([Image(0, tmp_path / "none.hex")])
    with pytest.raises(FlashError, match="no image"):
        stand.flasher.flash([])
    assert not (tmp_path / "calls.jsonl").exists()


def test_settings_cannot_be_written_and_the_cure_is_named(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    assert "provision.method to 'none'" in str(stand.flasher.hindrance())
    with pytest.raises(FlashError, match="sketch's own commands"):
        stand.flasher.write(0, b"x")
    with pytest.raises(FlashError, match="cannot erase"):
        stand.flasher.erase()


def test_stop_ends_a_running_tool_and_starts_none_any_more(tmp_path: Path) -> None:
    stand = Stand(tmp_path, timeout=500, silence=400)
    stand.plan({"hang": True})
    failed: list[str] = []

    def flash() -> None:
        try:
            stand.flasher.flash([stand.image], force=True)
        except FlashError as error:
            failed.append(str(error))

    thread = threading.Thread(target=flash)
    thread.start()
    stand.timeline.wait(lambda e: e.kind == "start", timeout=30)
    stand.flasher.stop()
    thread.join(30)
    assert not thread.is_alive()
    assert "stopped" in failed[0]
    with pytest.raises(FlashError, match="stopped"):
        stand.flasher.verify([stand.image])
