"""A console's bytes as lines of the protocol: whole ones, and what is wrong with those that are none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unusable:
    """A piece of the stream that is no line: why, and its first bytes."""

    why: str
    begin: bytes


class Cutter:
    """Cuts what comes into lines of at most `longest` bytes, without their LF.

    What is longer is dropped up to its LF, and told once, as soon as it is too long.
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._rest = b""
        self._dropping = False

    def feed(self, data: bytes) -> Iterator[bytes | Unusable]:
        """The lines that `data` completes, in order."""
        *whole, rest = data.split(b"\n")
        for piece in whole:
            line, self._rest = self._rest + piece, b""
            if self._dropping:
                self._dropping = False
            elif len(line) > self._longest:
                yield self._too_long(line)
            else:
                yield line
        self._rest += rest
        if self._dropping:
            self._rest = b""
        elif len(self._rest) > self._longest:
            yield self._too_long(self._rest)
            self._rest, self._dropping = b"", True

    def end(self) -> Iterator[Unusable]:
        """The stream ends here: what is left of a line is torn off."""
        rest, self._rest, self._dropping = self._rest, b"", False
        if rest:
            yield Unusable("it is torn: the line went away before its end", rest)

    def _too_long(self, line: bytes) -> Unusable:
        return Unusable(f"it is longer than {self._longest} bytes (link.longest)", line)
