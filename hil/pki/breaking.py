"""Certificates of a hierarchy that are wrong on purpose: what one of its devices or servers would show."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hil.credentials import CredentialsError, Flaw, broken, store
from hil.credentials.issue import CLIENT_AUTH, COMMON_NAME_LENGTH
from hil.pki.bench import authority
from hil.pki.hierarchy import Pki
from hil.pki.shelf import ANCHORS, CHAIN, KEY


def write(pki: Pki, name: str, flaws: Iterable[Flaw], target: Path) -> list[Path]:
    """Make each flaw in a directory of its name in `target`; the directories. Raises CredentialsError.

    Issues the authorities of the device if they are not there yet; keeps nothing of what is broken.
    """
    entry = pki.plan.named(name)
    if entry.kind != "devices" or entry.issuer is None:
        raise CredentialsError(f"{entry.key}: expected a device (or server) that an authority of the file issues")
    issuer = authority(pki, [name], entry.issuer, [])
    common_name = entry.subject.get("CN", name)[:COMMON_NAME_LENGTH]
    made = []
    for flaw in flaws:
        if CLIENT_AUTH in entry.usage.extended:
            shown = broken.device(issuer, common_name, flaw)
            chain, key = shown.chain_pem, shown.key_pem
        else:
            identity = broken.server(issuer, entry.usage.names or (common_name,), flaw)
            chain, key = identity.chain_pem, identity.key_pem
        folder = target / flaw.value
        store.create(folder, {CHAIN: chain, KEY: key, ANCHORS: issuer.trust_anchors_pem})
        made.append(folder)
    return made
