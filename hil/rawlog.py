"""The console's log file: every byte as it came, secrets blanked, also where a secret came in two parts."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

BLANK = b"[redacted]"
# A stream may end in what only looks like the start of a secret; from this many bytes on it is taken for one.
TELLING = 8


class Redactor:
    """Blanks secrets in a stream of bytes.

    `secrets` gives those known now, longest first, and is asked each time: secrets are named while the stream runs.
    """

    def __init__(self, secrets: Callable[[], tuple[str, ...]]) -> None:
        self._secrets = secrets
        self._known: tuple[str, ...] = ()
        self._encoded: list[bytes] = []
        self._pattern = re.compile(b"(?!)")
        self._starts: dict[int, tuple[bytes, ...]] = {}

    def redact(self, data: bytes) -> bytes:
        """`data` with every whole secret blanked."""
        self._learn()
        for secret in self._encoded:
            if secret in data:
                return self._pattern.sub(BLANK, data)
        return data

    def unsure(self, data: bytes) -> int:
        """How many bytes at the end of `data` may be the first part of a secret whose rest has not come yet."""
        self._learn()
        if not data:
            return 0
        starts = self._starts.get(data[-1], ())
        if not data.endswith(starts):
            return 0
        # A secret may begin as another one ends in itself: what belongs to a whole one is not the start of the next.
        whole = [match.span() for match in self._pattern.finditer(data)]
        for start in starts:
            begin = len(data) - len(start)
            if begin >= 0 and data.endswith(start) and not any(a < begin < b for a, b in whole):
                return len(start)
        return 0

    def settle(self, data: bytes) -> bytes:
        """`data` behind which nothing follows, with the start of a secret at its end blanked.

        Blanked if it is long enough to be no coincidence; line ends behind it do not count.
        """
        body = data.rstrip(b"\n")
        unsure = self.unsure(body)
        return body[: len(body) - unsure] + BLANK + data[len(body) :] if unsure >= TELLING else data

    def _learn(self) -> None:
        secrets = self._secrets()
        if secrets is self._known:
            return
        self._known = secrets
        self._encoded = [secret.encode("utf-8", "backslashreplace") for secret in secrets]
        self._pattern = re.compile(b"|".join(re.escape(secret) for secret in self._encoded) or b"(?!)")
        starts: dict[int, set[bytes]] = {}
        for secret in self._encoded:
            for length in range(1, len(secret)):
                starts.setdefault(secret[length - 1], set()).add(secret[:length])
        self._starts = {last: tuple(sorted(found, key=len, reverse=True)) for last, found in starts.items()}


class RawLog:
    """A log file of mode 0600 that grows at its end, written through at once.

    What may be the first part of a secret waits for the bytes that tell, or for `settle`.
    """

    def __init__(self, path: Path, redactor: Redactor) -> None:
        self.path = path
        self._redactor = redactor
        self._waiting = b""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd: int | None = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    def write(self, data: bytes) -> None:
        if self._waiting:
            data = self._waiting + data
        unsure = self._redactor.unsure(data)
        self._waiting = data[len(data) - unsure :]
        self._put(self._redactor.redact(data[: len(data) - unsure]))

    def settle(self) -> None:
        """Write what waits, since nothing follows it."""
        waiting, self._waiting = self._waiting, b""
        self._put(self._redactor.redact(self._redactor.settle(waiting)))

    def close(self) -> None:
        if self._fd is not None:
            self.settle()
            os.close(self._fd)
            self._fd = None

    def _put(self, data: bytes) -> None:
        while data and self._fd is not None:
            data = data[os.write(self._fd, data) :]
