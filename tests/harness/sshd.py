"""A real sshd of the tests' own, on 127.0.0.1: keys, configuration and port are its own, the user is who runs them."""

from __future__ import annotations

import contextlib
import getpass
import os
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or ""
MISSING = "" if SSHD and shutil.which("ssh") else "no openssh-server and openssh-client here: apt-get install both"

_SEPARATION = Path("/run/sshd")
"""Where sshd locks up its unprivileged part when root starts it; Debian's service makes it, and nothing else does."""

_CONFIG = """\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PermitUserRC no
PrintMotd no
AcceptEnv LANG LC_*
ClientAliveInterval {alive}
ClientAliveCountMax 2
"""


@dataclass(frozen=True)
class Sshd:
    """`folder`: keys and log. `process`: the listener; what serves a connection are children of it."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    def command(self, *remote: str, env: Sequence[str] = ()) -> list[str]:
        """`ssh -tt` with a command for the other side; `env`: NAME=VALUE that it sees there."""
        options = ("IdentitiesOnly=yes", "StrictHostKeyChecking=no", f"UserKnownHostsFile={self.folder}/known")
        quiet = ("LogLevel=ERROR", "SendEnv=-*")
        return [
            *("ssh", "-tt", "-F", "none", "-p", str(self.port), "-i", f"{self.folder}/user"),
            *(word for option in (*options, *quiet) for word in ("-o", option)),
            f"{getpass.getuser()}@127.0.0.1",
            shlex.join(["env", *env, *remote]),
        ]


@contextlib.contextmanager
def sshd(folder: Path, *, alive: int = 0) -> Iterator[Sshd]:
    """Serve until the end. `alive`: seconds after which a silent client is asked whether it is there; 0 never asks."""
    for name in ("host", "user"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / name)],
            check=True,
            stdin=subprocess.DEVNULL,
        )
    if os.geteuid() == 0:
        _SEPARATION.mkdir(mode=0o755, exist_ok=True)
    process, port = _listening(folder, alive)
    try:
        yield Sshd(folder, port, process)
    finally:
        process.kill()
        process.wait()


def _listening(folder: Path, alive: int) -> tuple[subprocess.Popen[bytes], int]:
    """Start it on a free port; on another where somebody took that in between."""
    for _ in range(5):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port: int = free.getsockname()[1]
        (folder / "config").write_text(_CONFIG.format(folder=folder, port=port, alive=alive))
        with (folder / "log").open("wb") as log:
            command = [SSHD, "-D", "-e", "-f", str(folder / "config")]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if "Server listening on" in (folder / "log").read_text():
                return process, port
            time.sleep(0.02)
        process.kill()
        process.wait()
    raise AssertionError((folder / "log").read_text())


def refused(server: Sshd) -> str | None:
    """Why this user may not come in here at all, as one with a locked account or without a shell; None if so."""
    tried = subprocess.run(server.command("true"), stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
    log = (server.folder / "log").read_text()
    reasons = [line for line in log.splitlines() if "not allowed" in line or "not available" in line]
    if tried.returncode and reasons:
        return f"sshd lets this user not in: {reasons[-1]}"
    assert tried.returncode == 0, f"{tried.stderr!r}\n{log}"
    return None
