"""`littlefs_merge.settle` in a process of its own.

littlefs's library is C, and checks what must never be by assertions: a damaged file system that still has right sums
(an older state of a directory, for one) can end the process. So the process is one that may end.

What goes in and comes out is a line of JSON and the bytes behind it, on standard input and output: no key is in the
arguments, or in a file.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict

from hil.provision.littlefs_merge import Geometry, Unusable, Wanted
from hil.provision.littlefs_merge import settle as settle_here

#: Seconds for what takes a tenth of one: a damaged file system may have the library run in circles.
TIMEOUT = 60.0
_CURE = "erase the partition"


def settle(
    flash: bytes, before: bytes | None, changes: Mapping[str, bytes | None], geometry: Geometry, *, format: bool
) -> Wanted:
    """See `littlefs_merge.settle`. Raises Unusable, also where the library gives up."""
    head = {
        "geometry": asdict(geometry),
        "format": format,
        "flash": len(flash),
        "before": before is not None,
        "changes": {path: None if data is None else data.hex() for path, data in changes.items()},
    }
    given = json.dumps(head).encode() + b"\n" + flash + (before or b"")
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__], input=given, capture_output=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unusable(f"its LittleFS is damaged: the library was not done in {TIMEOUT:g} s; {_CURE}") from None
    line, _, image = done.stdout.partition(b"\n")
    if done.returncode or not line:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        last = words[-1][:200] if words else f"exit code {done.returncode}"
        raise Unusable(f"its LittleFS is damaged: the library gave up ({last}); {_CURE}")
    said = json.loads(line)
    if said["unusable"] is not None:
        raise Unusable(said["unusable"])
    return Wanted(image, tuple(said["last"]), geometry.block_size, said["from_before"])


def main() -> None:
    """The other end."""
    line, _, rest = sys.stdin.buffer.read().partition(b"\n")
    asked = json.loads(line)
    size = asked["flash"]
    changes = {path: None if data is None else bytes.fromhex(data) for path, data in asked["changes"].items()}
    said: dict[str, object] = {"unusable": None}
    image = b""
    try:
        wanted = settle_here(
            rest[:size],
            rest[size:] if asked["before"] else None,
            changes,
            Geometry(**asked["geometry"]),
            format=asked["format"],
        )
    except Unusable as error:
        said["unusable"] = str(error)
    else:
        said |= {"last": wanted.last, "from_before": wanted.from_before}
        image = wanted.image
    sys.stdout.buffer.write(json.dumps(said).encode() + b"\n" + image)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
