"""Provisioning the esp_secure_cert partition: the whole chain arrives, all else stays, also when power fails."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from nor_flash import SECTOR, NorFlash, PowerFailure

from hil.credentials import Authority, Credentials, redactable
from hil.places import SecureCertPlace
from hil.provision import ProvisionError, Setting
from hil.provision.partition import PartitionAccess
from hil.provision.recorded import Recorded
from hil.provision.secure_cert import SecureCert
from hil.timeline import Timeline, where
from hil.wire import partitions, secure_cert
from hil.wire.secure_cert import Entry

AT, SIZE = 0x3E0000, 0x2000
CA, CERT, KEY = (secure_cert.entry_of(key) for key in ("ca_cert", "device_cert", "private_key"))
FACTORY = (
    Entry(3, 0, bytes(range(200)) * 12),  # DS data, which only this chip can use
    Entry(5, 1, b"salt" * 8),
    Entry(99, 0, b"of a type that nobody knows", flags=3),
)


def at(label: str, type_: int, subtype: int, offset: int = AT, size: int = SIZE) -> partitions.Partition:
    return partitions.Partition(label, type_, subtype, offset, size)


class Flash(NorFlash):
    """With an esp_secure_cert partition behind a smaller spiffs."""

    def __init__(self) -> None:
        super().__init__()
        self.table(at("esp_secure_cert", partitions.TYPE_SECURE_CERT, 0))
        self.content = secure_cert.build(SIZE, FACTORY)

    def table(self, *entries: partitions.Partition) -> None:
        spiffs = at("spiffs", partitions.TYPE_DATA, partitions.DATA_SPIFFS, 0x290000, 0x150000)
        self.data[0x8000:0x8C00] = partitions.build([*partitions.ARDUINO_DEFAULT[:4], spiffs, *entries])

    @property
    def content(self) -> bytes:
        return bytes(self.data[AT : AT + SIZE])

    @content.setter
    def content(self, content: bytes) -> None:
        self.data[AT : AT + len(content)] = content

    @property
    def entries(self) -> tuple[Entry, ...]:
        return secure_cert.parse(self.content).entries


@pytest.fixture
def flash() -> Flash:
    return Flash()


@pytest.fixture
def timeline() -> Timeline:
    return Timeline()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create()


@pytest.fixture(scope="module")
def credentials(authority: Authority) -> Credentials:
    return authority.issue_device("esp32-a")


@pytest.fixture
def make(flash: Flash, timeline: Timeline, tmp_path: Path) -> Callable[..., Recorded]:
    def provisioner(partition: str | None = None) -> Recorded:
        access = PartitionAccess(flash, "esp32-a", tmp_path / "journal")
        return Recorded(SecureCert(access, partition=partition), timeline, "esp32-a", nullcontext)

    return provisioner


def settings(credentials: Credentials) -> dict[str, Setting]:
    return {
        "device_cert": ("string", credentials.chain_pem.decode()),
        "ca_cert": ("string", credentials.trust_anchors_pem.decode()),
        "private_key": ("string", credentials.key_pem.decode()),
    }


def held(credentials: Credentials) -> tuple[Entry, ...]:
    return (
        *FACTORY,
        Entry(*CERT, credentials.chain_pem + b"\0"),
        Entry(*CA, credentials.trust_anchors_pem + b"\0"),
        Entry(*KEY, credentials.key_pem + b"\0"),
    )


def test_the_whole_chain_arrives_and_the_rest_stays(
    flash: Flash, make: Callable[..., Recorded], credentials: Credentials
) -> None:
    before = bytes(flash.data)
    result = make().provision(settings(credentials), secret={"private_key"})
    assert flash.entries == held(credentials)
    assert credentials.chain_pem.count(b"BEGIN CERTIFICATE") == 2
    assert (result.method, result.capacity, result.subject) == ("esp-secure-cert", SIZE, credentials.subject)
    assert (result.sectors, result.written) == (2, 2 * SECTOR)
    assert flash.data[:AT] == before[:AT]
    assert flash.data[AT + SIZE :] == before[AT + SIZE :]


def test_a_second_run_writes_nothing(flash: Flash, make: Callable[..., Recorded], credentials: Credentials) -> None:
    make().provision(settings(credentials))
    flash.writes.clear()
    result = make().provision(settings(credentials))
    assert (result.sectors, result.written, flash.writes) == (0, 0, [])


def test_only_sectors_that_change_are_written(
    flash: Flash, make: Callable[..., Recorded], credentials: Credentials
) -> None:
    flash.content = secure_cert.build(SIZE, [Entry(51, 0, b"x" * 5000)])
    make().provision({"private_key": ("string", credentials.key_pem.decode())})
    assert flash.writes == [(AT + SECTOR, SECTOR)]


def test_other_credentials_take_the_place_of_the_old(
    flash: Flash, make: Callable[..., Recorded], credentials: Credentials, authority: Authority
) -> None:
    make().provision(settings(credentials))
    renewed = authority.issue_device("esp32-a")
    make().provision(settings(renewed))
    assert flash.entries == held(renewed)


def test_an_erased_partition_is_started_and_an_entry_can_go(flash: Flash, make: Callable[..., Recorded]) -> None:
    flash.content = b"\xff" * SIZE
    make().provision({"user_data_1": ("string", "text"), "user_data_2-1": ("blob", "bytes")})
    assert flash.entries == (Entry(51, 0, b"text\0"), Entry(52, 1, b"bytes"))
    make().provision({"user_data_1": None})
    assert flash.entries == (Entry(52, 1, b"bytes"),)


def test_no_secret_reaches_the_timeline(
    flash: Flash, make: Callable[..., Recorded], credentials: Credentials, timeline: Timeline
) -> None:
    make().provision(settings(credentials), secret={"private_key"})
    for line in credentials.key_pem.decode().splitlines():
        timeline.record("console", "line", "esp32-a", text=f"key: {line}")
    told = repr([event.data for event in timeline.events()])
    assert not any(line in told for line in redactable(credentials.key_pem))


# -- what is refused -------------------------------------------------------------------------------------------------


def legacy_nvs(flash: Flash) -> None:
    flash.table(at("esp_secure_cert", partitions.TYPE_DATA, partitions.DATA_NVS, size=0x3000))


def wrong_type(flash: Flash) -> None:
    flash.table(at("esp_secure_cert", partitions.TYPE_DATA, 0x3F))


def another_of_the_type(flash: Flash) -> None:
    flash.table(at("logbook", partitions.TYPE_SECURE_CERT, 0))
    flash.content = b"\xff" * SIZE


def no_partition(flash: Flash) -> None:
    flash.table()


def encrypted(flash: Flash) -> None:
    flash.content = random.Random(7).randbytes(SIZE)


def encrypted_table(flash: Flash) -> None:
    flash.data[0x8000:0x9000] = random.Random(7).randbytes(0x1000)


def legacy_cust_flash(flash: Flash) -> None:
    flash.content = bytes(24) + b"\x78\x56\x34\x12" + bytes(36) + b"-----BEGIN CERTIFICATE-----"


def damaged(flash: Flash) -> None:
    flash.data[AT + 40] ^= 1


def small(flash: Flash) -> None:
    flash.table(at("esp_secure_cert", partitions.TYPE_SECURE_CERT, 0, size=0x1000))


def signed(flash: Flash) -> None:
    flash.content = secure_cert.build(SIZE, [*FACTORY, Entry(8, 0, b"\x01" * 160)])


def key_of_the_chip(flash: Flash) -> None:
    flash.content = secure_cert.build(SIZE, [Entry(2, 0, b"opaque", flags=0x80)])


@pytest.mark.parametrize(
    ("prepare", "complaint"),
    [
        (
            legacy_nvs,
            r'type 0x01, subtype 0x02 \(nvs\), a legacy format .* method = "nvs", partition = "esp_sec',
        ),
        (wrong_type, "type 0x01, subtype 0x3f, where the component expects type 0x3f and would not find it; correct"),
        (another_of_the_type, "has no esp_secure_cert partition 'esp_secure_cert', .* partitions are 'logbook'"),
        (no_partition, "has no esp_secure_cert partition 'esp_secure_cert', its partitions are 'nvs', .* flash firmw"),
        (encrypted, r"partition 'esp_secure_cert': looks encrypted \(flash encryption\)"),
        (encrypted_table, r"its partition table looks encrypted \(read at 0x8000\): flash encryption is on"),
        (legacy_cust_flash, "holds the legacy format 'cust_flash'"),
        (damaged, "entry ds_data is damaged .* erase the partition and provision it again"),
        (small, r"the entries need \d+ bytes, the partition takes 4080 of its 4096; use a larger partition"),
        (signed, "the partition is signed"),
        (key_of_the_chip, "entry private_key is encrypted with a key that only the chip has"),
    ],
)
def test_a_board_that_cannot_be_provisioned_is_told_in_one_line(
    flash: Flash,
    make: Callable[..., Recorded],
    credentials: Credentials,
    prepare: Callable[[Flash], None],
    complaint: str,
) -> None:
    prepare(flash)
    before = bytes(flash.data)
    with pytest.raises(ProvisionError, match=complaint) as raised:
        make().provision(settings(credentials))
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith("board esp32-a")
    assert flash.data == before


@pytest.mark.parametrize(
    ("key", "setting", "complaint"),
    [
        ("device_cert", ("u8", "1"), "setting 'device_cert': esp_secure_cert has no u8, only string and blob"),
        (
            "cert",
            ("string", "x"),
            "no entry of esp_secure_cert is called 'cert'; known: ca_cert, device_cert, pri",
        ),
        ("ds_data", ("blob", "x"), "no entry of esp_secure_cert is called 'ds_data'"),
    ],
)
def test_settings_that_do_not_go_are_refused(
    flash: Flash, make: Callable[..., Recorded], key: str, setting: Setting, complaint: str
) -> None:
    with pytest.raises(ProvisionError, match=complaint):
        make().provision({key: setting})
    assert flash.writes == []


def test_a_contract_says_so_before_a_bench_is_opened() -> None:
    place = {"method": "esp-secure-cert", "values": {"device_cert": "{certificate_chain}", "ca_cert-1": {"blob": "x"}}}
    assert SecureCertPlace.model_validate(place).method == "esp-secure-cert"
    for values, complaint in (
        ({"cert": "x"}, "no entry of esp_secure_cert is called 'cert'"),
        ({"device_cert": {"u8": 1}}, "found u8 for 'device_cert' in values, expected a string or a blob"),
    ):
        with pytest.raises(ValueError, match=complaint):
            SecureCertPlace.model_validate({**place, "values": values})


def test_flash_that_reads_back_otherwise_is_reported(timeline: Timeline, tmp_path: Path) -> None:
    class Worn(Flash):
        def write(self, offset: int, data: bytes) -> None:
            super().write(offset, data)
            self.data[offset + 70] &= 0x0F

    access = PartitionAccess(Worn(), "esp32-a", tmp_path / "journal")
    with pytest.raises(ProvisionError, match="flash at 0x3e0046 reads back other than it was written"):
        SecureCert(access).apply({"user_data_1": ("string", "x" * 200)})


# -- power failures --------------------------------------------------------------------------------------------------


def test_a_power_failure_at_any_point_is_recovered_by_the_next_run(
    flash: Flash, make: Callable[..., Recorded], credentials: Credentials, authority: Authority, tmp_path: Path
) -> None:
    make().provision(settings(authority.issue_device("esp32-a")))
    start = flash.content
    dice = random.Random(3)
    points = [0, 1, 2, 13, 1 + SECTOR, 2 + SECTOR, *(dice.randrange(2 * SECTOR) for _ in range(25))]
    hit = 0
    for point in points:
        flash.content = start
        flash.power_fails_in = point
        try:
            make().provision(settings(credentials))
        except PowerFailure:
            hit += 1
            assert (tmp_path / "journal" / "esp32-a-3e0000.before").stat().st_mode & 0o777 == 0o600
        flash.power_fails_in = None
        make().provision(settings(credentials))
        assert flash.entries == held(credentials), f"power failed after {point} steps"
        assert list((tmp_path / "journal").iterdir()) == []
    assert hit > 20


def test_power_may_fail_again_while_a_failure_is_recovered(
    flash: Flash, make: Callable[..., Recorded], credentials: Credentials
) -> None:
    for point in (1, 100, 700, 5000):
        flash.power_fails_in = point
        with pytest.raises(PowerFailure):
            make().provision(settings(credentials))
    flash.power_fails_in = None
    assert make().provision(settings(credentials)).recovered
    assert flash.entries == held(credentials)


def test_what_was_written_after_the_failure_is_newer(
    flash: Flash, make: Callable[..., Recorded], timeline: Timeline
) -> None:
    flash.power_fails_in = 1
    with pytest.raises(PowerFailure):
        make().provision({"user_data_1": ("string", "lost")})
    flash.power_fails_in = None
    flash.content = secure_cert.build(SIZE, [Entry(52, 0, b"by hand, meanwhile")])
    make().provision({"user_data_2-1": ("blob", "x")})
    assert flash.entries == (*FACTORY, Entry(52, 0, b"by hand, meanwhile"), Entry(52, 1, b"x"))
    done = timeline.last(where("provision", "done"))
    assert done is not None
    assert done["recovered"] is True
