"""A switch worked by shell commands: a relay's tool, a network socket's URL with curl, whatever a bench has.

power = { kind = "command", on = "usbrelay BITFT_1=1", off = "usbrelay BITFT_1=0", status = "..." }
"""

from __future__ import annotations

import re

from hil.power import PowerError, check, record
from hil.process import Finished, run, shell
from hil.timeline import Timeline

_WORDS = {"on": True, "1": True, "true": True, "off": False, "0": False, "false": False}
_WORD = re.compile(r"(?<![\w.])(on|off|true|false|1|0)(?![\w.])", re.IGNORECASE)


class CommandSwitch:
    """Runs `on` and `off`, each for at most `timeout` seconds.

    `status` prints on, off, 1, 0, true or false, also amid other text such as {"POWER":"ON"}; or it prints none of
    these and exits with 0 for on and 1 for off. Without it the state is not known and not read back.
    """

    kind = "command"
    can_cut = True

    def __init__(
        self,
        on: str,
        off: str,
        status: str | None = None,
        *,
        timeout: float = 10.0,
        board: str,
        timeline: Timeline | None = None,
    ) -> None:
        self._on = on
        self._off = off
        self._status = status
        self._timeout = timeout
        self._board = board
        self._timeline = timeline

    def on(self) -> None:
        record(self._timeline, "on", self._board, self.kind)
        self._switch(self._on)
        check(self, self._board, True)

    def off(self) -> None:
        self._switch(self._off)
        check(self, self._board, False)
        record(self._timeline, "off", self._board, self.kind)

    def is_on(self) -> bool | None:
        if self._status is None:
            return None
        done = self._run(self._status)
        said = {_WORDS[word.lower()] for word in _WORD.findall(done.output)}
        if len(said) == 1:
            return said.pop()
        if not said and done.code in (0, 1):
            return done.code == 0
        what = f"printed {done.output.strip()!r}" if said else f"exited with {done.code}: {done.last_words}"
        raise self._error(f"status command `{self._status}` {what}; expected on or off, or exit code 0 or 1")

    def close(self) -> None:
        pass

    def _switch(self, command: str) -> None:
        done = self._run(command)
        if done.code != 0:
            raise self._error(f"`{command}` exited with {done.code}: {done.last_words}")

    def _run(self, command: str) -> Finished:
        done = run(shell(command), timeout=self._timeout)
        if done.ended != "exit":
            raise self._error(
                f"`{command}` was not done after {self._timeout:g} s and has been ended; run it by hand, or give it "
                "more time (timeout)"
            )
        return done

    def _error(self, what: str) -> PowerError:
        text = f"power of {self._board}: {what}"
        return PowerError(text if self._timeline is None else self._timeline.redacted(text))
