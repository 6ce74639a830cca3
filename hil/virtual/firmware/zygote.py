"""The process that firmware processes are forked from: everything is imported once, so that a boot takes no time.

    python -m hil.virtual.firmware.zygote FD

FD is one end of a socket pair to the supervisor. Records of five bytes go over it: a letter and a number.

| from the supervisor        |                                                                             |
|----------------------------|-----------------------------------------------------------------------------|
| `F` 0 and a descriptor     | fork a core whose link is that descriptor; answer `P` and its process id     |
| `R` and a process id       | that core was killed: take its exit status                                   |

`P` 0 says once that the zygote is ready. A dead core stays a zombie until the supervisor's `R`, so the id that the
supervisor kills can never belong to another process. When the supervisor is gone (end of file), all cores are killed.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys

from hil.virtual.firmware.link import RECORD


def _run_core(link: socket.socket) -> None:
    """The child: run the firmware, and never come back."""
    from hil.virtual.firmware.start import run

    code = 1
    try:
        run(link)
        code = 0
    finally:
        os._exit(code)


def _serve(control: socket.socket) -> None:
    cores: set[int] = set()
    control.sendall(RECORD.pack(b"P", 0))
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, RECORD.size, 1)
        if len(data) < RECORD.size:
            break
        order, pid = RECORD.unpack(data)
        if order == b"F":
            child = os.fork()
            if child == 0:
                control.close()
                _run_core(socket.socket(fileno=descriptors[0]))
            os.close(descriptors[0])
            cores.add(child)
            control.sendall(RECORD.pack(b"P", child))
        elif order == b"R" and pid in cores:
            cores.discard(pid)
            os.waitpid(pid, 0)
    for child in cores:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def main(arguments: list[str]) -> int:
    """Import the firmware, then fork on demand until the supervisor is gone."""
    # Ctrl-C on a terminal reaches the whole group; whether a board loses its power is the supervisor's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import hil.virtual.firmware.start  # noqa: F401  (the point of this process)

    gc.collect()
    gc.freeze()  # or each child's first collection would copy every page (gc documentation)
    with contextlib.suppress(ConnectionError):
        _serve(socket.socket(fileno=int(arguments[0])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
