"""The board's credentials, parsed once a boot, with the log lines that ESP-IDF's esp-tls prints about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from OpenSSL import crypto

from hil.virtual.firmware import pem
from hil.virtual.firmware.build import Build
from hil.virtual.firmware.settings import Settings

TAG = "esp-tls-mbedtls"

_EC_PAIR_MISMATCH = -0x4F80  # MBEDTLS_ERR_ECP_BAD_INPUT_DATA, from mbedtls_pk_check_pair
_RSA_PAIR_MISMATCH = -0x4200  # MBEDTLS_ERR_RSA_KEY_CHECK_FAILED

Log = Callable[[str, str, str], None]


class CredentialsError(Exception):
    """The credentials cannot be used; the log has said why, as often as a connection is tried."""


@dataclass(slots=True)
class Credentials:
    """Trust anchors, the chain to send (leaf first), the key; `lines` are what each try to connect logs first."""

    trusted: list[crypto.X509] = field(default_factory=list)
    chain: list[crypto.X509] = field(default_factory=list)
    key: crypto.PKey | None = None
    lines: list[tuple[str, str]] = field(default_factory=list)
    usable: bool = True
    verify: bool = True  # whether the server has to prove who it is

    def tell(self, log: Log) -> None:
        """Log what is wrong with them; raises CredentialsError if they cannot be used."""
        for level, text in self.lines:
            log(level, TAG, text)
        if not self.usable:
            log("E", TAG, "create_ssl_handle failed")
            raise CredentialsError

    def _refuse(self, text: str) -> None:
        self.lines.append(("E", text))
        self.usable = False

    def _certificates(self, text: bytes) -> list[crypto.X509]:
        try:
            found, bad = pem.certificates(text)
        except pem.ParseError as error:
            self._refuse(f"mbedtls_x509_crt_parse returned {error}")
            return []
        if bad:
            words = f"mbedtls_x509_crt_parse was partly successful. No. of failed certificates: {bad}"
            self.lines.append(("W", words))
        return found

    def _load_client(self, settings: Settings, build: Build) -> None:
        if not settings.cert and not settings.key:
            self.lines.append(("W", "no client certificate in NVS: connecting without one"))
            return
        if not settings.cert or not settings.key:
            there, missing = ("cert", "key") if settings.cert else ("key", "cert")
            self._refuse(f"{there} is set in NVS, but {missing} is missing: provision both")
            return
        self.chain = self._certificates(settings.cert)
        try:
            self.key = pem.private_key(settings.key)
        except pem.ParseError as error:
            self._refuse(f"mbedtls_pk_parse_keyfile returned {error}")
        if self.chain and self.key is not None and not _is_pair(self.chain[0], self.key):
            code = _RSA_PAIR_MISMATCH if self.key.type() == crypto.TYPE_RSA else _EC_PAIR_MISMATCH
            self._refuse(f"mbedtls_pk_check_pair returned -0x{-code:04X}: the key is not that of the certificate")
        if build.has("partial-chain"):
            del self.chain[1:]


def _is_pair(certificate: crypto.X509, key: crypto.PKey) -> bool:
    mine, its = (crypto.dump_publickey(crypto.FILETYPE_ASN1, k) for k in (key, certificate.get_pubkey()))
    return mine == its


def load(settings: Settings, build: Build) -> Credentials:
    """Parse what the settings hold. Never raises: `Credentials.tell` does, at each connect."""
    credentials = Credentials()
    if settings.ca:
        credentials.trusted = credentials._certificates(settings.ca)
        if build.has("first-anchor-only"):
            del credentials.trusted[1:]
    if build.has("unverified-fallback") and not credentials.trusted:
        credentials = Credentials(verify=False)
    if not build.lacks("client-certificate"):
        credentials._load_client(settings, build)
    if build.has("certless-fallback") and not (credentials.chain and credentials.key and credentials.usable):
        credentials = Credentials(credentials.trusted, verify=credentials.verify)
    return credentials
