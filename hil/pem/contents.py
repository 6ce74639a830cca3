"""What is wrong with what the blocks hold: chains out of order or with gaps, keys that fit nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from hil.credentials.store import is_signed_by
from hil.pem.block import Block
from hil.sources import Kind

#: A complaint: the rule's name, and what was found in so many words.
Complaint = tuple[str, str]


@dataclass(slots=True)
class Item:
    """One block, where it stands, and what it holds: a certificate, or the public half of a private key."""

    block: Block
    file: str
    constant: int
    certificate: x509.Certificate | None = None
    public: bytes | None = field(default=None, repr=False)
    key: bool = False
    complaints: list[Complaint] = field(default_factory=list)

    @property
    def place(self) -> tuple[str, int]:
        """The constant that it belongs to."""
        return self.file, self.constant


def read(item: Item) -> None:
    """Fill in what the block holds, or complain that it is not what its label says."""
    found, contents = item.block.found, item.block.contents()
    item.key = found.kind is Kind.PRIVATE_KEY
    if contents is None:
        return
    if found.label == "ENCRYPTED PRIVATE KEY" or item.block.headers:
        item.complaints.append(("encrypted-key", "its password is not known here"))
        return
    try:
        if found.kind is Kind.CERTIFICATE:
            item.certificate = x509.load_der_x509_certificate(contents)
            item.public = _public(item.certificate.public_key())
        elif item.key and not _right_form(found.label, contents):
            raise ValueError
        elif item.key:
            private = serialization.load_der_private_key(contents, None)
            item.public = _public(private.public_key())
    except UnsupportedAlgorithm:  # a curve or kind of key that only the device's stack may know
        return
    except (ValueError, TypeError):
        item.complaints.append(("unreadable", f"a {found.label} was expected"))


def judge(items: list[Item]) -> None:
    """Complain of what shows only when all the blocks of a run are seen together."""
    constants: dict[tuple[str, int], list[Item]] = {}
    for item in items:
        constants.setdefault(item.place, []).append(item)
    known = [item.certificate for item in items if item.certificate]
    for together in constants.values():
        chain = [item for item in together if item.certificate]
        _duplicates(chain)
        _order(chain)
        _gaps(chain, known, {item.public for item in items if item.key and item.public})
    _signers([item for item in items if item.certificate])
    _keys(items)


def order(chain: list[x509.Certificate]) -> list[int] | None:
    """The places of a device's chain in the right order, or None where these certificates are no such chain."""
    leaves = [n for n, certificate in enumerate(chain) if not _ca(certificate)]
    if len(leaves) != 1 or len(chain) < 2:
        return None
    found = leaves
    while len(found) < len(chain):
        following = [n for n, c in enumerate(chain) if n not in found and is_signed_by(chain[found[-1]], c)]
        if not following:
            return None
        found = [*found, following[0]]
    return found


def _duplicates(chain: list[Item]) -> None:
    seen: list[x509.Certificate] = []
    for item in chain:
        if item.certificate in seen:
            item.complaints.append(("duplicate", _name(item)))
        elif item.certificate:
            seen.append(item.certificate)


def _order(chain: list[Item]) -> None:
    right = order([item.certificate for item in chain if item.certificate])
    if right is None:
        return
    wrong = next((n for n, place in enumerate(right) if n != place), None)
    if wrong is not None:
        names = ", ".join(_name(chain[n]) for n in right)
        chain[wrong].complaints.append(("wrong-order", f"the right order is {names}"))


def _gaps(chain: list[Item], known: list[x509.Certificate], keys: set[bytes]) -> None:
    """Follow each device's certificate up; what is not in the same constant is missing where it can be known."""
    here = [item.certificate for item in chain if item.certificate]
    for item in chain:
        leaf = item.certificate
        if leaf is None or _ca(leaf) or is_signed_by(leaf, leaf):
            continue
        top, path = leaf, [leaf]
        while above := next((c for c in here if c not in path and is_signed_by(top, c)), None):
            top = above
            path.append(above)
        elsewhere = next((c for c in known if c != top and is_signed_by(top, c)), None)
        if is_signed_by(top, top) or (elsewhere and is_signed_by(elsewhere, elsewhere)):
            continue
        if elsewhere:
            words = f"{_name(item)} stands without {_subject(elsewhere)}, which is another constant's"
            item.complaints.append(("missing-intermediate", words))
        elif top is leaf and len(here) > 1 and item.public in keys:
            words = f"no certificate beside {_name(item)} has issued it; {_issuer(leaf)} has"
            item.complaints.append(("missing-intermediate", words))
        elif top is leaf:
            item.complaints.append(("issuer-unknown", f"{_name(item)}, issued by {_issuer(leaf)}"))


def _signers(items: list[Item]) -> None:
    for item in items:
        issuer = item.certificate
        if issuer is None or _may_sign(issuer):
            continue
        others = (other for other in items if other.certificate and other.certificate != issuer)
        signed = next(
            (other for other in others if other.certificate and is_signed_by(other.certificate, issuer)), None
        )
        if signed:
            item.complaints.append(("issuer-may-not-sign", f"{_name(item)}, which has issued {_name(signed)}"))


def _keys(items: list[Item]) -> None:
    """Keys without a certificate, where there is a device's certificate without a key too."""
    certified = {item.public for item in items if item.certificate}
    keys = {item.public for item in items if item.key}
    widows = [item for item in items if item.certificate and not _ca(item.certificate) and item.public not in keys]
    for item in items:
        if item.key and item.public and item.public not in certified and widows:
            item.complaints.append(("key-mismatch", f"it is not that of {_name(widows[0])}"))


def _right_form(label: str, contents: bytes) -> bool:
    """Whether a key is PKCS#8 where the label says so, and of its own kind's form elsewhere: mbedTLS tries no other."""
    algorithm_follows = contents[contents.find(b"\x02\x01") + 3 :][:1] == b"\x30"
    return algorithm_follows == (label == "PRIVATE KEY")


def _ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return certificate.issuer == certificate.subject


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        extensions = certificate.extensions
        ca = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False
    try:
        return ca and extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return ca


def _public(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _shown(name: x509.Name) -> str:
    return "".join(c if c.isprintable() else "?" for c in name.rfc4514_string()) or "a certificate without a name"


def _subject(certificate: x509.Certificate) -> str:
    return _shown(certificate.subject)


def _issuer(certificate: x509.Certificate) -> str:
    return _shown(certificate.issuer)


def _name(item: Item) -> str:
    return _subject(item.certificate) if item.certificate else "a certificate"


def in_order(items: list[Item]) -> Iterator[tuple[Item, Item]]:
    """For one constant's items: what stands at each place of its chain, and what should stand there."""
    chain = [item for item in items if item.certificate]
    right = order([item.certificate for item in chain if item.certificate])
    for place, wanted in enumerate(right or range(len(chain))):
        yield chain[place], chain[wanted]
