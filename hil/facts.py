"""What a run's folder says of its rig, its host and its tools: run.json, written as the bench opens.

It is written again when a tool has said its version, which nobody waits for (`hil.tools.versions`). Nothing secret goes
in: a rig names the variables that hold its secrets, and what somebody wrote into it all the same, under a key that
speaks of a secret or in an address, is blanked.
"""

from __future__ import annotations

import json
import os
import platform
import re
import ssl
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from hil.rig import Rig
from hil.toml import SECRET_KEY

FILE = "run.json"
FORMAT = 1
"""Of run.json; a higher one is of a later hil."""

_PACKAGES = (
    *("hil", "pytest", "pytest-timeout", "pytest-xdist", "esptool", "pyserial", "paho-mqtt", "cryptography"),
    *("pyOpenSSL", "pydantic", "littlefs-python", "amqtt", "gpiod"),
)
_IN_ADDRESS = re.compile(r"(?<=//)[^/\s@]+(?=@)")
"""What stands before the host in an address: a name and a password (RFC 3986 section 3.2.1)."""


def write(rig: Rig, folder: Path) -> dict[str, Any]:
    """Write run.json into the run's folder, and return what it says. Raises OSError."""
    told = facts(rig)
    put(told, folder)
    return told


def put(told: Mapping[str, Any], folder: Path) -> None:
    """Write run.json with this in it, for its owner alone; whole or not at all. Raises OSError."""
    text = json.dumps(told, indent=1, ensure_ascii=False, default=str)
    draft = folder / f".{FILE}.{os.getpid()}"
    with open(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(text + "\n")
    draft.replace(folder / FILE)


def facts(rig: Rig) -> dict[str, Any]:
    """`began` in seconds since 1970, `rig` as its file says with all defaults, `boards` with what they promise.

    `tools`: the programs that the bench runs, as `hil.tools.versions` tells them; none yet.
    """
    return {
        "format": FORMAT,
        "began": time.time(),
        "host": {
            "name": platform.node(),
            "system": platform.platform(),
            "processors": os.cpu_count(),
        },
        "versions": versions(),
        "tools": [],
        "rig": {"file": str(rig.path), **public(rig.file.model_dump(mode="json", exclude_none=True))},
        "boards": {
            name: {
                "chip": board.config.chip,
                "contract": board.contract.name,
                "contract_file": str(board.contract_path),
                "client_id": board.contract.mqtt.client_id,
                "power": board.config.power_kind,
                "where": f"virtual, speed {board.config.speed:g}" if board.config.virtual else str(board.config.port),
                "virtual": bool(board.config.virtual),
            }
            for name, board in rig.boards.items()
        },
    }


def versions() -> dict[str, str]:
    """Of Python, OpenSSL, and what of the packages is installed that a run depends on."""
    found = {"Python": platform.python_version(), "OpenSSL": ssl.OPENSSL_VERSION.removeprefix("OpenSSL ")}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def public(value: Any, key: str = "") -> Any:
    """A value of a rig without what looks like a secret; `{env = NAME}` is a name and stays.

    Of a shell command for a power switch the program alone is left: its arguments may hold anything.
    """
    if isinstance(value, Mapping):
        if value.get("kind") == "command":
            return {k: v if k == "kind" or not isinstance(v, str) else _program(v) for k, v in value.items()}
        return {k: public(v, str(k)) for k, v in value.items()}
    if isinstance(value, list):
        return [public(v, key) for v in value]
    if isinstance(value, str):
        return "[redacted]" if SECRET_KEY.search(key) else _IN_ADDRESS.sub("[redacted]", value)
    return value


def _program(command: str) -> str:
    words = command.split()
    return " ".join([*words[:1], *(["..."] if len(words) > 1 else [])])
