"""A switch worked by shell commands: a relay's tool, a network socket's URL with curl, whatever a bench has.

power = { kind = "command", on = "usbrelay BITFT_1=1", off = "usbrelay BITFT_1=0", status = "..." }
"""

from __future__ import annotations

import hashlib
import re
from typing import Literal

from hil.power import PowerError
from hil.power.outlet import OutletPower, Resolve, Seconds
from hil.process import Finished, run, shell

_WORDS = {"on": True, "1": True, "true": True, "off": False, "0": False, "false": False}
_WORD = re.compile(r"(?<![\w.])(on|off|true|false|1|0)(?![\w.])", re.IGNORECASE)


class CommandPower(OutletPower):
    """Runs `on` and `off`, each for at most `timeout` seconds.

    `status` prints on, off, 1, 0, true or false, also amid other text such as {"POWER":"ON"}; or it prints none of
    these and exits with 0 for on and 1 for off. Without it the state is not known and not read back.
    """

    kind: Literal["command"] = "command"
    on: str
    off: str
    status: str | None = None
    timeout: Seconds = 10.0

    @property
    def identity(self) -> str:
        """Two tables with the same commands are one outlet. Commands may hold what is not for all, so only a digest."""
        return f"command {hashlib.sha256(chr(0).join((self.on, self.off)).encode()).hexdigest()[:12]}"

    def outlet(self, resolve: Resolve) -> CommandOutlet:
        return CommandOutlet(self)


class CommandOutlet:
    """What the commands of one table switch."""

    def __init__(self, config: CommandPower) -> None:
        self._config = config

    def set(self, on: bool) -> None:
        command = self._config.on if on else self._config.off
        done = self._run(command)
        if done.code != 0:
            raise PowerError(f"`{command}` exited with {done.code}: {done.last_words}")

    def state(self) -> bool | None:
        status = self._config.status
        if status is None:
            return None
        done = self._run(status)
        said = {_WORDS[word.lower()] for word in _WORD.findall(done.output)}
        if len(said) == 1:
            return said.pop()
        if not said and done.code in (0, 1):
            return done.code == 0
        what = f"printed {done.output.strip()!r}" if said else f"exited with {done.code}: {done.last_words}"
        raise PowerError(f"status command `{status}` {what}; expected on or off, or exit code 0 or 1")

    def close(self) -> None:
        pass

    def _run(self, command: str) -> Finished:
        timeout = self._config.timeout
        done = run(shell(command), timeout=timeout)
        if done.ended != "exit":
            raise PowerError(
                f"`{command}` was not done after {timeout:g} s and has been ended; run it by hand, or give it more "
                "time (timeout)"
            )
        return done
