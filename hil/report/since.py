"""since.json: since when each failure of a run is one, as whoever asked the history wrote it into the run's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

FILE = "since.json"

Since = Mapping[tuple[str, str], str]
"""Words such as 'new, with 1.4.2, good with 1.4.1', by board and scenario."""


def as_json(since: Since) -> str:
    """The text of the file."""
    told = [{"board": board, "scenario": scenario, "since": words} for (board, scenario), words in since.items()]
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def read(folder: Path) -> Since:
    """What stands in a run's folder; nothing where nobody asked. Raises ValueError naming the file, OSError."""
    path = folder / FILE
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return {(str(one["board"]), str(one["scenario"])): str(one["since"]) for one in told}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not what hil wrote ({error!r}); delete it to do without") from None
