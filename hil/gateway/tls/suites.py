"""Cipher suites by their registered names, and how good they are.

Numbers and names: the IANA registry 'TLS Cipher Suites'; listed are those that TLS stacks for small devices (mbedTLS,
BearSSL, wolfSSL) and OpenSSL can offer. The judgement follows RFC 9325 section 4.
"""

from __future__ import annotations

from typing import Final, Literal

Grade = Literal["recommended", "legacy", "broken", "unknown"]

_TLS13: Final = {
    0x1301: "TLS_AES_128_GCM_SHA256",
    0x1302: "TLS_AES_256_GCM_SHA384",
    0x1303: "TLS_CHACHA20_POLY1305_SHA256",
    0x1304: "TLS_AES_128_CCM_SHA256",
    0x1305: "TLS_AES_128_CCM_8_SHA256",
}

# key exchange: {number: cipher and hash}
_OLDER: Final[dict[str, dict[int, str]]] = {
    "NULL": {0x0000: "NULL_NULL"},
    "RSA": {
        0x0001: "NULL_MD5",
        0x0002: "NULL_SHA",
        0x0004: "RC4_128_MD5",
        0x0005: "RC4_128_SHA",
        0x0009: "DES_CBC_SHA",
        0x000A: "3DES_EDE_CBC_SHA",
        0x002F: "AES_128_CBC_SHA",
        0x0035: "AES_256_CBC_SHA",
        0x003B: "NULL_SHA256",
        0x003C: "AES_128_CBC_SHA256",
        0x003D: "AES_256_CBC_SHA256",
        0x0041: "CAMELLIA_128_CBC_SHA",
        0x0084: "CAMELLIA_256_CBC_SHA",
        0x009C: "AES_128_GCM_SHA256",
        0x009D: "AES_256_GCM_SHA384",
        0x00BA: "CAMELLIA_128_CBC_SHA256",
        0x00C0: "CAMELLIA_256_CBC_SHA256",
        0xC03C: "ARIA_128_CBC_SHA256",
        0xC03D: "ARIA_256_CBC_SHA384",
        0xC050: "ARIA_128_GCM_SHA256",
        0xC051: "ARIA_256_GCM_SHA384",
        0xC07A: "CAMELLIA_128_GCM_SHA256",
        0xC07B: "CAMELLIA_256_GCM_SHA384",
        0xC09C: "AES_128_CCM",
        0xC09D: "AES_256_CCM",
        0xC0A0: "AES_128_CCM_8",
        0xC0A1: "AES_256_CCM_8",
    },
    "RSA_EXPORT": {0x0003: "RC4_40_MD5", 0x0006: "RC2_CBC_40_MD5", 0x0008: "DES40_CBC_SHA"},
    "DHE_RSA": {
        0x0015: "DES_CBC_SHA",
        0x0016: "3DES_EDE_CBC_SHA",
        0x0033: "AES_128_CBC_SHA",
        0x0039: "AES_256_CBC_SHA",
        0x0045: "CAMELLIA_128_CBC_SHA",
        0x0067: "AES_128_CBC_SHA256",
        0x006B: "AES_256_CBC_SHA256",
        0x0088: "CAMELLIA_256_CBC_SHA",
        0x009E: "AES_128_GCM_SHA256",
        0x009F: "AES_256_GCM_SHA384",
        0x00BE: "CAMELLIA_128_CBC_SHA256",
        0x00C4: "CAMELLIA_256_CBC_SHA256",
        0xC044: "ARIA_128_CBC_SHA256",
        0xC045: "ARIA_256_CBC_SHA384",
        0xC052: "ARIA_128_GCM_SHA256",
        0xC053: "ARIA_256_GCM_SHA384",
        0xC07C: "CAMELLIA_128_GCM_SHA256",
        0xC07D: "CAMELLIA_256_GCM_SHA384",
        0xC09E: "AES_128_CCM",
        0xC09F: "AES_256_CCM",
        0xC0A2: "AES_128_CCM_8",
        0xC0A3: "AES_256_CCM_8",
        0xCCAA: "CHACHA20_POLY1305_SHA256",
    },
    "DH_anon": {
        0x0018: "RC4_128_MD5",
        0x001B: "3DES_EDE_CBC_SHA",
        0x0034: "AES_128_CBC_SHA",
        0x003A: "AES_256_CBC_SHA",
        0x006C: "AES_128_CBC_SHA256",
        0x006D: "AES_256_CBC_SHA256",
        0x00A6: "AES_128_GCM_SHA256",
        0x00A7: "AES_256_GCM_SHA384",
    },
    "ECDH_anon": {
        0xC015: "NULL_SHA",
        0xC016: "RC4_128_SHA",
        0xC017: "3DES_EDE_CBC_SHA",
        0xC018: "AES_128_CBC_SHA",
        0xC019: "AES_256_CBC_SHA",
    },
    "ECDH_ECDSA": {
        0xC003: "3DES_EDE_CBC_SHA",
        0xC004: "AES_128_CBC_SHA",
        0xC005: "AES_256_CBC_SHA",
        0xC025: "AES_128_CBC_SHA256",
        0xC026: "AES_256_CBC_SHA384",
        0xC02D: "AES_128_GCM_SHA256",
        0xC02E: "AES_256_GCM_SHA384",
    },
    "ECDHE_ECDSA": {
        0xC006: "NULL_SHA",
        0xC007: "RC4_128_SHA",
        0xC008: "3DES_EDE_CBC_SHA",
        0xC009: "AES_128_CBC_SHA",
        0xC00A: "AES_256_CBC_SHA",
        0xC023: "AES_128_CBC_SHA256",
        0xC024: "AES_256_CBC_SHA384",
        0xC02B: "AES_128_GCM_SHA256",
        0xC02C: "AES_256_GCM_SHA384",
        0xC048: "ARIA_128_CBC_SHA256",
        0xC049: "ARIA_256_CBC_SHA384",
        0xC05C: "ARIA_128_GCM_SHA256",
        0xC05D: "ARIA_256_GCM_SHA384",
        0xC072: "CAMELLIA_128_CBC_SHA256",
        0xC073: "CAMELLIA_256_CBC_SHA384",
        0xC086: "CAMELLIA_128_GCM_SHA256",
        0xC087: "CAMELLIA_256_GCM_SHA384",
        0xC0AC: "AES_128_CCM",
        0xC0AD: "AES_256_CCM",
        0xC0AE: "AES_128_CCM_8",
        0xC0AF: "AES_256_CCM_8",
        0xCCA9: "CHACHA20_POLY1305_SHA256",
    },
    "ECDH_RSA": {
        0xC00D: "3DES_EDE_CBC_SHA",
        0xC00E: "AES_128_CBC_SHA",
        0xC00F: "AES_256_CBC_SHA",
        0xC029: "AES_128_CBC_SHA256",
        0xC02A: "AES_256_CBC_SHA384",
        0xC031: "AES_128_GCM_SHA256",
        0xC032: "AES_256_GCM_SHA384",
    },
    "ECDHE_RSA": {
        0xC010: "NULL_SHA",
        0xC011: "RC4_128_SHA",
        0xC012: "3DES_EDE_CBC_SHA",
        0xC013: "AES_128_CBC_SHA",
        0xC014: "AES_256_CBC_SHA",
        0xC027: "AES_128_CBC_SHA256",
        0xC028: "AES_256_CBC_SHA384",
        0xC02F: "AES_128_GCM_SHA256",
        0xC030: "AES_256_GCM_SHA384",
        0xC04C: "ARIA_128_CBC_SHA256",
        0xC04D: "ARIA_256_CBC_SHA384",
        0xC060: "ARIA_128_GCM_SHA256",
        0xC061: "ARIA_256_GCM_SHA384",
        0xC076: "CAMELLIA_128_CBC_SHA256",
        0xC077: "CAMELLIA_256_CBC_SHA384",
        0xC08A: "CAMELLIA_128_GCM_SHA256",
        0xC08B: "CAMELLIA_256_GCM_SHA384",
        0xCCA8: "CHACHA20_POLY1305_SHA256",
    },
    "PSK": {
        0x008C: "AES_128_CBC_SHA",
        0x008D: "AES_256_CBC_SHA",
        0x00A8: "AES_128_GCM_SHA256",
        0x00A9: "AES_256_GCM_SHA384",
        0x00AE: "AES_128_CBC_SHA256",
        0x00AF: "AES_256_CBC_SHA384",
        0xC0A4: "AES_128_CCM",
        0xC0A5: "AES_256_CCM",
        0xC0A8: "AES_128_CCM_8",
        0xC0A9: "AES_256_CCM_8",
        0xCCAB: "CHACHA20_POLY1305_SHA256",
    },
    "ECDHE_PSK": {
        0xC035: "AES_128_CBC_SHA",
        0xC036: "AES_256_CBC_SHA",
        0xC037: "AES_128_CBC_SHA256",
        0xC038: "AES_256_CBC_SHA384",
        0xCCAC: "CHACHA20_POLY1305_SHA256",
        0xD001: "AES_128_GCM_SHA256",
        0xD002: "AES_256_GCM_SHA384",
    },
    "SRP_SHA": {0xC01D: "AES_128_CBC_SHA", 0xC020: "AES_256_CBC_SHA"},
    "SRP_SHA_RSA": {0xC01E: "AES_128_CBC_SHA", 0xC021: "AES_256_CBC_SHA"},
}

SUITES: Final[dict[int, str]] = {
    **_TLS13,
    **{number: f"TLS_{exchange}_WITH_{cipher}" for exchange, row in _OLDER.items() for number, cipher in row.items()},
}
"""Code point to name."""

SIGNALS: Final = {0x00FF: "TLS_EMPTY_RENEGOTIATION_INFO_SCSV", 0x5600: "TLS_FALLBACK_SCSV"}
"""Values in the list of suites that are none: RFC 5746 and RFC 7507."""

_BROKEN: Final = ("NULL", "RC4", "RC2", "DES_CBC", "DES40", "3DES", "EXPORT", "anon", "MD5")
_FRESH_KEYS: Final = ("TLS_ECDHE_RSA_", "TLS_ECDHE_ECDSA_", "TLS_DHE_RSA_", "TLS_ECDHE_PSK_")
_AEAD: Final = ("_GCM_", "_CCM", "_POLY1305_")


def suite_name(number: int) -> str:
    """The registered name of a cipher suite, or '0xC0FF' for a number that is not listed here."""
    return SUITES.get(number) or SIGNALS.get(number) or f"0x{number:04X}"


def is_grease(number: int) -> bool:
    """Whether the value is one of RFC 8701's, which clients send to keep servers tolerant: it offers nothing."""
    return number & 0x0F0F == 0x0A0A and number >> 8 == number & 0xFF


def grade(name: str) -> Grade:
    """How good a suite is, by its registered name.

    'recommended': keys of its own for each session and authenticated encryption (RFC 9325 section 4.2, TLS 1.3);
    'broken': no encryption, no authentication, export, MD5, RC4, DES and triple DES (section 4.1);
    'legacy': all other known ones: static keys, CBC; 'unknown': not listed here.
    """
    if name not in _KNOWN:
        return "unknown"
    if any(word in name for word in _BROKEN):
        return "broken"
    if "_WITH_" not in name:
        return "recommended"
    return "recommended" if name.startswith(_FRESH_KEYS) and any(word in name for word in _AEAD) else "legacy"


_KNOWN: Final = frozenset(SUITES.values())
