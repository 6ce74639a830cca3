"""A run that is to be killed: its process, its folder, and what is left of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.kills.moments import ACTIVITIES, How, Moment
from tests.kills.standing import ROOT, Standing

#: Seconds in which a run must come to its moment, or to its end.
PATIENCE = 180.0
#: The environment variable that all processes of a run have, whatever becomes of their parents.
MARK = "HIL_KILLS"
_GLANCE = 0.01


@dataclass
class Victim:
    """One run. `code`: how it ended by itself before its moment came, if it did."""

    number: int
    moment: Moment
    folder: Path
    process: subprocess.Popen[bytes]
    started: float
    died: float = 0.0
    code: int | None = None
    phase: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        return f"{self.number:04}"

    @classmethod
    def start(cls, number: int, moment: Moment, standing: Standing, folder: Path) -> Victim:
        """Start it, with `folder` as its own."""
        folder.mkdir(parents=True)
        rig = folder / "rig.toml"
        standing.rig(rig, folder / "runs", credentials=standing.folder / "credentials")
        program, *options = ACTIVITIES[moment.activity]
        command = [sys.executable, "-m", "hil.cli" if program == "hil" else program, *options, "--rig", str(rig)]
        marks = {MARK: folder.name, "HIL_HISTORY": "off", "HIL_LOCKS": str(standing.folder / "locks")}
        with (folder / "output").open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **marks},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # As the leader of a group: a runner's shell kills the whole of it.
                start_new_session=True,
            )
        return cls(number, moment, folder, process, time.monotonic())

    def die(self) -> None:
        """Wait for the moment, and kill it. Raises TimeoutError if the moment does not come."""
        moment = self.moment
        came = self._await(moment.trigger, moment.nth) if moment.trigger else self.started
        while self.process.poll() is None and time.monotonic() < came + moment.delay:
            time.sleep(_GLANCE)
        if self.process.poll() is None:
            self.phase = self._phase()
            self._strike(moment.how)
            self.process.wait(PATIENCE)
        else:
            self.code = self.process.returncode
            self.phase = "ended before"
        self.died = time.monotonic()

    def _await(self, trigger: str, nth: int) -> float:
        """The monotonic time at which the event came, or the run ended without it."""
        while time.monotonic() < self.started + PATIENCE:
            ended = self.process.poll() is not None
            if ended or sum(event == trigger for event, _ in self.events()) >= nth:
                return time.monotonic()
            time.sleep(_GLANCE)
        raise TimeoutError(f"{self.moment}: it came to neither the moment nor an end within {PATIENCE:g} s")

    def _strike(self, how: How) -> None:
        if how == "kill the group":
            os.killpg(self.process.pid, signal.SIGKILL)
        else:
            numbers = {"kill": signal.SIGKILL, "terminate": signal.SIGTERM, "interrupt": signal.SIGINT}
            self.process.send_signal(numbers[how])

    def _phase(self) -> str:
        """What the run is doing now, by its timeline: 'flash', 'provision', 'boards work', 'opening'."""
        seen = [event for event, _ in self.events()]
        for what in ("flash", "provision"):
            if seen.count(f"{what} start") > seen.count(f"{what} done") + seen.count(f"{what} failed"):
                return what
        return "boards work" if any(event == "power on" for event in seen) else "opening"

    # -- what it leaves --------------------------------------------------------------------------------------------

    def timelines(self) -> list[Path]:
        """The files of its timelines, its workers' among them."""
        return sorted((self.folder / "runs").rglob("timeline.jsonl"))

    def events(self) -> Iterator[tuple[str, str | None]]:
        """'source kind' and board of each event so far."""
        for path in self.timelines():
            for line in path.read_bytes().splitlines():
                try:
                    event = json.loads(line)
                except ValueError:
                    continue  # half written, yet
                yield f"{event['source']} {event['kind']}", event["board"]

    def torn(self) -> list[str]:
        """The files of JSON lines that it left with a line cut off."""
        files = [*self.timelines(), *(self.folder / "runs").rglob("results.jsonl")]
        return [str(path.relative_to(self.folder)) for path in files if _is_torn(path.read_bytes())]

    def processes(self) -> dict[int, str]:
        """The processes of this run that are there: what they are called by their process ids."""
        mark = f"{MARK}={self.folder.name}".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if mark in (entry / "environ").read_bytes().split(b"\0"):
                        found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:120]
                except OSError:
                    continue
        return found

    def last_words(self) -> str:
        """The end of what it printed."""
        return "\n".join((self.folder / "output").read_text(errors="replace").splitlines()[-25:])


def _is_torn(text: bytes) -> bool:
    if text and not text.endswith(b"\n"):
        return True
    try:
        for line in text.splitlines():
            json.loads(line)
    except ValueError:
        return True
    return False
