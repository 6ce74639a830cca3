"""Provisioning through NVS writes what differs, loses nothing that the board held, and survives a power failure."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from nor_flash import SECTOR, NorFlash, PowerFailure

from hil.credentials import Authority, Credentials, redactable
from hil.provision import Provisioner, ProvisionError, Setting
from hil.provision.nvs import Nvs
from hil.provision.partition import PartitionAccess
from hil.provision.recorded import Recorded
from hil.timeline import Timeline, where
from hil.wire import nvs, partitions
from hil.wire.nvs import Value

NVS_AT, NVS_SIZE = 0x9000, 0x5000


class Flash(NorFlash):
    """With its NVS at hand."""

    @property
    def nvs(self) -> bytes:
        return bytes(self.data[NVS_AT : NVS_AT + NVS_SIZE])

    @nvs.setter
    def nvs(self, content: bytes) -> None:
        self.data[NVS_AT : NVS_AT + NVS_SIZE] = content


def provisioner_of(
    flash: NorFlash, timeline: Timeline, journal: Path, *, identity: str = "", partition: str | None = None
) -> Recorded:
    access = PartitionAccess(flash, "esp32-a", journal, identity=identity)
    return Recorded(Nvs(access, namespace="hil", partition=partition), timeline, "esp32-a", nullcontext)


WIFI = {"sta.ssid": Value.blob(b"workshop" + b"\0" * 28), "sta.pswd": Value.blob(b"correct horse battery staple")}
COUNTERS = {"boots": Value.u32(41), "name": Value.string("green")}


def held(flash: Flash) -> dict[str, dict[str, Value]]:
    return {name: dict(values) for name, values in nvs.parse(flash.nvs).namespaces.items()}


@pytest.fixture
def flash() -> Flash:
    made = Flash()
    made.nvs = nvs.build(NVS_SIZE, {"nvs.net80211": WIFI, "app": COUNTERS})
    return made


@pytest.fixture
def timeline() -> Timeline:
    return Timeline()


@pytest.fixture(scope="module")
def credentials() -> Credentials:
    return Authority.create().issue_device("esp32-a")


@pytest.fixture
def make(flash: Flash, timeline: Timeline, tmp_path: Path) -> Callable[..., Recorded]:
    def provisioner(**options: str) -> Recorded:
        return provisioner_of(flash, timeline, tmp_path / "journal", **options)

    return provisioner


def settings(credentials: Credentials, host: str = "192.168.40.10") -> dict[str, Setting]:
    return {
        "host": ("string", host),
        "port": ("u16", "8883"),
        "ca": ("string", credentials.trust_anchors_pem.decode()),
        "cert": ("blob", credentials.chain_pem.decode()),
        "key": ("string", credentials.key_pem.decode()),
        "wifi_pass": ("string", "swordfish"),
    }


def test_settings_arrive_and_the_rest_stays(
    flash: Flash, make: Callable[..., Recorded], credentials: Credentials
) -> None:
    provisioner: Provisioner = make()
    before = bytes(flash.data)
    result = provisioner.provision(settings(credentials), secret={"key", "wifi_pass"})
    assert held(flash) == {
        "nvs.net80211": WIFI,
        "app": COUNTERS,
        "hil": {
            "host": Value.string("192.168.40.10"),
            "port": Value.u16(8883),
            "ca": Value.string(credentials.trust_anchors_pem.decode()),
            "cert": Value.blob(credentials.chain_pem),
            "key": Value.string(credentials.key_pem.decode()),
            "wifi_pass": Value.string("swordfish"),
        },
    }
    assert (result.subject, result.serial) == (credentials.subject, credentials.serial)
    assert (result.sectors, result.written, result.capacity) == (1, SECTOR, NVS_SIZE)
    assert flash.data[:NVS_AT] == before[:NVS_AT]
    assert flash.data[NVS_AT + NVS_SIZE :] == before[NVS_AT + NVS_SIZE :]


def test_a_second_run_writes_nothing(
    flash: Flash, make: Callable[..., Recorded], credentials: Credentials, timeline: Timeline
) -> None:
    make().provision(settings(credentials))
    flash.writes.clear()
    result = make().provision(settings(credentials))
    assert (result.sectors, result.written, flash.writes) == (0, 0, [])
    done = timeline.last(where("provision", "done", "esp32-a"))
    assert done is not None
    assert (done["sectors"], done["bytes"], done["serial"]) == (0, 0, credentials.serial)


def test_one_changed_setting_is_one_sector(
    flash: Flash, make: Callable[..., Recorded], credentials: Credentials
) -> None:
    make().provision(settings(credentials))
    flash.writes.clear()
    result = make().provision(settings(credentials, host="10.0.0.1"))
    assert result.sectors == 1
    assert flash.writes == [(NVS_AT, SECTOR)]


def test_a_setting_can_be_taken_away(flash: Flash, make: Callable[..., Recorded]) -> None:
    make().provision({"a": ("u8", "1"), "b": ("string", "x")})
    make().provision({"a": None})
    assert held(flash)["hil"] == {"b": Value.string("x")}


def test_an_erased_nvs_is_started(flash: Flash, make: Callable[..., Recorded]) -> None:
    flash.nvs = b"\xff" * NVS_SIZE
    make().provision({"a": ("i32", "-5")})
    assert held(flash) == {"hil": {"a": Value.i32(-5)}}


def test_the_timeline_tells_what_was_done_and_no_secret(
    make: Callable[..., Recorded], credentials: Credentials, tmp_path: Path
) -> None:
    timeline = Timeline(tmp_path / "timeline.jsonl")
    flash = Flash()
    provisioner = provisioner_of(flash, timeline, tmp_path / "journal")
    provisioner.provision(settings(credentials), secret={"wifi_pass", "key"})
    timeline.record("console", "line", "esp32-a", text="connecting with swordfish")
    for line in credentials.key_pem.decode().splitlines():
        timeline.record("console", "line", "esp32-a", text=f"key: {line}")
    timeline.close()
    start, done = timeline.events(where("provision"))
    assert start.data == {"method": "nvs"}
    assert {key: done[key] for key in ("method", "sectors", "bytes", "subject", "serial")} == {
        "method": "nvs",
        "sectors": 1,
        "bytes": SECTOR,
        "subject": "CN=esp32-a",
        "serial": credentials.serial,
    }
    written = (tmp_path / "timeline.jsonl").read_text()
    assert "swordfish" not in written
    assert not any(line in written for line in redactable(credentials.key_pem))


def test_problems_of_the_partition_are_told(flash: Flash, make: Callable[..., Recorded], timeline: Timeline) -> None:
    flash.data[NVS_AT + 64 + 32 + 24] ^= 0xFF
    make().provision({"a": ("u8", "1")})
    done = timeline.last(where("provision", "done"))
    assert done is not None
    assert done["problems"][0] == "page 0, entries 1 to 3: its CRC is wrong"


# -- which partition -------------------------------------------------------------------------------------------------


def with_table(flash: Flash, *entries: partitions.Partition) -> None:
    flash.data[0x8000:0x8C00] = partitions.build(entries)


def nvs_at(label: str, offset: int) -> partitions.Partition:
    return partitions.Partition(label, partitions.TYPE_DATA, partitions.DATA_NVS, offset, 0x3000)


def test_the_boards_own_table_says_where(flash: Flash, make: Callable[..., Recorded]) -> None:
    with_table(flash, nvs_at("factory_nvs", 0x20000), nvs_at("nvs", 0x30000))
    make().provision({"a": ("u8", "1")})
    make(partition="factory_nvs").provision({"a": ("u8", "2")})
    assert nvs.parse(flash.read(0x30000, 0x3000)).get("hil", "a") == Value.u8(1)
    assert nvs.parse(flash.read(0x20000, 0x3000)).get("hil", "a") == Value.u8(2)


def test_the_only_nvs_partition_is_taken_whatever_its_label(flash: Flash, make: Callable[..., Recorded]) -> None:
    with_table(flash, nvs_at("settings", 0x20000))
    make().provision({"a": ("u8", "1")})
    assert nvs.parse(flash.read(0x20000, 0x3000)).get("hil", "a") == Value.u8(1)


def spiffs_only(flash: Flash) -> None:
    with_table(flash, partitions.Partition("spiffs", partitions.TYPE_DATA, partitions.DATA_SPIFFS, 0x20000, 0x4000))


def erased(flash: Flash) -> None:
    flash.data[:] = b"\xff" * len(flash.data)


def encrypted(flash: Flash) -> None:
    flash.nvs = random.Random(7).randbytes(NVS_SIZE)


@pytest.mark.parametrize(
    ("prepare", "options", "complaint"),
    [
        (erased, {}, r"the flash is blank where the table should be \(read at 0x8000\); flash the firmware first"),
        (spiffs_only, {}, "its partition table has no nvs partition, its partitions are 'spiffs'; flash firmware with"),
        (lambda _: None, {"partition": "other"}, "has no nvs partition 'other', its nvs partitions are 'nvs'"),
        (encrypted, {}, r"partition 'nvs': the partition is encrypted \(flash encryption\)"),
    ],
)
def test_a_board_that_cannot_be_provisioned_is_told_in_one_line(
    flash: Flash,
    make: Callable[..., Recorded],
    timeline: Timeline,
    prepare: Callable[[Flash], None],
    options: dict[str, str],
    complaint: str,
) -> None:
    prepare(flash)
    with pytest.raises(ProvisionError, match=complaint) as raised:
        make(**options).provision({"a": ("u8", "1")})
    assert "\n" not in str(raised.value)
    assert flash.writes == []
    failed = timeline.last(where("provision", "failed", "esp32-a"))
    assert failed is not None
    assert failed["reason"] == str(raised.value)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"a": ("u8", "256")}, "setting 'a': value: 256 does not fit u8"),
        ({"a": ("u9", "1")}, "no NVS type is called 'u9'"),
        ({"a": ("string", "x" * 4000)}, "store it as a blob"),
        ({"sixteen_letters_": ("u8", "1")}, "NVS takes at most 15"),
        ({"a": ("blob", "x" * 20_000)}, r"needs \d+ entries, \d+ free"),
    ],
)
def test_settings_that_do_not_go_are_refused_before_anything_is_written(
    flash: Flash, make: Callable[..., Recorded], values: dict[str, Setting], complaint: str
) -> None:
    before = bytes(flash.data)
    with pytest.raises(ProvisionError, match=complaint):
        make().provision(values)
    assert flash.data == before


def test_flash_that_reads_back_otherwise_is_reported(timeline: Timeline, tmp_path: Path) -> None:
    class Worn(Flash):
        def write(self, offset: int, data: bytes) -> None:
            super().write(offset, data)
            self.data[offset + 70] &= 0x0F

    provisioner = provisioner_of(Worn(), timeline, tmp_path / "journal")
    with pytest.raises(ProvisionError, match="flash at 0x9046 reads back other than it was written"):
        provisioner.provision({"a": ("u8", "1")})


# -- power failures --------------------------------------------------------------------------------------------------


def test_a_power_failure_at_any_point_is_recovered_by_the_next_run(
    flash: Flash, make: Callable[..., Recorded], credentials: Credentials, tmp_path: Path
) -> None:
    flash.nvs = nvs.merge(flash.nvs, "app", {f"fill{i}": "x" * 100 for i in range(22)})
    kept = held(flash)
    start = flash.nvs
    values = settings(credentials)
    dice = random.Random(3)
    points = [0, 1, 2, 33, 65, 1 + SECTOR, 2 + SECTOR, *(dice.randrange(2 * SECTOR) for _ in range(25))]
    hit = 0
    for point in points:
        flash.nvs = start
        flash.power_fails_in = point
        try:
            make().provision(values)
        except PowerFailure:
            hit += 1
            assert (tmp_path / "journal" / "esp32-a-9000.before").stat().st_mode & 0o777 == 0o600
        flash.power_fails_in = None
        make().provision(values)
        found = held(flash)
        assert {name: found[name] for name in kept} == kept, f"power failed after {point} steps"
        assert len(found["hil"]) == len(values)
        assert nvs.parse(flash.nvs).problems == ()
        assert list((tmp_path / "journal").iterdir()) == []
    assert hit > 20


def test_power_may_fail_again_while_a_failure_is_recovered(
    flash: Flash, make: Callable[..., Recorded], credentials: Credentials
) -> None:
    kept = held(flash)
    for point in (1, 100, 700, 2):
        flash.power_fails_in = point
        with pytest.raises(PowerFailure):
            make().provision(settings(credentials))
    flash.power_fails_in = None
    assert make().provision(settings(credentials)).recovered
    assert {name: held(flash)[name] for name in kept} == kept


def test_what_the_firmware_wrote_after_the_failure_is_newer(
    flash: Flash, make: Callable[..., Recorded], timeline: Timeline
) -> None:
    flash.power_fails_in = 1
    with pytest.raises(PowerFailure):
        make().provision({"host": ("string", "h")})
    flash.power_fails_in = None
    assert held(flash) == {}, "the only page is gone"
    flash.nvs = nvs.merge(flash.nvs, "app", {"boots": Value.u32(1), "fresh": "yes"})
    make().provision({"host": ("string", "h")})
    assert held(flash) == {
        "nvs.net80211": WIFI,
        "app": {"boots": Value.u32(1), "name": Value.string("green"), "fresh": Value.string("yes")},
        "hil": {"host": Value.string("h")},
    }
    done = timeline.last(where("provision", "done"))
    assert done is not None
    assert done["recovered"] is True


def test_the_journal_of_other_hardware_is_left_alone(
    flash: Flash, make: Callable[..., Recorded], tmp_path: Path
) -> None:
    flash.power_fails_in = 1
    with pytest.raises(PowerFailure):
        make(identity="aa:bb:cc:00:00:01").provision({"host": ("string", "h")})
    flash.power_fails_in = None
    flash.nvs = b"\xff" * NVS_SIZE
    assert not make(identity="aa:bb:cc:00:00:02").provision({"host": ("string", "h")}).recovered
    assert held(flash) == {"hil": {"host": Value.string("h")}}
    assert [path.name for path in (tmp_path / "journal").iterdir()] == ["esp32-a-aabbcc000001-9000.before"]


def test_a_damaged_journal_is_named(flash: Flash, make: Callable[..., Recorded], tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "esp32-a-9000.before").write_bytes(b'{"format": 1, "offset": 36864, "sha256": "0"}\nhalf')
    with pytest.raises(ProvisionError, match=r"esp32-a-9000\.before: damaged, .* remove it to go on"):
        make().provision({"a": ("u8", "1")})


def test_without_a_journal_nothing_is_written(flash: Flash, make: Callable[..., Recorded], tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("in the way")
    before = bytes(flash.data)
    with pytest.raises(ProvisionError, match=r"journal/esp32-a-9000\.before: cannot be read"):
        make().provision({"a": ("u8", "1")})
    assert flash.data == before


def test_new_items_are_written_before_old_ones_are_erased(flash: Flash, make: Callable[..., Recorded]) -> None:
    make().provision({f"k{i}": ("string", "x" * 900) for i in range(12)})
    assert len([p for p in nvs.parse(flash.nvs).pages if p.used]) >= 3
    flash.writes.clear()
    make().provision({"k0": ("string", "y" * 900)})
    assert len(flash.writes) == 2
    first, last = (offset for offset, _ in flash.writes)
    assert first > last, "the page that gains the new value, then the one that loses the old"
    sequence = [struct.unpack_from("<I", flash.data, at + 4)[0] for at in (first, last)]
    assert sequence[0] > sequence[1]
