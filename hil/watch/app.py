"""The screen of `hil watch`: where each board stands, the events, and the keys."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from hil.report.legible import one_line
from hil.watch import filtering, heading, keys
from hil.watch.filtering import Filter, FilterError
from hil.watch.line import Columns
from hil.watch.listing import Listing
from hil.watch.looking import Looking
from hil.watch.output import AsciiDriver, TerminalDriver
from hil.watch.prompt import Prompt
from hil.watch.screens import Page, details, help_text
from hil.watch.source import Source
from hil.watch.standing import Standing

if TYPE_CHECKING:
    from hil.watch.acting import Acting

TICK = 0.1
"""Seconds between two looks at what has come: more often than a person can read, seldom enough for a slow line."""

SAID = 8.0
"""Seconds for which a line is shown that says what a key came to."""

UNREAD = 1.0
"""Seconds within which a line cannot have been read."""

SIDEWAYS = 20
"""Characters that the text moves at one press of an arrow key."""


class Watch(App[None]):
    """Shows what a source brings. It is closed by q or Ctrl-C; whoever opened the source closes it.

    `wanted`: the filter to begin with. `boards`: only these, and what is of no board; all without. `acting`: does what
    keys ask for; without it they say why nothing is done. `ascii_only`: for a terminal that knows nothing else.
    """

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { layout: vertical; }
    #top, #keys { height: 1; }
    #boards { height: auto; }
    #shown { height: auto; max-height: 4; }
    """
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
        self.standings: dict[str, Standing] = {}
        self.only = boards
        self.chosen = 0
        self.clock = False
        self.left = 0
        self.interrupted = False
        self._running_loop: asyncio.AbstractEventLoop | None = None
        self._said = ""
        self._said_at = float("-inf")
        self._now: float | None = None
        self._listing = Listing(self.looking)
        self._prompt = Prompt(self._typed, self._answered)
        self._before = self._sent_to = ""
        self._lines = {name: Static(id=name, markup=False) for name in ("top", "boards", "shown", "keys")}
        self._drawn: dict[str, Text] = {}
        self._due = False
        self._gone = 0

    # -- the screen ------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield self._lines["top"]
        yield self._lines["boards"]
        yield self._listing
        yield self._lines["shown"]
        yield self._prompt
        yield self._lines["keys"]

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
        rows = self.source.take()
        if self.only:
            rows = [row for row in rows if row.board is None or row.board in self.only]
        for row in rows:
            if row.board is not None:
                self.standings.setdefault(row.board, Standing(row.board)).take(row)
        if rows:
            self._now = max(self._now or 0.0, max(row.event.monotonic for row in rows))
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
        width = self.size.width
        if self._due:
            several = len(self.standings) > 1 and self.looking.board is None
            board = min(12, max(len(name) for name in self.standings)) if several else 0
            self._listing.show(Columns(self.source.began or 0.0, self.clock, board, self.left), gone=self._gone)
            self._due, self._gone = False, 0
        self._put("top", heading.top(self.source.title, self.source.state(), self.looking, width))
        self._put("boards", self._boards(width))
        said = self._said if time.monotonic() < self._said_at + SAID else ""
        self._put("shown", heading.said(said) if said else heading.shown(self.looking))
        self._put("keys", heading.keys(keys.HINTS if self.acting is None else keys.ACTING_HINTS, width))

    def _put(self, name: str, text: Text) -> None:
        """Change a line only where it differs: each change goes over the wire."""
        if self._drawn.get(name) != text:
            self._drawn[name] = text
            self._lines[name].update(text)

    def _boards(self, width: int) -> Text:
        """A line for each board, the chosen one among them where there is not room for all."""
        standings = list(self.standings.values())
        room = max(1, self.size.height // 5)
        first = min(max(0, self.chosen - room + 1), max(0, len(standings) - room))
        return Text("\n").join(
            heading.board(
                number + 1,
                standing,
                chosen=number == self.chosen,
                alone=self.looking.board == standing.board,
                now=self._clock(),
                doing="" if self.acting is None else self.acting.doing.get(standing.board, ""),
                width=width,
            )
            for number, standing in list(enumerate(standings))[first : first + room]
        )

    def _clock(self) -> float | None:
        """Now, by the timeline's clock, which is this host's; the newest event's time where nothing comes any more."""
        return time.monotonic() if self.source.state() == "live" else self._now

    def say(self, words: str) -> None:
        """Show a line for a while, in the place of what is shown; behind one that nobody can have read yet."""
        now = time.monotonic()
        unread = now < self._said_at + UNREAD and self._said != words
        self._said = f"{self._said}; {one_line(words)}" if unread else one_line(words)
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
        self.looking.move(by * self._listing.page)
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
        self.left = max(0, self.left + by * SIDEWAYS)
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
        self.action_choose((self.chosen + 1) % max(1, len(self.standings)))

    def action_choose(self, number: int) -> None:
        """Choose a board by its number, from 0 on."""
        if number < len(self.standings):
            self.chosen = number
            if self.looking.board is not None:
                self._show_board(self._chosen_board())
            self.draw()

    def action_alone(self) -> None:
        """Only the chosen board, or all."""
        self._show_board(None if self.looking.board is not None else self._chosen_board())
        self.draw()

    def _show_board(self, board: str | None) -> None:
        self.looking.show(board=board, every_board=board is None)

    def _chosen_board(self) -> str | None:
        names = list(self.standings)
        return names[self.chosen] if self.chosen < len(names) else None

    def action_clock(self) -> None:
        """The time of day, or seconds since the beginning."""
        self.clock = not self.clock
        self.draw()

    # -- acting on boards ------------------------------------------------------------------------------------------

    def action_act(self, what: str) -> None:
        """Do something to the chosen board; `what` is a method of Acting."""
        board = self._chosen_board()
        if self.acting is None:
            self.say(keys.REFUSED)
        elif board is not None:
            getattr(self.acting, what)(board)
        self.draw(events=False)

    def action_send(self) -> None:
        """Ask for a line, and send it to the board that is chosen now."""
        board = self._chosen_board()
        if self.acting is None:
            self.say(keys.REFUSED)
        elif board is not None:
            self._sent_to = board
            self._prompt.ask("send", f"send to {board}")
        self.draw(events=False)

    # -- filter and search -----------------------------------------------------------------------------------------

    def action_ask(self, what: str) -> None:
        """Ask for a filter or a search."""
        self._before = self.looking.filter.text
        self._prompt.ask(what, what, self._before if what == "filter" else "")

    def _typed(self, what: str, text: str) -> None:
        """A filter takes hold while it is typed, as far as it says something."""
        if what == "filter":
            self._filter(text, complain=False)

    def _answered(self, what: str, text: str | None) -> None:
        if what == "filter":
            self._filter(self._before if text is None else text)
        elif what == "search" and text is not None:
            self._search(text)
        elif what == "send" and text is not None and self.acting is not None:
            self.acting.send(self._sent_to, text)

    def _filter(self, text: str, *, complain: bool = True) -> None:
        try:
            self.looking.show(filtering.parse(text))
        except FilterError as error:
            if complain:
                self.say(str(error))
                self.looking.show(filtering.parse(self._before))
        self.draw()

    def _search(self, text: str) -> None:
        try:
            if not self.looking.find(filtering.parse(text)) and text.strip():
                self.say(f"not found: {text}")
        except FilterError as error:
            self.say(str(error))
        self.draw()

    def action_hit(self, down: bool) -> None:
        """To the next hit."""
        words = self.looking.next_hit(down)
        if words:
            self.say(words)
        self.draw()

    def action_drop(self) -> None:
        """Drop the search, or else the filter."""
        if self.looking.search:
            self.looking.find(filtering.EVERYTHING)
        else:
            self.looking.show(filtering.EVERYTHING)
        self.draw()
