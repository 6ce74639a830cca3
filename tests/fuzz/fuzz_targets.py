"""The targets of fuzz.py by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple

import fuzz_mqtt

CORPUS: Final = Path(__file__).resolve().parent / "corpus"


class Target(NamedTuple):
    """`run` takes one input and raises where something is wrong. `made`: inputs to begin with; `words`: bytes that the
    fuzzer may put in as they are; `kept`: the file with inputs from earlier runs, one a line, in hex."""

    about: str
    run: Callable[[bytes], None]
    made: Callable[[], Iterable[bytes]]
    words: tuple[bytes, ...]
    kept: Path

    def seeds(self) -> list[bytes]:
        """All inputs to begin with."""
        kept = [bytes.fromhex(line) for line in self.kept.read_text().splitlines() if line and line[0] != "#"]
        return [*self.made(), *kept]


TARGETS: Final = {
    "mqtt": Target("MQTT streams", fuzz_mqtt.run, fuzz_mqtt.seeds, fuzz_mqtt.WORDS, CORPUS / "mqtt.txt"),
}
