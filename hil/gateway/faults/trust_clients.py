"""Other authorities whose client certificates are accepted: what a broker is told when a fleet moves to a new root."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from cryptography import x509

from hil.gateway.faults.fault import Fault
from hil.gateway.tls import TlsSettings


@dataclass(frozen=True)
class TrustClients(Fault):
    """Accept the client certificates of these authorities (PEM), and of no others, from the next connect on.

    `bench.trusting(board, anchors_pem)` does it for a board. Nothing is resumed, as a certificate that is accepted
    no more would not be looked at then. Raises ValueError for what is no PEM.
    """

    name: ClassVar[str] = "trust-clients"
    anchors_pem: bytes = field(repr=False)

    def __post_init__(self) -> None:
        x509.load_pem_x509_certificates(self.anchors_pem)

    def tls(self, settings: TlsSettings) -> TlsSettings:
        return replace(settings, client_ca=self.anchors_pem, resume=False)
