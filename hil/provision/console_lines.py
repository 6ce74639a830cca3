"""Settings as lines on the board's console, in the words of its contract."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from hil.console import Console
from hil.places import ConsolePlace, Line
from hil.provision import Applied, ProvisionError, Setting
from hil.provision.dialogue import Dialogue, Refused
from hil.provision.unfinished import Unfinished
from hil.timeline import SHORTEST_SECRET
from hil.wording import Reading, WordingError, worded

_EMPTY = hashlib.sha256(b"").hexdigest()
_SHOWN = 12
"""Hex digits of a hash in an error: enough to tell two values apart."""


@dataclass(frozen=True, slots=True)
class _Step:
    text: str
    shown: str
    answer: str


class ConsoleLines:
    """Puts settings into the board behind `console`, as `place` says. See `hil.provision.Method`.

    `secret`: the keys whose values must not be shown, in whichever form they are sent; `hide` has a text blanked.
    """

    name = "console"
    in_flash = False

    def __init__(
        self,
        place: ConsolePlace,
        console: Console,
        unfinished: Unfinished,
        *,
        secret: Collection[str],
        hide: Callable[[str], None],
    ) -> None:
        self._place = place
        self._board = console.board
        self._dialogue = Dialogue(console, place, place.newline)
        self._unfinished = unfinished
        self._secret = secret
        self._hide = hide

    def apply(self, values: Mapping[str, Setting]) -> Applied:
        """See `hil.provision.Method`. What cannot be sent is an error before anything is."""
        steps = {key: list(self._steps(key, self._text(key, setting))) for key, setting in values.items()}
        wanted = {key: hashlib.sha256(self._text(key, setting).encode()).hexdigest() for key, setting in values.items()}
        recovered = self._unfinished.there
        self._dialogue.start()
        self._say_all(self._place.enter)
        reads = self._place.check is not None
        missing = [key for key in values if not reads or not self._holds(key, self._held(key), wanted)]
        written = 0
        if missing:
            self._unfinished.set()
            written = sum(self._write(steps[key]) for key in missing)
            for key in missing if reads else ():
                self._compare(key, wanted)
            self._say_all(self._place.save)
        self._say_all(self._place.leave)
        self._unfinished.clear()
        problems = () if reads else ("not read back: the contract's [provision] has no check and reads",)
        return Applied(sectors=0, written=written, capacity=0, recovered=recovered, problems=problems)

    def _text(self, key: str, setting: Setting) -> str:
        if setting is None:
            raise ProvisionError(f"board {self._board}: setting {key!r} cannot be taken away by console lines")
        return setting[1]

    def _steps(self, key: str, value: str) -> Iterator[_Step]:
        for line in self._place.write:
            try:
                for text, shown in worded(line.send, key, value, self._place.chunk):
                    self._check_length(key, text, shown)
                    yield _Step(text, shown, self._place.answer if line.answer is None else line.answer)
                    self._hide_part(key, text, shown, value)
            except WordingError as error:
                raise ProvisionError(f"board {self._board}: {error}") from None

    def _check_length(self, key: str, text: str, shown: str) -> None:
        size, most = len(text.encode()), self._place.longest_line
        if most is not None and size > most:
            raise ProvisionError(
                f"board {self._board}: {shown!r} for {key} has {size} bytes, and longest_line is {most}; send it in "
                "parts ({chunk_hex}, {line}), with a smaller chunk; nothing was sent"
            )

    def _hide_part(self, key: str, text: str, shown: str, value: str) -> None:
        """What stands for '...' in `shown` is a form of the secret, or a part of one."""
        if key not in self._secret and "PRIVATE KEY-----" not in value:
            return
        head, _, tail = shown.partition("...")
        form = text.removeprefix(head)
        form = form.removesuffix(tail) if tail and "..." not in tail else form
        if len(form) >= SHORTEST_SECRET and not form.startswith("-----"):
            self._hide(form)

    def _say_all(self, lines: list[Line]) -> None:
        for line in lines:
            sent = self._dialogue.say(line.send)
            if line.answer:
                self._dialogue.answer(sent, line.answer, self._place.refusal)

    def _write(self, steps: list[_Step]) -> int:
        """Send the lines of one setting; how many bytes they are."""
        for step in steps:
            sent = self._dialogue.say(step.text, step.shown)
            if step.answer:
                self._dialogue.answer(sent, step.answer, self._place.refusal)
        return sum(len((step.text + self._place.newline).encode()) for step in steps)

    def _held(self, key: str) -> str | None:
        """The SHA-256 of what the board holds for `key`; None if it says that there is nothing."""
        if self._place.check is None or self._place.reads is None:
            return None
        reading = Reading(self._place.reads)
        sent = self._dialogue.say(self._place.check.format(key=key))
        try:
            seen = self._dialogue.answer(sent, reading.expression(key), self._place.refusal, whole=True)
            # Left unread, it would be taken for the answer to the next line.
            then = self._place.answer if self._place.reads_then is None else self._place.reads_then
            if then:
                self._dialogue.answer(replace(sent, mark=seen.end), then, None)
        except Refused:
            return None
        return reading.hash(seen["held"] or "")

    @staticmethod
    def _holds(key: str, held: str | None, wanted: Mapping[str, str]) -> bool:
        """Many firmwares store nothing for an empty value, and refuse to show it: that is the same."""
        return (_EMPTY if held is None else held) == wanted[key]

    def _compare(self, key: str, wanted: Mapping[str, str]) -> None:
        held = self._held(key)
        if not self._holds(key, held, wanted):
            what = f"SHA-256 {held[:_SHOWN]}..." if held else "nothing"
            raise ProvisionError(
                f"board {self._board}: {key} reads back as {what}, expected SHA-256 {wanted[key][:_SHOWN]}...; it "
                "took the lines and keeps something else: look for a limit of its line length or of the value's"
            )
