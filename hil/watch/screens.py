"""What lies over the events for a while: all of one event, and the help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from hil.report.legible import legible
from hil.watch.row import Row

MOST = 20_000
"""Characters of a value that are shown: a screen is no place for more."""

_NAME = Style(bold=True)


class Page(ModalScreen[None]):
    """A text that can be scrolled, until a key closes it."""

    DEFAULT_CSS = """
    Page { align: center middle; }
    Page VerticalScroll { width: 96%; height: auto; max-height: 90%; border: solid ansi_bright_blue; padding: 0 1;
        scrollbar-size-vertical: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q,question_mark", "dismiss", "close"),
        Binding("j", "down", show=False),
        Binding("k", "up", show=False),
    ]

    def __init__(self, title: str, text: Text) -> None:
        super().__init__()
        self._title = title
        self._text = text

    def compose(self) -> ComposeResult:
        """The frame and the text in it."""
        frame = VerticalScroll(Static(self._text, markup=False))
        frame.border_title = Text(legible(self._title, keep="")).markup
        frame.border_subtitle = "escape closes, arrows scroll"
        yield frame

    def action_down(self) -> None:
        self.query_one(VerticalScroll).scroll_down(animate=False)

    def action_up(self) -> None:
        self.query_one(VerticalScroll).scroll_up(animate=False)


def details(row: Row, zero: float) -> Text:
    """All that is known of an event: a value a line, longer ones below their names, bytes that are no text in hex."""
    event = row.event
    wall = datetime.fromtimestamp(event.wall).astimezone()
    known = {
        "time": f"{event.monotonic - zero:.6f} s",
        "clock": wall.isoformat(sep=" ", timespec="microseconds"),
        "board": row.board or "none",
        "lane": row.lane,
        "event": f"{event.source}.{event.kind}, number {event.sequence}" + (f" of {row.worker}" if row.worker else ""),
    }
    lines = [Text.assemble((f"{name:>8}  ", Style(dim=True)), legible(value, keep="")) for name, value in known.items()]
    return _with_data(Text("\n").join(lines), row, between="\n\n")


def in_short(row: Row, zero: float) -> Text:
    """The same where there is little room: all but the data in one line."""
    event = row.event
    text = Text().append(f"{event.monotonic - zero:.6f} s  {row.board or 'no board'}  ", Style(dim=True))
    text.append(legible(f"{event.source}.{event.kind}", keep=""), _NAME)
    text.append(f", number {event.sequence}" + (legible(f" of {row.worker}", keep="") if row.worker else ""))
    return _with_data(text, row, between="\n")


def _with_data(text: Text, row: Row, between: str) -> Text:
    for name, value in row.event.data.items():
        text.append(between).append(legible(str(name), keep=""), _NAME).append(_value(value))
    return text


def _value(value: Any, indent: int = 1) -> str:
    margin = "\n" + "  " * indent
    if isinstance(value, Mapping):
        return "".join(f"{margin}{legible(str(k), keep='')}{_value(v, indent + 1)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return "".join(f"{margin}-{_value(one, indent + 1)}" for one in value) or " []"
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError:
            return "".join(margin + line for line in _hex(value[: MOST // 4]))
    text = str(value)
    shown = legible(text[:MOST]) + (f"\n… {len(text) - MOST} more characters" if len(text) > MOST else "")
    lines = shown.replace("\t", "    ").split("\n")
    return " " + lines[0] if len(lines) == 1 else "".join(margin + line for line in lines)


def _hex(data: bytes) -> list[str]:
    rows = (data[at : at + 16] for at in range(0, len(data), 16))
    return [
        f"{number * 16:04x}  {row.hex(' '):<47}  {''.join(chr(b) if 32 <= b < 127 else '.' for b in row)}"
        for number, row in enumerate(rows)
    ]


def help_text(keys: Sequence[tuple[str, str]], filters: str) -> Text:
    """The keys, and the language of filters."""
    text = Text()
    for key, words in keys:
        text.append(f"{key:>14}  ", _NAME).append(f"{words}\n")
    return text.append("\nFilters and searches\n", _NAME).append(filters)
