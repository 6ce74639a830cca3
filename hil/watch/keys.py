"""Which keys there are: what they do, what the help says of them, and which stand in the last line."""

from __future__ import annotations

_LOOKING = {
    **{"q": "leave", "question_mark,h": "help", "enter": "details", "space": "pause", "escape": "drop"},
    **{"up,k": "move(-1)", "down,j": "move(1)", "pageup": "page(-1)", "pagedown": "page(1)"},
    **{"home,g": "start", "end,G": "end", "left": "along(-1)", "right": "along(1)"},
    **{"less_than_sign": "sideways(-1)", "greater_than_sign": "sideways(1)", "i": "panel"},
    **{"l": "picture", "plus,equals_sign": "zoom(-1)", "minus": "zoom(1)"},
    **{"slash": "ask('search')", "f": "ask('filter')", "n": "hit(True)", "N": "hit(False)"},
    **{"e": "failure(True)", "E": "failure(False)", "w": "remark(True)", "W": "remark(False)"},
    **{"y": "copy", "o": "save"},
    **{"tab": "next_board", "b": "alone", "c": "clock"},
    **{str(number): f"choose({number - 1})" for number in range(1, 10)},
}
_ACTING = {
    **{"r": "act('reset')", "R": "act('soft_reset')", "D": "act('download')"},
    **{"p": "act('switch')", "P": "act('cycle')", "s": "send"},
}

ACTIONS = {**_LOOKING, **_ACTING}
"""Textual's names of keys, and of what they do."""

OURS = frozenset(action.split("(")[0] for action in ACTIONS.values())
"""Those that are for the events, and not for a page that lies over them."""

LOOKING_HELP = (
    ("up down", "one event; also k and j"),
    ("page up/down", "a screenful"),
    ("home end", "oldest; newest, and follow it; also g and G"),
    ("left right", "the rest of long lines; also < and >"),
    ("e E", "next failure (!) down, up"),
    ("w W", "next that is worth a look (?), or a finding, down, up"),
    ("enter", "all of one event"),
    ("i", "all of the event at the cursor, beside the list"),
    ("l", "the chosen board's lanes: a line is what lasts; what"),
    ("", "happens has its mark, or is as high as many fall"),
    ("", "together; left and right stay in the cursor's lane"),
    ("+ -", "the lanes nearer, wider"),
    ("space", "stop the screen, and go on"),
    ("f", "show only what fits a filter"),
    ("/", "search"),
    ("n N", "next hit down, up"),
    ("tab 1-9", "choose a board"),
    ("b", "only the chosen board, or all"),
    ("c", "time of day, or seconds"),
    ("o", "save what is shown to a file"),
    ("y", "copy the event at the cursor"),
    ("escape", "drop search, then filter"),
    ("?", "this help"),
    ("q", "quit"),
)
ACTING_HELP = (
    ("r", "hard reset of the chosen board"),
    ("R", "restart it by its firmware's command"),
    ("D", "hold it in its ROM loader (download mode)"),
    ("p", "its power off, or on"),
    ("P", "its power off and on again"),
    ("s", "send it a line; up brings back earlier ones"),
)
_LOOK = (("?", "help"), ("space", "pause"), ("f", "filter"), ("l", "lanes"))
HINTS = (*_LOOK, ("/", "search"), ("i", "details"), ("e", "failure"), ("q", "quit"))
ACTING_HINTS = (*_LOOK, ("r", "reset"), ("p", "power"), ("s", "send"), ("q", "quit"))
"""As many as fit into 80 columns."""

REFUSED = "the run has these boards: keys act where hil watch --rig FILE opens a bench"
