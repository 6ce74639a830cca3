"""Every way in which `hil.credentials.broken` makes a certificate wrong, by name, and what TLS stacks say of it."""

from __future__ import annotations

from enum import StrEnum

from hil.credentials.identity import CredentialsError


class Flaw(StrEnum):
    """What is wrong. The value is the name that configuration files and reports use."""

    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    WRONG_NAME = "wrong-name"
    UNKNOWN_AUTHORITY = "unknown-authority"
    SELF_SIGNED = "self-signed"
    WRONG_PURPOSE = "wrong-purpose"
    WRONG_SIGNATURE = "wrong-signature"
    WRONG_KEY = "wrong-key"
    OTHER_KEY = "other-key"
    WEAK_SIGNATURE = "weak-signature"
    WEAK_KEY = "weak-key"
    NO_INTERMEDIATE = "no-intermediate"
    WRONG_ORDER = "wrong-order"
    NO_CONSTRAINTS = "no-basic-constraints"
    NOT_AN_AUTHORITY = "ca-false"
    NO_CERT_SIGN = "no-key-cert-sign"
    PATH_TOO_LONG = "path-length-exceeded"
    INTERMEDIATE_EXPIRED = "intermediate-expired"
    SWAPPED_INTERMEDIATES = "swapped-intermediates"
    DUPLICATES = "duplicate-certificates"
    ROOT_INCLUDED = "root-included"
    LARGE_CHAIN = "large-chain"
    VERY_LARGE_CHAIN = "very-large-chain"
    DEEP_CHAIN = "deep-chain"

    @classmethod
    def named(cls, name: str) -> Flaw:
        """The flaw of that name. Raises CredentialsError, with the names there are."""
        try:
            return cls(name)
        except ValueError:
            known = ", ".join(flaw.value for flaw in cls)
            raise CredentialsError(f"found flaw {name!r}, expected one of: {known}") from None

    @property
    def verdict(self) -> int | None:
        """OpenSSL's verify code; for WRONG_NAME the one that it gives when asked for the right name."""
        return _VERDICTS.get(self)

    @property
    def mbedtls(self) -> int:
        """mbedTLS's flags (MBEDTLS_X509_BADCERT_..., 0: it accepts) for a server that is asked for the right name.

        They are the same for a device, but for WRONG_NAME (0) and WRONG_ORDER (0x800, key usage).
        """
        return _FLAGS.get(self, 0)

    @property
    def in_key(self) -> bool:
        """Whether the certificates are good and the key is not theirs: the handshake's signature does not fit them."""
        return self in (Flaw.WRONG_KEY, Flaw.OTHER_KEY)

    @property
    def harmless(self) -> bool:
        """Whether OpenSSL accepts it all the same, while small stacks may not: the chain is unusual, but good."""
        return self in _HARMLESS


# OpenSSL 3.0: X509_V_ERR_..., as tests/harness/test_authority.py has `openssl verify` say them.
_VERDICTS = {
    Flaw.EXPIRED: 10,
    Flaw.NOT_YET_VALID: 9,
    Flaw.WRONG_NAME: 62,
    Flaw.UNKNOWN_AUTHORITY: 20,
    Flaw.SELF_SIGNED: 18,
    Flaw.WRONG_PURPOSE: 26,
    Flaw.WRONG_SIGNATURE: 7,
    Flaw.NO_INTERMEDIATE: 20,
    Flaw.NO_CONSTRAINTS: 79,
    Flaw.NOT_AN_AUTHORITY: 79,
    Flaw.NO_CERT_SIGN: 79,
    Flaw.PATH_TOO_LONG: 25,
    Flaw.INTERMEDIATE_EXPIRED: 10,
    Flaw.WEAK_SIGNATURE: 68,  # from security level 1 on (openssl verify -auth_level)
    Flaw.WEAK_KEY: 66,  # from level 2 on
}

# mbedTLS 2.28: MBEDTLS_X509_BADCERT_..., as tests/harness/test_verdicts.py has the library say them.
_FLAGS = {
    Flaw.EXPIRED: 0x1,
    Flaw.NOT_YET_VALID: 0x200,
    Flaw.WRONG_NAME: 0x4,
    Flaw.UNKNOWN_AUTHORITY: 0x8,
    Flaw.SELF_SIGNED: 0x8,
    Flaw.WRONG_PURPOSE: 0x1000,
    Flaw.WRONG_SIGNATURE: 0x8,
    Flaw.WEAK_SIGNATURE: 0x4000,
    Flaw.WEAK_KEY: 0x10000,
    Flaw.NO_INTERMEDIATE: 0x8,
    Flaw.WRONG_ORDER: 0x4,
    Flaw.NO_CONSTRAINTS: 0x8,
    Flaw.NOT_AN_AUTHORITY: 0x8,
    Flaw.NO_CERT_SIGN: 0x8,
    Flaw.PATH_TOO_LONG: 0x8,
    Flaw.INTERMEDIATE_EXPIRED: 0x1,
    Flaw.SWAPPED_INTERMEDIATES: 0x8,
    Flaw.DEEP_CHAIN: 0xFFFFFFFF,  # it gives up: -0x3000
}

_HARMLESS = {
    Flaw.SWAPPED_INTERMEDIATES,
    Flaw.DUPLICATES,
    Flaw.ROOT_INCLUDED,
    Flaw.LARGE_CHAIN,
    Flaw.VERY_LARGE_CHAIN,
    Flaw.DEEP_CHAIN,
}
