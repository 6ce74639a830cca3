"""Files put into a LittleFS in memory, by littlefs's own library.

LittleFS never writes over what it still needs, and a metadata pair has two blocks: a last commit puts what is new into
the other one, so that the board's block of before need not be written at all.

The library takes what has a right sum at its word, and its assertions end the process where that is nonsense: see
`hil.provision.littlefs_apart`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from littlefs import LFSStat, LittleFSError, UserContext, lfs

_ERRORS = LittleFSError.Error
_UNUSED_ATTRIBUTE = 0xEE  # taking away what is not there is a commit that changes nothing
_MAGIC = b"littlefs"


class Unusable(Exception):
    """Why the file system cannot be used, in words."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """As the firmware's driver has it: `block_size` in bytes, and the longest name in bytes that it is built for."""

    block_size: int = 4096
    name_max: int = 64


@dataclass(frozen=True, slots=True)
class Wanted:
    """A partition as it shall be, and the blocks that refer to all others: they are written last, in this order.

    `from_before`: it goes on from what a journal held, not from the flash.
    """

    image: bytes
    last: tuple[int, ...]
    block_size: int
    from_before: bool = False


def settle(
    flash: bytes, before: bytes | None, changes: Mapping[str, bytes | None], geometry: Geometry, *, format: bool
) -> Wanted:
    """The partition as it shall be, with these files; None takes one away.

    `flash` is what it holds, `before` what it held when a write of it was cut off: that counts where `flash` is no
    sound file system any more. `format`: whether what is none at all is formatted. Raises Unusable.
    """
    from_before = before is not None and not _sound(flash, geometry)
    ground = before if before is not None and from_before else flash
    return replace(_merged(ground, changes, geometry, format=format), from_before=from_before)


def _merged(ground: bytes, changes: Mapping[str, bytes | None], geometry: Geometry, *, format: bool) -> Wanted:
    if not ground.strip(b"\xff") or (format and not _has_magic(ground, geometry)):
        ground = b"\xff" * len(ground)
        system = _System(ground, geometry)
        system.format()
    else:
        _check(ground, geometry)
        system = _System(ground, geometry)
    system.mount()
    for path, data in changes.items():
        system.put(path, data)
    for path, data in changes.items():
        if system.get(path) != data:
            raise Unusable(f"{path} reads back other than it was written")
    return system.wanted(ground)


class _System:
    """One file system in memory."""

    def __init__(self, image: bytes, geometry: Geometry) -> None:
        self._flash = _Flash(image)
        self._geometry = geometry
        self._version = 0
        self._touched: set[str] = set()  # entries whose metadata pair has changed

    def _configuration(self, step: int) -> lfs.LFSConfig:
        """As esp_littlefs has it; inline files stay as small as its cache of 512 bytes allows."""
        size = self._geometry.block_size
        return lfs.LFSConfig(
            context=self._flash,
            block_size=size,
            block_count=len(self._flash.buffer) // size,
            read_size=step,
            prog_size=step,
            cache_size=max(step, min(512, size)),
            lookahead_size=max(8, len(self._flash.buffer) // size // 64 * 8 + 8),
            name_max=self._geometry.name_max,
            inline_max=min(512, size // 8),
            disk_version=self._version,
        )

    def format(self) -> None:
        try:
            lfs.format(lfs.LFSFilesystem(), self._configuration(min(128, self._geometry.block_size)))
        except LittleFSError as error:
            raise Unusable(f"cannot be formatted ({error})") from None

    def mount(self, step: int = 0) -> None:
        """Keeps the disk version: the library would raise it, and older firmware could not mount it any more."""
        try:
            for _ in range(2):
                self._fs, self._held = lfs.LFSFilesystem(), self._configuration(step or 128)
                lfs.mount(self._fs, self._held)
                self._version = lfs.fs_stat(self._fs).disk_version
        except LittleFSError as error:
            raise Unusable(f"its LittleFS cannot be mounted ({error}): damaged; erase the partition") from None

    def get(self, path: str) -> bytes | None:
        try:
            if lfs.stat(self._fs, path).type != 1:
                raise Unusable(f"{path} is a directory, expected a file")
            file = lfs.file_open(self._fs, path, "r")
            try:
                return bytes(lfs.file_read(self._fs, file, lfs.file_size(self._fs, file)))
            finally:
                lfs.file_close(self._fs, file)
        except LittleFSError as error:
            if error.code in (_ERRORS.LFS_ERR_NOENT, _ERRORS.LFS_ERR_NOTDIR):
                return None
            raise Unusable(f"{path} cannot be read ({error}): the file system is damaged") from None

    def walk(self, above: str = "") -> Iterator[tuple[str, bytes | None]]:
        """Every file: path and contents. Raises Unusable if one cannot be read."""
        try:
            found = self._entries(above)
        except LittleFSError as error:
            raise Unusable(f"{above or '/'} cannot be read ({error})") from None
        for entry in found:
            path = f"{above}/{entry.name}"
            if entry.type == 1:
                yield path, self.get(path)
            else:
                yield from self.walk(path)

    def _entries(self, folder: str) -> list[LFSStat]:
        directory = lfs.dir_open(self._fs, folder or "/")
        found: list[LFSStat] = []
        try:
            while entry := lfs.dir_read(self._fs, directory):
                found += [entry] if entry.name not in (".", "..") else []
        finally:
            lfs.dir_close(self._fs, directory)
        return found

    def put(self, path: str, data: bytes | None) -> None:
        """Write or remove a file, if that changes anything. Attributes of a file that is there stay."""
        if self.get(path) == data:
            return
        try:
            if data is None:
                lfs.remove(self._fs, path)
                folder = path.rpartition("/")[0]
                self._touched.discard(path)
                self._touched.update(f"{folder}/{entry.name}" for entry in self._entries(folder))
                return
            self._make_directories(path)
            file = lfs.file_open(self._fs, path, "w")
            try:
                lfs.file_write(self._fs, file, data)
            finally:
                lfs.file_close(self._fs, file)
        except LittleFSError as error:
            if error.code == _ERRORS.LFS_ERR_NOSPC:
                raise Unusable(
                    f"too full for {path} ({len(data or b'')} bytes, written before its old contents go); remove "
                    "files, or give the partition more room"
                ) from None
            raise Unusable(f"{path} cannot be written ({error})") from None
        self._touched.add(path)

    def _make_directories(self, path: str) -> None:
        parts = path.split("/")[1:-1]
        for count in range(1, len(parts) + 1):
            folder = "/" + "/".join(parts[:count])
            try:
                lfs.mkdir(self._fs, folder)
                self._touched.add(folder)
            except LittleFSError as error:
                if error.code != _ERRORS.LFS_ERR_EXIST:
                    raise

    def wanted(self, ground: bytes) -> Wanted:
        """What to write, so that the blocks of metadata that count in `ground` are left alone wherever that goes."""
        size = self._geometry.block_size
        files = dict(self.walk())
        lfs.unmount(self._fs)
        plain = Wanted(bytes(self._flash.buffer), (), size)
        appended = self._flash.appended - self._flash.erased
        if not appended:
            return plain
        last = self._turn_over(appended)
        image = bytearray(self._flash.buffer)
        for block in appended - set(last):
            image[block * size : (block + 1) * size] = ground[block * size : (block + 1) * size]
        check = _System(bytes(image), self._geometry)
        check.mount()
        return Wanted(bytes(image), last, size) if dict(check.walk()) == files else plain

    def _turn_over(self, appended: set[int]) -> tuple[int, ...]:
        """Have each changed pair continue in the block that was not appended to; these blocks, in their order.

        A commit that fills a whole block always goes to the other block of its pair.
        """
        self._flash.order.clear()
        self.mount(step=self._geometry.block_size)
        for path in sorted(self._touched, key=lambda path: (-path.count("/"), path)):
            done = len(self._flash.order)
            for _ in range(2):
                lfs.removeattr(self._fs, path, _UNUSED_ATTRIBUTE)
                if not appended.intersection(self._flash.order[done:]):
                    break
        lfs.unmount(self._fs)
        order = self._flash.order
        return tuple(block for at, block in enumerate(order) if block not in order[at + 1 :] and block not in appended)


class _Flash(UserContext):
    """Memory that remembers which blocks were written, and how."""

    def __init__(self, image: bytes) -> None:
        super().__init__(buffer=bytearray(image))
        self.erased: set[int] = set()
        self.appended: set[int] = set()
        self.order: list[int] = []

    def prog(self, cfg: lfs.LFSConfig, block: int, off: int, data: bytes) -> int:
        if block not in self.erased:
            self.appended.add(block)
        return super().prog(cfg, block, off, data)

    def erase(self, cfg: lfs.LFSConfig, block: int) -> int:
        self.erased.add(block)
        self.order.append(block)
        return super().erase(cfg, block)


def _superblock(image: bytes, geometry: Geometry) -> bytes | None:
    """Version, block size, block count, longest name, ... of 4 bytes each, where they must lie in either block."""
    for start in (0, geometry.block_size):
        if image[start + 8 : start + 16] == _MAGIC:
            return image[start + 20 : start + 44]
    return None


def _has_magic(image: bytes, geometry: Geometry) -> bool:
    return _superblock(image, geometry) is not None


def _check(image: bytes, geometry: Geometry) -> None:
    """Raises Unusable if this is no LittleFS, or one that the contract's geometry does not fit."""
    said = _superblock(image, geometry)
    if said is None:
        raise Unusable(
            "holds no LittleFS, and is not erased: SPIFFS, other data, or encrypted; erase it, or say format = true "
            "in the contract if what it holds may be lost"
        )
    version, block_size, count, longest = (int.from_bytes(said[at : at + 4], "little") for at in (0, 4, 8, 12))
    if version >> 16 != 2:
        raise Unusable(f"its LittleFS has disk version {version >> 16}.{version & 0xFFFF}, expected 2.0 or 2.1")
    if block_size != geometry.block_size:
        raise Unusable(f"its LittleFS has blocks of {block_size} bytes, the contract says {geometry.block_size}")
    if count != len(image) // block_size:
        raise Unusable(
            f"its LittleFS has {count} blocks of {block_size} bytes, the partition {len(image) // block_size}; "
            "it was made for another partition: erase it"
        )
    if longest > geometry.name_max:
        raise Unusable(
            f"its LittleFS has names of up to {longest} bytes, the contract says name_max = {geometry.name_max}: "
            "such firmware would not mount it; set name_max to what the firmware is built with"
        )


def _sound(image: bytes, geometry: Geometry) -> bool:
    """Whether it can be mounted and every file in it read."""
    try:
        _check(image, geometry)
        system = _System(image, geometry)
        system.mount()
        dict(system.walk())
    except Unusable:
        return False
    return True
