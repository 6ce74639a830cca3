"""A gateway in a process of its own: so that what it takes can be measured, and taken away from it.

python gateway_process.py FOLDER runs one; `GatewayProcess` starts that and asks it nothing: what it saw is read from
its timeline's file.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
from certificates import client_context, pki
from gateway_bench import DEVICE, LIMIT, Device

from hil.background import Loop
from hil.gateway import Gateway, Limits, ServerIdentity
from hil.timeline import Event, Timeline, load

ROOT = Path(__file__).resolve().parent.parent.parent


def run(folder: Path) -> None:
    """Serve the boards 'a' and 'b' until standard input ends."""
    config = json.loads((folder / "config.json").read_text())
    if config["files"]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (config["files"], config["files"]))
    timeline, loop = Timeline(folder / "timeline.jsonl"), Loop()
    identity = ServerIdentity((folder / "server.crt").read_bytes(), (folder / "server.key").read_bytes())
    gateway = Gateway(
        timeline,
        loop,
        bind=config["bind"],
        boards={"a": 0, "b": 0},
        upstream=("127.0.0.1", config["upstream"]),
        server=identity,
        client_ca=(folder / "ca.crt").read_bytes(),
        limits=Limits(**config["limits"]),
    )
    gateway.start()
    print(json.dumps({board: gateway.endpoint(board) for board in "ab"}), flush=True)
    sys.stdin.read()
    gateway.close()
    loop.close()
    timeline.close()


class GatewayProcess:
    """A running gateway before the broker at `upstream`; `limits` as in hil.gateway.Limits, `files` as ulimit -n."""

    def __init__(
        self, folder: Path, upstream: int, *, bind: str = "127.0.0.1", files: int | None = None, **limits: Any
    ) -> None:
        self.folder = folder
        config = {"upstream": upstream, "bind": bind, "files": files, "limits": limits}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "server.crt").write_bytes(pki().server.chain_pem)
        (folder / "server.key").write_bytes(pki().server.key_pem)
        (folder / "ca.crt").write_bytes(pki().root.pem)
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self._process.stdout is not None
        self.endpoints = {board: tuple(at) for board, at in json.loads(self._process.stdout.readline()).items()}
        self.process = psutil.Process(self._process.pid)
        self.context = client_context(folder, device=DEVICE, trust=None, version=ssl.TLSVersion.TLSv1_3)
        self.left: list[socket.socket] = []

    def __enter__(self) -> GatewayProcess:
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self.left:
            sock.close()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            assert self._process.wait(LIMIT) == 0
        finally:
            self._process.kill()
            self._process.stdout.close()

    def device(self, board: str) -> Device:
        return Device(self.endpoints[board], self.folder, context=self.context)

    def raw(self, board: str) -> socket.socket:
        """A TCP connection that is closed at the end."""
        sock = socket.create_connection(self.endpoints[board], timeout=LIMIT)
        self.left.append(sock)
        return sock

    def memory(self) -> int:
        """Bytes of it that are in memory."""
        return int(self.process.memory_info().rss)

    def events(self, kind: str, board: str = "a") -> list[Event]:
        return [e for e in load(self.folder / "timeline.jsonl") if (e.kind, e.board) == (kind, board)]

    def wait_events(self, kind: str, count: int, board: str = "a") -> list[Event]:
        """The events of a kind, once the sum of their counts is `count`."""
        deadline = time.monotonic() + LIMIT
        while True:
            found = self.events(kind, board)
            if sum(e.get("count", 1) for e in found) >= count:
                return found
            assert time.monotonic() < deadline, f"{len(found)} of {count} {kind} of {board}"
            time.sleep(0.05)

    def wait_files(self, most: int) -> None:
        """Wait until no more than `most` of its file descriptors are in use."""
        deadline = time.monotonic() + LIMIT
        while (files := self.process.num_fds()) > most:
            assert time.monotonic() < deadline, f"{files} file descriptors are in use, not {most}"
            time.sleep(0.05)


if __name__ == "__main__":
    run(Path(sys.argv[1]))
