"""The device end of the benchmark's pty: `burst N` is answered by N bytes of log and a marker, `ping K` by `pong K`.

Started by benchmarks/console.py with the file descriptor of a pty's master side as argument; stdlib only. Every tool
under test talks to this same program, so that all that differs between two rows of the table is the tool.
"""

from __future__ import annotations

import os
import sys

MARKER = b"end of the burst"


def payload(size: int) -> bytes:
    """Exactly `size` bytes of numbered lines, 91 bytes each on average, as a chatty firmware prints them."""
    lines = []
    total = 0
    number = 0
    while total < size:
        line = b"I (%d) sensor: reading %08d of the thermometer at the north end: 21.%02d C, ok\r\n" % (
            number * 13,
            number,
            number % 100,
        )
        lines.append(line)
        total += len(line)
        number += 1
    return b"".join(lines)[: size - 2] + b"\r\n"


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view[:65536]) :]


def main() -> None:
    fd = int(sys.argv[1])
    prepared: dict[int, bytes] = {}
    pending = b""
    while True:
        try:
            data = os.read(fd, 4096)
        except OSError:
            return
        if not data:
            return
        pending += data
        *commands, pending = pending.split(b"\n")
        for command in commands:
            word, _, rest = command.strip().partition(b" ")
            if word == b"ping":
                write_all(fd, b"pong " + rest + b"\r\n")
            elif word == b"prepare":
                prepared[int(rest)] = payload(int(rest)) + MARKER + b"\r\n"
                write_all(fd, b"prepared\r\n")
            elif word == b"burst":
                write_all(fd, prepared[int(rest)])
            elif word == b"quit":
                return


if __name__ == "__main__":
    sys.exit(main())
