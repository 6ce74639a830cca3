"""How a request for the time is answered. One mode is one small class, its parameters fields with units.

A mode knows neither boards nor sockets. One that changes while it is in force says for each request which plain mode
answers it (`at`); a plain one is always itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

from hil.wire.sntp import KISS_CODES, Request, kiss, response


class Plain(Protocol):
    """How one request is answered: after `delay` seconds, with what `answer` makes; None is no answer.

    `answer` gets the request, and this host's time at its arrival and now, in seconds since 1970. `offset` is by how
    many seconds the answer is wrong, None where it holds no time.
    """

    @property
    def name(self) -> str: ...
    @property
    def delay(self) -> float: ...
    @property
    def offset(self) -> float | None: ...
    def answer(self, request: Request, received: float, now: float) -> bytes | None: ...


class Mode(Protocol):
    """What the time server can be set to. `at` says how the request number `number` (from 0) of a board is answered
    that comes `seconds` after the mode came into force."""

    @property
    def name(self) -> str: ...
    def at(self, number: int, seconds: float) -> Plain: ...


@dataclass(frozen=True, slots=True)
class TrueTime:
    """The time of this host."""

    name: ClassVar[str] = "true"
    delay: ClassVar[float] = 0.0
    offset: ClassVar[float] = 0.0

    def at(self, number: int, seconds: float) -> Plain:
        return self

    def answer(self, request: Request, received: float, now: float) -> bytes | None:
        return response(request, received=received, transmitted=now)


@dataclass(frozen=True, slots=True)
class Offset:
    """A time that is wrong by `seconds`; negative ones lie in the past."""

    seconds: float
    name: ClassVar[str] = "offset"
    delay: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        _check_offset("offset", self.seconds)

    @property
    def offset(self) -> float:
        return self.seconds

    def at(self, number: int, seconds: float) -> Plain:
        return self

    def answer(self, request: Request, received: float, now: float) -> bytes | None:
        return response(request, received=received + self.seconds, transmitted=now + self.seconds)


@dataclass(frozen=True, slots=True)
class Jump:
    """A time that is wrong by another one of `offsets` (seconds) each time: with each request of a board, or, where
    `every` says so, each so many seconds from when it came into force, whoever asks.

    After the last offset it stays at that one, or begins again if `repeat`: `Jump((0, 3600))` tells the truth once
    and is an hour ahead from then on; `Jump((0, -86400), every=30, repeat=True)` goes back a day and returns, each
    half minute. Raises ValueError for fewer than two offsets.
    """

    offsets: tuple[float, ...]
    every: float | None = None
    repeat: bool = False
    name: ClassVar[str] = "jump"

    def __post_init__(self) -> None:
        object.__setattr__(self, "offsets", tuple(self.offsets))
        if len(self.offsets) < 2:
            raise ValueError(f"jump: found offsets {self.offsets}, expected two or more to jump between")
        for offset in self.offsets:
            _check_offset("jump", offset)
        if self.every is not None and not 0 < self.every < math.inf:
            raise ValueError(f"jump: every is {self.every}, expected more than 0 s, or None for each request")

    def at(self, number: int, seconds: float) -> Plain:
        step = number if self.every is None else int(seconds / self.every)
        last = len(self.offsets) - 1
        return Offset(self.offsets[step % (last + 1) if self.repeat else min(step, last)])


@dataclass(frozen=True, slots=True)
class Silent:
    """No answer, as behind a firewall that drops NTP."""

    name: ClassVar[str] = "silent"
    delay: ClassVar[float] = 0.0
    offset: ClassVar[None] = None

    def at(self, number: int, seconds: float) -> Plain:
        return self

    def answer(self, request: Request, received: float, now: float) -> bytes | None:
        return None


@dataclass(frozen=True, slots=True)
class KissOfDeath:
    """A refusal: `code` is 'RATE' (ask less often), 'DENY' or 'RSTR' (do not ask again), or another word of up to four
    letters."""

    code: str = "RATE"
    name: ClassVar[str] = "kiss-of-death"
    delay: ClassVar[float] = 0.0
    offset: ClassVar[None] = None

    def __post_init__(self) -> None:
        if not (1 <= len(self.code) <= 4 and self.code.isascii() and self.code.isalpha()):
            raise ValueError(
                f"kiss-of-death: code is {self.code!r}, expected up to four letters, such as {', '.join(KISS_CODES)}"
            )

    def at(self, number: int, seconds: float) -> Plain:
        return self

    def answer(self, request: Request, received: float, now: float) -> bytes | None:
        return kiss(request, self.code)


@dataclass(frozen=True, slots=True)
class Delayed:
    """The true time, `seconds` late. The timestamps say so (received then, transmitted now), so a client that still
    listens gets its clock right."""

    seconds: float
    name: ClassVar[str] = "delayed"
    offset: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.seconds < math.inf:
            raise ValueError(f"delayed: seconds is {self.seconds}, expected 0 or more")

    @property
    def delay(self) -> float:
        return self.seconds

    def at(self, number: int, seconds: float) -> Plain:
        return self

    def answer(self, request: Request, received: float, now: float) -> bytes | None:
        return response(request, received=received, transmitted=now)


TRUE = TrueTime()


def _check_offset(name: str, seconds: float) -> None:
    if not math.isfinite(seconds):
        raise ValueError(f"{name}: seconds is {seconds}, expected a number of seconds, negative for the past")
