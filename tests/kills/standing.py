"""Virtual boards that stand on their own: programs that no run starts or ends, reached over their port and switch."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SWITCH = Path(__file__).with_name("switch.py")

#: How many times faster than a real board: a flash takes long enough to be hit, and a run is over in seconds.
SPEED = 60
#: Seconds in which a board's program must be there.
READY_WITHIN = 60.0

#: What each board is left with when a run ends.
IDLE = {"kit-off": "off", "kit-on": "on"}
_CHIPS = {"kit-off": "esp32", "kit-on": "esp32c3"}


@dataclass(frozen=True)
class Switched:
    """One order that a board's switch carried out: monotonic seconds, whether it was 'on', and which run gave it."""

    monotonic: float
    on: bool
    run: str


@dataclass
class Standing:
    """The two boards in `folder`, running until `close`."""

    folder: Path
    _processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self) -> None:
        """Start their programs. Raises RuntimeError with a program's last words."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, chip in _CHIPS.items():
            command = [sys.executable, "-m", "hil.virtual", "esp32", "--chip", chip, "--dir", str(self.folder)]
            command += ["--name", name, "--speed", str(SPEED), "--follow-stdin"]
            with (self.folder / f"{name}.log").open("ab") as log:
                process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT
                )
            self._processes.append(process)
            assert process.stdout is not None
            ready, _, _ = select.select([process.stdout], [], [], READY_WITHIN)
            if not ready or not process.stdout.readline():
                raise RuntimeError(f"board {name} did not start; see {self.folder / f'{name}.log'}")

    def close(self) -> None:
        """End their programs."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(30)

    def rig(self, path: Path, artifacts: Path, credentials: Path) -> None:
        """Write a rig file for the two, whose runs leave their folders in `artifacts`."""
        lines = [f'name = "kills"\nartifacts = "{artifacts}"\n[gateway]\nname = "gateway.hil.test"\n']
        lines.append(f'[credentials]\ndirectory = "{credentials}"\n')
        for name, chip in _CHIPS.items():
            switch = f"{sys.executable} -S -E {SWITCH} {self.folder} {name}"
            orders = ", ".join(f'{word} = "{switch} {word}"' for word in ("on", "off", "status"))
            lines.append(
                f'[boards.{name}]\nchip = "{chip}"\nport = "{self._offered(name)["serial"]}"\nidle = "{IDLE[name]}"\n'
                f'contract = "{ROOT}/rigs/contracts/reference{"-5" if chip == "esp32c3" else ""}.toml"\n'
                f'wifi = {{ ssid = "hil-bench" }}\noff_time = 0.05\n'
                f'power = {{ kind = "command", {orders} }}\n'
            )
        path.write_text("\n".join(lines))

    def powered(self, name: str) -> bool:
        """Whether the board has its supply, as the board itself says."""
        answer = subprocess.run(
            [sys.executable, "-S", "-E", str(SWITCH), str(self.folder), name, "status"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        return answer.stdout.strip() == "on"

    def diary(self, name: str) -> list[Switched]:
        """What the board's switch did, in order."""
        path = self.folder / f"{name}.diary"
        lines = path.read_text().splitlines() if path.exists() else []
        return [Switched(**json.loads(line)) for line in lines]

    def _offered(self, name: str) -> dict[str, Any]:
        offered: dict[str, Any] = json.loads((self.folder / f"{name}.json").read_text())
        return offered
