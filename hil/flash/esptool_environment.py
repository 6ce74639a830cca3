"""What the process of esptool is given besides its arguments."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hil.wiring import Wiring

#: The speed with which esptool begins, bit/s (esp_pylib, ESP_ROM_BAUD).
FIRST_RATE = 115200

# Makes pyserial quick on RFC 2217 ports, in esptool's process; see the file there.
_TOOL_PATH = Path(__file__).parent / "tool_path"


@contextlib.contextmanager
def environment(wiring: Wiring) -> Iterator[dict[str, str]]:
    """Plain output, unbuffered so that progress and silence are seen, and lines that are not broken at 80 columns.

    A wiring that esptool does not know comes with a configuration file of its own, in place of one that the user has.
    """
    path = os.pathsep.join([str(_TOOL_PATH), *filter(None, [os.environ.get("PYTHONPATH")])])
    plain = {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200"}
    variables = {**os.environ, **plain, "PYTHONPATH": path}
    if not wiring.own_sequences:
        yield variables
        return
    with tempfile.TemporaryDirectory(prefix="hil-esptool-") as folder:
        file = Path(folder) / "esptool.cfg"
        file.write_text(configuration(wiring))
        yield {**variables, "ESPTOOL_CFGFILE": str(file)}


def configuration(wiring: Wiring) -> str:
    """esptool's configuration file for this wiring: one line after the other, as not every port can change both."""
    keys = {"custom_reset_sequence": wiring.download, "custom_hard_reset_sequence": wiring.hard}
    lines = [f"{key} = {sequence.apart()}" for key, sequence in keys.items() if sequence is not None]
    return "\n".join(["[esptool]", *lines, ""])
