"""Issuers' certificates that a server left out, from where its own certificate says that they are (caIssuers)."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import pkcs7

from hil.chain.describe import issuer_urls, subject
from hil.chain.endpoint import ChainError
from hil.credentials.store import is_signed_by

_LARGEST = 256 * 1024  # bytes; an issuer's certificate has about 2 KiB, a PKCS#7 bundle a few of them


def issuers(certificate: x509.Certificate, timeout: float) -> list[x509.Certificate]:
    """Those that signed the certificate, fetched by HTTP from the addresses in it; none where it names none.

    The answers need no protection: a certificate that did not sign this one is thrown away. Raises ChainError where
    no address gives one, with what the last one gave instead.
    """
    wrong = ""
    for url in issuer_urls(certificate):
        if urlsplit(url).scheme not in ("http", "https"):
            wrong = f"{url}: not fetched, expected http:// or https://"
            continue
        try:
            found = [other for other in _parse(_get(url, timeout)) if is_signed_by(certificate, other)]
        except (OSError, http.client.HTTPException, ValueError, UnsupportedAlgorithm) as error:
            wrong = f"{url}: {_why(error)}"
            continue
        if found:
            return found
        wrong = f"{url}: gave a certificate that did not sign {subject(certificate)}"
    if wrong:
        raise ChainError(wrong)
    return []


def _get(url: str, timeout: float) -> bytes:
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        data: bytes = answer.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise ValueError(f"answers with more than {_LARGEST} bytes, expected a certificate")
    return data


def _why(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"answers {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return f"cannot be fetched ({error.reason})"
    if isinstance(error, TimeoutError):
        return "no answer within the time-out"
    return str(error) or type(error).__name__


def _parse(data: bytes) -> list[x509.Certificate]:
    """DER, as RFC 5280 wants it, or PEM; or a PKCS#7 bundle of either kind."""
    for load in (x509.load_der_x509_certificate, x509.load_pem_x509_certificate):
        try:
            return [load(data)]
        except ValueError:
            continue
    for bundle in (pkcs7.load_der_pkcs7_certificates, pkcs7.load_pem_pkcs7_certificates):
        try:
            return list(bundle(data))
        except ValueError:
            continue
    raise ValueError(f"gave no certificate ({data[:24]!r})")
