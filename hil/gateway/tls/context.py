"""The server's TLS context, made of the settings that a board shall meet."""

from __future__ import annotations

import ctypes
import ssl
import sys
import warnings
from collections.abc import Callable
from typing import Any, Final

from hil.credentials.unnamed_file import through_a_file
from hil.gateway.tls.flight import ALERT, CHANGE_CIPHER_SPEC, HANDSHAKE, HEADER
from hil.gateway.tls.keys import SecretLog
from hil.gateway.tls.settings import VERSIONS, TlsSettings
from hil.gateway.tls.suites import SUITES

_TOO_WEAK: Final = ("CA_MD_TOO_WEAK", "EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL")
_TOLD_ALWAYS: Final = (HANDSHAKE, ALERT)
_TOLD_IN_DETAIL: Final = (HEADER, CHANGE_CIPHER_SPEC)


class Observed(ssl.SSLObject):
    """An SSLObject that hands on what the context's message callback says about it.

    `observer` gets direction, content type and data of handshake messages and alerts; with `detailed` of record
    headers and ChangeCipherSpecs as well.
    """

    observer: Callable[[str, int, bytes], None] | None = None
    detailed: bool = False


class ServerContext(ssl.SSLContext):
    """A server's context that may remember its sessions' keys."""

    secret_log: SecretLog | None = None


def make_context(settings: TlsSettings) -> ServerContext:
    """A server context for `settings`.

    Raises ValueError, in one line, for a PEM that cannot be used and for suites that OpenSSL does not have. Keys go
    through anonymous memory, not through a file.
    """
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    _limit_versions(context, settings)
    limit_suites(context, settings.ciphers, settings.suites)
    context.sslobject_class = Observed
    if not settings.tickets:
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    _load_identity(context, settings)
    if settings.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        if settings.partial_chain:
            context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        _trust(context, settings.client_ca)
        if settings.revoked:
            _load_revoked(context, settings.revoked)
    if settings.secrets:
        context.secret_log = SecretLog(context)
    _observe(context)
    return context


def limit_suites(context: ssl.SSLContext, ciphers: tuple[str, ...] | None, suites: tuple[str, ...] | None) -> None:
    """Have `context` accept these alone: `ciphers` for TLS 1.2 and older, `suites` for TLS 1.3; None leaves all.

    Names are the registered ones or OpenSSL's. Raises ValueError where OpenSSL lacks one or cannot be told.
    """
    if ciphers is not None:
        known = {f"{SUITES.get(found['id'] & 0xFFFF)}": found["name"] for found in _all_ciphers()}
        try:
            context.set_ciphers(":".join(known.get(name, name) for name in ciphers) + ":@SECLEVEL=0")
        except ssl.SSLError:
            raise ValueError(
                f"OpenSSL has none of the cipher suites {', '.join(ciphers) or '(none given)'} for TLS 1.2; expected "
                "names such as TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
            ) from None
    if suites is not None:
        _limit_tls13(context, suites)


def _all_ciphers() -> list[dict[str, Any]]:
    every = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    every.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    return [dict(cipher) for cipher in every.get_ciphers()]


def _limit_tls13(context: ssl.SSLContext, suites: tuple[str, ...]) -> None:
    """CPython has `set_ciphersuites` since 3.15 only; before that OpenSSL's own function has to be asked.

    The context's handle is the first field behind the object's header in all CPythons up to then. What it did is
    looked at afterwards, so a build where that does not hold is noticed.
    """
    listed = ":".join(suites)
    try:
        if hasattr(context, "set_ciphersuites"):  # pragma: no cover
            context.set_ciphersuites(listed)
        elif sys.implementation.name != "cpython" or sys.version_info >= (3, 15):  # pragma: no cover
            raise AttributeError("set_ciphersuites")
        else:
            library = ctypes.CDLL(ssl._ssl.__file__)  # type: ignore[attr-defined]
            library.SSL_CTX_set_ciphersuites.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
            handle = ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value
            library.SSL_CTX_set_ciphersuites(handle, listed.encode("ascii"))
    except (ssl.SSLError, AttributeError, OSError):
        raise ValueError("this Python's OpenSSL cannot be told which TLS 1.3 suites to accept") from None
    found = [cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] == "TLSv1.3"]
    if sorted(found) != sorted(suites):
        known = ", ".join(name for name in SUITES.values() if "_WITH_" not in name)
        raise ValueError(f"found TLS 1.3 suites {', '.join(suites)}, expected some of {known}")


def _limit_versions(context: ssl.SSLContext, settings: TlsSettings) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of versions that are asked for because they are old
        context.minimum_version = VERSIONS[settings.minimum]
        context.maximum_version = VERSIONS[settings.maximum]
    if settings.minimum in ("TLSv1", "TLSv1.1") and settings.ciphers is None:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # they sign with SHA-1, which is below OpenSSL 3's first level


def _trust(context: ssl.SSLContext, client_ca: bytes) -> None:
    try:
        context.load_verify_locations(cadata=client_ca.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise ValueError(f"the client CA is no PEM certificate ({error}); give the authority's PEM") from None


def _load_revoked(context: ssl.SSLContext, revoked: bytes) -> None:
    try:
        through_a_file(revoked, context.load_verify_locations)
    except ssl.SSLError as error:
        raise ValueError(f"the revocation list is no PEM ({error}); give a CRL, PEM") from None
    context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF


def _load_identity(context: ssl.SSLContext, settings: TlsSettings) -> None:
    pem = settings.key_pem.rstrip() + b"\n" + settings.chain_pem
    try:
        try:
            through_a_file(pem, context.load_cert_chain)
        except ssl.SSLError as error:
            if not settings.weak or error.reason not in _TOO_WEAK:
                raise
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            through_a_file(pem, context.load_cert_chain)
    except ssl.SSLError as error:
        why = "its key belongs to another certificate" if error.reason == "KEY_VALUES_MISMATCH" else str(error)
        raise ValueError(
            f"the server identity cannot be used: {why}; give a PEM chain, leaf first, and its key"
        ) from None


def _observe(context: ssl.SSLContext) -> None:
    """Have the context tell every handshake message and alert, decrypted.

    CPython has had this debugging hook since 3.8, under a private name. Where it is missing, failures are told by
    OpenSSL's error words alone. The descriptor is used directly because ssl.py's own wrapper makes enums of each
    argument, for each record.
    """
    raw = getattr(ssl, "_ssl", None)
    hook = raw._SSLContext.__dict__.get("_msg_callback") if raw is not None else None
    if hook is None:  # pragma: no cover
        return

    def told(tls: Any, direction: str, version: int, content: int, kind: int, data: bytes) -> None:
        if content in _TOLD_ALWAYS or (content in _TOLD_IN_DETAIL and getattr(tls, "detailed", False)):
            observer = getattr(tls, "observer", None)
            if observer is not None:
                observer(direction, content, data)

    hook.__set__(context, told)
