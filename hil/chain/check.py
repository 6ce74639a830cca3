"""What is wrong with the certificates themselves: dates, names, signatures, and who may sign."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hil.chain.describe import day, extension, issuer, issuer_urls, key, printable, subject
from hil.chain.endpoint import is_address
from hil.chain.findings import Finding, fault, note, warning
from hil.chain.path import End, Path, self_issued

_SHOWN = 6  # names of a certificate that are shown before it says how many more there are
_SMALLEST_RSA = 2048


def check(path: Path, name: str, now: datetime) -> list[Finding]:
    """Everything that is wrong with the certificates of a path to a server that was asked for `name`."""
    checks = (_dates(path, now), _name(path, name), _signatures(path), _authorities(path), _purpose(path), _weak(path))
    return [finding for each in (*checks, _end(path)) for finding in each]


def _dates(path: Path, now: datetime) -> Iterator[Finding]:
    for certificate in path.certificates:
        if certificate.not_valid_after_utc < now:
            yield fault("expired", f"{subject(certificate)}: expired on {day(certificate.not_valid_after_utc)}")
        elif certificate.not_valid_before_utc > now:
            begins = day(certificate.not_valid_before_utc)
            yield fault(
                "not-yet-valid", f"{subject(certificate)}: not valid before {begins}; check this machine's clock"
            )


def _name(path: Path, name: str) -> Iterator[Finding]:
    leaf = path.certificates[0]
    alternative = extension(leaf, x509.SubjectAlternativeName)
    if alternative is None:
        common = [str(attribute.value) for attribute in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        if any(_fits(found, name) for found in common):
            words = "the name stands in the common name alone: strict clients want subjectAltName (RFC 9525)"
            yield warning("common-name-only", f"{subject(leaf)}: {words}")
        else:
            words = f"is for {_listed(common)}, expected {printable(name)}; give the right name with --name"
            yield fault("wrong-name", f"{subject(leaf)}: {words}")
        return
    addresses = [str(address) for address in alternative.get_values_for_type(x509.IPAddress)]
    names = alternative.get_values_for_type(x509.DNSName)
    if not (_address_in(name, addresses) if is_address(name) else any(_fits(found, name) for found in names)):
        words = f"is for {_listed([*names, *addresses])}, expected {printable(name)}; give the right name with --name"
        yield fault("wrong-name", f"{subject(leaf)}: {words}")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(printable(name) for name in names[:_SHOWN]) + more) or "no name"


def _address_in(name: str, addresses: list[str]) -> bool:
    readable = [ipaddress.ip_address(address) for address in addresses if is_address(address)]
    return ipaddress.ip_address(name) in readable


def _fits(pattern: str, name: str) -> bool:
    """Whether a name of a certificate is for `name`: a star stands for the whole first label (RFC 9525, 6.3)."""
    pattern, name = pattern.lower().rstrip("."), name.lower().rstrip(".")
    if not pattern.startswith("*."):
        return pattern == name
    first, dot, rest = name.partition(".")
    return bool(first and dot) and rest == pattern[2:]


def _signatures(path: Path) -> Iterator[Finding]:
    for link in path.links:
        if link.signed is False:
            words = f"names {issuer(link.certificate)} as its issuer, whose key did not sign it"
            yield fault("wrong-signature", f"{subject(link.certificate)}: {words}")


def _authorities(path: Path) -> Iterator[Finding]:
    """RFC 5280: basicConstraints (4.2.1.9) and keyUsage (4.2.1.3) of everything that signed something."""
    below = 0  # authorities between this one and the server's certificate, self-issued ones not counted
    for place, certificate in enumerate(path.certificates[1:], 1):
        constraints = extension(certificate, x509.BasicConstraints)
        usage = extension(certificate, x509.KeyUsage)
        ancient = certificate.version is x509.Version.v1 and place == len(path.links) - 1  # roots of before 1996
        if not ancient and (constraints is None or not constraints.ca):
            found = "has no basicConstraints" if constraints is None else "says CA:FALSE"
            yield fault("no-authority", f"{subject(certificate)}: signs, but {found}, expected CA:TRUE")
        if usage is not None and not usage.key_cert_sign:
            yield fault("no-key-cert-sign", f"{subject(certificate)}: signs, but its keyUsage lacks keyCertSign")
        if constraints is not None and constraints.path_length is not None and constraints.path_length < below:
            words = f"allows {constraints.path_length} authorities below it (pathlen), found {below}"
            yield fault("path-length", f"{subject(certificate)}: {words}")
        below += not self_issued(certificate)


def _purpose(path: Path) -> Iterator[Finding]:
    leaf = path.certificates[0]
    purposes = extension(leaf, x509.ExtendedKeyUsage)
    wanted = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    if purposes is not None and not any(purpose in wanted for purpose in purposes):
        yield fault("wrong-purpose", f"{subject(leaf)}: its extendedKeyUsage lacks serverAuth")


def _weak(path: Path) -> Iterator[Finding]:
    for link in path.links:
        certificate = link.certificate
        digest = _digest(certificate)
        if isinstance(digest, hashes.MD5 | hashes.SHA1) and not self_issued(certificate):
            words = f"signed with {digest.name.upper()}, which most stacks refuse"
            yield warning("weak-signature", f"{subject(certificate)}: {words}")
        public = None if key(certificate) == "unknown key" else certificate.public_key()
        if isinstance(public, rsa.RSAPublicKey) and public.key_size < _SMALLEST_RSA:
            words = f"its key has {public.key_size} bits, which most stacks refuse"
            yield warning("weak-key", f"{subject(certificate)}: {words}")


def _digest(certificate: x509.Certificate) -> hashes.HashAlgorithm | None:
    try:
        return certificate.signature_hash_algorithm
    except Exception:  # an algorithm that cryptography does not know: UnsupportedAlgorithm, ValueError
        return None


def _end(path: Path) -> Iterator[Finding]:
    top = path.links[-1]
    if path.end is End.STORE:
        return
    if path.end is End.SELF_SIGNED:
        what = "the server signed its certificate itself" if len(path.links) == 1 else "no store here knows this root"
        words = f"{what}: compare its SHA-256 with its owner's before you trust it"
        yield warning("unknown-root", f"{subject(top.certificate)}: {words}")
        return
    urls = issuer_urls(top.certificate)
    cure = f"the certificate names {urls[0]}, --aia fetches it" if urls else "give it with --store"
    words = f"its issuer {issuer(top.certificate)} was not sent, and no store here has it; {cure}"
    if len(path.links) == 1:
        yield fault("missing-issuer", f"{subject(top.certificate)}: {words}")
    else:
        unproven = "so nobody here vouches for this chain: compare its SHA-256 with its owner's before you trust it"
        yield warning("missing-issuer", f"{subject(top.certificate)}: {words}; {unproven}")


def origins(path: Path) -> list[Finding]:
    """Which certificates of the path the server left out."""
    missing = [link for link in path.links[1:] if link.place is None and not self_issued(link.certificate)]
    words = "was not sent, though it is no root: devices that do not have it cannot connect; tell the server's owner"
    found = [warning("missing-intermediate", f"{subject(link.certificate)}: {words}") for link in missing]
    root = path.links[-1]
    if len(path.links) > 1 and root.place is not None and self_issued(root.certificate):
        found.append(note("root-sent", f"{subject(root.certificate)}: the root was sent too, which only costs bytes"))
    return found
