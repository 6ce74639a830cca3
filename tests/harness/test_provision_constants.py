"""Settings built into a firmware: what its sources hold meanwhile, what is refused, and what stays afterwards."""

from __future__ import annotations

import stat
import subprocess
import sys
import threading
from pathlib import Path
from shutil import which
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hil.contract import load
from hil.firmware import Firmware, FirmwareError
from hil.flash import FlashResult
from hil.provision import ProvisionError
from hil.provision.borrowed_files import borrowed
from hil.provision.constants import Constants
from hil.sources import Language
from hil.toml import FileError

KEY = "-----BEGIN PRIVATE KEY-----\n" + "A" * 64 + "\n-----END PRIVATE KEY-----\n"
VALUES = {"KEY": ("string", KEY), "HOST": ("string", "broker.example.org"), "PORT": ("u16", "8883")}
COPY = "import sys; open(sys.argv[2], 'wb').write(open(sys.argv[1], 'rb').read())"


class Flasher:
    """Holds what was flashed last; what lies there already is not written again."""

    def __init__(self) -> None:
        self.flashed = b""

    def flash(self, images: list[Any], **_: object) -> FlashResult:
        data = b"".join(image.path.read_bytes() for image in images)
        written = 0 if data == self.flashed else len(data)
        self.flashed = data
        return FlashResult(0.1, written, len(data) - written)


class Sources:
    """A firmware's sources in a folder, and a build that makes an image of them."""

    def __init__(self, folder: Path, build: list[str] | None = None, target: str = "settings.h") -> None:
        self.folder, self.target = folder, folder / target
        copy = [sys.executable, "-c", COPY, str(self.target), str(folder / "out.bin")]
        firmware = SimpleNamespace(
            build=build or copy, build_timeout=60.0, images=[SimpleNamespace(offset=0, file="out.bin", chips=None)]
        )
        board = SimpleNamespace(
            name="a",
            contract_path=folder / "contract.toml",
            contract=SimpleNamespace(firmware=firmware),
            config=SimpleNamespace(chip="esp32", options=[]),
        )
        redact = lambda text: text.replace("A" * 64, "***")  # noqa: E731
        self.firmware = Firmware(cast(Any, board), folder / "run", redact=redact)
        self.flasher = Flasher()

    def method(self, **options: Any) -> Constants:
        said = {"language": Language.C, **options}
        return Constants(self.firmware, cast(Any, self.flasher), "a", self.target, **said)


def test_the_image_is_built_of_the_settings_and_the_sources_are_as_before(tmp_path: Path) -> None:
    sources = Sources(tmp_path)
    sources.target.write_text("// the user's own\n")
    (tmp_path / "out.bin").write_bytes(b"an older build, for everybody to read")
    (tmp_path / "out.bin").chmod(0o644)
    applied = sources.method().apply(VALUES)
    assert b"broker.example.org" in sources.flasher.flashed
    assert b"static const uint16_t PORT = 8883u;" in sources.flasher.flashed
    assert applied.written == applied.capacity == len(sources.flasher.flashed)
    assert sources.target.read_text() == "// the user's own\n"
    assert sources.method().apply(VALUES).written == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.bin", "run", "settings.h"]
    for image in sources.firmware.images:
        assert stat.S_IMODE(image.path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "out.bin").stat().st_mode) == 0o600


def test_no_source_stays_where_none_was(tmp_path: Path) -> None:
    sources = Sources(tmp_path)
    sources.method().apply(VALUES)
    assert not sources.target.exists()


def test_files_that_a_build_embeds(tmp_path: Path) -> None:
    (tmp_path / "certs").mkdir()
    copy = [sys.executable, "-c", COPY, str(tmp_path / "certs" / "key.pem"), str(tmp_path / "out.bin")]
    sources = Sources(tmp_path, copy, target="certs")
    sources.method(language=None).apply({"key.pem": ("string", KEY)})
    assert sources.flasher.flashed == KEY.encode()
    assert list((tmp_path / "certs").iterdir()) == []


def test_a_constant_that_the_build_leaves_out(tmp_path: Path) -> None:
    (tmp_path / "old.bin").write_bytes(b"\xe9" * 1000)
    sources = Sources(tmp_path, ["cp", str(tmp_path / "old.bin"), str(tmp_path / "out.bin")])
    with pytest.raises(ProvisionError, match=r"board a: KEY is in none of the images.*settings\.h.*in_images"):
        sources.method().apply(VALUES)
    assert sources.flasher.flashed == b""
    sources.method(look=False).apply(VALUES)
    assert sources.flasher.flashed == b"\xe9" * 1000


def test_strings_of_dotnet_are_found(tmp_path: Path) -> None:
    recode = "import sys; open(sys.argv[2], 'wb').write(open(sys.argv[1]).read().encode('utf-16-le'))"
    target = tmp_path / "Settings.cs"
    sources = Sources(tmp_path, [sys.executable, "-c", recode, str(target), str(tmp_path / "out.bin")], "Settings.cs")
    sources.method(language=Language.CSHARP).apply({"HOST": ("string", "broker.example.org")})
    assert "broker.example.org".encode("utf-16-le") in sources.flasher.flashed


def test_a_failed_build_names_its_last_words_and_shows_no_key(tmp_path: Path) -> None:
    sources = Sources(
        tmp_path,
        [
            "sh",
            "-c",
            f"cat {tmp_path}/settings.h; printf 'near %s' $(grep -oE 'AA+' {tmp_path}/settings.h); exit 3",
        ],
    )
    with pytest.raises(FirmwareError, match="the build ended with 3") as caught:
        sources.method().apply(VALUES)
    log = tmp_path / "run" / "build.log"
    assert "BEGIN PRIVATE KEY" in log.read_text()
    assert log.read_text().endswith("near ***")
    assert "A" * 64 not in log.read_text() + str(caught.value)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert not sources.target.exists()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"PORT": ("u16", "70000")}, r"settings\.h: PORT: found 70000, expected 0 to 65535 for u16"),
        ({"PORT": ("u16", "many")}, r"PORT: found 'many', expected a whole number"),
        ({"SSID": ("string", "Büro")}, r"SSID: found bytes that are no plain ASCII"),
        ({"no-name": ("string", "x")}, r"found the name 'no-name'"),
    ],
)
def test_what_no_source_can_hold(tmp_path: Path, values: dict[str, tuple[str, str]], words: str) -> None:
    sources = Sources(tmp_path)
    with pytest.raises(ProvisionError, match=words):
        sources.method().apply(values)
    assert not (tmp_path / "out.bin").exists()


@pytest.mark.skipif(which("git") is None, reason="no git here")
def test_no_secret_goes_into_a_file_that_git_tracks(tmp_path: Path) -> None:
    sources = Sources(tmp_path)
    sources.target.write_text("// dummies\n")
    for command in (["init", "-q"], ["add", "settings.h"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True, timeout=300)
    with pytest.raises(ProvisionError, match=r"settings\.h: git tracks it.*git rm --cached settings\.h"):
        sources.method().apply(VALUES)
    assert sources.target.read_text() == "// dummies\n"
    sources.method().apply({"HOST": ("string", "broker.example.org")})
    with pytest.raises(ProvisionError, match="git tracks it"):
        sources.method(secret={"HOST"}).apply({"HOST": ("string", "broker.example.org")})


@pytest.mark.parametrize("before", [None, b"mine"])
def test_what_a_killed_run_left_behind_is_put_right(tmp_path: Path, before: bytes | None) -> None:
    target = tmp_path / "settings.h"
    if before is not None:
        target.write_bytes(before)
    script = (
        "import os, threading; from pathlib import Path; from hil.provision.borrowed_files import borrowed\n"
        f"with borrowed(Path({str(tmp_path)!r}), {{Path({str(target)!r}): b'secret'}}, secret=True, "
        "stopped=threading.Event()): os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=300).returncode == 9
    assert target.read_bytes() == b"secret"
    with borrowed(tmp_path, {target: b"next"}, secret=True, stopped=threading.Event()):
        assert target.read_bytes() == b"next"
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert (target.read_bytes() if target.exists() else None) == before
    assert [path.name for path in tmp_path.iterdir()] == ([] if before is None else ["settings.h"])


def test_boards_that_share_sources_take_turns(tmp_path: Path) -> None:
    target, inside, go = tmp_path / "settings.h", threading.Event(), threading.Event()

    def first() -> None:
        with borrowed(tmp_path, {target: b"first"}, secret=False, stopped=threading.Event()):
            inside.set()
            go.wait(60)
            seen.append(target.read_bytes())

    seen: list[bytes] = []
    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(60)
    closing = threading.Event()
    closing.set()
    with (
        pytest.raises(ProvisionError, match="still in use"),
        borrowed(tmp_path, {target: b"second"}, secret=False, stopped=closing),
    ):
        pass
    go.set()
    with borrowed(tmp_path, {target: b"second"}, secret=False, stopped=threading.Event()):
        seen.append(target.read_bytes())
    thread.join(60)
    assert seen == [b"first", b"second"]


CONTRACT = """
name = "x"
[firmware]
{build}
images = [{{ offset = 0, file = "out.bin" }}]
[mqtt]
client_id = "a"
keep_alive = 2
[retry]
kind = "none"
[[provision]]
{first}
"""


@pytest.mark.parametrize(
    ("build", "place", "words"),
    [
        ("", 'method = "constants"\nfile = "a.h"', "no firmware.build"),
        ('build = ["make"]', 'method = "constants"', "either file"),
        ('build = ["make"]', 'method = "constants"\nfile = "a.pem"', "ending of a source"),
        ('build = ["make"]', 'method = "constants"\nfile = "a.h"\nvalues = { "a.b" = "x" }', "name of a constant"),
        ('build = ["make"]', 'method = "constants"\nfolder = "certs"\nvalues = { "../x" = "x" }', "name of a file"),
        ('build = ["make"]', 'method = "none"\n[[provision]]\nmethod = "constants"\nfile = "a.h"', "and first"),
    ],
)
def test_a_contract_that_cannot_be(tmp_path: Path, build: str, place: str, words: str) -> None:
    path = tmp_path / "contract.toml"
    path.write_text(CONTRACT.format(build=build, first=place))
    with pytest.raises(FileError, match=words):
        load(path)


# -- kept for a night ----------------------------------------------------------------------------------------------


def test_the_parts_of_a_night_build_the_agreed_settings_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_KEPT_BUILDS", str(tmp_path / "night" / "firmware"))
    build = [
        "sh",
        "-c",
        f"echo x >> {tmp_path}/built; cat {tmp_path}/settings.h {tmp_path}/source > {tmp_path}/out.bin",
    ]
    (tmp_path / "source").write_text("of the evening")
    first = Sources(tmp_path, build)
    part = first.method()
    for values in (VALUES, {**VALUES, "HOST": ("string", "another.example.org")}, VALUES):
        part.apply(values)
    assert (tmp_path / "built").read_text().split() == ["x", "x"], "what was agreed once, what a test changed each time"
    (tmp_path / "source").write_text("of the morning")
    second = Sources(tmp_path, build)
    second.method().apply(VALUES)
    assert (tmp_path / "built").read_text().split() == ["x", "x"]
    assert second.flasher.flashed == first.flasher.flashed
    assert second.flasher.flashed.endswith(b"of the evening")
    (image,) = second.firmware.images
    assert (image.offset, image.path.name) == (0, "0-out.bin")
    kept = tmp_path / "night" / "firmware" / "a.settings"
    assert image.path.parent.parent == kept
    assert {stat.S_IMODE(path.stat().st_mode) for path in (kept, image.path.parent)} == {0o700}
    assert stat.S_IMODE(image.path.stat().st_mode) == 0o600
    assert [path.name for path in kept.parent.iterdir()] == ["a.settings"]
    assert len(list(kept.iterdir())) == 1, "no other settings are kept"


def test_other_settings_are_built_anew_by_the_next_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_KEPT_BUILDS", str(tmp_path / "firmware"))
    Sources(tmp_path).method().apply(VALUES)
    second = Sources(tmp_path)
    second.method().apply({**VALUES, "PORT": ("u16", "8884")})
    assert b"PORT = 8884u;" in second.flasher.flashed
