"""A kept hierarchy in the place of a bench's own authority."""

from __future__ import annotations

from collections.abc import Sequence

from hil.credentials import Authority, CredentialsError
from hil.pki.chains import Chains, self_signed
from hil.pki.constraints import breaches
from hil.pki.hierarchy import Pki
from hil.pki.plan import above


def authority(pki: Pki, devices: Sequence[str], name: str | None, servers: Sequence[str]) -> Authority:
    """The authority that issues the bench's server certificates, and revokes: `name`, or the one of the first device.

    What is described and not there yet is issued. Raises CredentialsError, also if name constraints forbid one of the
    `servers`' names.
    """
    issuers = [issuer for device in devices if (issuer := pki.plan.named(device).issuer) is not None]
    chosen = name or next(iter(issuers), None)
    if chosen is None:
        raise CredentialsError(f"{pki.plan.path}: no authority issues these devices; say credentials.authority")
    entry = pki.plan.named(chosen)
    if entry.kind != "authorities":
        raise CredentialsError(f"{entry.key}: found a device, expected an authority as credentials.authority")
    for limit in (entry, *above(entry, pki.plan.entries)):
        for server in breaches(servers, limit.usage.permitted, limit.usage.excluded):
            raise CredentialsError(
                f"{limit.key}.name_constraints: do not allow the gateway's name {server!r}; "
                "let another authority issue it: credentials.authority"
            )
    pki.issue([*devices, chosen])
    issued = pki.newest(entry)
    assert issued is not None
    chains = Chains(pki.shelf)
    uppers = chains.above(issued)
    top = issued if not uppers else next((a for a in chains.authorities if a.certificate == uppers[-1]), None)
    return Authority(
        pki.signed(top) if top is not None and top.has_key else uppers[-1],
        pki.signed(issued),
        shown=[c for c in (issued.certificate, *uppers) if not self_signed(c)],
        anchors=chains.anchors(),
    )
