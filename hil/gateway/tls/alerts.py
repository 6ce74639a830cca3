"""TLS alerts and handshake messages by name, and what a failed handshake means in a few words.

Alert numbers and names: RFC 8446 section 6 and, for those that TLS 1.3 dropped, RFC 5246 section 7.2 (also the IANA
registry 'TLS Alerts'). Handshake message types: RFC 8446 section 4.
"""

from __future__ import annotations

from typing import Final

ALERTS: Final = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    21: "decryption_failed",
    22: "record_overflow",
    30: "decompression_failure",
    40: "handshake_failure",
    41: "no_certificate",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    60: "export_restriction",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    100: "no_renegotiation",
    109: "missing_extension",
    110: "unsupported_extension",
    112: "unrecognized_name",
    113: "bad_certificate_status_response",
    115: "unknown_psk_identity",
    116: "certificate_required",
    120: "no_application_protocol",
}

HANDSHAKE_MESSAGES: Final = {
    1: "ClientHello",
    2: "ServerHello",
    4: "NewSessionTicket",
    8: "EncryptedExtensions",
    11: "Certificate",
    12: "ServerKeyExchange",
    13: "CertificateRequest",
    14: "ServerHelloDone",
    15: "CertificateVerify",
    16: "ClientKeyExchange",
    20: "Finished",
    24: "KeyUpdate",
}

# What a device's alert says about the server that it met. Many stacks send a general one for a special cause (mbedTLS
# answers most certificate faults with unknown_ca or bad_certificate), so the words stay as vague as the alert is.
_DEVICE_SAYS: Final = {
    "bad_certificate": "the device refuses the server certificate",
    "unsupported_certificate": "the device does not support the server certificate",
    "certificate_revoked": "the device holds the server certificate for revoked",
    "certificate_expired": "the device holds the server certificate for expired",
    "certificate_unknown": "the device refuses the server certificate",
    "unknown_ca": "the device does not trust the server certificate's issuer",
    "handshake_failure": "the device finds no common ground (cipher suites, groups or a certificate)",
    "protocol_version": "the device does not accept the TLS version",
    "insufficient_security": "the device finds the offer too weak",
    "unrecognized_name": "the device does not accept the server's name",
    "decode_error": "the device could not read a handshake message",
    "decrypt_error": "the device found a signature wrong",
    "record_overflow": "a record was too large for the device",
    "internal_error": "the device failed inside (often: out of memory)",
    "user_canceled": "the device gave the handshake up",
    "close_notify": "the device ended the connection in the handshake",
}

# OpenSSL's reason words for what the gateway itself refuses.
_GATEWAY_SAYS: Final = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "no client certificate",
    "CERTIFICATE_VERIFY_FAILED": "client certificate refused",
    "NO_SHARED_CIPHER": "no cipher suite in common",
    "UNSUPPORTED_PROTOCOL": "no TLS version in common",
    "VERSION_TOO_LOW": "no TLS version in common",
    "NO_SUITABLE_SIGNATURE_ALGORITHM": "no signature algorithm in common",
    "NO_SHARED_GROUPS": "no key exchange group in common",
    "NO_SUITABLE_KEY_SHARE": "no key exchange group in common",
    "BAD_SIGNATURE": "the client certificate's key did not sign the handshake",
    "WRONG_VERSION_NUMBER": "not a TLS record",
    "HTTP_REQUEST": "plain HTTP on the TLS port",
    "UNEXPECTED_MESSAGE": "a handshake message out of order",
    "LENGTH_MISMATCH": "a malformed handshake message",
    "BAD_RECORD_TYPE": "not a TLS record",
    "DECRYPTION_FAILED_OR_BAD_RECORD_MAC": "a damaged TLS record",
    "RECORD_LAYER_FAILURE": "a damaged TLS record",
}


def alert_name(number: int) -> str:
    """The registered name of an alert, or 'alert 77' for a number that has none."""
    return ALERTS.get(number, f"alert {number}")


def device_says(alert: str) -> str:
    """What an alert that the device sent in the handshake tells, in a few words."""
    return _DEVICE_SAYS.get(alert, f"the device sent the alert {alert}")


def gateway_says(openssl_reason: str | None) -> str:
    """What one of OpenSSL's reason words means here. A word that is not known comes back in lower case."""
    if openssl_reason is None:
        return "the TLS library refused the handshake"
    return _GATEWAY_SAYS.get(openssl_reason, openssl_reason.lower().replace("_", " "))
