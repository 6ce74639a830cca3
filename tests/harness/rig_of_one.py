"""A rig file with one virtual board, for tests of commands that open its bench themselves."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]


def rig_of_one(folder: Path, *, speed: int = 40) -> Path:
    """`rig.toml` in `folder`: esp32-a, with the reference firmware, `speed` times as fast; artifacts below `folder`."""
    path = folder / "rig.toml"
    path.write_text(f"""name = "one"
artifacts = "artifacts"
[boards.esp32-a]
virtual = "esp32"
chip = "esp32"
speed = {speed}
contract = "{ROOT}/rigs/contracts/reference.toml"
wifi = {{ ssid = "hil-bench" }}
""")
    return path
