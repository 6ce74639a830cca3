"""A real snmpd with one outlet: a `pass` script that keeps its value in a file."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OID = ".1.3.6.1.4.1.99999.4.4"
#: The privacy passphrase of the version 3 user `ops`, whose other passphrase is the community.
PRIVACY = "for-your-eyes-only"

# snmpd.conf(5), pass: -g OID prints OID, type and value; -s OID TYPE VALUE sets; nothing printed: no such instance.
_SCRIPT = f"""#!/bin/sh
[ "$2" = {OID}.1 ] || exit 0
case "$1" in -s) echo "$4" > {{folder}}/value;; -g) echo $2; echo integer; cat {{folder}}/value;; esac
"""


@contextmanager
def agent(folder: Path, community: str) -> Iterator[int]:
    """Run snmpd for the time of the block; yields its UDP port on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = folder / "outlet"
    script.write_text(_SCRIPT.format(folder=folder))
    script.chmod(0o755)
    (folder / "value").write_text("2\n")
    users = f"createUser ops SHA {community} AES {PRIVACY}\nrwuser ops priv\n"
    (folder / "snmpd.conf").write_text(
        f"rwcommunity {community} 127.0.0.1\nrocommunity readers 127.0.0.1\n{users}pass {OID} /bin/sh {script}\n"
    )
    command = ["/usr/sbin/snmpd", "-f", "-Lo", "-C", "-c", str(folder / "snmpd.conf"), "-r"]
    process = subprocess.Popen(
        [*command, f"udp:127.0.0.1:{port}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"SNMP_PERSISTENT_DIR": str(folder), "PATH": "/usr/bin:/bin"},
    )
    try:
        assert process.stdout is not None
        deadline = time.monotonic() + 20
        for line in process.stdout:
            if "NET-SNMP version" in line or time.monotonic() > deadline:
                break
        yield port
    finally:
        process.terminate()
        process.wait(20)
