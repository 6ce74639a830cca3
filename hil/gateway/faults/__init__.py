"""Faults that the gateway can play, one file each. fault.py says what a fault is."""

from __future__ import annotations

from hil.gateway.faults.fault import ArmedFault, Armory, Fault
from hil.gateway.faults.handshake import CloseHandshake, StallHandshake
from hil.gateway.faults.limit_tls import CipherSuites, Resumption, TlsVersions
from hil.gateway.faults.present_certificate import PresentCertificate
from hil.gateway.faults.records import NoCloseNotify, RecordSize
from hil.gateway.faults.refuse_client import CLIENT_ALERTS, RefuseClient, RevokeClient
from hil.gateway.faults.refuse_connect import RefuseConnect

__all__ = [
    "CLIENT_ALERTS",
    "ArmedFault",
    "Armory",
    "CipherSuites",
    "CloseHandshake",
    "Fault",
    "NoCloseNotify",
    "PresentCertificate",
    "RecordSize",
    "RefuseClient",
    "RefuseConnect",
    "Resumption",
    "RevokeClient",
    "StallHandshake",
    "TlsVersions",
]
