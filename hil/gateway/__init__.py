"""The TLS- and MQTT-aware endpoint that boards connect to, in front of the broker.

It records what each board does, plays a broker's policy, and injects faults.
"""

from __future__ import annotations

from hil.gateway import policies
from hil.gateway.faults import (
    ArmedFault,
    BlackHole,
    CipherSuites,
    CloseHandshake,
    Fault,
    Latency,
    NoCloseNotify,
    PresentCertificate,
    RecordSize,
    RefuseClient,
    RefuseConnect,
    Resumption,
    RevokeClient,
    StallHandshake,
    TlsVersions,
    Withhold,
)
from hil.gateway.gateway import Gateway, GatewayError, Limits, Live
from hil.gateway.namespace import Binding, Namespace, TopicSpaces
from hil.gateway.policy import PERMISSIVE, Policy, namespace_policy
from hil.gateway.tls import Identity, ServerIdentity

__all__ = [
    "PERMISSIVE",
    "ArmedFault",
    "Binding",
    "BlackHole",
    "CipherSuites",
    "CloseHandshake",
    "Fault",
    "Gateway",
    "GatewayError",
    "Identity",
    "Latency",
    "Limits",
    "Live",
    "Namespace",
    "NoCloseNotify",
    "Policy",
    "PresentCertificate",
    "RecordSize",
    "RefuseClient",
    "RefuseConnect",
    "Resumption",
    "RevokeClient",
    "ServerIdentity",
    "StallHandshake",
    "TlsVersions",
    "TopicSpaces",
    "Withhold",
    "namespace_policy",
    "policies",
]
