"""The device's certificate is not accepted, whatever it is worth; or it has been revoked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from hil.gateway.faults.fault import Fault
from hil.gateway.faults.handshake import FATAL_ALERTS, with_stop
from hil.gateway.tls import TlsSettings
from hil.gateway.tls.script import Stop


@dataclass(frozen=True)
class RefuseClient(Fault):
    """Refuse the client certificate with this alert, at the point where a server does.

    `alert`: a name of RFC 8446 section 6.2 or RFC 5246 section 7.2.2; those for certificates are `CLIENT_ALERTS`. With
    TLS 1.3 a device believes itself connected by then, and meets the alert at its first read. Nothing is resumed, as
    no certificate would be shown then. A device that shows no certificate is refused in the ordinary way.
    """

    name: ClassVar[str] = "refuse-client"
    alert: str = "bad_certificate"

    def __post_init__(self) -> None:
        self.expect_one_of("alert", FATAL_ALERTS)

    def tls(self, settings: TlsSettings) -> TlsSettings:
        refusing = with_stop(settings, Stop("client-certificate", "alert", self.alert, refusal=True))
        return replace(refusing, resume=False)


CLIENT_ALERTS = (
    "bad_certificate",
    "unsupported_certificate",
    "certificate_revoked",
    "certificate_expired",
    "certificate_unknown",
    "unknown_ca",
    "access_denied",
    "decrypt_error",
    "handshake_failure",
    "certificate_required",
)
"""The alerts with which servers refuse a client's certificate."""


@dataclass(frozen=True)
class RevokeClient(Fault):
    """Have client certificates looked up in a revocation list: PEM, one or several CRLs.

    There has to be a list of each issuer of a device's certificate; one without its serial number changes nothing.
    `Authority.revocation_list` makes it, and `bench.revoking(board)` does all of it for a board. Nothing is resumed.
    """

    name: ClassVar[str] = "revoke-client"
    crl_pem: bytes = field(repr=False)

    def tls(self, settings: TlsSettings) -> TlsSettings:
        return replace(settings, revoked=settings.revoked + self.crl_pem, resume=False)
