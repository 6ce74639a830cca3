"""Faults that the gateway can play, small frozen classes in files of their own.

fault.py says what a fault is, player.py what one may do on a connection, armory.py keeps the armed ones.
"""

from __future__ import annotations

from hil.gateway.faults.armory import ArmedFault, Armory
from hil.gateway.faults.bandwidth import Bandwidth
from hil.gateway.faults.black_hole import BlackHole
from hil.gateway.faults.cut import Cut, Reset
from hil.gateway.faults.fault import Fault
from hil.gateway.faults.handshake import CloseHandshake, StallHandshake
from hil.gateway.faults.late import Late, LateConnack
from hil.gateway.faults.latency import Latency
from hil.gateway.faults.limit_tls import CipherSuites, Resumption, TlsVersions
from hil.gateway.faults.malformed import Malformed
from hil.gateway.faults.player import Frame, Link, Player
from hil.gateway.faults.players import Players
from hil.gateway.faults.present_certificate import PresentCertificate
from hil.gateway.faults.records import NoCloseNotify, RecordSize
from hil.gateway.faults.refuse import RefuseConnack, RefuseSubscribe, ServerDisconnect
from hil.gateway.faults.refuse_client import CLIENT_ALERTS, RefuseClient, RevokeClient
from hil.gateway.faults.refuse_connect import RefuseConnect
from hil.gateway.faults.restart import Restart
from hil.gateway.faults.session import ForgetSession, ServerKeepAlive, SessionPresent
from hil.gateway.faults.slice import Slice
from hil.gateway.faults.slow_close import SlowClose
from hil.gateway.faults.trust_clients import TrustClients
from hil.gateway.faults.unsolicited import Deliver, Redeliver, Unsolicited
from hil.gateway.faults.withhold import Withhold

__all__ = [
    "CLIENT_ALERTS",
    "ArmedFault",
    "Armory",
    "Bandwidth",
    "BlackHole",
    "CipherSuites",
    "CloseHandshake",
    "Cut",
    "Deliver",
    "Fault",
    "ForgetSession",
    "Frame",
    "Late",
    "LateConnack",
    "Latency",
    "Link",
    "Malformed",
    "NoCloseNotify",
    "Player",
    "Players",
    "PresentCertificate",
    "RecordSize",
    "Redeliver",
    "RefuseClient",
    "RefuseConnack",
    "RefuseConnect",
    "RefuseSubscribe",
    "Reset",
    "Restart",
    "Resumption",
    "RevokeClient",
    "ServerDisconnect",
    "ServerKeepAlive",
    "SessionPresent",
    "Slice",
    "SlowClose",
    "StallHandshake",
    "TlsVersions",
    "TrustClients",
    "Unsolicited",
    "Withhold",
]
