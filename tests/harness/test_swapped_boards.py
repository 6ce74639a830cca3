"""Two boards that were swapped between their ports are noticed before the wrong one is written to."""

from __future__ import annotations

import contextlib
import shutil
import sys
from pathlib import Path

import pytest
from test_flash_esptool import WROTE, Bench
from usb_tree import Tree
from virtual_parts import board_process

from hil import rig as rigs
from hil.flash import FlashError, Image
from hil.flash.avrdude import BOARDS, Avrdude
from hil.flash.bossac import Bossac
from hil.flash.upload import Line
from hil.parts.board import open_line
from hil.ports.recognition import Recognition
from hil.ports.seen import Register, Seen
from hil.timeline import Timeline

CONTRACT = Path(__file__).parents[2] / "rigs" / "contracts" / "reference.toml"
OURS, THEIRS, STRANGER = "24:0a:c4:00:11:22", "24:0a:c4:00:11:33", "24:0a:c4:00:11:44"


def recognition(folder: Path, port: str = "/dev/ttyX", **macs: str) -> Recognition:
    return Recognition("a", port, macs, ["b"], Register(folder / "seen"))


def answers(bench: Bench, mac: str) -> None:
    (bench.folder / "who.txt").write_text(
        f"Chip type:          ESP32-D0WD (revision v1.0)\nMAC:                {mac}\n"
    )


def runs(bench: Bench) -> int:
    """How many runs there were besides the questions."""
    return len(bench.calls) if (bench.folder / "calls.jsonl").exists() else 0


def test_a_board_is_remembered_and_another_in_its_place_is_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"say": WROTE}, recognition=recognition(tmp_path))
    answers(bench, OURS)
    bench.flasher.flash(bench.images)
    kept = Register(tmp_path / "seen").read("a")
    assert kept is not None
    assert (kept.mac, kept.chip) == (OURS, "ESP32-S3 (revision v0.2)")
    later = Bench(tmp_path, *[{"say": "Flash memory erased"}] * 2, recognition=recognition(tmp_path))
    answers(later, STRANGER)
    before = runs(later)
    for write in (
        lambda: later.flasher.flash(later.images),
        lambda: later.flasher.write(0x9000, bytes(4096)),
        later.flasher.erase,
        lambda: later.flasher.erase_region(0, 4096),
    ):
        with pytest.raises(FlashError) as raised:
            write()
        words = str(raised.value)
        assert (
            f"on /dev/ttyX answers a board that is not in the rig (ESP32-D0WD (revision v1.0), MAC {STRANGER})" in words
        )
        assert f"expected a (MAC {OURS}, as last seen on {kept.day})" in words
        assert "if it was replaced on purpose: hil boards --accept a; nothing was written" in words
    assert runs(later) == before, "nothing was run but the question"
    assert Register(tmp_path / "seen").forget("a")
    later.flasher.erase()


def test_the_rig_says_which_is_which(tmp_path: Path) -> None:
    bench = Bench(tmp_path, recognition=recognition(tmp_path, a=OURS, b=THEIRS))
    answers(bench, THEIRS)
    with pytest.raises(
        FlashError, match=f"answers board b .*expected a .MAC {OURS}, as the rig says.; the two were swap"
    ):
        bench.flasher.flash(bench.images)
    assert runs(bench) == 0


def test_a_board_that_was_swapped_between_two_runs_of_the_tool_is_told_as_written(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"say": WROTE}, recognition=recognition(tmp_path, a=THEIRS))
    answers(bench, THEIRS)
    with pytest.raises(FlashError, match="it was swapped meanwhile, and written to"):
        bench.flasher.flash(bench.images)


def test_a_chip_is_asked_again_after_its_port_was_lost(tmp_path: Path) -> None:
    bench = Bench(tmp_path, *[{"say": "done"}] * 3, recognition=recognition(tmp_path, a=OURS))
    answers(bench, OURS)
    bench.flasher.erase()
    answers(bench, STRANGER)
    bench.flasher.erase()
    bench.timeline.record("console", "port", "a", state="lost", reason="unplugged")
    with pytest.raises(FlashError, match=f"MAC {STRANGER}"):
        bench.flasher.erase()
    assert runs(bench) == 2


def test_boards_that_cannot_say_who_they_are_are_known_by_their_usb_serial_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = Tree(tmp_path / "host")
    monkeypatch.setenv("HIL_DEV_ROOT", str(tree.root))
    image = tmp_path / "sketch.hex"
    image.write_text(":00000001FF\n")
    try:
        first = tree.plug("ttyACM0", "1-1.1", "2341:0043", "AAA")
        port = str(tree.root / "dev/serial/by-path/pci-0000:00:14.0-usb-0:1.1:1.0")
        known = recognition(tmp_path, port)
        Register(tmp_path / "seen").write("b", Seen(serial_number="BBB"))
        known.port_says()
        first.unplug()
        tree.plug("ttyACM0", "1-1.1", "2341:0043", "BBB")
        words = "is the port of board b, expected a .USB serial number AAA, as last seen on .*nothing was written"
        avrdude = Avrdude(Timeline(), "a", port, BOARDS["uno"], command=[sys.executable, "-c", "0"], recognition=known)
        bossac = Bossac(Line(Timeline(), "a", port, command=[sys.executable], recognition=known), reappears=0)
        for flasher in (avrdude, bossac):
            with pytest.raises(FlashError, match=words):
                flasher.flash([Image(0, image)])
    finally:
        tree.close()


def test_a_record_that_cannot_be_read_counts_as_none(tmp_path: Path) -> None:
    register = Register(tmp_path)
    for text in ("", "[]", '{"mac": 1, "other": 2}'):
        (tmp_path / "a.json").write_text(text)
        assert register.read("a") is None
    assert not register.forget("b")


def test_two_boards_whose_ports_were_swapped(tmp_path: Path) -> None:
    """Two virtual boards, each on the port that the rig gives to the other, and the real esptool."""
    macs = {"one": OURS, "two": THEIRS}
    with contextlib.ExitStack() as closing:
        there = {
            name: closing.enter_context(
                board_process(tmp_path / name, "--mac", mac, "--speed", "1000", "--powered", name=name)
            )
            for name, mac in macs.items()
        }
        path = tmp_path / "rig.toml"
        path.write_text('name = "x"\n')
        with path.open("a") as file:
            for name, other in (("one", "two"), ("two", "one")):
                file.write(f'[boards.{name}]\nport = "{there[other].facts["serial"]}"\nmac = "{macs[name]}"\n')
                file.write(f'wifi = {{ ssid = "n" }}\ncontract = "{CONTRACT}"\n')
        rig = rigs.load(path)
        image = tmp_path / "app.bin"
        image.write_bytes(b"\xe9" * 4096)
        before = (tmp_path / "two" / "two.flash").read_bytes()
        line = open_line(rig, rig.boards["one"], Timeline(), tmp_path, tmp_path / "state", closing)
        with pytest.raises(FlashError) as raised:
            line.flasher.flash([Image(0x10000, image)])
        words = str(raised.value)
        assert f"answers board two (ESP32-D0WDQ6-V3 (revision v3.0), MAC {THEIRS})" in words
        assert f"expected one (MAC {OURS}, as the rig says); the two were swapped" in words
        assert (tmp_path / "two" / "two.flash").read_bytes() == before
    shutil.rmtree(tmp_path / "two")
