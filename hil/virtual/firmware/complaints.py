"""What the log says when a connection cannot be opened, or ends: the words of esp-tls and esp-mqtt.

They are those that a person finds on a real board (`Error transport connect`, `MQTT connect failed`,
`No PING_RESP, disconnected`), so that what is learnt here can be read there.
"""

from __future__ import annotations

from hil.virtual.firmware.connection import NoPingResponse
from hil.virtual.firmware.network import NetworkError
from hil.virtual.firmware.system import System
from hil.virtual.firmware.tls import VERIFY_FAILED, TlsError

TAG = "mqtt_client"

# Numbers that esp-tls gives to what failed (esp_tls_errors.h): base 0x8000.
_CANNOT_RESOLVE, _CANNOT_CONNECT, _TIMED_OUT, HANDSHAKE_FAILED = 0x8001, 0x8004, 0x8006, 0x801A

REFUSALS = {
    1: "bad protocol",
    2: "client id rejected",
    3: "server unavailable",
    4: "bad username or password",
    5: "not authorized",
    0x84: "bad protocol",
    0x85: "client id rejected",
    0x86: "bad username or password",
    0x87: "not authorized",
    0x88: "server unavailable",
}
"""CONNACK codes in esp-mqtt's words: return codes of MQTT 3.1.1 (table 3.1), reason codes of MQTT 5 (table 3-1)."""


def not_opened(system: System, number: int) -> None:
    """TCP or TLS failed; `number` is esp-tls's."""
    system.log("E", "esp-tls", "Failed to open new connection")
    system.log("E", "transport_base", f"Failed to open a new connection: {number}")
    system.log("E", TAG, "Error transport connect")


def tcp_failed(system: System, error: NetworkError, host: str) -> int:
    """Why there is no TCP connection; returns esp-tls's number for it."""
    if error.phase == "resolve":
        system.log("E", "esp-tls", f"couldn't get hostname for :{host}: getaddrinfo() returns 202")
        return _CANNOT_RESOLVE
    if error.name == "ETIMEDOUT":
        system.log("E", "esp-tls", "select() timeout")
        return _TIMED_OUT
    system.log("E", "esp-tls", f"delayed connect error: {error.words} (errno {error.number})")
    return _CANNOT_CONNECT


def tls_failed(system: System, error: TlsError) -> None:
    """Why the handshake failed."""
    system.log("E", "esp-tls-mbedtls", f"mbedtls_ssl_handshake returned -0x{-error.code:04X} ({error.detail})")
    if error.code == VERIFY_FAILED:
        system.log("I", "esp-tls-mbedtls", "Failed to verify peer certificate!")
        system.log("I", "esp-tls-mbedtls", f"verification info: flags 0x{error.flags:x}, {error.verification}")


def refused(system: System, code: int) -> None:
    """The CONNACK says no."""
    system.log("W", TAG, f"Connection refused, {REFUSALS.get(code, f'reason 0x{code:02x}')}")


def lost(system: System, error: Exception) -> None:
    """A connection that stood is over."""
    match error:
        case NoPingResponse():
            system.log("E", TAG, "No PING_RESP, disconnected")
        case NetworkError(phase="write"):
            system.log("E", TAG, f"Writing failed: errno={error.number}")
        case NetworkError():
            system.log("E", TAG, f"transport_read() error: errno={error.number} ({error.words})")
        case TlsError():
            system.log("E", "esp-tls-mbedtls", f"mbedtls_ssl_read returned -0x{-error.code:04X} ({error.detail})")
        case _:
            system.log("W", TAG, f"connection lost: {error}")
