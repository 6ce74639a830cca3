"""What a rig needs around it: an external broker, secrets, files, the host's clock, places to write to."""

from __future__ import annotations

import contextlib
import datetime
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

from hil.doctor.check import Case, Check
from hil.doctor.finding import Finding, fault, note, ok
from hil.doctor.listening import reach
from hil.rig_file import ExternalBroker
from hil.secret import MissingSecret, Secret

#: This file was written in 2026: a host clock before that is wrong, and every certificate it makes will be too.
_EARLIEST = 2026
#: The folder of the kept authority below `credentials.directory`: that one has the keys, what is around it need not be
#: private.
_AUTHORITY = "authority"


def _external_broker(case: Case) -> Iterator[Finding]:
    broker = case.rig.file.broker
    if isinstance(broker, ExternalBroker):
        yield reach(f"broker {broker.host}:{broker.port}", broker.host, broker.port)
        for name, secret in (("user name", broker.username), ("password", broker.password)):
            if isinstance(secret, Secret):
                yield _secret(f"broker {name}", secret)


def _wifi(case: Case) -> Iterator[Finding]:
    for board in case.boards:
        wifi = board.config.wifi
        for name, secret in (("SSID", wifi.ssid), ("password", wifi.password)) if wifi is not None else ():
            if isinstance(secret, Secret):
                yield _secret(f"{board.name} Wi-Fi {name}", secret)


def _secret(about: str, secret: Secret) -> Finding:
    try:
        secret.value(about)
    except MissingSecret:
        return fault(about, f"the environment variable {secret.env} is not set", f"export {secret.env}=...")
    return ok(about, f"from {secret.env}")


def _identity(case: Case) -> Iterator[Finding]:
    for board in case.boards:
        for key, value in board.config.identity if board.config.identity is not None else ():
            path = case.rig.resolve(value)
            if not path.is_file():
                yield fault(f"{board.name} identity.{key}", f"{path} does not exist", "correct identity in the rig")


def _clock(case: Case) -> Iterator[Finding]:
    now = datetime.datetime.now(datetime.UTC)
    if now.year < _EARLIEST:
        yield fault("clock", f"this host believes it is {now:%Y-%m-%d}", "sudo timedatectl set-ntp true")
        return
    synchronised = None
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        answer = subprocess.run(
            ["timedatectl", "show", "-p", "NTPSynchronized", "--value"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
        synchronised = answer.stdout.strip() or None
    if synchronised == "no":
        cure = "sudo timedatectl set-ntp true; boards are given this host's time"
        yield note("clock", f"{now:%Y-%m-%d %H:%M} UTC, not synchronised", cure)
    else:
        yield ok("clock", f"{now:%Y-%m-%d %H:%M} UTC" + (", synchronised" if synchronised else ""))


def _folders(case: Case) -> Iterator[Finding]:
    rig = case.rig
    yield _may_be_written("artifacts", rig.resolve(rig.file.artifacts), "artifacts")
    if rig.file.credentials.directory is not None:
        kept = rig.resolve(rig.file.credentials.directory)
        private = kept / _AUTHORITY
        if private.exists() and stat.S_IMODE(private.stat().st_mode) & 0o077:
            yield fault("credentials", f"{private} can be read by others", f"chmod -R go= {private}")
        else:
            yield _may_be_written("credentials", kept, "credentials.directory")


def _may_be_written(about: str, folder: Path, key: str) -> Finding:
    """Whether there can be files in a folder that may still have to be made."""
    existing = next(path for path in [folder, *folder.parents] if path.exists())
    cure = f"change {key} in the rig, or the owner of {existing}"
    if not existing.is_dir():
        return fault(about, f"{existing} is no folder", cure)
    if not os.access(existing, os.W_OK | os.X_OK):
        return fault(about, f"{existing} may not be written by this user", cure)
    return ok(about, str(folder))


CHECKS = (
    Check(
        "external-broker",
        "an external broker is reached, and its user name and password are there",
        "its address, the route, the firewall; `export NAME=...`",
        _external_broker,
    ),
    Check("wifi", "the environment variables for the boards' Wi-Fi are set", "`export NAME=...`", _wifi),
    Check("identity", "the files of each board's own credentials", "correct `identity` in the rig", _identity),
    Check(
        "clock",
        "this host's clock is right, and synchronised: boards are given its time",
        "`sudo timedatectl set-ntp true`",
        _clock,
    ),
    Check(
        "folders",
        "the artifacts folder and that of the kept authority may be written; nobody else may read the authority",
        "`artifacts`, `credentials.directory` in the rig, or the folder's owner; `chmod -R go=`",
        _folders,
    ),
)
