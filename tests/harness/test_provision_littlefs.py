"""Provisioning through LittleFS writes what differs, loses no file of the board, and survives a power failure."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from littlefs import LittleFS, UserContext
from nor_flash import SECTOR, NorFlash, PowerFailure

from hil.provision import ProvisionError, Setting
from hil.provision import littlefs_apart as apart
from hil.provision.littlefs import Geometry, Littlefs
from hil.provision.littlefs_merge import Unusable, settle
from hil.provision.partition import PartitionAccess
from hil.provision.recorded import Recorded
from hil.timeline import Timeline, where
from hil.virtual.firmware import littlefs as reader
from hil.wire import partitions

AT, SIZE = 0x290000, 0x40000
HELD = {"/config.json": b'{"a": 1}', "/www/index.html": b"<p>" * 3_000, "/certs/other.pem": b"other" * 200}


class Flash(NorFlash):
    """With a small LittleFS at hand: reading it is what takes time."""

    def __init__(self) -> None:
        super().__init__()
        entry = partitions.Partition("spiffs", partitions.TYPE_DATA, partitions.DATA_SPIFFS, AT, SIZE)
        self.data[0x8000:0x8C00] = partitions.build([entry])

    @property
    def content(self) -> bytes:
        return bytes(self.data[AT : AT + SIZE])

    @content.setter
    def content(self, content: bytes) -> None:
        self.data[AT : AT + SIZE] = content


def made(held: dict[str, bytes], size: int = SIZE, **options: int) -> bytes:
    """A partition as a build would make it."""
    chosen = {"block_size": SECTOR, "block_count": size // SECTOR, "prog_size": 128, "read_size": 128, "name_max": 64}
    system = LittleFS(UserContext(buffsize=size), mount=False, cache_size=512, **(chosen | options))
    system.format()
    system.mount()
    for path, data in held.items():
        system.makedirs(path.rpartition("/")[0], exist_ok=True)
        with system.open(path, "wb") as file:
            file.write(data)
        system.setattr(path, "t", b"time")
    return bytes(system.context.buffer)


@pytest.fixture
def flash() -> Flash:
    flash = Flash()
    flash.content = made(HELD)
    return flash


@pytest.fixture
def timeline() -> Timeline:
    return Timeline()


@pytest.fixture
def make(flash: Flash, timeline: Timeline, tmp_path: Path) -> Callable[..., Recorded]:
    def provisioner(**options: object) -> Recorded:
        access = PartitionAccess(flash, "esp32-a", tmp_path / "journal")
        here: dict[str, object] = {"settle": settle, **options}  # one process is enough for what is not damaged
        return Recorded(Littlefs(access, **here), timeline, "esp32-a", nullcontext)  # type: ignore[arg-type]

    return provisioner


def pems(mark: str) -> dict[str, Setting]:
    return {f"/certs/{name}.pem": ("string", f"{name} {mark} " * 180) for name in ("ca", "cert", "key")}


def expected(values: dict[str, Setting]) -> dict[str, bytes]:
    return HELD | {path: value[1].encode() for path, value in values.items() if value is not None}


def test_files_arrive_and_the_rest_stays(flash: Flash, make: Callable[..., Recorded]) -> None:
    before = bytes(flash.data)
    result = make().provision(pems("one"))
    assert reader.files(flash.content) == expected(pems("one"))
    assert result.written == result.sectors * SECTOR == sum(size for _, size in flash.writes)
    assert (result.method, result.capacity) == ("littlefs", SIZE)
    assert flash.data[:AT] == before[:AT]
    assert flash.data[AT + SIZE :] == before[AT + SIZE :]


def test_attributes_of_files_stay(flash: Flash, make: Callable[..., Recorded]) -> None:
    make().provision({"/config.json": ("string", "new")})
    system = LittleFS(
        UserContext(buffer=bytearray(flash.content)), mount=False, block_size=SECTOR, block_count=SIZE // SECTOR
    )
    system.mount()
    assert system.getattr("/config.json", "t") == b"time"


def test_a_second_run_writes_nothing(flash: Flash, make: Callable[..., Recorded]) -> None:
    make().provision(pems("one"))
    flash.writes.clear()
    result = make().provision(pems("one"))
    assert (result.sectors, result.written, flash.writes) == (0, 0, [])


def test_rotating_one_file_is_two_sectors(flash: Flash, make: Callable[..., Recorded]) -> None:
    make().provision(pems("one"))
    flash.writes.clear()
    values = pems("one") | {"/certs/cert.pem": ("string", "another certificate" * 50)}
    assert make().provision(values).sectors == 2
    assert reader.files(flash.content) == expected(values)


def test_a_file_can_be_taken_away(flash: Flash, make: Callable[..., Recorded]) -> None:
    make().provision({"/certs/other.pem": None, "/none": None})
    assert reader.files(flash.content) == {k: v for k, v in HELD.items() if k != "/certs/other.pem"}


def test_an_erased_partition_is_formatted(flash: Flash, make: Callable[..., Recorded]) -> None:
    flash.content = b"\xff" * SIZE
    make().provision(pems("one"))
    assert reader.files(flash.content) == {
        path: data for path, data in expected(pems("one")).items() if path not in HELD
    }


def test_a_disk_version_is_not_raised(flash: Flash, make: Callable[..., Recorded]) -> None:
    flash.content = made(HELD, disk_version=0x20000)
    make().provision({"/new": ("string", "x")})
    assert flash.content[20:24] == (0x20000).to_bytes(4, "little")
    assert reader.read_file(flash.content, "/new") == b"x"


def other_data(flash: Flash) -> None:
    flash.content = random.Random(7).randbytes(SIZE)


def for_another_size(flash: Flash) -> None:
    flash.content = made(HELD, SIZE // 2).ljust(SIZE, b"\xff")


def long_names(flash: Flash) -> None:
    flash.content = made(HELD, name_max=255)


def no_partition(flash: Flash) -> None:
    flash.data[0x8000:0x8C00] = partitions.build(
        [partitions.Partition("nvs", partitions.TYPE_DATA, partitions.DATA_NVS, 0x9000, 0x5000)]
    )


@pytest.mark.parametrize(
    ("prepare", "values", "complaint"),
    [
        (other_data, {}, "holds no LittleFS, and is not erased: .* format = true"),
        (for_another_size, {}, "has 32 blocks of 4096 bytes, the partition 64; it was made for another partition"),
        (long_names, {}, "names of up to 255 bytes, the contract says name_max = 64"),
        (no_partition, {}, "its partition table has no littlefs partition, its partitions are 'nvs'"),
        (None, {"ca.pem": ("string", "x")}, "no path of a file"),
        (None, {"/a/../b": ("string", "x")}, "no path of a file"),
        (None, {"/a": ("u8", "1")}, "setting '/a': a file has no u8"),
        (None, {"/" + "x" * 65: ("string", "x")}, r"has 65 bytes, expected at most 64 \(name_max\)"),
        (None, {"/certs": ("string", "x")}, "/certs is a directory, expected a file"),
        (None, {"/config.json/a": ("string", "x")}, "/config.json/a cannot be written"),
        (None, {"/big": ("blob", "x" * SIZE)}, r"too full for /big \(262144 bytes"),
    ],
)
def test_what_cannot_be_is_told_in_one_line_and_nothing_is_written(
    flash: Flash,
    make: Callable[..., Recorded],
    timeline: Timeline,
    prepare: Callable[[Flash], None] | None,
    values: dict[str, Setting],
    complaint: str,
) -> None:
    if prepare is not None:
        prepare(flash)
    with pytest.raises(ProvisionError, match=complaint) as raised:
        make().provision(values or {"/a": ("string", "x")})
    assert "\n" not in str(raised.value)
    assert flash.writes == []
    assert timeline.last(where("provision", "failed", "esp32-a")) is not None


def test_other_contents_are_formatted_if_the_contract_says_so(flash: Flash, make: Callable[..., Recorded]) -> None:
    other_data(flash)
    make(format=True).provision({"/a": ("string", "x")})
    assert reader.files(flash.content) == {"/a": b"x"}
    make(format=True).provision({"/b": ("string", "y")})
    assert reader.files(flash.content) == {"/a": b"x", "/b": b"y"}


def test_a_longer_name_where_the_firmware_takes_it(flash: Flash, make: Callable[..., Recorded]) -> None:
    long_names(flash)
    make(geometry=Geometry(name_max=255)).provision({"/" + "x" * 65: ("string", "x")})


def test_whenever_power_fails_the_board_has_a_sound_file_system(
    flash: Flash, make: Callable[..., Recorded], tmp_path: Path
) -> None:
    make().provision(pems("one"))
    start, old, values = flash.content, expected(pems("one")), pems("two") | {"/fresh/file": ("string", "f" * 600)}
    dice = random.Random(3)
    points = [0, 1, 2, SECTOR, SECTOR + 1, SECTOR + 2, *(dice.randrange(7 * SECTOR) for _ in range(18))]
    hit = 0
    for point in points:
        flash.content = start
        flash.power_fails_in = point
        try:
            make().provision(values)
        except PowerFailure:
            hit += 1
            found = reader.files(flash.content)
            new = expected(values)
            assert all(found[path] in (old[path], new[path]) for path in old), f"power failed after {point} steps"
        flash.power_fails_in = None
        make().provision(values)
        assert reader.files(flash.content) == expected(values), f"power failed after {point} steps"
        assert list((tmp_path / "journal").iterdir()) == []
    assert hit > 12


def test_what_the_firmware_wrote_after_a_failure_is_kept(flash: Flash, make: Callable[..., Recorded]) -> None:
    flash.power_fails_in = 5_000
    with pytest.raises(PowerFailure):
        make().provision(pems("one"))
    flash.power_fails_in = None
    system = LittleFS(
        UserContext(buffer=bytearray(flash.content)), mount=False, block_size=SECTOR, block_count=SIZE // SECTOR,
        prog_size=128, read_size=128, cache_size=512,
    )  # fmt: skip
    system.mount()
    with system.open("/boots", "wb") as file:
        file.write(b"42")
    flash.content = bytes(system.context.buffer)
    assert make().provision(pems("one")).recovered
    assert reader.files(flash.content) == expected(pems("one")) | {"/boots": b"42"}


def test_a_file_system_lost_in_between_comes_from_the_journal(flash: Flash, make: Callable[..., Recorded]) -> None:
    flash.power_fails_in = 5_000
    with pytest.raises(PowerFailure):
        make().provision(pems("one"))
    flash.power_fails_in = None
    flash.content = b"\xff" * SIZE
    assert make().provision(pems("one")).recovered
    assert reader.files(flash.content) == expected(pems("one"))


def test_damage_that_ends_the_library_does_not_end_the_run() -> None:
    """One bit of a directory decays that a file was moved out of: the library means to delete what is not there."""
    system = LittleFS(block_size=SECTOR, block_count=16, name_max=64)
    system.makedirs("/certs/old")
    for path, data in {"/certs/ca.pem": b"ca" * 400, "/certs/old/ca.pem": b"old" * 300, "/a": b"x"}.items():
        with system.open(path, "wb") as file:
            file.write(data)
    system.rename("/certs/old/ca.pem", "/certs/before.pem")
    damaged = bytearray(system.context.buffer)
    damaged[6 * SECTOR + 12] ^= 1
    with pytest.raises(Unusable, match=r"the library gave up \(.*Assertion .*\); erase the partition$"):
        apart.settle(bytes(damaged), None, {"/certs/new.pem": b"new " * 300}, Geometry(), format=False)


def test_the_process_apart_does_what_is_done_here(flash: Flash) -> None:
    changes = {"/certs/ca.pem": b"ca" * 900, "/www/index.html": None, "/empty": b""}
    for before in (None, flash.content, made({})):
        for content in (flash.content, bytes(len(flash.content))):
            answers = []
            for way in (settle, apart.settle):
                try:
                    answers.append(way(content, before, changes, Geometry(), format=False))
                except Unusable as error:
                    answers.append(str(error))
            assert answers[0] == answers[1]
    assert answers[0].from_before  # type: ignore[union-attr]


def test_a_library_that_runs_in_circles_is_ended(monkeypatch: pytest.MonkeyPatch, flash: Flash) -> None:
    monkeypatch.setattr(apart, "TIMEOUT", 0.001)
    with pytest.raises(Unusable, match=r"not done in 0\.001 s; erase"):
        apart.settle(flash.content, None, {}, Geometry(), format=False)
