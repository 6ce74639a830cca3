"""Another server certificate: expired, for another name, from an authority that the device does not know, ..."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from hil.gateway.faults.fault import Fault
from hil.gateway.tls import TlsSettings, make_context


@dataclass(frozen=True)
class PresentCertificate(Fault):
    """Show this certificate in place of the bench's own, to connects from now on.

    `chain_pem` is leaf first, `key_pem` is the leaf's; `label` says on the timeline what is wrong with it ('expired').
    Raises ValueError for what cannot be shown: no PEM, or the key of another certificate.
    """

    name: ClassVar[str] = "present-certificate"
    chain_pem: bytes = field(repr=False)
    key_pem: bytes = field(repr=False)
    label: str = "another certificate"

    def __post_init__(self) -> None:
        make_context(TlsSettings(self.chain_pem, self.key_pem, None, weak=True))  # what no server can show is told now

    def tls(self, settings: TlsSettings) -> TlsSettings:
        return replace(settings, chain_pem=self.chain_pem, key_pem=self.key_pem, weak=True)
