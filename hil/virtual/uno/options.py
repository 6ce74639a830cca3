"""The build options of the reference sketch: good ones have none, each makes one mistake that sketches have made.

    python -m hil.virtual sketch --without watchdog --out sketch.hex

Each is a macro of sketch/sketch.cpp: `--without watchdog` is WITHOUT_WATCHDOG.
"""

from __future__ import annotations

from hil.virtual.firmware.options import Option, UnknownOption

RAW_RATE = 115200
"""bit/s of the serial line for programs that speak no RFC 2217, unless another is asked for: optiboot's."""

OPTIONS: tuple[Option, ...] = (
    Option(
        "without", "cold-start", "hangs after a power-on until somebody resets it",
        "after each power failure somebody has to press its button",
    ),
    Option(
        "without", "watchdog", "never starts the watchdog",
        "what hangs once hangs until somebody cuts its power",
    ),
    Option(
        "without", "settings", "keeps its settings in RAM alone",
        "a power failure, and it is set as it was sold",
    ),
    Option(
        "without", "answers", "says nothing to what it is told by its command topic",
        "whoever commands it never knows whether it has heard",
    ),
    Option(
        "without", "reset-command", "takes 'reset' for an unknown command",
        "nobody far away can restart it",
    ),
    Option(
        "without", "goodbye", "answers 'disconnect', and says no goodbye",
        "each time it is put to sleep on purpose, an alarm goes off",
    ),
    Option(
        "without", "dup-check", "obeys a command again that is only sent again",
        "a door that was to open once opens twice",
    ),
    Option(
        "without", "room-check", "writes on behind the end of its line buffer",
        "a command that is a little longer than usual hangs it",
    ),
    Option(
        "without", "fields", "leaves a0 out of its telemetry",
        "whoever draws the curve gets nothing to draw",
    ),
    Option(
        "with", "retained-commands", "obeys a retained command",
        "a retained 'reset' is a boot loop",
    ),
    Option(
        "with", "early-goodbye", "says goodbye as soon as it has started, and goes on",
        "it loses its power, and nobody ever says so",
    ),
    Option(
        "with", "foreign-topic", "says its telemetry on a topic of somebody else",
        "a broker with rules cuts it off, again and again",
    ),
    Option(
        "with", "foreign-subscription", "subscribes to everything",
        "a broker with rules cuts it off, again and again",
    ),
    Option(
        "with", "slow-telemetry", "says its telemetry three times as seldom as it is set to",
        "two of three measurements are not there",
    ),
    Option(
        "with", "long-silences", "says nothing for 8 s now and then",
        "it is taken for dead, and is back, again and again",
    ),
    Option(
        "with", "repeated-numbers", "gives each other telemetry message the number of the one before",
        "whoever counts takes a new message for one that came twice",
    ),
    Option(
        "with", "kept-numbers", "goes on counting its telemetry where a reset has interrupted it",
        "a restart goes unnoticed",
    ),
    Option(
        "with", "false-cause", "says that it was powered on, whatever the cause",
        "a supply that fails and a watchdog that bites look the same",
    ),
    Option(
        "with", "noise-lockout", "listens no more once it has heard a character that is no ASCII",
        "a spark on a long cable, and it is deaf until it is reset",
    ),
    Option(
        "with", "broken-lines", "ends each fourth telemetry line in the middle",
        "a quarter of the measurements cannot be read",
    ),
    Option(
        "with", "endless-line", "says its telemetry without line ends",
        "nothing that it says is ever complete",
    ),
)  # fmt: skip

_BY_KEY = {option.key: option for option in OPTIONS}


def find(kind: str, name: str) -> Option:
    """The option of that kind and name; raises UnknownOption."""
    option = _BY_KEY.get(f"{kind}:{name}")
    if option is None:
        known = ", ".join(other.flag for other in OPTIONS)
        raise UnknownOption(f"the reference sketch has no option --{kind} {name}; it has: {known}")
    return option


def macro(option: Option) -> str:
    """Its name in the sketch: WITHOUT_WATCHDOG."""
    return f"{option.kind}_{option.name}".upper().replace("-", "_")
