"""Stands for esptool in tests: does what the plan beside it says, one entry for each run, and notes how it was called.

The plan is a JSON list of {"say": text, "code": exit code, "hang": true, "read": text to write to the output file}.
A question for the chip's eFuses is no run of the plan: the answer is what efuses.bin holds, or that none is burned;
it says besides what who.txt holds.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def main() -> int:
    folder = Path(__file__).parent
    if "dump-mem" in sys.argv:
        burned = folder / "efuses.bin"
        Path(sys.argv[-1]).write_bytes(burned.read_bytes() if burned.exists() else bytes(28))
        who = folder / "who.txt"
        if who.exists():
            print(who.read_text())
        return 0
    calls = folder / "calls.jsonl"
    number = len(calls.read_text().splitlines()) if calls.exists() else 0
    contents = {}
    for word in sys.argv[1:]:
        if word.endswith("write.bin"):
            contents[word] = [Path(word).read_bytes().hex(), Path(word).stat().st_mode & 0o777]
    with calls.open("a") as out:
        note = {"argv": sys.argv[1:], "contents": contents, "pid": os.getpid(), "path": os.environ.get("PYTHONPATH")}
        out.write(json.dumps(note) + "\n")
    step = json.loads((folder / "plan.json").read_text())[number]
    print(step.get("say", ""), flush=True)
    if "read" in step:
        Path(sys.argv[-1]).write_text(step["read"])
    if step.get("hang"):
        time.sleep(600)
    return int(step.get("code", 0))


if __name__ == "__main__":
    sys.exit(main())
