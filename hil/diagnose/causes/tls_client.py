"""The device's own certificate: not sent, sent without its chain, or refused."""

from __future__ import annotations

from hil.attempts import Attempt, End
from hil.diagnose.case import Case, first
from hil.diagnose.cause import Cause, Found
from hil.diagnose.words import loop, span, times

_ISSUER_MISSING = {2, 20, 21}
"""OpenSSL's verify codes for a chain whose next certificate is not there (X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT...)."""

_UNPROVEN = "the client certificate's key did not sign the handshake"

_MEANS = {
    7: "a signature in its chain does not fit",
    9: "its dates lie in the future",
    10: "it has expired",
    18: "it is self-signed",
    19: "its root is not the broker's",
    23: "it has been revoked",
    24: "an issuer in its chain is no authority (CA:TRUE missing)",
    25: "its chain is longer than an issuer allows (pathlen)",
    26: "it is not made for clients (extended key usage)",
    32: "an issuer in its chain may not sign (keyCertSign missing)",
    66: "its key is too short",
    67: "a key in its chain is too short",
    68: "a signature in its chain is too weak (SHA-1)",
    79: "an issuer in its chain is no authority (critical basicConstraints CA:TRUE, keyCertSign)",
}
"""OpenSSL's other verify codes (x509_vfy.h) in words."""


def _none(case: Case) -> Found | None:
    bare = case.ended(End.NO_CERTIFICATE)
    if not bare:
        return None
    failed = first(bare[0], "tls-failed")
    assert failed is not None
    return Found(
        explanation=f"The broker asks for a client certificate, and the device's Certificate message was empty, "
        f"{times(len(bare))}: the handshake ended {span(failed.monotonic - bare[0].began)} after the connection "
        f"began.{loop(bare)}",
        evidence=[failed, *bare[-1].events[-1:]],
        confidence=0.95,
        against=_earlier_shown(case),
    )


def _incomplete(case: Case) -> Found | None:
    return _refused(case, lambda code: code in _ISSUER_MISSING, 0.9)


def _other(case: Case) -> Found | None:
    return _refused(case, lambda code: code not in _ISSUER_MISSING, 0.85)


def _refused(case: Case, mine, confidence: float) -> Found | None:  # type: ignore[no-untyped-def]
    refused: list[Attempt] = []
    for attempt in case.ended(End.CERTIFICATE_REFUSED):
        failed = first(attempt, "tls-failed")
        if failed is not None and mine(failed.get("verify_code")):
            refused.append(attempt)
    if not refused:
        return None
    failed = first(refused[-1], "tls-failed")
    assert failed is not None
    code = failed.get("verify_code")
    means = f": {_MEANS[code]}" if code in _MEANS else ""
    if code in _ISSUER_MISSING:
        means = ": the chain it sent does not lead to an authority that the broker knows; an intermediate is missing"
    return Found(
        explanation=f"The broker refused the device's certificate {times(len(refused))}, with verify code {code} "
        f"({failed.get('verify_message')}){means}.{loop(refused)}",
        evidence=[failed],
        confidence=confidence,
        against=(
            *_earlier_shown(case),
            *(("a certificate of another authority altogether is refused with the same code",) if code == 20 else ()),
        ),
    )


def _other_key(case: Case) -> Found | None:
    unproven = [a for a in case.ended(End.TLS_FAILED) if first(a, "tls-failed", reason=_UNPROVEN) is not None]
    if not unproven:
        return None
    return Found(
        explanation=f"The device showed a certificate that the broker knows, and signed the handshake with another "
        f"key, {times(len(unproven))}.{loop(unproven)}",
        evidence=[e for e in (first(unproven[-1], "tls-failed"),) if e is not None],
        confidence=0.9,
        against=_earlier_shown(case),
    )


def _earlier_shown(case: Case) -> tuple[str, ...]:
    if any(e.get("subject") for e in case.earlier("gateway", "tls")):
        return ("earlier on this timeline it did show a good one: what it holds may have been changed since",)
    return ()


CAUSES = (
    Cause(
        slug="no-client-certificate",
        title="The device sends no client certificate",
        shown_by="the handshake ends with 'no client certificate' (OpenSSL: peer did not return a certificate)",
        next_steps=(
            "see that both certificate and key are set: arduino-esp32 silently sends none if one of them is missing",
            "see that the client library has a way to set them at all, and that it is called before connect",
            "look at the device's log for a PEM that could not be parsed (-0x2180, -0x3D00)",
        ),
        find=_none,
    ),
    Cause(
        slug="client-chain-incomplete",
        title="The device sends its certificate without the intermediate",
        shown_by="verify code 20, 21 or 2 on the device's chain",
        next_steps=(
            "put the intermediate behind the device's certificate in the same PEM, leaf first",
            "look for a damaged second certificate: mbedTLS skips what it cannot parse and goes on",
        ),
        find=_incomplete,
    ),
    Cause(
        slug="client-key-mismatch",
        title="The device's key is not that of its certificate",
        shown_by="the handshake's signature does not fit the certificate that the device has shown",
        next_steps=(
            "compare the public keys: openssl x509 -pubkey and openssl pkey -pubout",
            "see that certificate and key were not taken from two devices, or from before and after a rotation",
        ),
        find=_other_key,
        outranks=("tls-failed",),
    ),
    Cause(
        slug="client-certificate-refused",
        title="The broker refuses the device's certificate",
        shown_by="another verify code than a missing issuer's on the device's chain",
        next_steps=(
            "show the chain with openssl x509 -text: dates, basicConstraints, keyUsage, pathlen, extended key usage",
            "see that the device holds the certificate that was made for it",
        ),
        find=_other,
    ),
)
