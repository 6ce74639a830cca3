"""Provisioning through SPIFFS: every geometry, power that fails anywhere and twice, full and damaged partitions.

What is read here is read by the model of firmware's library, which shares no code with hil.wire.spiffs.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nor_flash import NorFlash, PowerFailure, holding
from spiffs_library import Full, Library

from hil.credentials import Authority, Flaw, broken
from hil.provision import ProvisionError, Setting
from hil.provision.partition import PartitionAccess
from hil.provision.recorded import Recorded
from hil.provision.spiffs import Spiffs
from hil.timeline import Timeline, where
from hil.wire import partitions, spiffs

AT, SIZE = 0x20000, 12 * 4096
GEOMETRIES = {
    "usual": spiffs.Geometry(),
    "pages of 128": spiffs.Geometry(page_size=128),
    "pages of 512": spiffs.Geometry(page_size=512),
    "long names": spiffs.Geometry(name_length=96, meta_length=64),
    "short names, no metadata": spiffs.Geometry(page_size=512, name_length=16, meta_length=0),
}
geometries = pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)


def mounted(data: bytes, geometry: spiffs.Geometry) -> Library:
    return Library(data, page=geometry.page_size, name=geometry.name_length, meta=geometry.meta_length)


def formatted(geometry: spiffs.Geometry) -> Library:
    library = Library(
        b"\xff" * SIZE, page=geometry.page_size, name=geometry.name_length, meta=geometry.meta_length, mount=False
    )
    library.format()
    return library


def board(content: bytes) -> NorFlash:
    return holding(partitions.Partition("spiffs", partitions.TYPE_DATA, partitions.DATA_SPIFFS, AT, SIZE), content)


def held(flash: NorFlash, geometry: spiffs.Geometry) -> dict[str, bytes]:
    """What firmware reads, after a check of the whole file system."""
    library = mounted(flash.read(AT, SIZE), geometry)
    assert library.faults() == []
    return {name: library.read(name) for name in library.names()}


def texts(contents: Mapping[str, bytes | None]) -> dict[str, Setting]:
    """Settings of any bytes: those that are no UTF-8 as surrogates."""
    return {
        name: None if data is None else ("blob", data.decode("utf-8", "surrogateescape"))
        for name, data in contents.items()
    }


def method(flash: NorFlash, journal: Path, geometry: spiffs.Geometry | None = None, **options: bool) -> Spiffs:
    return Spiffs(PartitionAccess(flash, "esp32-a", journal), geometry=geometry, **options)


# -- what arrives, and what stays ------------------------------------------------------------------------------------


@geometries
def test_credentials_arrive_and_other_files_keep_all_that_is_theirs(geometry: spiffs.Geometry, tmp_path: Path) -> None:
    library = formatted(geometry)
    others = {"/config": b'{"a": 1}', "/web/page": b"<p>" * 1500, "/empty": b""}
    for name, data in others.items():
        library.write(name, data)
    library.write("/ca.pem", b"old")
    before = {file.name: file for file in spiffs.parse(bytes(library.flash), geometry).found}
    flash = board(bytes(library.flash))
    device = Authority.create("spiffs").issue_device("esp32-a")
    wanted = {"/ca.pem": device.trust_anchors_pem, "/cert.pem": device.chain_pem, "/key.pem": device.key_pem}

    applied = method(flash, tmp_path, geometry).apply(texts(wanted))
    assert held(flash, geometry) == {**others, **wanted}
    assert 0 < applied.written < SIZE // 2
    assert sum(size for _, size in flash.writes) == applied.written
    after = {file.name: file for file in spiffs.parse(flash.read(AT, SIZE), geometry).found}
    for name in (*others, "/ca.pem"):
        assert (after[name].object_id, after[name].meta) == (before[name].object_id, before[name].meta)
    for name in others:
        assert after[name].pages == before[name].pages, "a page of another file was moved"

    assert method(flash, tmp_path, geometry).apply(texts(wanted)).sectors == 0
    assert method(flash, tmp_path, geometry).apply(texts(dict.fromkeys(wanted))).sectors > 0
    assert held(flash, geometry) == others


@geometries
@settings(max_examples=12, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_firmware_and_bench_take_turns(geometry: spiffs.Geometry, data: st.DataObject, tmp_path: Path) -> None:
    """Both write whatever they like, one after the other: firmware reads exactly what there should be each time."""
    names = st.sampled_from(["/a", "/b", "/ca.pem", "/key"])
    contents = st.builds(lambda seed, size: random.Random(seed).randbytes(size), st.integers(0, 9), sizes(geometry))
    flash, model = board(bytes(formatted(geometry).flash)), dict[str, bytes]()
    for _ in range(data.draw(st.integers(1, 4))):
        library = mounted(flash.read(AT, SIZE), geometry)
        for name, content in data.draw(st.dictionaries(names, contents, max_size=2)).items():
            with suppress(Full):  # the library removes the old file first, and then finds no room
                model.pop(name, None)
                library.write(name, content)
                model[name] = content
        if {name: library.read(name) for name in library.names()} != model:
            return  # full in the middle of a file
        flash.data[AT : AT + SIZE] = library.flash
        change = data.draw(st.dictionaries(names, st.none() | contents, max_size=3))
        complaint = ""
        try:
            method(flash, tmp_path, geometry).apply(texts(change))
            model = {name: c for name, c in {**model, **change}.items() if c is not None}
        except ProvisionError as error:
            complaint = str(error)
        assert not complaint or "does not fit" in complaint
        assert held(flash, geometry) == model


def sizes(geometry: spiffs.Geometry) -> st.SearchStrategy[int]:
    """Around what a page, an index header and a block hold, and anything else."""
    edges = [0, geometry.content, geometry.first_entries * geometry.content, geometry.slots * geometry.content]
    near = st.builds(lambda edge, by: max(0, edge + by), st.sampled_from(edges), st.integers(-1, 1))
    return (near | st.integers(0, 5000)).map(lambda size: min(size, 12_000))


# -- power -----------------------------------------------------------------------------------------------------------


@geometries
def test_a_power_failure_anywhere_is_recovered_by_the_next_run(geometry: spiffs.Geometry, tmp_path: Path) -> None:
    dice = random.Random(7)
    library = formatted(geometry)
    others = {"/other": dice.randbytes(2000), "/empty": b""}
    for name, data in {**others, "/key": b"old" * 100}.items():
        library.write(name, data)
    wanted = {"/key": b"k" * 4000, "/ca": b"c" * 1500}
    whole = board(bytes(library.flash))
    written = method(whole, tmp_path, geometry).apply(texts(wanted)).sectors
    assert written >= 2
    steps = written * 4097
    for point in [0, 1, 4096, 4097, steps - 1, *(dice.randrange(steps) for _ in range(12))]:
        flash = board(bytes(library.flash))
        flash.power_fails_in = point
        with pytest.raises(PowerFailure):
            method(flash, tmp_path, geometry).apply(texts(wanted))
        flash.power_fails_in = dice.randrange(steps)  # and again, while that is put right
        with suppress(PowerFailure):
            method(flash, tmp_path, geometry).apply(texts(wanted))
        flash.power_fails_in = None
        method(flash, tmp_path, geometry).apply(texts(wanted))
        assert held(flash, geometry) == {**others, **wanted}, point
        assert list(tmp_path.iterdir()) == []


def test_formatting_that_was_cut_off_is_finished(tmp_path: Path) -> None:
    for point in (1, 4097 * 3, 4097 * 11 + 2000):
        flash = board(b"\xff" * SIZE)
        flash.power_fails_in = point
        with pytest.raises(PowerFailure):
            method(flash, tmp_path).apply({"/key": ("string", "k")})
        flash.power_fails_in = None
        method(flash, tmp_path).apply({"/key": ("string", "k")})
        assert held(flash, spiffs.Geometry()) == {"/key": b"k"}


def test_a_journal_of_other_hardware_is_left_alone(tmp_path: Path) -> None:
    flash = board(spiffs.build(SIZE, {"/key": b"old"}))
    flash.power_fails_in = 100
    one, other = (PartitionAccess(flash, "esp32-a", tmp_path, identity=mac) for mac in ("24:0a:01", "24:0a:02"))
    with pytest.raises(PowerFailure):
        Spiffs(one).apply({"/key": ("string", "new")})
    (kept,) = tmp_path.iterdir()
    assert kept.stat().st_mode & 0o077 == 0
    flash.power_fails_in = None
    flash.data[AT : AT + SIZE] = spiffs.build(SIZE, {"/key": b"another board's"})
    assert not Spiffs(other).apply({"/key": ("string", "new")}).recovered
    assert list(tmp_path.iterdir()) == [kept]


# -- what is refused -------------------------------------------------------------------------------------------------


@geometries
def test_a_full_partition_is_refused_before_anything_is_written(geometry: spiffs.Geometry, tmp_path: Path) -> None:
    library, number = formatted(geometry), 0
    with suppress(Full):
        for number in range(30):
            library.write(f"/{number}", bytes([number]) * 3000)
    assert number < 29
    library.remove(f"/{number}")
    content = bytes(library.flash)
    flash = board(content)
    with pytest.raises(ProvisionError, match=r"^board esp32-a, partition 'spiffs': does not fit: needs \d+ pages"):
        method(flash, tmp_path, geometry).apply(texts({"/key": b"k" * 9000}))
    assert flash.writes == []
    # What is replaced makes room for what comes.
    assert method(flash, tmp_path, geometry).apply(texts({"/0": None, "/1": b"k" * 3000})).sectors > 0
    assert held(flash, geometry)["/1"] == b"k" * 3000


@pytest.mark.parametrize(
    ("made", "asked", "complaint"),
    [
        ("usual", "pages of 512", "SPIFFS with pages of 256 bytes, expected 512; say page_size = 256"),
        ("pages of 128", "usual", "SPIFFS with pages of 128 bytes, expected 256; say page_size = 128"),
        ("usual", "long names", "36 bytes of name and metadata, expected 96 and 64"),
    ],
)
def test_another_geometry_is_named(made: str, asked: str, complaint: str, tmp_path: Path) -> None:
    library = formatted(GEOMETRIES[made])
    library.write("/a", b"a" * 600)
    flash = board(bytes(library.flash))
    with pytest.raises(ProvisionError, match=complaint):
        method(flash, tmp_path, GEOMETRIES[asked]).apply({"/key": ("string", "k")})
    assert flash.writes == []


@pytest.mark.parametrize(
    ("name", "setting", "complaint"),
    [
        ("/" + "n" * 31, ("string", "x"), "has 32 bytes, SPIFFS takes 31"),
        ("/" + "ä" * 16, ("string", "x"), "has 33 bytes, SPIFFS takes 31"),
        ("", ("string", "x"), "SPIFFS takes one or more characters"),
        ("/a\0b", ("string", "x"), "none of them NUL"),
        ("/port", ("u16", "8883"), "a file holds text, not u16; write it as a string, or keep it in NVS"),
    ],
)
def test_what_no_file_can_be_is_refused(name: str, setting: Setting, complaint: str, tmp_path: Path) -> None:
    flash = board(spiffs.build(SIZE, {}))
    with pytest.raises(ProvisionError, match=complaint) as caught:
        method(flash, tmp_path).apply({name: setting})
    assert "\n" not in str(caught.value)
    assert flash.writes == []


# -- damage ----------------------------------------------------------------------------------------------------------


@geometries
def test_damaged_pages_cost_no_other_file(geometry: spiffs.Geometry, tmp_path: Path) -> None:
    """Bytes decay in the pages of one file; whatever becomes of that, the others stay and the new ones arrive."""
    dice = random.Random(3)
    library = formatted(geometry)
    others = {"/a": dice.randbytes(900), "/b": dice.randbytes(2500)}
    for name, data in {**others, "/broken": dice.randbytes(3000)}.items():
        library.write(name, data)
    content = bytes(library.flash)
    (victim,) = (file for file in spiffs.parse(content, geometry).found if file.name == "/broken")
    for _ in range(12):
        damaged = bytearray(content)
        for page in dice.sample(victim.pages, 2):
            at = page * geometry.page_size + dice.randrange(geometry.page_size)
            damaged[at] &= dice.randrange(256)
        flash = board(bytes(damaged))
        applied = method(flash, tmp_path, geometry).apply(texts({"/key": b"k" * 1000, "/a": b"new"}))
        found = spiffs.parse(flash.read(AT, SIZE), geometry)
        assert {**found.files, "/broken": b""} == {
            "/a": b"new",
            "/b": others["/b"],
            "/key": b"k" * 1000,
            "/broken": b"",
        }
        assert all("/broken" in problem for problem in applied.problems)


def test_a_lookup_that_says_a_page_is_anothers_costs_no_file(tmp_path: Path) -> None:
    """Fuzzing found it: the pages of a file that went were taken from the lookups, whoever's they were."""
    content = bytearray(spiffs.build(SIZE, {"/going": b"g" * 600, "/stays": b"s" * 600}))
    files = spiffs.parse(bytes(content)).by_name()
    slot = spiffs.Geometry().slot_of(files["/stays"].pages[1])
    assert slot is not None
    at = slot[0] * 4096 + 2 * slot[1]
    content[at : at + 2] = files["/going"].object_id.to_bytes(2, "little")
    flash = board(bytes(content))
    method(flash, tmp_path).apply({"/going": None, "/key": ("string", "k" * 600)})
    assert spiffs.parse(flash.read(AT, SIZE)).files == {"/stays": b"s" * 600, "/key": b"k" * 600}


def test_flash_that_reads_back_otherwise_is_reported(tmp_path: Path) -> None:
    class Worn(NorFlash):
        def write(self, offset: int, data: bytes) -> None:
            super().write(offset, data)
            self.data[offset + 300] &= 0xFE if self.data[offset + 300] & 1 else 0xFD

    flash = Worn()
    flash.data[:] = board(spiffs.build(SIZE, {"/a": b"a" * 600})).data
    with pytest.raises(ProvisionError, match=r"flash at 0x[0-9a-f]+ reads back other than it was written"):
        method(flash, tmp_path).apply({"/a": ("string", "b" * 600)})
    assert list(tmp_path.iterdir()), "what was there before is still needed"


def test_the_timeline_tells_what_was_done_and_no_secret(tmp_path: Path) -> None:
    flash, timeline = board(spiffs.build(SIZE, {"/a": b"a"})), Timeline(tmp_path / "timeline.jsonl")
    device = broken.device(Authority.create("spiffs"), "esp32-a", Flaw.EXPIRED)
    provisioner = Recorded(method(flash, tmp_path / "journal"), timeline, "esp32-a", nullcontext)
    result = provisioner.provision(
        texts({"/cert.pem": device.chain_pem, "/key.pem": device.key_pem, "/wifi": b"wifi-word-4711"}), secret=["/wifi"]
    )
    done = timeline.last(where("provision", "done"))
    assert done is not None
    assert (done["method"], done["sectors"], done["bytes"]) == ("spiffs", result.sectors, result.written)
    assert (result.subject, result.serial) == (device.subject, device.serial)
    timeline.record("console", "line", "esp32-a", text=f"wifi-word-4711 {device.key_pem.decode()}")
    timeline.close()
    log = (tmp_path / "timeline.jsonl").read_text()
    assert "4711" not in log
    assert not any(line in log for line in device.key_pem.decode().splitlines() if len(line) > 40)
