"""All that is drawn: the lines, the picture, the list and the panel, from top to bottom."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Container
from textual.geometry import Size
from textual.widgets import Static

from hil.watch import heading, keys
from hil.watch.boards import Boards
from hil.watch.line import Columns
from hil.watch.listing import Listing
from hil.watch.looking import Looking
from hil.watch.panel import WIDE, Panel
from hil.watch.picture import Picture, Times
from hil.watch.prompt import Prompt
from hil.watch.source import LIVE, Source

if TYPE_CHECKING:
    from hil.watch.acting import Acting

# The height of "shown" is heading.SAID_LINES.
CSS = """
Screen { layout: vertical; }
#top, #keys { height: 1; }
#boards { height: auto; }
#shown { height: auto; max-height: 6; }
Picture.roomy { margin-bottom: 1; }
#middle { height: 1fr; layout: vertical; }
#middle.wide { layout: horizontal; }
Panel { display: none; height: 40%; border-top: solid ansi_bright_black; scrollbar-size-vertical: 1;
    padding: 0 1; }
.wide Panel { width: 40%; height: 1fr; border-top: none; border-left: solid ansi_bright_black; margin-left: 1; }
"""

_ROOMY = 30
"""Lines from which a free one stands below the picture."""

_OTHERS = 8
"""Lines that the picture leaves to all the rest."""


class Face:
    """Draws what `looking` and `boards` hold. `clock`: the time of day, not seconds. `left`: see Columns."""

    def __init__(self, source: Source, looking: Looking, boards: Boards, acting: Acting | None, prompt: Prompt) -> None:
        self.clock = False
        self.left = 0
        self.listing = Listing(looking)
        self.picture = Picture(looking)
        self.panel = Panel()
        self._source, self._looking, self._boards, self._acting = source, looking, boards, acting
        self._prompt = prompt
        self._now: float | None = None
        self._lines = {name: Static(id=name, markup=False) for name in ("top", "boards", "shown", "keys")}
        self._drawn: dict[str, Text] = {}
        self._middle = Container(self.listing, self.panel, id="middle")

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield self._lines["top"]
        yield self._lines["boards"]
        yield self.picture
        yield self._middle
        yield self._lines["shown"]
        yield self._prompt
        yield self._lines["keys"]

    def came(self, moment: float) -> None:
        """Take note of the newest event's monotonic time, in seconds."""
        self._now = max(self._now or 0.0, moment)

    def draw(self, size: Size, said: Sequence[str], *, gone: int = 0, events: bool = True) -> None:
        """Show everything as it is now; the events only if they may have changed."""
        looking, width = self._looking, size.width
        if events:
            self.listing.show(self.columns(), gone=gone)
            if self.panel.display:
                self._middle.set_class(width >= WIDE, "wide")
                self.panel.show(looking.current, self._zero, low=width < WIDE)
        if self.picture.display:
            self.picture.set_class(size.height >= _ROOMY, "roomy")
            most = max(2, size.height - _OTHERS)
            self.picture.show(self._boards.name, self._boards.lasting, self._times(), width=width, most=most)
        self._put("top", heading.top(self._source.title, self._source.state(), looking, width))
        self._put("boards", self._standings(size))
        self._put("shown", heading.said(said, width) if said else heading.shown(looking))
        self._put("keys", heading.keys(keys.HINTS if self._acting is None else keys.ACTING_HINTS, width))

    def columns(self) -> Columns:
        """How rows are written as lines."""
        several = len(self._boards.standings) > 1 and self._looking.board is None
        most = 12 if self.listing.size.width < WIDE else 20
        board = min(most, max(len(name) for name in self._boards.standings)) if several else 0
        return Columns(self._zero, self.clock, board, self.left)

    @property
    def _zero(self) -> float:
        return self._source.began or 0.0

    def _put(self, name: str, text: Text) -> None:
        """Change a line only where it differs: each change goes over the wire."""
        if self._drawn.get(name) != text:
            self._drawn[name] = text
            self._lines[name].update(text)

    def _standings(self, size: Size) -> Text:
        """A line for each board, the chosen one among them where there is not room for all."""
        boards, acting = self._boards, self._acting
        standings = list(boards.standings.values())
        if not standings:
            return Text(" no board yet", style="dim")
        room = max(1, size.height // 5)
        first = min(max(0, boards.chosen - room + 1), max(0, len(standings) - room))
        return Text("\n").join(
            heading.board(
                number + 1,
                standing,
                chosen=number == boards.chosen,
                alone=self._looking.board == standing.board,
                now=self._until(),
                column=max(12, *(min(20, len(name)) for name in boards.standings)),
                doing="" if acting is None else acting.doing.get(standing.board, ""),
                width=size.width,
            )
            for number, standing in list(enumerate(standings))[first : first + room]
        )

    def _until(self) -> float | None:
        """Now, by the timeline's clock, which is this host's; the newest event's time where nothing comes any more."""
        return time.monotonic() if self._source.state() == LIVE else self._now

    def _times(self) -> Times:
        """What the picture's times are."""
        now = self._until() or self._zero
        if not self.clock or not self._looking.view:
            return Times(now, -self._zero)
        event = self._looking.view[-1].event
        local = datetime.fromtimestamp(event.wall).astimezone().utcoffset()
        ahead = 0.0 if local is None else local.total_seconds()
        return Times(now, event.wall - event.monotonic + ahead, clock=True)
