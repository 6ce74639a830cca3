"""Runs to kill: programs of their own that take a bench's boards, say who they are, and go on until they are told.

python guarded.py hold RIG BOARD [--closed ...]               the locks alone, as `hil power` has them
python guarded.py bench RIG ARTIFACTS STATE                   a bench: flash, provision, board online
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from hil import rig as rigs
from hil.bench import Bench
from hil.guardian import mark
from hil.guardian.guardian import Watch, follow_parent
from hil.guardian.locks import locked
from hil.timeline import Event


def say(**facts: object) -> None:
    """A line of JSON for the test."""
    print(json.dumps({"pid": os.getpid(), "mark": os.environ.get(mark.VARIABLE), **facts}), flush=True)


def hold(rig: str, board: str, *words: str) -> None:
    """Have a board until standard input ends."""
    if "--worker" in words and not follow_parent(os.getppid()):
        sys.exit("left alone")
    # What a rig's secrets are is known after the start of a run at times: from a file, from a prompt.
    os.environ["LATE_SECRET"] = os.environ.pop("SECRET_TO_COME", "")
    with locked(rigs.load(Path(rig)).waiting(60 if "--wait" in words else None), [board], state=None):
        children = []
        if "--child" in words:
            children.append(subprocess.Popen(["sleep", "1000"], start_new_session=True).pid)
        if "--fork" in words and not (forked := os.fork()):
            time.sleep(1000)
        elif "--fork" in words:
            children.append(forked)
        if "--late" in words and not (forked := os.fork()):  # it takes its time to become what it is to be
            time.sleep(0.2)
            switching = f"echo on >> {Path(rig).with_name('relay')}; exec sleep 1000"
            os.execvpe("sh", ["sh", "-c", switching], mark.environment())
        elif "--late" in words:
            children.append(forked)
        say(guardian=Watch().pid, children=children)
        if "--worker" in words:  # its standard input ends with its parent, and says nothing
            time.sleep(1000)
        sys.stdin.read()
    if "--closed" in words:  # all is in order, and it goes on
        say(event="closed")
        time.sleep(1000)


def bench(rig: str, artifacts: str, state: str) -> None:
    """Open a bench, and say each event's source and kind as it comes."""
    with Bench(rigs.load(Path(rig)), artifacts=Path(artifacts), state=Path(state)) as opened:

        def tell(event: Event) -> None:
            if event.source in ("flash", "provision", "power"):
                print(json.dumps({"event": f"{event.source}.{event.kind}"}), flush=True)

        say(guardian=Watch().pid)
        opened.timeline.listen(tell)
        for board in opened.boards.values():
            opened.make_ready(board)
            board.power_cycle()
            board.wait_online()
        say(event="online")
        sys.stdin.read()


if __name__ == "__main__":
    # Whoever starts the tests with nohup has them, and all that they start, ignore it.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    {"hold": hold, "bench": bench}[sys.argv[1]](*sys.argv[2:])
