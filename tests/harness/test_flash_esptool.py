"""How esptool is called, and what becomes of what it says; a script in its place says what a test wants to hear."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from ptys import Device

from hil.console import Console
from hil.flash import Flasher, FlashError, Image
from hil.flash.esptool import Esptool
from hil.flash.progress import ProgressBar
from hil.timeline import Timeline, where

WROTE = """Chip type:          ESP32-S3 (revision v0.2)
MAC:                24:0A:C4:00:11:22
Detected flash size: 8MB
'boot.bin' at 0x00001000 already in flash, skipping write.
Wrote 3000 bytes (120 compressed) at 0x00010000 in 0.1 seconds (1.0 kbit/s).
Hash of data verified."""
LOST = "A fatal error occurred: Failed to connect to ESP32: No serial data received."
WRONG = "A fatal error occurred: This chip is ESP32-S3, not ESP32. Wrong --chip argument?"


class Bench:
    def __init__(self, folder: Path, *plan: dict[str, Any], **options: Any) -> None:
        self.folder = folder
        shutil.copy(Path(__file__).parent / "fake_esptool.py", folder / "fake_esptool.py")
        (folder / "plan.json").write_text(json.dumps(plan))
        self.timeline = Timeline()
        self.flasher = Esptool(
            self.timeline,
            "a",
            "/dev/ttyX",
            "esp32",
            artifacts=folder / "artifacts",
            command=[sys.executable, str(folder / "fake_esptool.py")],
            **options,
        )
        self.images = [Image(0x1000, folder / "boot.bin"), Image(0x10000, folder / "app.bin")]
        for image in self.images:
            image.path.write_bytes(b"\xe9" * 3000)

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "calls.jsonl").read_text().splitlines()]

    def arguments(self, number: int = -1) -> str:
        return " ".join(self.calls[number]["argv"]).replace(str(self.folder), "DIR")


def test_flashing_skips_what_is_there(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"say": WROTE}, {"say": WROTE})
    flasher: Flasher = bench.flasher
    result = flasher.flash(bench.images)
    assert (result.written, result.skipped, result.attempts) == (3000, 3000, 1)
    assert bench.arguments() == (
        "--chip esp32 --port /dev/ttyX --baud 460800 --before default-reset --after hard-reset "
        "write-flash --skip-flashed 0x1000 DIR/boot.bin 0x10000 DIR/app.bin"
    )
    start, done = bench.timeline.events(where("flash"))
    assert (start.kind, start["tool"], start["images"]) == ("start", "esptool", ["0x1000 boot.bin", "0x10000 app.bin"])
    assert (done.kind, done["written"], done["skipped"]) == ("done", 3000, 3000)
    flasher.flash(bench.images, force=True)
    assert "skip-flashed" not in bench.arguments()


def test_output_is_kept_for_its_owner_only_and_without_secrets(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"say": f"{WROTE}\nhunter22"})
    bench.timeline.redact("hunter22")
    log = bench.flasher.flash(bench.images).log
    assert log is not None
    assert "Hash of data verified.\n[redacted]\n# exit, exit code 0" in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_lost_connection_is_tried_again(tmp_path: Path) -> None:
    resets: list[int] = []
    bench = Bench(tmp_path, {"say": LOST, "code": 2}, {"say": WROTE}, before_retry=lambda: resets.append(1))
    assert bench.flasher.flash(bench.images).attempts == 2
    assert resets == [1]
    failed = bench.timeline.last(where("flash", "failed"))
    assert failed is not None
    assert failed["attempt"] == 1
    assert "No serial data received; check power, cable" in failed["reason"]


def test_when_all_attempts_fail_the_last_words_are_shown(tmp_path: Path) -> None:
    bench = Bench(tmp_path, *[{"say": f"Connecting...\nhunter22\n{LOST}", "code": 2}] * 3)
    bench.timeline.redact("hunter22")
    with pytest.raises(FlashError) as failure:
        bench.flasher.flash(bench.images)
    first, *rest = str(failure.value).split("\n")
    assert first.startswith(
        "board a: flashing failed (3 attempts): Failed to connect to ESP32: No serial data received; "
    )
    assert rest[:3] == ["  | Connecting...", "  | [redacted]", f"  | {LOST}"]
    assert rest[-1] == f"full output: {bench.flasher.log}"


@pytest.mark.parametrize("say", [WRONG, "esptool.py: error: No module named esptool"])
def test_what_no_attempt_can_mend_is_not_tried_again(tmp_path: Path, say: str) -> None:
    bench = Bench(tmp_path, {"say": say, "code": 2})
    with pytest.raises(FlashError):
        bench.flasher.flash(bench.images)
    assert len(bench.calls) == 1


def test_time_and_silence_end_it_and_its_process(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"say": "Connecting...", "hang": True}, timeout=6.0, attempts=1)
    with pytest.raises(FlashError, match="esptool was not done after 6 s and has been ended"):
        bench.flasher.flash(bench.images)
    with pytest.raises(ProcessLookupError):
        os.kill(bench.calls[0]["pid"], 0)


def test_silence_ends_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"say": "Connecting...", "hang": True}, silence=1.0, attempts=1)
    with pytest.raises(FlashError, match="esptool had said nothing for 1 s"):
        bench.flasher.erase()


def test_an_interrupt_ends_the_process_and_frees_the_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path, {"say": "Writing at 0x00010000 12.0% 1/2", "hang": True})

    def interrupt(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(ProgressBar, "feed", interrupt)
    with pytest.raises(KeyboardInterrupt):
        bench.flasher.flash(bench.images)
    with pytest.raises(ProcessLookupError):
        os.kill(bench.calls[0]["pid"], 0)


def test_a_flasher_that_is_stopped_ends_its_tool_and_starts_no_other(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"say": "Writing at 0x00010000 12.0% 1/2", "hang": True}, attempts=3)
    bench.timeline.listen(lambda event: bench.flasher.stop() if event.kind == "progress" else None)
    with pytest.raises(FlashError, match="stopped: the bench closes"):
        bench.flasher.flash(bench.images)
    assert len(bench.calls) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(bench.calls[0]["pid"], 0)
    with pytest.raises(FlashError, match="stopped: the bench closes"):
        bench.flasher.erase()
    assert len(bench.calls) == 1


def test_images_are_looked_for_before_anything_else(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with pytest.raises(FlashError, match=r"image .*none.bin does not exist: build it first"):
        bench.flasher.flash([Image(0, tmp_path / "none.bin")])
    with pytest.raises(FlashError, match="there is no image to flash"):
        bench.flasher.flash([])
    assert not bench.timeline.events()


def test_a_tool_that_is_missing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    flasher = Esptool(bench.timeline, "a", "/dev/ttyX", command=["/nowhere/esptool"])
    with pytest.raises(FlashError, match="/nowhere/esptool cannot be started"):
        flasher.erase()


def test_reading_gives_bytes_and_checks_how_many(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"read": "x" * 32}, {"read": "x" * 31})
    assert bench.flasher.read(0x9000, 32) == b"x" * 32
    assert "read-flash 0x9000 0x20 " in bench.arguments()
    with pytest.raises(FlashError, match="read 31 bytes at 0x9000, expected 32"):
        bench.flasher.read(0x9000, 32)


def test_written_data_lies_in_a_private_file_that_goes_away(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"say": WROTE})
    bench.flasher.write(0x9000, b"k" * 4096)
    ((file, (content, mode)),) = bench.calls[0]["contents"].items()
    assert bytes.fromhex(content) == b"k" * 4096
    assert mode == 0o600
    assert not Path(file).parent.exists()
    words = bench.arguments()
    assert "write-flash --flash-mode keep --flash-freq keep --flash-size keep 0x9000 " in words


@pytest.mark.parametrize(("offset", "size"), [(1, 4096), (4096, 4095), (0, 0)])
def test_half_sectors_are_refused(tmp_path: Path, offset: int, size: int) -> None:
    with pytest.raises(ValueError, match="not whole sectors of 4096"):
        Bench(tmp_path).flasher.write(offset, bytes(size))
    with pytest.raises(ValueError, match="not whole sectors of 4096"):
        Bench(tmp_path).flasher.erase_region(offset, size)


def test_a_digest_is_asked_for_once_where_it_differs(tmp_path: Path) -> None:
    differs = {"say": "A fatal error occurred: Verification failed (digest mismatch).", "code": 2}
    bench = Bench(tmp_path, {"say": "Verification successful"}, differs, {"say": LOST, "code": 2}, attempts=1)
    assert bench.flasher.holds(0x9000, b"key!" * 1024)
    assert not bench.flasher.holds(0x9000, b"key!" * 1024)
    with pytest.raises(FlashError, match="comparing failed"):
        bench.flasher.holds(0x9000, b"key!" * 1024)
    for call in bench.calls:
        assert call["argv"][10:12] == ["verify-flash", "0x9000"]
        ((file, (contents, mode)),) = call["contents"].items()
        assert (bytes.fromhex(contents), mode) == (b"key!" * 1024, 0o600)
        assert not Path(file).exists()


def test_identity_and_erasing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"say": WROTE}, {}, {}, {}, {"say": "nothing"})
    identity = bench.flasher.identity()
    assert (identity.chip, identity.mac, identity.flash_size) == (
        "ESP32-S3 (revision v0.2)",
        "24:0a:c4:00:11:22",
        "8MB",
    )
    bench.flasher.erase()
    bench.flasher.erase_region(0x9000, 0x5000)
    bench.flasher.verify(bench.images)
    assert [call["argv"][10:13] for call in bench.calls[1:]] == [
        ["erase-flash"],
        ["erase-region", "0x9000", "0x5000"],
        ["verify-flash", "0x1000", str(tmp_path / "boot.bin")],
    ]
    with pytest.raises(FlashError, match="did not tell chip type"):
        bench.flasher.identity()


def test_the_console_lends_its_port_for_a_whole_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device(tmp_path / "port")
    timeline = Timeline()
    resets: list[str] = []
    monkeypatch.setattr("hil.reset.hard", lambda console: resets.append(console.board))
    bench = Bench(tmp_path, {"say": WROTE}, {"read": "x" * 4}, {"say": LOST, "code": 2}, attempts=1)
    with Console(timeline, "a", str(device.path)) as console:
        bench.flasher._console = console
        with bench.flasher.session():
            assert not console.is_open
            bench.flasher.flash(bench.images)
            bench.flasher.read(0, 4)
            assert resets == []
            assert not console.is_open
        assert resets == ["a"]
        assert console.is_open
        with pytest.raises(FlashError, match="No serial data received"):
            bench.flasher.erase()
        assert resets == ["a", "a"]
        assert console.is_open
    assert "--after no-reset" in bench.arguments(0)
    device.unplug()


def test_progress_is_understood() -> None:
    bar = ProgressBar("a", shown=False)
    with bar:
        bar.feed(
            "Writing at 0x00015e5e ━━╸      12.3% 16.00kB/130.26kB [0s] \nWriting at 0x0001bcbd ━━  24.6% 32/130\n"
        )
        assert bar.percent == 24.6
        bar.feed("Hash of data verified.\n")
        assert bar.percent == 24.6


@pytest.mark.parametrize(("said", "compared"), [("Wrote 4096 bytes\nHash of data verified.", True), ("Wrote", False)])
def test_it_says_whether_the_chip_was_asked_for_what_was_written(tmp_path: Path, said: str, compared: bool) -> None:
    assert Bench(tmp_path, {"say": said}).flasher.write(0x9000, b"k" * 4096) is compared


def test_a_bar_is_shown_to_whoever_waits(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "FORCE_COLOR": "1",
        "TERM": "xterm",
        "COLUMNS": "200",
    }.items():  # a terminal, for rich
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    with ProgressBar("esp32-a: flashing", shown=True) as bar:
        bar.feed("Writing at 0x00001000 [====>   ] 50.0% 100/200 bytes...")
    assert "esp32-a: flashing: writing at 0x1000" in capsys.readouterr().err
