"""Makes the folder of a run as a bench and pytest leave it, without either: for tests of reports and history."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hil import facts, rig
from hil.report import results
from hil.report.verdicts import BOARD, FINDING, SCENARIO, WARNING
from hil.run_folder import worker_folder
from hil.timeline import Timeline

RIG = rig.load(Path(__file__).parents[2] / "rigs" / "virtual.toml")


@dataclass
class Told:
    """As much of a pytest.TestReport as results need."""

    nodeid: str
    when: str | None = "call"
    failed: bool = False
    skipped: bool = False
    duration: float = 0.0
    longrepr: object = None
    user_properties: list[tuple[str, object]] = field(default_factory=list)
    sections: list[tuple[str, str]] = field(default_factory=list)


class RunFolder:
    """A run in the making. `worker`: the name of a pytest-xdist worker, whose bench has a folder of its own inside."""

    def __init__(self, folder: Path, worker: str | None = None) -> None:
        self.folder = folder
        self.worker = worker
        self.bench = worker_folder(folder, worker) if worker else folder
        self.bench.mkdir(parents=True, exist_ok=True)
        facts.write(RIG, self.bench)
        self.timeline = Timeline(self.bench / "timeline.jsonl")
        self.writer = results.Writer()

    def test(
        self, name: str, *phases: dict[str, Any], board: str = "esp32-a", scenario: str = "", about: str = ""
    ) -> None:
        """Write the results of a test's phases; each a dict of what differs from a passed call of no length.

        `since`: the monotonic time at which a phase began that ends now.
        """
        for phase in phases or ({"when": "setup"}, {}, {"when": "teardown"}):
            told = Told(
                f"tests/scenarios/test_it.py::{name}",
                **{k: v for k, v in phase.items() if k not in ("text", "sections", "since")},
            )
            told.user_properties += [(BOARD, board), (SCENARIO, scenario or name)]
            about_it = {
                **{"test": told.nodeid, "name": name, "board": board, "scenario": scenario or name, "about": about},
                **{"file": "tests/scenarios/test_it.py", "line": 6, "groups": ["mqtt"], "worker": self.worker},
                **{"broker": "mosquitto at 127.0.0.1:1883", "artifacts": str(self.folder)},
            }
            account = results.account(
                told,
                about=about_it,
                sections=phase.get("sections", ()),
                text=phase.get("text", ""),
                redacted=self.timeline.redacted,
            )
            if "since" in phase:  # to the microsecond, however long this process was held up on the way here
                account |= {"began": phase["since"], "seconds": account["ended"] - phase["since"]}
            setattr(told, results.ACCOUNT, account)
            self.writer.add(told)

    def close(self) -> Path:
        """All is written; returns the run's folder."""
        self.timeline.close()
        self.writer.close()
        return self.folder


def failing_run(folder: Path, worker: str | None = None) -> Path:
    """A run of two boards with each verdict; esp32-a is cut off for its will, again and again, and fails for that."""
    run = RunFolder(folder, worker)
    run.timeline.redact("swordfish")
    began = time.monotonic()
    contract = RIG.boards["esp32-a"].contract
    run.timeline.record("broker", "started", None, kind="mosquitto", version="2.0.11", port=1883)
    run.timeline.record("board", "contract", "esp32-a", **contract.promises())
    run.timeline.record("flash", "firmware", "esp32-a", **_FIRMWARE)
    run.timeline.record("provision", "done", "esp32-a", method="nvs", subject="CN=esp32-a", serial="5d12", seconds=1.0)
    run.timeline.record("test", "start", "esp32-a", name="test_will[esp32-a]")
    run.timeline.record("power", "on", "esp32-a", switch="virtual")
    for connection in range(1, 4):
        _cut_off(run.timeline, connection)
    run.test(
        "test_will[esp32-a]",
        {"when": "setup", "since": began},
        {
            "failed": True,
            "text": "def test_will(board):\n>       assert False\nE       AssertionError: no will <swordfish>",
        },
        {"when": "teardown"},
        scenario="last will after a power cut",
        about="After a power cut the broker publishes the will.",
    )
    run.test(
        "test_warns[esp32-a]", {"when": "setup"}, {"user_properties": [(WARNING, "it stutters")]}, {"when": "teardown"}
    )
    run.test("test_finds[esp32c3-a]", {"user_properties": [(FINDING, "it has four <b>wheels</b>")]}, board="esp32c3-a")
    reason = ("f", 1, "Skipped: not applicable: the broker cannot do telepathy")
    run.test("test_applies[esp32c3-a]", {"when": "setup", "skipped": True, "longrepr": reason}, board="esp32c3-a")
    run.test("test_errs[esp32-a]", {"when": "setup", "failed": True, "text": "E  port \x00 gone"})
    run.test("test_is_cut_short[esp32-a]", {"when": "setup"})
    return run.close()


def whole_life(folder: Path, worker: str | None = None) -> Path:
    """Two boards that are flashed side by side; each has a test; then the run is killed."""
    run = RunFolder(folder, worker)
    record = run.timeline.record
    record("broker", "started", None, kind="mosquitto", version="2")
    for board in ("esp32-a", "esp32c3-a"):
        record("power", "on", board, switch="virtual")
        record("flash", "start", board, images=1)
    record("flash", "done", "esp32-a", seconds=1.0)
    for board in ("esp32-a", "esp32c3-a"):
        began = record("test", "start", board, name=f"test_it[{board}]").monotonic
        record("console", "line", board, text="in the test")
        record("broker", "log", None, text=f"during the test of {board}")
        end = record("test", "end", board, name=f"test_it[{board}]").monotonic
        run.test(f"test_it[{board}]", board=board)
        _at(run, board, began, end)
        record("flash", "progress", "esp32-a", text="between")
    record("flash", "done", "esp32c3-a", seconds=1.0)
    record("broker", "stopped", None, expected=True)
    record("guardian", "ended", None, why="killed", pid=1)
    return run.close()


def _at(run: RunFolder, board: str, began: float, ended: float) -> None:
    """Have the result of the board's `test_it` lie at these times."""
    file = run.folder / "results.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines:
        if line["name"] == f"test_it[{board}]":
            line |= {"began": began if line["phase"] == "setup" else ended, "ended": ended}
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))


def _cut_off(timeline: Timeline, connection: int) -> None:
    will = {"topic": "elsewhere/status", "payload": b"offline", "qos": 1, "retain": True}
    rows: list[tuple[str, dict[str, Any]]] = [
        ("accept", {"connection": connection, "peer": "127.0.0.1:5"}),
        ("tls", {"connection": connection, "version": "TLSv1.2", "subject": "CN=esp32-a", "serial": "5d12"}),
        (
            "connect",
            {
                **{"connection": connection, "client_id": "esp32-a", "version": "3.1.1", "clean": True},
                **{"keep_alive": 2, "username": None, "will": will},
            },
        ),
        ("connack", {"connection": connection, "code": 0, "session_present": False}),
        (
            "denied",
            {
                "connection": connection,
                "what": "will",
                "topic": "elsewhere/status",
                "rule": "namespace",
                "action": "disconnect",
            },
        ),
        ("close", {"connection": connection, "by": "gateway", "how": "reset", "seconds": 0.1}),
    ]
    timeline.record_all("gateway", "esp32-a", rows)
    timeline.record_lines("console", "line", "esp32-a", "E (120) mqtt: connect failed\npassword swordfish")


_FIRMWARE: dict[str, Any] = {
    **{"sha256": "ab" * 32, "project": "x", "version": "1.0.0", "built": None},
    "images": [{"file": "app.bin", "offset": 65536, "bytes": 4, "sha256": "cd" * 32}],
}
