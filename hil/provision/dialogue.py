"""Talking with a running firmware over its console: a line, its echo, logs in between, an answer or a refusal.

Lines that are neither answer nor refusal are logs, and passed over; so is the echo of what was sent. A restart in the
middle is an error at once, silence one after a time.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from hil import reset
from hil.console import Console
from hil.expecting import NotSeen, Seen
from hil.lines import Mark
from hil.places import Talk
from hil.provision import ProvisionError

# What the mask ROM of every ESP32, and of the ESP8266, prints first after a reset.
_ROM = r"rst:0x[0-9a-fA-F]+|rst cause:\d+"

# What a line may have before an echo: 'esp32> ', 'uart:~$ ', '>>> '. A value that ends in the command has other things.
_PROMPT = re.compile(r"\s*|[^=]*[>#$%:\]?]\s*")


class Refused(ProvisionError):
    """The firmware said no. One line: to what, and what it said."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent, how it may be shown, and the place on the console from which answers count."""

    text: str
    shown: str
    mark: Mark


class Dialogue:
    """One conversation with `console`, as `place` says. `newline` ends a line."""

    def __init__(self, console: Console, place: Talk, newline: str) -> None:
        self._console = console
        self._place = place
        self._newline = newline
        self._greeting: str | None = None

    def start(self) -> None:
        """Reset the board and wait until it listens, where `ready` says how that shows. Raises ProvisionError."""
        place = self._place
        if place.ready is None or not place.reset:
            return
        mark = self._console.mark()
        reset.hard(self._console)
        try:
            seen = self._console.expect(re.compile(f"^.*?(?:{place.ready}).*$"), place.ready_within, mark)
        except NotSeen:
            raise self._error(
                f"it did not print its ready line ({place.ready!r}) within {place.ready_within:g} s of a reset; if the "
                "console's RTS does not reset this board, set reset = false"
            ) from None
        self._greeting = seen.text

    def say(self, text: str, shown: str | None = None) -> Sent:
        """Send a line. `shown` stands for it in errors and on the timeline."""
        sent = Sent(text, text if shown is None else shown, self._console.mark())
        self._send((text + self._newline).encode(), sent.shown + self._newline)
        return sent

    def upload(self, data: bytes, shown: str) -> Sent:
        """Send bytes as they are, with no newline."""
        sent = Sent("", shown, self._console.mark())
        self._send(data, shown)
        return sent

    def _send(self, data: bytes, shown: str) -> None:
        """In bursts where the place wants it."""
        burst = self._place.burst or max(1, len(data))
        for at in range(0, len(data), burst):
            if at:
                time.sleep(self._place.pause)
            self._console.send(data[at : at + burst], shown=shown if at == 0 else "")

    def answer(self, sent: Sent, wanted: str, refusal: str | None, *, whole: bool = False) -> Seen:
        """Wait for the line that matches `wanted`; `whole`: for its end, too.

        Raises Refused if `refusal` comes in its place, ProvisionError after `answer_within` seconds of neither, or if
        the board restarts.
        """
        within = self._place.answer_within
        deadline = time.monotonic() + within
        parts = [f"(?P<_yes>{wanted})", *([f"(?P<_no>{refusal})"] if refusal else []), f"(?P<_reset>{_ROM})"]
        if self._greeting:
            parts.append(f"(?P<_ready>^{re.escape(self._greeting)}$)")
        pattern = re.compile(f"^.*?(?:{'|'.join(parts)}).*$")
        after = sent.mark
        echoes = 0
        while True:
            try:
                seen = self._console.expect(pattern, max(0.0, deadline - time.monotonic()), after)
            except NotSeen:
                raise self._error(
                    f"no answer to {sent.shown!r} within {within:g} s, expected a line that matches {wanted!r}; it "
                    f"said {self._last(sent)}"
                ) from None
            if echoes == 0 and _is_echo(seen, sent.text):
                after = seen.end
                echoes += seen.event is not None
            elif seen.named.get("_yes") is None:
                if seen.named.get("_no") is None:
                    raise self._error(f"it restarted after {sent.shown!r}; provision it again")
                raise Refused(self._line(f"it refused {sent.shown!r} and said {seen.text!r}"))
            elif whole and seen.event is None and time.monotonic() < deadline:
                self._end_of_line(seen, deadline)
            else:
                return seen

    def _end_of_line(self, seen: Seen, deadline: float) -> None:
        try:
            self._console.expect("\n", max(0.0, deadline - time.monotonic()), seen.end)
        except NotSeen:
            return

    def _last(self, sent: Sent) -> str:
        """The newest line that came after `sent`, its echo aside; the console blanks secrets, halves of them too."""
        console = self._console
        count = min(20, len(console.received(sent.mark).split(b"\n")))
        echo = console.timeline.redacted(sent.text)
        newest = [*console.last_lines(count), *([] if console.partial else [""])][-count:]
        lines = [line for line in newest if line.strip() and (not echo or echo not in line)]
        return repr(lines[-1][:120]) if lines else "nothing"

    def _line(self, text: str) -> str:
        return self._console.timeline.redacted(f"board {self._console.board}: {text}")

    def _error(self, text: str) -> ProvisionError:
        return ProvisionError(self._line(text))


def _is_echo(seen: Seen, text: str) -> bool:
    """Whether the line is what was sent, behind a prompt maybe, or the part of it that has come so far."""
    line = seen.text.rstrip()
    if text.strip() and line.endswith(text.rstrip()):
        return _PROMPT.fullmatch(line.removesuffix(text.rstrip())) is not None
    return seen.event is None and len(line) > 1 and text.startswith(line)
