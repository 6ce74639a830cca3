"""The screen of `hil watch`: what comes, the keys, and when it is drawn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType

from hil.report.legible import one_line
from hil.watch import face, filtering, keys
from hil.watch.asking import Asking
from hil.watch.boards import Boards
from hil.watch.face import Face
from hil.watch.filtering import Filter
from hil.watch.looking import Looking, failure, remark
from hil.watch.output import AsciiDriver, TerminalDriver
from hil.watch.row import Row
from hil.watch.screens import Page, details, help_text
from hil.watch.source import Source

if TYPE_CHECKING:
    from hil.watch.acting import Acting

TICK = 0.1
"""Seconds between two looks at what has come: more often than a person can read, seldom enough for a slow line."""

SAID = 8.0
"""Seconds for which a line is shown that says what a key came to."""

UNREAD = 1.0
"""Seconds within which a line cannot have been read."""

MOST_SAID = 3
"""Lines that are shown at once of what keys came to."""

SIDEWAYS = 20
"""Characters that the text moves at one press of an arrow key."""


class Watch(App[None]):
    """Shows what a source brings. It is closed by q or Ctrl-C; whoever opened the source closes it.

    `wanted`: the filter to begin with. `boards`: only these, and what is of no board; all without. `acting`: does what
    keys ask for; without it they say why nothing is done. `ascii_only`: for a terminal that knows nothing else.
    """

    ENABLE_COMMAND_PALETTE = False
    CSS = face.CSS
    # With priority: keys are then dealt with one after the other, here, however fast they come; see `on_event`.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", priority=True),
        *(Binding(key, action, priority=True) for key, action in keys.ACTIONS.items()),
    ]

    def __init__(
        self,
        source: Source,
        wanted: Filter = filtering.EVERYTHING,
        *,
        boards: tuple[str, ...] = (),
        acting: Acting | None = None,
        ascii_only: bool = False,
    ) -> None:
        super().__init__(driver_class=AsciiDriver if ascii_only else TerminalDriver)
        self.theme = "ansi-dark"  # the terminal's own colours, on light ground too
        self.source = source
        self.acting = acting
        self.looking = Looking()
        self.looking.show(wanted)
        self.boards = Boards(boards)
        self.interrupted = False
        self._running_loop: asyncio.AbstractEventLoop | None = None
        self._said: list[str] = []
        self._said_at = float("-inf")
        self._asking = Asking(self.looking, acting, say=self.say, draw=self.draw, columns=lambda: self._face.columns())
        self._prompt = self._asking.prompt
        self._face = Face(source, self.looking, self.boards, acting, self._prompt)
        self._due = False
        self._gone = 0

    # -- the screen ------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield from self._face.compose()

    def on_mount(self) -> None:
        """Begin to look."""
        self._running_loop = asyncio.get_running_loop()
        if self.interrupted:
            self.exit()
        self.set_interval(TICK, self.tick)
        self.call_after_refresh(self.tick)  # then it is known how many events there is room for

    def interrupt(self) -> None:
        """End soon, and in order: for handlers of signals, which may come at any moment."""
        self.interrupted = True
        if self._running_loop is not None:
            self._running_loop.call_soon_threadsafe(self.exit)

    @property
    def left_alone(self) -> bool:
        """Whether the terminal was gone at the end, or would not take what gives it back."""
        return isinstance(self._driver, TerminalDriver) and self._driver.gave_up

    def tick(self) -> None:
        """Take what has come, and draw what has changed."""
        rows = [row for row in self.source.take() if self.boards.wanted(row)]
        for row in rows:
            self.boards.take(row)
        if rows:
            self._face.came(max(row.event.monotonic for row in rows))
        note = self.source.note() or (self.acting.said() if self.acting is not None else None)
        if note is not None:
            self.say(note)
        self.draw(gone=self.looking.add(rows), events=bool(rows))

    def draw(self, *, gone: int = 0, events: bool = True) -> None:
        """Show everything as it is now; the events only if they may have changed. Later, if the terminal is slow."""
        self._gone += gone
        self._due |= events
        if isinstance(self._driver, TerminalDriver) and self._driver.behind:
            return
        said = self._said if time.monotonic() < self._said_at + SAID else []
        self._face.draw(self.size, said, gone=self._gone, events=self._due)
        self._due, self._gone = False, 0
        if isinstance(self._driver, TerminalDriver):
            self.call_after_refresh(self._driver.ask)

    def on_resize(self) -> None:
        """Whatever is drawn depends on the size."""
        self.draw()

    def say(self, words: str) -> None:
        """Show a line for a while, in the place of what is shown; below those that nobody can have read yet."""
        now, line = time.monotonic(), one_line(words)
        unread = self._said if now < self._said_at + UNREAD else []
        self._said = [*(one for one in unread if one != line), line][-MOST_SAID:]
        self._said_at = now

    async def on_event(self, event: events.Event) -> None:
        """While something is asked for, keys are what is typed. They come here first, one after the other."""
        if self._prompt.line is not None and isinstance(event, events.Key) and event.key != "ctrl+c":
            self._prompt.press(event.key, event.character)
        elif self._prompt.line is not None and isinstance(event, events.Paste):
            self._prompt.paste(event.text)
        elif not isinstance(event, events.Paste):  # what is pasted elsewhere would be taken for keys
            await super().on_event(event)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The keys of this screen are not those of a page that lies over it."""
        return action not in keys.OURS or len(self.screen_stack) == 1

    # -- keys ------------------------------------------------------------------------------------------------------

    def action_leave(self) -> None:
        """Quit."""
        self.exit()

    def action_move(self, by: int) -> None:
        """Up or down by events."""
        self.looking.move(by)
        self.draw()

    def action_page(self, by: int) -> None:
        """Up or down by what is in sight."""
        self.looking.move(by * self._face.listing.page)
        self.draw()

    def action_start(self) -> None:
        """To the oldest event that is kept."""
        self.looking.to_start()
        self.draw()

    def action_end(self) -> None:
        """To the newest event, and follow it."""
        gone = self.looking.resume() if self.looking.paused else 0
        self.looking.to_end()
        self.draw(gone=gone)

    def action_sideways(self, by: int) -> None:
        """To the rest of long lines, or back."""
        self._face.left = max(0, self._face.left + by * SIDEWAYS)
        self.draw()

    def action_pause(self) -> None:
        """Stop the screen, or go on with it."""
        if self.looking.paused:
            self.action_end()
        else:
            self.looking.pause()
            self.draw()

    def action_details(self) -> None:
        """All of the event at the cursor."""
        row = self.looking.current
        if row is not None:
            self.push_screen(Page(f"{row.event.source}.{row.event.kind}", details(row, self.source.began or 0.0)))

    def action_help(self) -> None:
        """The keys, and how to filter."""
        known = keys.LOOKING_HELP if self.acting is None else (*keys.ACTING_HELP, *keys.LOOKING_HELP)
        self.push_screen(Page("hil watch", help_text(known, filtering.LANGUAGE)))

    def action_next_board(self) -> None:
        """Choose the next board."""
        self.action_choose(self.boards.next)

    def action_choose(self, number: int) -> None:
        """Choose a board by its number, from 0 on."""
        if self.boards.choose(number):
            if self.looking.board is not None:
                self._show_board(self.boards.name)
            self.draw()

    def action_alone(self) -> None:
        """Only the chosen board, or all."""
        self._show_board(None if self.looking.board is not None else self.boards.name)
        self.draw()

    def _show_board(self, board: str | None) -> None:
        self.looking.show(board=board, every_board=board is None)

    def action_clock(self) -> None:
        """The time of day, or seconds since the beginning."""
        self._face.clock = not self._face.clock
        self.draw()

    def action_picture(self) -> None:
        """The lanes of the chosen board, or the list alone."""
        self._face.picture.display = not self._face.picture.display
        self.draw()

    def action_zoom(self, by: int) -> None:
        """More time in the picture, or less."""
        self._face.picture.zoom_by(by)
        self._face.picture.display = True
        self.draw()

    def action_panel(self) -> None:
        """All of the event at the cursor beside the list, or not."""
        self._face.panel.display = not self._face.panel.display
        self.draw()

    def action_along(self, by: int) -> None:
        """In the picture to the event before, or behind, in the same lane; in the list alone, along the line."""
        current = self.looking.current
        if not self._face.picture.display:
            self.action_sideways(by)
        elif current is not None:
            lane, board = current.lane, self.boards.name
            self.looking.go(lambda row: row.lane == lane and row.board in (None, board), down=by > 0)
            self.draw()

    def action_failure(self, down: bool) -> None:
        """To the next failure, round the ends."""
        self._go_round(failure, down)

    def action_remark(self, down: bool) -> None:
        """To the next event that is worth a look, round the ends."""
        self._go_round(remark, down)

    def _go_round(self, wanted: Callable[[Row], bool], down: bool) -> None:
        words = self.looking.go_round(wanted, down=down)
        if words:
            self.say(words)
        self.draw()

    def action_copy(self) -> None:
        """All of the event at the cursor, into the terminal's clipboard."""
        row = self.looking.current
        if row is not None:
            self.copy_to_clipboard(details(row, self.source.began or 0.0).plain + "\n")
            self.say("copied, if the terminal lets programs do that (OSC 52)")
            self.draw(events=False)

    def action_save(self) -> None:
        """Ask for a file, and write what is shown to it."""
        self._asking.ask_file()

    # -- acting on boards ------------------------------------------------------------------------------------------

    def action_act(self, what: str) -> None:
        """Do something to the chosen board; `what` is a method of Acting."""
        board = self.boards.name
        if self.acting is None:
            self.say(keys.REFUSED)
        elif board is not None:
            getattr(self.acting, what)(board)
        self.draw(events=False)

    def action_send(self) -> None:
        """Ask for a line, and send it to the board that is chosen now."""
        board = self.boards.name
        if self.acting is None:
            self.say(keys.REFUSED)
        elif board is not None:
            self._asking.ask_line(board)
        self.draw(events=False)

    # -- filter and search -----------------------------------------------------------------------------------------

    def action_ask(self, what: str) -> None:
        """Ask for a filter or a search."""
        self._asking.ask(what)

    def action_hit(self, down: bool) -> None:
        """To the next hit."""
        words = self.looking.next_hit(down)
        if words:
            self.say(words)
        self.draw()

    def action_drop(self) -> None:
        """Drop the search, or else the filter."""
        self._asking.drop()
