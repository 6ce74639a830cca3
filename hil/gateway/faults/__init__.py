"""Faults that the gateway can play, small frozen classes in files of their own.

fault.py says what a fault is, player.py what one may do on a connection, armory.py keeps the armed ones.
"""

from __future__ import annotations

from hil.gateway.faults.armory import ArmedFault, Armory
from hil.gateway.faults.black_hole import BlackHole
from hil.gateway.faults.fault import Fault
from hil.gateway.faults.handshake import CloseHandshake, StallHandshake
from hil.gateway.faults.latency import Latency
from hil.gateway.faults.limit_tls import CipherSuites, Resumption, TlsVersions
from hil.gateway.faults.player import Frame, Link, Player
from hil.gateway.faults.players import Players
from hil.gateway.faults.present_certificate import PresentCertificate
from hil.gateway.faults.records import NoCloseNotify, RecordSize
from hil.gateway.faults.refuse_client import CLIENT_ALERTS, RefuseClient, RevokeClient
from hil.gateway.faults.refuse_connect import RefuseConnect
from hil.gateway.faults.withhold import Withhold

__all__ = [
    "CLIENT_ALERTS",
    "ArmedFault",
    "Armory",
    "BlackHole",
    "CipherSuites",
    "CloseHandshake",
    "Fault",
    "Frame",
    "Latency",
    "Link",
    "NoCloseNotify",
    "Player",
    "Players",
    "PresentCertificate",
    "RecordSize",
    "RefuseClient",
    "RefuseConnect",
    "Resumption",
    "RevokeClient",
    "StallHandshake",
    "TlsVersions",
    "Withhold",
]
