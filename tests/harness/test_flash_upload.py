"""arduino-cli, bossac and UF2 drives, beside stand-ins that follow a plan, and boards whose ports come and go."""

from __future__ import annotations

import json
import os
import pty
import struct
import sys
import threading
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hil.flash import FlashError, Image
from hil.flash.arduino_cli import ArduinoCli
from hil.flash.bossac import Bossac
from hil.flash.touch import TouchError, bootloader_port, touch
from hil.flash.uf2 import ABOUT, Uf2Copy
from hil.flash.upload import Line
from hil.ports import UsbPort
from hil.timeline import Timeline
from hil.wire import uf2

FAKE = Path(__file__).with_name("fake_esptool.py")  # it does what its plan says, whichever tool it stands for


class Stand:
    """A folder with a tool that follows a plan, and an image."""

    def __init__(self, folder: Path, *steps: dict[str, Any]) -> None:
        self.folder = folder
        self.timeline = Timeline()
        tool = folder / "tool.py"
        tool.write_text(FAKE.read_text())
        (folder / "plan.json").write_text(json.dumps(steps))
        self.command = (sys.executable, str(tool))
        self.image = Image(0, folder / "program.bin")
        self.image.path.write_bytes(bytes(100))

    def line(self, silence: float = 60) -> Line:
        return Line(self.timeline, "a", "/dev/ttyACM0", silence=silence, artifacts=self.folder, command=self.command)

    def calls(self) -> list[list[str]]:
        return [json.loads(line)["argv"] for line in (self.folder / "calls.jsonl").read_text().splitlines()]

    def kinds(self) -> list[str]:
        return [e.kind for e in self.timeline.events() if e.source == "flash"]


class Usb:
    """The ports of a host: a touch takes one away, and the bootloader's comes after a few looks."""

    def __init__(self, *ports: UsbPort, then: list[UsbPort], after: int = 3) -> None:
        self.ports = list(ports)
        self.touched: list[str] = []
        self._then = then
        self._after = after

    def touch(self, port: str) -> None:
        self.touched.append(port)
        self.ports = []

    def listing(self) -> list[UsbPort]:
        if self.touched:
            self._after -= 1
            if self._after <= 0:
                self.ports = self._then
        return self.ports


SKETCH = UsbPort("/dev/ttyACM0", "S1", "1-1.2")


# -- the touch --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("then", "found"),
    [
        ([UsbPort("/dev/ttyACM5", "S1", "1-1.9"), UsbPort("/dev/ttyACM4", "S9", "1-1.2")], "/dev/ttyACM5"),
        ([UsbPort("/dev/ttyACM5", None, "1-1.9"), UsbPort("/dev/ttyACM4", None, "1-1.2")], "/dev/ttyACM4"),
        ([UsbPort("/dev/ttyACM7")], "/dev/ttyACM7"),
        ([UsbPort("/dev/ttyACM0", "S1", "1-1.2")], "/dev/ttyACM0"),
    ],
    ids=["its serial number", "its place", "the only new one", "the same name"],
)
def test_the_bootloader_is_found_again_by(then: list[UsbPort], found: str) -> None:
    usb = Usb(SKETCH, then=then)
    port = bootloader_port("/dev/ttyACM0", 30, threading.Event(), listing=usb.listing, touching=usb.touch)
    assert port == found


def test_a_stranger_that_is_plugged_in_meanwhile_is_not_taken_for_it() -> None:
    strangers = [UsbPort("/dev/ttyUSB0", "X", "2-1"), UsbPort("/dev/ttyUSB1", "Y", "2-2")]
    usb = Usb(SKETCH, then=strangers)
    with pytest.raises(TouchError, match=r"no bootloader's port came within 0\.3 s; press reset twice"):
        bootloader_port("/dev/ttyACM0", 0.3, threading.Event(), listing=usb.listing, touching=usb.touch)


def test_a_port_that_stays_is_the_bootloaders_own() -> None:
    port = bootloader_port("/dev/ttyACM0", 0.2, threading.Event(), listing=lambda: [SKETCH], touching=lambda _: None)
    assert port == "/dev/ttyACM0"


def test_waiting_for_a_port_can_be_stopped() -> None:
    stop = threading.Event()
    stop.set()
    usb = Usb(SKETCH, then=[])
    with pytest.raises(TouchError, match="stopped"):
        bootloader_port("/dev/ttyACM0", 60, stop, listing=usb.listing, touching=usb.touch)


def test_the_touch_opens_a_real_port_at_1200_baud() -> None:
    import termios

    master, slave = pty.openpty()
    try:
        tty.setraw(slave)
        touch(os.ttyname(slave))
        assert termios.tcgetattr(slave)[4:6] == [termios.B1200, termios.B1200]
    finally:
        os.close(master)
        os.close(slave)


def test_a_port_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TouchError, match="is the board plugged in"):
        touch(str(tmp_path / "none"))


# -- bossac -----------------------------------------------------------------------------------------------------------


def bossac(stand: Stand, usb: Usb, **options: Any) -> Bossac:
    return Bossac(stand.line(), listing=usb.listing, touching=usb.touch, **options)


def test_bossac_writes_through_the_port_that_came_back_under_another_name(tmp_path: Path) -> None:
    stand, usb = Stand(tmp_path, {"say": "Verify successful"}), Usb(SKETCH, then=[UsbPort("/dev/ttyACM5", "S1")])
    result = bossac(stand, usb).flash([stand.image])
    assert usb.touched == ["/dev/ttyACM0"]
    options = ["--port=/dev/ttyACM5", "--usb-port", "--offset=0x2000", "--erase", "--write", "--verify", "--reset"]
    assert stand.calls() == [[*options, str(stand.image.path)]]
    assert result.written == 100
    assert stand.kinds() == ["start", "bootloader", "done"]


def test_bossac_for_a_board_in_its_bootloader_touches_nothing(tmp_path: Path) -> None:
    stand, usb = Stand(tmp_path, {}), Usb(SKETCH, then=[])
    bossac(stand, usb, reappears=0, offset=0, boot=True).flash([stand.image])
    assert usb.touched == []
    assert "--boot" in stand.calls()[0]
    assert "--offset=0x0" in stand.calls()[0]


@pytest.mark.parametrize(
    ("says", "cure"),
    [
        ("No device found on ttyACM0", "press reset twice"),
        ("SAM-BA operation failed", "the right offset"),
        ("Verify failed", "flash it again"),
        ("Flash offset is invalid", "multiple of the chip's page size"),
        ("File operation exceeds flash size", "too large"),
    ],
)
def test_what_bossac_fails_at_has_a_cure(tmp_path: Path, says: str, cure: str) -> None:
    stand = Stand(tmp_path, {"say": says, "code": 1})
    with pytest.raises(FlashError, match=cure) as caught:
        bossac(stand, Usb(SKETCH, then=[]), reappears=0).flash([stand.image])
    assert says in str(caught.value).splitlines()[0]
    assert stand.kinds() == ["start", "failed"]


# -- arduino-cli ------------------------------------------------------------------------------------------------------


def arduino_cli(stand: Stand, silence: float = 60, **options: Any) -> ArduinoCli:
    return ArduinoCli(stand.line(silence), "arduino:avr:uno", **options)


def test_arduino_cli_uploads_a_file_or_what_lies_beside_it(tmp_path: Path) -> None:
    stand = Stand(tmp_path, {}, {})
    arduino_cli(stand).flash([stand.image])
    arduino_cli(stand, folder=True, verify=False, config=tmp_path / "c.yaml").flash([stand.image])
    head = ["upload", "--fqbn", "arduino:avr:uno", "--port", "/dev/ttyACM0"]
    assert stand.calls() == [
        [*head, "--input-file", str(stand.image.path), "--verify", "--no-color"],
        [*head, "--input-dir", str(tmp_path), "--config-file", str(tmp_path / "c.yaml"), "--no-color"],
    ]


@pytest.mark.parametrize(
    ("says", "cure"),
    [
        (
            "Upload: Platform 'arduino:avr' not found: platform arduino:avr is not installed",
            "core install",
        ),
        ("Error during Upload: no upload port provided", "name the board's port"),
        (
            "ser_open(): Permission denied\nFailed uploading: uploading error: exit status 1",
            "dialout",
        ),
        ("Error during Upload: Failed uploading: uploading error: exit status 1", "the core's own tool failed"),
    ],
)
def test_what_arduino_cli_fails_at_has_a_cure(tmp_path: Path, says: str, cure: str) -> None:
    stand = Stand(tmp_path, {"say": says, "code": 1})
    with pytest.raises(FlashError, match=cure):
        arduino_cli(stand).flash([stand.image])


def test_a_tool_that_hangs_is_ended_and_one_that_is_missing_is_named(tmp_path: Path) -> None:
    stand = Stand(tmp_path, {"hang": True})
    with pytest.raises(FlashError, match=r"had said nothing for 0\.3 s"):
        arduino_cli(stand, silence=0.3).flash([stand.image])
    stand.command = (str(tmp_path / "none"), "")
    with pytest.raises(FlashError, match="install it: "):
        arduino_cli(stand).flash([stand.image])


def test_what_cannot_be_done_says_so_before_anything_runs(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    tool = arduino_cli(stand)
    acts: list[Callable[[], object]] = [
        lambda: tool.flash([]),
        lambda: tool.flash([Image(4096, stand.image.path)]),
        lambda: tool.flash([Image(0, tmp_path / "none.bin")]),
        lambda: tool.read(0, 1),
        lambda: tool.holds(0, b"x"),
        lambda: tool.write(0, b""),
        tool.erase,
        lambda: tool.verify([stand.image]),
    ]
    for act in acts:
        with pytest.raises(FlashError, match=r"expected|build it|cannot"):
            act()
    assert "provision.method" in str(tool.hindrance())
    tool.stop()
    with pytest.raises(FlashError, match="stopped"):
        tool.flash([stand.image])
    assert not (tmp_path / "calls.jsonl").exists()


# -- UF2 --------------------------------------------------------------------------------------------------------------

RP2040 = 0xE48BFF56


def blocks(count: int, family: int = RP2040, total: int | None = None) -> bytes:
    """A UF2 file of that many blocks."""
    return b"".join(
        struct.pack("<8I", 0x0A324655, 0x9E5D5157, 0x2000, 0x10000000 + 256 * n, 256, n, total or count, family)
        + bytes(476)
        + struct.pack("<I", 0x0AB16F30)
        for n in range(count)
    )


class Drive:
    """A bootloader's drive. It is mounted by a touch, and goes away once a whole file has come, if `takes`."""

    def __init__(self, folder: Path, size: int, takes: bool = True) -> None:
        self.place = folder / "RPI RP2"
        self.received = b""
        self._size = size
        self._takes = takes
        self._watch = threading.Thread(target=self._boot, daemon=True)

    def mount(self, _: str = "") -> None:
        self.place.mkdir()
        (self.place / ABOUT).write_text("UF2 Bootloader v3.0\nModel: Raspberry Pi RP2\nBoard-ID: RPI-RP2\n")
        self._watch.start()

    def mounts(self) -> list[Path]:
        return [Path("/proc"), self.place]

    def _boot(self) -> None:
        wait = threading.Event()
        while self._takes:
            for file in self.place.glob("*.uf2"):
                self.received = file.read_bytes()
                if len(self.received) == self._size:
                    (self.place / ABOUT).unlink()
                    return
            wait.wait(0.02)


def uf2_copy(stand: Stand, drive: Drive, **options: Any) -> Uf2Copy:
    options = {"board_id": "RPI-RP2", "appears": 30, "leaves": 30, **options}
    return Uf2Copy(Line(stand.timeline, "a", "/dev/ttyACM0"), mounts=drive.mounts, touching=drive.mount, **options)


def uf2_stand(folder: Path, data: bytes) -> Stand:
    stand = Stand(folder)
    stand.image = Image(0, folder / "program.uf2")
    stand.image.path.write_bytes(data)
    return stand


def test_a_uf2_file_is_copied_to_the_drive_that_the_touch_brings(tmp_path: Path) -> None:
    data = blocks(40)
    stand, drive = uf2_stand(tmp_path, data), Drive(tmp_path, len(data))
    assert uf2_copy(stand, drive).flash([stand.image]).written == len(data)
    assert drive.received == data
    assert stand.kinds() == ["start", "bootloader", "done"]


def test_a_drive_that_stays_did_not_take_the_file(tmp_path: Path) -> None:
    stand, drive = uf2_stand(tmp_path, blocks(2)), Drive(tmp_path, 1024, takes=False)
    with pytest.raises(FlashError, match=r"did not take the file, which is for RP2040; build it for this board"):
        uf2_copy(stand, drive, leaves=0.2).flash([stand.image])


def test_another_boards_drive_is_left_alone(tmp_path: Path) -> None:
    stand, drive = uf2_stand(tmp_path, blocks(2)), Drive(tmp_path, 1024)
    with pytest.raises(FlashError, match=r"no bootloader's drive was mounted within 0\.2 s.*BOOTSEL"):
        uf2_copy(stand, drive, board_id="SAMD51", appears=0.2).flash([stand.image])
    assert list(drive.place.glob("*.uf2")) == []


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "found 0 bytes"),
        (bytes(512), "block 0: found no UF2 magic"),
        (blocks(2)[:-1], "expected blocks of 512"),
        (blocks(3, total=4), "found 3 of 4 blocks.*cut off"),
        (blocks(3, total=2), "found number 2 of 2 blocks"),
    ],
)
def test_a_damaged_uf2_file_is_refused_before_the_board_is_touched(tmp_path: Path, data: bytes, why: str) -> None:
    stand, drive = uf2_stand(tmp_path, data), Drive(tmp_path, 1)
    with pytest.raises(FlashError, match=why):
        uf2_copy(stand, drive).flash([stand.image])
    assert not drive.place.exists()


def test_a_sound_uf2_file_tells_its_family_and_size() -> None:
    found = uf2.parse(blocks(5) + blocks(2, family=0x68ED2B88))
    assert (found.blocks, found.families, found.size) == (7, {RP2040, 0x68ED2B88}, 7 * 256)
