"""A board's power as a dead run should leave it: told to the guardian by the run, done by the guardian.

What a duty holds is what the rig says, so it can be sent as JSON. A secret is in it as the name of its environment
variable, and its value beside that: it stays in the guardian's memory, and is nowhere else.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hil.power.outlet import OutletPower
    from hil.rig import Rig

Duty = Mapping[str, Any]
#: Seconds before what failed is tried once more.
_AGAIN = 0.3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one switch. `boards` are those on it. `fault` is None if it has been done, `at` when.

    `at`: seconds of time.monotonic() and since 1970. `own`: it is the boards' supply, and not what is around them.
    """

    boards: Sequence[str]
    state: str
    switch: str
    at: tuple[float, float]
    fault: str | None = None
    own: bool = True

    @property
    def words(self) -> str:
        """'esp32-a off', or why not."""
        names = " and ".join(self.boards)
        return f"{names} {self.state}" if self.fault is None else f"{names} not {self.state}: {self.fault}"


def duty(rig: Rig, name: str, state: Path | None) -> dict[str, Any] | None:
    """What to tell the guardian of board `name`; None if nothing can cut its power.

    `state`: the folder of the virtual board; None where nobody could be running it.
    """
    from hil.guardian.identity import mates
    from hil.power.outlet import OutletPower

    config = rig.boards[name].config
    told: dict[str, Any] = {"boards": [name, *mates(rig, name)], "idle": config.idle}
    if config.virtual is not None:
        if state is None:
            return None
        return told | {"key": name, "virtual": str((state / f"{name}.json").absolute())}
    return told | _outlet(rig, config.power) if isinstance(config.power, OutletPower) else None


def access_point(rig: Rig, name: str) -> dict[str, Any] | None:
    """What to tell the guardian of the access point that board `name` uses: to be on; None if nothing switches it."""
    from hil.power.outlet import OutletPower

    table = rig.boards[name].config.access_point
    if not isinstance(table, OutletPower):
        return None
    told = {"boards": [f"the access point of {name}"], "idle": "on", "around": True, **_outlet(rig, table)}
    return told | {"key": f"access point, {told['key']}"}


def _outlet(rig: Rig, table: OutletPower) -> dict[str, Any]:
    """What names an outlet to the guardian, and all that is needed to switch it."""
    return {
        "key": f"outlet {table.identity}",
        "table": [type(table).__module__, type(table).__qualname__],
        "config": table.model_dump(mode="json"),
        "folder": str(rig.path.parent),
        "secrets": {secret.env: os.environ[secret.env] for secret in table.secrets() if secret.env in os.environ},
    }


def prepare(told: Duty) -> None:
    """Import what a switch needs, in the background: at the death there is no time for it."""
    if "table" in told:
        threading.Thread(target=importlib.import_module, args=(told["table"][0],), daemon=True).start()


def switch(duties: Sequence[Duty], mark: str, seconds: float) -> list[Outcome]:
    """Switch all of them at once, and wait so many seconds for it; what does not answer by then is given up.

    A virtual board with this mark in its environment was the dead run's, and is left to end with it.
    """
    outcomes: dict[int, Outcome] = {}
    over = threading.Event()
    threads = [
        threading.Thread(
            target=_switch, args=(told, mark, outcomes, number, over), name=f"switching {told['key']}", daemon=True
        )
        for number, told in enumerate(duties)
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    over.set()
    late = f"no answer within {seconds:g} s"
    return [outcomes.get(number) or _outcome(told, late) for number, told in enumerate(duties)]


def _switch(told: Duty, mark: str, outcomes: dict[int, Outcome], number: int, over: threading.Event) -> None:
    """Nobody comes after this one, so what fails is tried once more: the run may just have been using the switch.

    Unless it is `over`: what was given up is not begun again behind the back of the next run.
    """
    fault = _tried(told, mark, over)
    if fault is not None and not over.wait(_AGAIN):
        fault = _tried(told, mark, over)
    outcomes[number] = _outcome(told, fault)


def _outcome(told: Duty, fault: str | None) -> Outcome:
    """What became of it, now."""
    now = time.monotonic(), time.time()
    return Outcome(told["boards"], told["idle"], _kind(told), now, fault, own="around" not in told)


def _tried(told: Duty, mark: str, over: threading.Event) -> str | None:
    """Switch; what went wrong, in one line, or None."""
    try:
        _set(told, mark, over)
    except Exception as error:  # whatever a switch does, the others and the locks must not wait for it
        fault = " ".join(str(error).split()) or type(error).__name__
        for secret in sorted(told.get("secrets", {}).values(), key=len, reverse=True):
            fault = fault.replace(secret, "[redacted]")
        return fault
    return None


def _set(told: Duty, mark: str, over: threading.Event) -> None:
    if "virtual" in told:
        _set_virtual(told, mark)
        return
    os.environ.update(told["secrets"])
    module = importlib.import_module(told["table"][0])
    from hil.power.outlet import switch_of

    config = getattr(module, told["table"][1]).model_validate(told["config"])
    folder = Path(told["folder"])
    board, *mates = told["boards"]
    made = switch_of(
        config.kind, config, lambda path: (folder / Path(path).expanduser()).resolve(), board=board, mates=mates
    )
    with contextlib.closing(made):
        if over.is_set():
            return
        made.on() if told["idle"] == "on" else made.off()


def _set_virtual(told: Duty, mark: str) -> None:
    from hil.guardian import children

    try:
        offered = json.loads(Path(told["virtual"]).read_text())
    except FileNotFoundError:
        return  # it has ended
    if children.has_mark(int(offered["pid"]), mark):
        return
    from hil.power import PowerError
    from hil.power.control_port import VirtualSwitch

    made = VirtualSwitch(offered["control"], offered["token"], board=told["boards"][0], timeout=2.0)
    try:
        made.on() if told["idle"] == "on" else made.off()
    except PowerError:
        if Path("/proc", str(offered["pid"])).exists():
            raise


def _kind(told: Duty) -> str:
    return "virtual" if "virtual" in told else str(told["config"]["kind"])
