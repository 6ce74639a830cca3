"""The firmware's LittleFS reader agrees with the project's own library, and notices damage."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from littlefs import LittleFS, UserContext

from hil.virtual.firmware import littlefs

BLOCK, BLOCKS = 4096, 48
OPTIONS = {"block_size": BLOCK, "block_count": BLOCKS, "cache_size": 512, "lookahead_size": 128, "name_max": 64}

names = st.sampled_from(["a", "ca.pem", "cert.pem", "key.pem", "ü", "n" * 64, *(f"file{i}" for i in range(12))])
paths = st.tuples(st.sampled_from(["", "/certs", "/certs/old", "/x"]), names).map("/".join)
contents = st.tuples(st.integers(0, 255), st.sampled_from([0, 1, 60, 400, 600, 2_000, 4_096, 4_097, 13_000])).map(
    lambda drawn: random.Random(drawn[0]).randbytes(drawn[1])
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), paths, contents),
        st.tuples(st.just("remove"), paths),
        st.tuples(st.just("rename"), paths, paths),
        st.tuples(st.just("remount")),
    ),
    max_size=40,
)


class Flash(UserContext):
    """Keeps a picture of itself from before the write with the number `cut`: what a power failure would leave."""

    cut = -1
    picture: bytes | None = None

    def _count(self) -> None:
        if self.cut == 0:
            self.picture = bytes(self.buffer)
        self.cut -= 1

    def prog(self, cfg: object, block: int, off: int, data: bytes) -> int:
        self._count()
        return super().prog(cfg, block, off, data)  # type: ignore[arg-type]

    def erase(self, cfg: object, block: int) -> int:
        self._count()
        return super().erase(cfg, block)  # type: ignore[arg-type]


def made(prog_size: int = 128, **options: int) -> LittleFS:
    flash = Flash(buffsize=BLOCK * BLOCKS)
    made = LittleFS(flash, mount=False, **(OPTIONS | {"prog_size": prog_size, "read_size": prog_size} | options))
    made.format()
    made.mount()
    return made


def play(system: LittleFS, plan: list[tuple]) -> None:  # type: ignore[type-arg]
    for what, *arguments in plan:
        try:
            match what:
                case "write":
                    path, data = arguments
                    system.makedirs(path.rpartition("/")[0], exist_ok=True)
                    with system.open(path, "wb") as file:
                        file.write(data)
                case "remove":
                    system.remove(*arguments)
                case "rename":
                    system.rename(*arguments)
                case "remount":
                    system.unmount()
                    system.mount()
        except Exception as error:  # the library's own refusals: no such file, no space, not a directory
            if type(error).__name__ not in (
                "LittleFSError",
                "FileNotFoundError",
                "FileExistsError",
                "IsADirectoryError",
            ):
                raise


def all_files(system: LittleFS) -> dict[str, bytes]:
    found = {}
    for above, _, there in system.walk("/"):
        for name in there:
            path = f"{above.rstrip('/')}/{name}"
            with system.open(path, "rb") as file:
                found[path] = file.read()
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(plan=steps, prog_size=st.sampled_from([16, 128, 512]), old=st.booleans(), cycles=st.sampled_from([-1, 2]))
def test_it_reads_what_the_library_wrote(plan: list[tuple], prog_size: int, old: bool, cycles: int) -> None:  # type: ignore[type-arg]
    version = {"disk_version": 0x20000} if old else {}
    system = made(prog_size, block_cycles=cycles, **version)
    play(system, plan)
    image = bytes(system.context.buffer)
    expected = all_files(system)
    assert littlefs.files(image) == expected
    for path, data in expected.items():
        assert littlefs.read_file(image, path) == data


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(plan=steps, cut=st.integers(0, 120))
def test_after_a_power_cut_it_reads_what_the_library_reads(plan: list[tuple], cut: int) -> None:  # type: ignore[type-arg]
    system = made()
    flash = system.context
    assert isinstance(flash, Flash)
    flash.cut = cut
    play(system, plan)
    image = flash.picture or bytes(flash.buffer)
    again = LittleFS(UserContext(buffer=bytearray(image)), mount=False, **OPTIONS, prog_size=128, read_size=128)
    again.mount()
    assert littlefs.files(image) == all_files(again)


@pytest.fixture
def image() -> bytes:
    system = made()
    play(
        system,
        [("write", "/certs/ca.pem", b"A" * 9_000), ("write", "/small", b"b"), ("write", "/certs/key", b"c" * 700)],
    )
    return bytes(system.context.buffer)


def test_what_is_not_there_is_none(image: bytes) -> None:
    assert littlefs.read_file(image, "/certs/other.pem") is None
    assert littlefs.read_file(image, "/certs") is None
    assert littlefs.read_file(image, "/small/ca.pem") is None
    assert littlefs.read_file(image, "certs/ca.pem") == b"A" * 9_000


def test_blank_flash_is_no_file_system() -> None:
    with pytest.raises(littlefs.LittlefsError, match="no sound commit"):
        littlefs.read_file(b"\xff" * BLOCK * 8, "/a")


@pytest.mark.parametrize(
    ("options", "blocks", "complaint"),
    [
        ({"name_max": 255}, BLOCKS, "names of up to 255 bytes, expected at most 64"),
        ({}, BLOCKS + 1, "file system of 48 blocks in a partition of 49"),
    ],
)
def test_what_the_driver_would_not_mount_is_refused(options: dict[str, int], blocks: int, complaint: str) -> None:
    content = bytes(made(**options).context.buffer).ljust(blocks * BLOCK, b"\xff")
    with pytest.raises(littlefs.LittlefsError, match=complaint):
        littlefs.read_file(content, "/a")


def test_a_damaged_list_of_blocks_is_noticed(image: bytes) -> None:
    at = next(n for n in range(2, BLOCKS) if image[n * BLOCK :][8:20] == b"A" * 12 != image[n * BLOCK :][:12])
    for damage in (b"\xff" * 4, at.to_bytes(4, "little")):
        damaged = image[: at * BLOCK] + damage + image[at * BLOCK + 4 :]
        with pytest.raises(littlefs.LittlefsError, match="pointer"):
            littlefs.read_file(damaged, "/certs/ca.pem")


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**9))
def test_damage_is_an_error_of_one_line_or_unseen(image: bytes, seed: int) -> None:
    dice = random.Random(seed)
    damaged = bytearray(image)
    used = [n for n in range(BLOCKS) if image[n * BLOCK : (n + 1) * BLOCK].count(0xFF) != BLOCK]
    for _ in range(dice.choice([1, 3, 40])):
        damaged[dice.choice(used) * BLOCK + dice.randrange(dice.choice([64, 512, BLOCK]))] = dice.randrange(256)
    try:
        littlefs.files(bytes(damaged))
    except littlefs.LittlefsError as error:
        told = str(error)
    else:
        told = ""
    assert "\n" not in told
