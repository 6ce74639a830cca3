"""The policies of known brokers, one TOML file each, and the loader of these and of files of one's own.

    gateway.set_policy(policies.load("eventgrid", topics=Namespace(("devices/{client_id}/#",))), "esp32-a")
    policies.load(Path("rigs/our-broker.toml"))

The form of the files is in schema.py; docs/policies.md tells how to write one.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Final

from hil.gateway.namespace import Topics
from hil.gateway.policies.schema import PolicyFile, TopicsTable, to_policy
from hil.gateway.policy import Policy
from hil.toml import FileError, read

__all__ = ["TopicsTable", "load", "names", "path_of"]

_FOLDER: Final = Path(__file__).parent


def names() -> list[str]:
    """The policies that come with hil."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def path_of(policy: str | Path) -> Path:
    """The file of a policy: one that comes with hil by its name, any other by its path ('/' in it, or '.toml' at the
    end). Raises ValueError for a name that there is not."""
    if isinstance(policy, Path) or "/" in policy or policy.endswith(".toml"):
        return Path(policy).expanduser()
    if policy in names():
        return _FOLDER / f"{policy}.toml"
    near = difflib.get_close_matches(policy, names(), n=1)
    meant = f"did you mean {near[0]!r}?" if near else "write a path for a file of your own"
    raise ValueError(f"found policy {policy!r}, expected one of {', '.join(names())}; {meant}")


def load(policy: str | Path, topics: Topics | None = None) -> Policy:
    """The policy of this name, or in this file; with `topics` in place of the file's own, if given.

    Raises ValueError for a name that there is not, FileError (a ValueError, one line a fault) for a faulty file.
    """
    path = path_of(policy)
    made, faults = to_policy(read(path, PolicyFile))
    if made is None:
        raise FileError(path, faults)
    return made if topics is None else made.with_topics(topics)
