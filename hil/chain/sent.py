"""What is odd about the list that was sent: its order, its size, what is in it twice or for nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hil.chain.describe import subject
from hil.chain.fetch import Fetched
from hil.chain.findings import Finding, fault, note, warning
from hil.chain.path import Path
from hil.credentials.identity import is_authority

_FRAMING = 3  # bytes of length before each certificate, and before the list (RFC 5246, 7.4.2)
_SMALL_BUFFER, _RECORD = 4096, 16384  # CONFIG_MBEDTLS_SSL_IN_CONTENT_LEN as often set; the most that mbedTLS takes
_MOST_INTERMEDIATES = 8  # MBEDTLS_X509_MAX_INTERMEDIATE_CA


def size_of(sent: Sequence[x509.Certificate]) -> int:
    """Bytes of the Certificate message's list, as TLS 1.2 frames it."""
    return _FRAMING + sum(_FRAMING + len(certificate.public_bytes(Encoding.DER)) for certificate in sent)


def look(fetched: Fetched, path: Path) -> list[Finding]:
    """Everything odd about what the server sent and how the handshake went."""
    each = (_handshake(fetched), _order(fetched, path), _size(fetched, path))
    return [finding for findings in each for finding in findings]


def _handshake(fetched: Fetched) -> Iterator[Finding]:
    if fetched.asks:
        accepted = "; ".join(fetched.accepts[:3]) + (" ..." if len(fetched.accepts) > 3 else "")
        of = f", of one of these issuers: {accepted}" if accepted else ""
        yield note("client-certificate", f"the server asks for a client certificate{of}")
    if fetched.ended and "signature" in fetched.ended:
        yield fault("other-key", f"the server does not hold its certificate's key ({fetched.ended})")
    elif fetched.ended and not fetched.asks:
        yield warning("handshake", f"the handshake did not end well: {fetched.ended}")


def _order(fetched: Fetched, path: Path) -> Iterator[Finding]:
    sent = fetched.certificates
    if len(sent) > 1 and is_authority(sent[0]) and any(not is_authority(other) for other in sent[1:]):
        words = "stands first, where the server's own belongs (RFC 8446, 4.4.2); no client takes it"
        yield fault("not-first", f"{subject(sent[0])}: an authority's certificate {words}")
    for certificate in dict.fromkeys(sent):
        times = sent.count(certificate)
        if times > 1:
            yield warning("duplicate", f"{subject(certificate)}: sent {times} times, expected once")
        if certificate not in path.certificates:
            yield note("unrelated", f"{subject(certificate)}: sent, but not needed for this chain")
    places = [link.place for link in path.links if link.place is not None]
    if places != sorted(places):
        stood = ", ".join(map(str, places))
        words = f"from the server up, the chain stood at places {stood}, expected each before its issuer"
        yield warning("order", f"{words}; mbedTLS looks for an issuer only among those that follow")


def _size(fetched: Fetched, path: Path) -> Iterator[Finding]:
    size = size_of(fetched.certificates)
    if size > _RECORD:
        yield warning("size", f"{size} bytes of certificates, more than the {_RECORD} that mbedTLS takes at most")
    elif size > _SMALL_BUFFER:
        words = f"a device needs MBEDTLS_SSL_IN_CONTENT_LEN above {size}: {_SMALL_BUFFER} is not enough"
        yield note("size", f"{size} bytes of certificates: {words}")
    between = len(path.links) - 2
    if between > _MOST_INTERMEDIATES:
        words = f"mbedTLS takes {_MOST_INTERMEDIATES} unless built otherwise"
        yield warning("depth", f"{between} intermediates; {words}")
