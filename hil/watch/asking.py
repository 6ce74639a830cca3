"""What is typed into the prompt, and what comes of it: a filter, a search, a line for a board, a file's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hil.watch import filtering, saving
from hil.watch.filtering import Filter, FilterError
from hil.watch.line import Columns
from hil.watch.looking import Looking
from hil.watch.prompt import Prompt

if TYPE_CHECKING:
    from hil.watch.acting import Acting


class Asking:
    """`say` shows a line for a while, `draw` draws all again. `columns` says how times are written."""

    def __init__(
        self,
        looking: Looking,
        acting: Acting | None,
        *,
        say: Callable[[str], None],
        draw: Callable[[], None],
        columns: Callable[[], Columns],
    ) -> None:
        self.prompt = Prompt(self._typed, self._answered)
        self._looking, self._acting = looking, acting
        self._say, self._draw, self._columns = say, draw, columns
        self._before = self._board = ""

    def ask(self, what: str) -> None:
        """Ask for a 'filter' or a 'search'."""
        self._before = self._looking.filter.text
        self.prompt.ask(what, what, self._before if what == "filter" else "")

    def ask_line(self, board: str) -> None:
        """Ask for a line, and send it to this board, whichever is chosen by then."""
        self._board = board
        self.prompt.ask("send", f"send to {board}")

    def ask_file(self) -> None:
        """Ask for a file's name, and write what is shown then to it."""
        self.prompt.ask("save", f"save what is shown ({len(self._looking.view)}) to", saving.usual_name())

    def drop(self) -> None:
        """Drop the search, or else the filter."""
        if self._looking.search:
            self._looking.find(filtering.EVERYTHING)
        else:
            self._looking.show(filtering.EVERYTHING)
        self._draw()

    def _typed(self, what: str, text: str) -> None:
        """A filter takes hold while it is typed, as far as it says something."""
        if what == "filter":
            try:
                self._show(filtering.parse(text))
            except FilterError:
                self._draw()

    def _answered(self, what: str, text: str | None) -> None:
        try:
            if what == "filter":
                self._filter(text)
            elif text is not None:
                {"search": self._search, "send": self._send, "save": self._save}[what](text)
        except FilterError as error:
            self._say(str(error))
        self._draw()

    def _filter(self, text: str | None) -> None:
        before = filtering.parse(self._before)
        try:
            self._show(before if text is None else filtering.parse(text))
        except FilterError:
            self._show(before)
            raise

    def _show(self, wanted: Filter) -> None:
        self._looking.show(wanted)
        self._draw()

    def _search(self, text: str) -> None:
        if not self._looking.find(filtering.parse(text)) and text.strip():
            self._say(f"not found: {text}")

    def _send(self, text: str) -> None:
        if self._acting is not None:
            self._acting.send(self._board, text)

    def _save(self, name: str) -> None:
        if not name.strip():
            return
        rows = self._looking.view
        try:
            path = saving.save(rows, name.strip(), self._columns())
            self._say(f"saved: {len(rows)} event{'s' * (len(rows) != 1)} in {path.absolute()}")
        except FileExistsError:
            self._say(f"not saved: {name.strip()} is there already, and is left as it is")
        except OSError as error:
            self._say(f"not saved: {error}")
