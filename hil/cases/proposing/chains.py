"""What is to be seen of a chain of certificates by itself, without the authority that it leads to."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from cryptography import x509


def flaw_of(chain: Sequence[bytes], when: float) -> str | None:
    """What is wrong with a chain (DER, the leaf first) at a time, as the name of a flaw (docs/certificates.md).

    None where nothing is, or where only its authority could tell.
    """
    try:
        certificates = [x509.load_der_x509_certificate(der) for der in chain]
    except ValueError:
        return None
    if not certificates:
        return None
    leaf, above = certificates[0], certificates[1:]
    moment = datetime.datetime.fromtimestamp(when, datetime.UTC)
    if leaf.issuer == leaf.subject:
        return "self-signed"
    if leaf.not_valid_after_utc < moment:
        return "expired"
    if leaf.not_valid_before_utc > moment:
        return "not-yet-valid"
    if not above:
        return "no-intermediate"
    if above[0].subject != leaf.issuer:
        return "wrong-order"
    return next((flaw for each in above if (flaw := _may_not_sign(each)) is not None), None)


def _may_not_sign(certificate: x509.Certificate) -> str | None:
    try:
        if not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return "ca-false"
    except x509.ExtensionNotFound:
        return "no-basic-constraints"
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None
    return None if usage.key_cert_sign else "no-key-cert-sign"
