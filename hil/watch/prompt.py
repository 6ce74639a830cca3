"""The line in which a filter, a search, or a line for a board is typed.

Not Textual's Input: that has a queue of its own, so that what is typed fast after the key that opens it would still be
taken for keys, and one of them resets a board.
"""

from __future__ import annotations

from collections.abc import Callable

from rich.style import Style
from rich.text import Text
from textual.widgets import Static

_CURSOR = Style(reverse=True)


class Line:
    """A line of text with a cursor, and those that were typed before it."""

    def __init__(self, text: str = "", before: list[str] | None = None) -> None:
        self.text = text
        self.at = len(text)
        self._before = before or []
        self._chosen = len(self._before)

    def insert(self, text: str) -> None:
        """At the cursor; what does not show is left out, and of several lines all but the first."""
        first = "".join(c for c in text.split("\n")[0] if c.isprintable())
        self.text = self.text[: self.at] + first + self.text[self.at :]
        self.at += len(first)

    def key(self, name: str) -> bool:
        """Do what a key asks for, by Textual's name of it. False if it asks for nothing."""
        edit = _EDITS.get(name)
        if edit is not None:
            edit(self)
        return edit is not None

    def _delete(self, begin: int, end: int) -> None:
        self.text = self.text[: max(0, begin)] + self.text[end:]
        self.at = max(0, begin)

    def _delete_word(self) -> None:
        begin = self.text[: self.at].rstrip().rfind(" ") + 1
        self._delete(begin, self.at)

    def _go(self, at: int) -> None:
        self.at = min(len(self.text), max(0, at))

    def _earlier(self, by: int) -> None:
        self._chosen = min(len(self._before), max(0, self._chosen + by))
        self.text = self._before[self._chosen] if self._chosen < len(self._before) else ""
        self.at = len(self.text)


_EDITS: dict[str, Callable[[Line], None]] = {
    "backspace": lambda line: line._delete(line.at - 1, line.at),
    "delete": lambda line: line._delete(line.at, line.at + 1),
    "ctrl+u": lambda line: line._delete(0, line.at),
    "ctrl+w": lambda line: line._delete_word(),
    "left": lambda line: line._go(line.at - 1),
    "right": lambda line: line._go(line.at + 1),
    **dict.fromkeys(("home", "ctrl+a"), lambda line: line._go(0)),
    **dict.fromkeys(("end", "ctrl+e"), lambda line: line._go(len(line.text))),
    "up": lambda line: line._earlier(-1),
    "down": lambda line: line._earlier(1),
}


class Prompt(Static):
    """Hidden until something is asked for. `typed(what, text)` is called at each change, `answered` at the end.

    The text is None where it was given up.
    """

    DEFAULT_CSS = "Prompt { height: 1; display: none; }"

    def __init__(self, typed: Callable[[str, str], None], answered: Callable[[str, str | None], None]) -> None:
        super().__init__(markup=False)
        self._typed = typed
        self._answered = answered
        self._earlier: dict[str, list[str]] = {}
        self._what = self._words = ""
        self.line: Line | None = None

    def ask(self, what: str, words: str, text: str = "") -> None:
        """Show the line, with `text` in it. `what` says to the functions what is asked for."""
        self._what, self._words = what, words
        self.line = Line(text, self._earlier.setdefault(what, []))
        self.display = True
        self._show()

    def press(self, key: str, character: str | None) -> None:
        """Take a key, while something is asked for."""
        line = self.line
        if line is None:
            return
        if key in ("enter", "escape"):
            self._close(line.text if key == "enter" else None)
        elif line.key(key):
            self._changed(line)
        elif character is not None and character.isprintable():
            self.paste(character)

    def paste(self, text: str) -> None:
        """Take what was pasted. Nothing in it ends the line."""
        if self.line is not None:
            self.line.insert(text)
            self._changed(self.line)

    def _changed(self, line: Line) -> None:
        self._show()
        self._typed(self._what, line.text)

    def _close(self, text: str | None) -> None:
        self.line = None
        self.display = False
        before = self._earlier[self._what]
        if text and text not in before[-1:]:
            before.append(text)
        self._answered(self._what, text)

    def _show(self) -> None:
        assert self.line is not None
        line = self.line
        label = f" {self._words}: "
        room = max(8, self.size.width - len(label) - 1) if self.size.width else 60
        first = max(0, line.at - room)
        seen = Text(no_wrap=True).append(label, Style(bold=True)).append(line.text[first : line.at])
        seen.append(line.text[line.at : line.at + 1] or " ", _CURSOR).append(line.text[line.at + 1 :])
        self.update(seen)
