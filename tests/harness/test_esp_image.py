"""ESP images: what is built is what esptool reads, and every flaw is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from virtual_parts import esptool

from hil.virtual.chips import CHIPS
from hil.virtual.host import BadManifest, Manifest
from hil.virtual.image import app, bootloader
from hil.wire.esp_image import CHIP_IDS, AppDescription, BadImage, Flaw, Segment, build, parse

FAMILY = [chip for chip in CHIPS if chip != "esp8266"]  # whose format is another: test_virtual_esp8266.py
ABOUT = AppDescription("weather", "2.3.4", "v5.1", "Jan  1 2025", "12:00:00", bytes(range(32)))


def small(**changes: bool) -> bytes:
    segments = [Segment(0x3F400020, ABOUT.encode() + b"rodata"), Segment(0x40080000, bytes(100))]
    return build("esp32", segments, entry=0x40080400, **changes)


def test_what_was_built_is_parsed() -> None:
    data = small()
    image = parse(data + b"what lies behind it")
    assert image.chip_id == CHIP_IDS["esp32"]
    assert image.entry == 0x40080400
    assert image.length == len(data)
    assert [segment.address for segment in image.segments] == [0x3F400020, 0x40080000]
    assert image.segments[0].data.startswith(ABOUT.encode() + b"rodata")
    first = image.segments[0]
    assert data[first.offset : first.offset + len(first.data)] == first.data
    assert image.description == ABOUT


def test_without_appended_hash() -> None:
    assert parse(small(hashed=False)).sha256 is None


def test_flaws_are_told_apart() -> None:
    good = small()

    def flaw(data: bytes) -> Flaw:
        with pytest.raises(BadImage) as caught:
            parse(data)
        return caught.value.flaw

    def changed(position: int, value: int) -> bytes:
        return good[:position] + bytes([value]) + good[position + 1 :]

    assert flaw(b"\xff" * 64) is Flaw.MAGIC
    assert flaw(changed(1, 17)) is Flaw.SEGMENTS
    assert flaw(good[:10]) is Flaw.TRUNCATED
    assert flaw(good[:200]) is Flaw.TRUNCATED
    assert flaw(good[:-1]) is Flaw.TRUNCATED
    assert flaw(changed(100, good[100] ^ 1)) is Flaw.CHECKSUM
    assert flaw(changed(12 + 4, good[16] ^ 1)) is Flaw.HASH  # a header byte: no checksum covers it
    assert flaw(good[:-1] + bytes([good[-1] ^ 1])) is Flaw.HASH


def test_every_single_damaged_byte_is_noticed() -> None:
    good = small()
    for position in range(len(good)):
        with pytest.raises(BadImage):
            parse(good[:position] + bytes([good[position] ^ 0x40]) + good[position + 1 :])


def test_texts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"version .* room for 31"):
        AppDescription("weather", "x" * 32).encode()
    with pytest.raises(ValueError, match="chip 'esp99' is not known"):
        build("esp99", [Segment(0, b"")], entry=0)


@pytest.mark.parametrize("chip", FAMILY)
def test_esptool_finds_both_images_valid(chip: str, tmp_path: Path) -> None:
    facts = CHIPS[chip]
    manifest = Manifest("reference", "7.8.9", ("with:foreign-will",))
    (tmp_path / "app.bin").write_bytes(app(facts, manifest, 0x30000))
    (tmp_path / "boot.bin").write_bytes(bootloader(facts))
    told = esptool("image-info", str(tmp_path / "app.bin"))
    assert told.returncode == 0, told.stderr
    assert f"Chip ID: {facts.chip_id} ({facts.title})" in told.stdout
    assert told.stdout.count("(valid)") == 2
    assert "App version: 7.8.9" in told.stdout
    assert "Project name: hil-reference" in told.stdout
    told = esptool("image-info", str(tmp_path / "boot.bin"))
    assert told.stdout.count("(valid)") == 2, told.stdout


@pytest.mark.parametrize("chip", FAMILY)
def test_an_app_has_the_size_that_was_asked_for_and_maps_as_the_chip_can(chip: str) -> None:
    data = app(CHIPS[chip], Manifest("reference", "1"), 192 << 10)
    assert abs(len(data) - (192 << 10)) < 100
    for segment in parse(data).segments:
        if segment.address >> 23 in (CHIPS[chip].drom >> 23, CHIPS[chip].irom >> 23):
            assert segment.address % 0x10000 == segment.offset % 0x10000
    assert len(bootloader(CHIPS[chip])) <= 0x7000


def test_the_manifest_lies_in_the_first_segment_as_data() -> None:
    manifest = Manifest("reference", "1.2.3", ("without:will", "with:fixed-retry"))
    image = parse(app(CHIPS["esp32"], manifest, 0x6000))
    assert Manifest.find(image.segments[0].data) == manifest
    assert manifest.lacks("will")
    assert not manifest.lacks("retry")
    assert manifest.has("fixed-retry")
    assert Manifest.find(b"nothing of the kind") is None
    with pytest.raises(BadManifest):
        Manifest.find(b"hil-manifest:{]\0")


def test_two_versions_differ_in_few_sectors() -> None:
    first, second = (app(CHIPS["esp32"], Manifest("reference", v), 0x20000) for v in ("1.0.0", "1.0.1"))
    sectors = [s for s in range(0, len(first), 4096) if first[s : s + 4096] != second[s : s + 4096]]
    assert 1 <= len(sectors) <= 3
