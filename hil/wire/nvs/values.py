"""The typed values that NVS stores, and the limits that its library enforces.

Limits and type codes: ESP-IDF documentation, 'Non-Volatile Storage Library' (Keys and Values; Structure of Entry).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

NAME_LENGTH = 15  # characters of a key or a namespace; the sixteenth byte of the field holds the NUL
STRING_SIZE = 4000  # bytes, the terminating NUL included
CHUNK_SIZE = 4000  # bytes of a blob that fit one page beside the entry that describes them
LEGACY_BLOB_SIZE = 1984  # bytes of a blob on a page of format version 1


class NvsError(ValueError):
    """Something that NVS cannot hold, or a partition that cannot be worked on. The text says what, and the cure."""


class NvsFull(NvsError):
    """The values do not fit the partition."""


class NvsEncrypted(NvsError):
    """The partition is encrypted: without its key nothing in it can be read or merged."""


class Type(IntEnum):
    """The type byte of an entry. The low nibble of an integer's type is its size in bytes, 0x10 marks a sign."""

    U8 = 0x01
    I8 = 0x11
    U16 = 0x02
    I16 = 0x12
    U32 = 0x04
    I32 = 0x14
    U64 = 0x08
    I64 = 0x18
    STRING = 0x21
    BLOB_LEGACY = 0x41  # format version 1: a blob whole on one page
    BLOB_DATA = 0x42  # a chunk of a blob; never a value of its own
    BLOB = 0x48  # the index that makes chunks a blob

    def __str__(self) -> str:
        return "blob" if self in (Type.BLOB, Type.BLOB_LEGACY) else self.name.lower().replace("_", " ")


INTEGERS = frozenset({Type.U8, Type.I8, Type.U16, Type.I16, Type.U32, Type.I32, Type.U64, Type.I64})
SIZED = frozenset({Type.STRING, Type.BLOB_LEGACY, Type.BLOB_DATA})  # types with data entries after the first


@dataclass(frozen=True, slots=True, repr=False)
class Value:
    """One value and its NVS type: `data` is an int, a str (STRING) or bytes (BLOB).

    Its repr shows numbers, but of strings and blobs only the size: NVS is where Wi-Fi passwords and keys live.
    Firmware reads a value back only with the getter of the very same type, so integers always name theirs.
    """

    type: Type
    data: int | str | bytes

    @classmethod
    def of(cls, type_name: str, data: int | str | bytes) -> Value:
        """From the type's name as configuration files write it: 'u16', 'i64', 'string', 'blob'.

        Raises NvsError for an unknown name or data that does not go with it.
        """
        known = {str(t): t for t in Type if t not in (Type.BLOB_LEGACY, Type.BLOB_DATA)}
        wanted = known.get(type_name)
        if wanted is None:
            raise NvsError(f"no NVS type is called {type_name!r}; known: {', '.join(known)}")
        if wanted in INTEGERS and isinstance(data, str):
            try:
                data = int(data, 0)
            except ValueError:
                raise NvsError(f"{data!r} is not a number, as {type_name} needs") from None
        if wanted is Type.BLOB and isinstance(data, str):
            data = data.encode()
        value = cls(wanted, data)
        value.check("value")
        return value

    @classmethod
    def u8(cls, data: int) -> Value:
        return cls(Type.U8, data)

    @classmethod
    def i8(cls, data: int) -> Value:
        return cls(Type.I8, data)

    @classmethod
    def u16(cls, data: int) -> Value:
        return cls(Type.U16, data)

    @classmethod
    def i16(cls, data: int) -> Value:
        return cls(Type.I16, data)

    @classmethod
    def u32(cls, data: int) -> Value:
        return cls(Type.U32, data)

    @classmethod
    def i32(cls, data: int) -> Value:
        return cls(Type.I32, data)

    @classmethod
    def u64(cls, data: int) -> Value:
        return cls(Type.U64, data)

    @classmethod
    def i64(cls, data: int) -> Value:
        return cls(Type.I64, data)

    @classmethod
    def string(cls, data: str) -> Value:
        return cls(Type.STRING, data)

    @classmethod
    def blob(cls, data: bytes) -> Value:
        return cls(Type.BLOB, data)

    def check(self, name: str) -> None:
        """Raise NvsError, naming `name`, unless NVS can store this value."""
        if self.type in INTEGERS:
            self._check_integer(name)
        elif self.type is Type.STRING:
            self._check_string(name)
        elif not isinstance(self.data, bytes):
            raise NvsError(f"{name}: a blob holds bytes, not {type(self.data).__name__}")

    def _check_integer(self, name: str) -> None:
        if not isinstance(self.data, int) or isinstance(self.data, bool):
            raise NvsError(f"{name}: {self.type} holds a whole number, not {type(self.data).__name__}")
        lowest, highest = limits(self.type)
        if not lowest <= self.data <= highest:
            raise NvsError(f"{name}: {self.data} does not fit {self.type} ({lowest} to {highest})")

    def _check_string(self, name: str) -> None:
        if not isinstance(self.data, str):
            raise NvsError(f"{name}: a string holds text, not {type(self.data).__name__}")
        if "\0" in self.data:
            raise NvsError(f"{name}: a string ends at its first NUL character; store it as a blob")
        size = len(self.encoded())
        if size > STRING_SIZE:
            raise NvsError(
                f"{name}: a string of {size} bytes with its NUL, NVS takes {STRING_SIZE}; store it as a blob"
            )

    def encoded(self) -> bytes:
        """The bytes as NVS stores them: integers little-endian, strings with their NUL."""
        if isinstance(self.data, int):
            return self.data.to_bytes(self.type & 0x0F, "little", signed=bool(self.type & 0x10))
        if isinstance(self.data, str):
            return self.data.encode("utf-8", "surrogateescape") + b"\0"
        return self.data

    def __repr__(self) -> str:
        if isinstance(self.data, int):
            return f"{self.type}({self.data})"
        return f"{self.type}({len(self.encoded())} bytes)"


def limits(integer: Type) -> tuple[int, int]:
    """The lowest and the highest number that an integer type holds."""
    bits = 8 * (integer & 0x0F)
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if integer & 0x10 else (0, (1 << bits) - 1)


def check_name(name: str, what: str) -> None:
    """Raise NvsError unless `name` can be a key or a namespace: 1 to 15 printable ASCII characters."""
    if not name or not name.isascii() or not name.isprintable():
        raise NvsError(f"{what} {name!r}: NVS takes printable ASCII characters, at least one")
    if len(name) > NAME_LENGTH:
        raise NvsError(f"{what} {name!r} has {len(name)} characters, NVS takes at most {NAME_LENGTH}; shorten it")
