"""What a device's chain of certificates shows, as PEM: whether a broker that knows its root can build it.

It tells what a device's log leaves open: 'unknown ca' is a chain without its intermediate, or one whose intermediate
may not sign, or an authority that the broker does not know. Private keys beside it are taken out before it is read.
"""

from __future__ import annotations

import re
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hil.cases.proposing.chains import flaw_of
from hil.cases.proposing.sighting import Sighting

_BLOCK: Final = re.compile(
    r"-----BEGIN (?P<what>[A-Z0-9 ]+)-----(?P<body>.*?)(?:-----END (?P=what)-----|\[redacted\])", re.DOTALL
)
_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def is_chain(text: str) -> bool:
    """Whether a text is certificates for the most part, and no log that prints one."""
    if _CERTIFICATE.search(text) is None:
        return False
    return 2 * len("".join(_BLOCK.sub("", text).split())) < len("".join(text.split()))


def look(name: str, text: str, when: float) -> tuple[list[Sighting], dict[str, str]]:
    """What the chain in `name` shows at a time (seconds since 1970), and what it tells of the device's credentials.

    A certificate that cannot be read is one that the device cannot use.
    """
    lines = text.count("\n", 0, text.find("-----BEGIN CERTIFICATE-----")) + 1
    where = (f"{name}:{lines}",)
    try:
        chain = [x509.load_pem_x509_certificate(block.encode()) for block in _CERTIFICATE.findall(text)]
    except ValueError:
        words = "a certificate in it cannot be read"
        return [Sighting(what="damaged-certificate", sure=0.8, words=words, where=where)], {}
    leaf = chain[0]
    told = f"{leaf.subject.rfc4514_string()}, issued by {leaf.issuer.rfc4514_string()}, of {len(chain)} certificate(s)"
    facts = {"credentials": f"{told}, good until {leaf.not_valid_after_utc:%Y-%m-%d}"}
    if _is_authority(leaf):
        return [], {"credentials": f"{told}, which is an authority: a device's chain begins with its own certificate"}
    flaw = flaw_of([certificate.public_bytes(Encoding.DER) for certificate in chain], when)
    if flaw is None:
        return [], facts
    words = f"the device's chain: {flaw}"
    details = {"flaw": flaw}
    return [Sighting(what="client-certificate-refused", sure=0.85, words=words, where=where, details=details)], facts


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return False
