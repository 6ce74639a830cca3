"""What provisioning would change, found out on a copy: every method in the flash, and none of the others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from nor_flash import NorFlash, PowerFailure

from hil.provision import Applied, ProvisionError, Setting
from hil.provision.littlefs import Littlefs
from hil.provision.nvs import Nvs
from hil.provision.partition import FlashAccess, PartitionAccess
from hil.provision.rehearsal import Copy, Difference, Making, Rehearsal
from hil.provision.secure_cert import SecureCert
from hil.provision.spiffs import Spiffs
from hil.provisioning import differences_in_words
from hil.wire import partitions

#: Small partitions, so that formatting and reading them takes no time.
TABLE = [
    partitions.Partition("nvs", partitions.TYPE_DATA, partitions.DATA_NVS, 0x9000, 0x5000),
    partitions.Partition("files", partitions.TYPE_DATA, partitions.DATA_LITTLEFS, 0x10000, 0x10000),
    partitions.Partition("spiffs", partitions.TYPE_DATA, partitions.DATA_SPIFFS, 0x20000, 0x10000),
    partitions.Partition("esp_secure_cert", partitions.TYPE_SECURE_CERT, 6, 0x30000, 0x2000),
]


def nvs(flash: FlashAccess, journal: Path) -> Nvs:
    return Nvs(PartitionAccess(flash, "a", journal), namespace="hil")


def littlefs(flash: FlashAccess, journal: Path) -> Littlefs:
    return Littlefs(PartitionAccess(flash, "a", journal), partition="files")


def spiffs(flash: FlashAccess, journal: Path) -> Spiffs:
    return Spiffs(PartitionAccess(flash, "a", journal))


def secure_cert(flash: FlashAccess, journal: Path) -> SecureCert:
    return SecureCert(PartitionAccess(flash, "a", journal))


WAYS: dict[str, tuple[Making, list[str]]] = {
    "nvs": (nvs, ["one", "two", "three"]),
    "littlefs": (littlefs, ["/one", "/in/two", "/in/three"]),
    "spiffs": (spiffs, ["/one", "/two", "/three"]),
    "esp-secure-cert": (secure_cert, ["ca_cert", "device_cert", "user_data_1"]),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def flash() -> NorFlash:
    flash = NorFlash()
    flash.data[0x8000:0x8C00] = partitions.build(partitions.Table(TABLE))
    return flash


class Sessions:
    opened = 0

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        self.opened += 1
        yield


def rehearsal(flash: NorFlash, journals: Path, *ways: str) -> Rehearsal:
    return Rehearsal("a", flash, Sessions(), journals, [(WAYS[way][1], way, WAYS[way][0]) for way in ways])


def texts(way: str, words: str = "word") -> dict[str, Setting]:
    return {key: ("string", f"{words} of {key} " * 20) for key in WAYS[way][1]}


def test_it_says_what_the_method_then_does_and_writes_nothing(way: str, flash: NorFlash, tmp_path: Path) -> None:
    making, keys = WAYS[way]
    journals = tmp_path / "journals"
    before = bytes(flash.data)
    for values, differ in (
        (texts(way), tuple(keys)),
        (texts(way), ()),
        ({**texts(way), keys[1]: ("string", "another")}, (keys[1],)),
    ):
        (found,) = rehearsal(flash, journals, way).compare(values)
        assert bytes(flash.data) == before
        assert not journals.exists()
        applied = making(flash, journals).apply(values)
        assert found == Difference(way, differ, applied.sectors, applied.written, False)
        assert bool(found) is bool(differ)
        before, _ = bytes(flash.data), journals.rmdir() if journals.exists() else None


def test_a_run_that_was_cut_off_is_told_and_left_to_the_next(way: str, flash: NorFlash, tmp_path: Path) -> None:
    making, keys = WAYS[way]
    making(flash, tmp_path).apply(texts(way))
    changed: dict[str, Setting] = {**texts(way), keys[0]: ("string", "another")}
    flash.power_fails_in = 1000
    with pytest.raises(PowerFailure):
        making(flash, tmp_path).apply(changed)
    flash.power_fails_in = None
    before, kept = bytes(flash.data), {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert kept
    (found,) = rehearsal(flash, tmp_path, way).compare(changed)
    assert bytes(flash.data) == before
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == kept
    assert set(found.keys) <= {keys[0]}, "what was cut off may be there already; the others are"
    applied = making(flash, tmp_path).apply(changed)
    assert found.interrupted is applied.recovered is True
    assert (found.sectors, found.written) == (applied.sectors, applied.written)
    assert "an earlier run was cut off, and would be made good" in "".join(differences_in_words([found]))


def test_places_of_one_board_are_read_in_one_session(flash: NorFlash, tmp_path: Path) -> None:
    both = rehearsal(flash, tmp_path / "none", "nvs", "spiffs")
    nvs(flash, tmp_path).apply(texts("nvs"))
    found = both.compare({**texts("nvs"), **texts("spiffs")})
    assert [(place.method, bool(place)) for place in found] == [("nvs", False), ("spiffs", True)]
    assert list(differences_in_words(found)) == [
        "nvs: all there",
        f"spiffs: differs in /one, /two, /three; {found[1].written} bytes in {found[1].sectors} sectors to write",
    ]


def test_two_places_in_one_partition_see_each_other(flash: NorFlash, tmp_path: Path) -> None:
    """As in the real run: the second finds what the first has written."""

    def other(flash: FlashAccess, journal: Path) -> Nvs:
        return Nvs(PartitionAccess(flash, "a", journal), namespace="other")

    places = [(["one"], "nvs", nvs), (["two"], "nvs", other)]
    values: Mapping[str, Setting] = {"one": ("u8", "1"), "two": ("u8", "2")}
    found = Rehearsal("a", flash, Sessions(), tmp_path / "none", places).compare(values)
    done: list[Applied] = [making(flash, tmp_path).apply({key: values[key]}) for (key,), _, making in places]
    assert [place.sectors for place in found] == [applied.sectors for applied in done]


def test_what_needs_the_firmware_is_refused_before_anything_is_asked(flash: NorFlash, tmp_path: Path) -> None:
    sessions = Sessions()
    mixed = Rehearsal("a", flash, sessions, tmp_path, [(["x"], "nvs", nvs), (["y"], "console", None)])
    with pytest.raises(ProvisionError, match="method 'console' works through a build or the running firmware"):
        mixed.compare({"x": ("u8", "1"), "y": ("string", "text")})
    assert sessions.opened == 0


def test_errors_are_those_of_the_method(flash: NorFlash, tmp_path: Path) -> None:
    flash.data[0x30000:0x32000] = bytes(0x2000)
    with pytest.raises(ProvisionError, match="esp_secure_cert"):
        rehearsal(flash, tmp_path, "esp-secure-cert").compare(texts("esp-secure-cert"))


def test_a_copy_reads_each_sector_once(flash: NorFlash) -> None:
    class Counting:
        def __init__(self) -> None:
            self.reads: list[tuple[int, int]] = []

        def read(self, offset: int, size: int) -> bytes:
            self.reads.append((offset, size))
            return flash.read(offset, size)

        def write(self, offset: int, data: bytes) -> None:
            raise AssertionError("written to")

    flash.data[0x1000:0x4000] = bytes(range(256)) * 48
    source = Counting()
    copy = Copy(source)
    assert copy.read(0x1010, 0x20) == flash.read(0x1010, 0x20)
    assert copy.read(0x1000, 0x3000) == flash.read(0x1000, 0x3000)
    assert source.reads == [(0x1000, 0x1000), (0x2000, 0x2000)]
    other = copy.copy()
    other.write(0x2000, b"\5" * 0x1000)
    assert other.read(0x1FFF, 3) == flash.read(0x1FFF, 1) + b"\5\5"
    assert copy.read(0x2000, 0x1000) == flash.read(0x2000, 0x1000)
    assert len(source.reads) == 2
