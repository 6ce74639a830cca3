"""Which names the name constraints above a certificate do not allow: RFC 5280, section 4.2.1.10."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from cryptography import x509

from hil.credentials.issue import constraint, general_name


def breaches(names: Iterable[str], permitted: Iterable[str], excluded: Iterable[str]) -> Iterator[str]:
    """Those of `names` that are excluded, or that are of a kind of which others are permitted alone."""
    allowed, forbidden = [constraint(p) for p in permitted], [constraint(e) for e in excluded]
    for name in names:
        made = general_name(name)
        same = [a for a in allowed if type(a) is type(made)]
        limited = same or any(type(f) is type(made) for f in forbidden)
        if limited and isinstance(made, x509.UniformResourceIdentifier) and not urlsplit(made.value).hostname:
            yield name  # nobody can say on which side of the limit it is, so it counts as outside
        elif any(_inside(made, f) for f in forbidden) or (same and not any(_inside(made, a) for a in same)):
            yield name


def _inside(name: x509.GeneralName, limit: x509.GeneralName) -> bool:
    if isinstance(name, x509.IPAddress) and isinstance(limit, x509.IPAddress):
        network = limit.value
        inside = isinstance(network, ipaddress.IPv4Network | ipaddress.IPv6Network)
        return inside and name.value.version == network.version and name.value in network  # type: ignore[operator]
    if type(name) is not type(limit):
        return False
    value, base = str(name.value).lower(), str(limit.value).lower()
    if isinstance(name, x509.DNSName):
        return value == base or value.endswith("." + base.lstrip("."))
    if isinstance(name, x509.RFC822Name) and "@" in base:
        return value == base
    host = value.rpartition("@")[2] if isinstance(name, x509.RFC822Name) else urlsplit(value).hostname or ""
    return host.endswith(base) if base.startswith(".") else host == base
