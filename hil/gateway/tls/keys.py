"""A session's own keys, and records made with them.

OpenSSL chooses its alerts and the sizes of its handshake records itself. Where a fault wants others, the record has to
be made here, with the keys of the session. They come from OpenSSL's key log, which exists for that purpose and lies in
anonymous memory here; it never touches a disk.

TLS 1.3: RFC 8446 sections 5.2, 5.3, 7.1 and 7.3. TLS 1.2: RFC 5246 sections 5, 6.2.3.3 and 6.3, RFC 5288 (GCM) and
RFC 7905 (ChaCha20). Key log: draft-ietf-tls-keylogfile.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import ssl
import tempfile
import weakref
from collections import OrderedDict
from typing import Final, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

_VERSION: Final = b"\x03\x03"  # in the record header of TLS 1.2, and of TLS 1.3 to look like it
_OLD_VERSIONS: Final = {"TLSv1": b"\x03\x01", "TLSv1.1": b"\x03\x02"}
_APPLICATION: Final = 23
_MOST_SESSIONS: Final = 4096
"""Sessions whose secrets are kept: more than can be in their handshakes at a time."""


def plain_record(content: int, data: bytes, version: str = "TLSv1.2") -> bytes:
    """A record without protection. `content`: 21 an alert, 22 a handshake message. `version`: what was agreed."""
    return bytes([content]) + _OLD_VERSIONS.get(version, _VERSION) + len(data).to_bytes(2, "big") + data


class Sealer(Protocol):
    """Makes protected records. `sequence` is the number of the next one."""

    sequence: int

    def seal(self, content: int, data: bytes) -> bytes: ...


class SecretLog:
    """Where one context's sessions leave their secrets."""

    def __init__(self, context: ssl.SSLContext) -> None:
        if hasattr(os, "memfd_create"):
            self._file = os.memfd_create("secrets", os.MFD_CLOEXEC)
            context.keylog_filename = f"/proc/self/fd/{self._file}"
        else:  # pragma: no cover
            self._file, path = tempfile.mkstemp()
            context.keylog_filename = path
            os.unlink(path)
        weakref.finalize(self, os.close, self._file)
        self._secrets: OrderedDict[str, dict[str, bytes]] = OrderedDict()

    def find(self, label: str, client_random: bytes) -> bytes:
        """The secret `label` ('SERVER_TRAFFIC_SECRET_0', ...) of the session whose ClientHello had that random.

        Raises KeyError where there is none.
        """
        self.gather()
        return self._secrets[client_random.hex()][label]

    def gather(self) -> None:
        """Take over what has been written meanwhile, so that the log stays short. In the thread that does the TLS."""
        size = os.fstat(self._file).st_size
        if not size:
            return
        text = os.pread(self._file, size, 0).decode("ascii")
        os.ftruncate(self._file, 0)  # OpenSSL appends, so it goes on from the beginning
        for line in text.splitlines():
            if not line.startswith("#"):
                label, client_random, secret = line.split()
                self._secrets.setdefault(client_random, {})[label] = bytes.fromhex(secret)
        while len(self._secrets) > _MOST_SESSIONS:
            self._secrets.popitem(last=False)


_AEAD = AESGCM | AESCCM | ChaCha20Poly1305


def _aead(suite: str, key: bytes) -> _AEAD:
    if "CHACHA20" in suite:
        return ChaCha20Poly1305(key)
    if "_CCM" in suite:
        return AESCCM(key, tag_length=8 if "_CCM_8" in suite else 16)
    return AESGCM(key)


def _key_size(suite: str) -> int:
    return 16 if "AES_128" in suite else 32


class Tls13Sealer:
    """Records under a traffic secret of TLS 1.3. `suite` is a registered name."""

    def __init__(self, suite: str, secret: bytes) -> None:
        self.sequence = 0
        self._hash = hashes.SHA384() if suite.endswith("SHA384") else hashes.SHA256()
        self._aead = _aead(suite, self._expand(secret, b"key", _key_size(suite)))
        self._iv = self._expand(secret, b"iv", 12)
        self._tag = 8 if "_CCM_8" in suite else 16

    def seal(self, content: int, data: bytes) -> bytes:
        nonce = (int.from_bytes(self._iv, "big") ^ self.sequence).to_bytes(12, "big")
        header = bytes([_APPLICATION]) + _VERSION + (len(data) + 1 + self._tag).to_bytes(2, "big")
        self.sequence += 1
        return header + self._aead.encrypt(nonce, data + bytes([content]), header)

    def _expand(self, secret: bytes, label: bytes, size: int) -> bytes:
        label = b"tls13 " + label
        info = size.to_bytes(2, "big") + bytes([len(label)]) + label + b"\x00"
        return HKDFExpand(self._hash, size, info).derive(secret)


class Tls12Sealer:
    """The server's records of TLS 1.2. Raises ValueError for a suite without authenticated encryption (CBC, ...)."""

    def __init__(self, suite: str, master: bytes, client_random: bytes, server_random: bytes) -> None:
        if not any(word in suite for word in ("_GCM_", "CHACHA20")):
            raise ValueError(f"no records can be made for {suite}")
        self.sequence = 0
        self._fixed = 12 if "CHACHA20" in suite else 4  # bytes of the nonce that come from the keys
        size = _key_size(suite)
        digest = "sha384" if suite.endswith("SHA384") else "sha256"
        block = _prf(digest, master, b"key expansion" + server_random + client_random, 2 * (size + self._fixed))
        self._aead = _aead(suite, block[size : 2 * size])
        self._iv = block[2 * size + self._fixed :]

    def seal(self, content: int, data: bytes) -> bytes:
        number = self.sequence.to_bytes(8, "big")
        self.sequence += 1
        kind = bytes([content]) + _VERSION
        bound = number + kind + len(data).to_bytes(2, "big")
        if self._fixed == 12:
            explicit = b""
            nonce = (int.from_bytes(self._iv, "big") ^ (self.sequence - 1)).to_bytes(12, "big")
        else:
            explicit = number
            nonce = self._iv + number
        body = explicit + self._aead.encrypt(nonce, data, bound)
        return kind + len(body).to_bytes(2, "big") + body


def _prf(digest: str, secret: bytes, seed: bytes, size: int) -> bytes:
    """P_hash of RFC 5246 section 5; `seed` is the label and the seed."""
    out, a = b"", seed
    while len(out) < size:
        a = hmac.new(secret, a, getattr(hashlib, digest)).digest()
        out += hmac.new(secret, a + seed, getattr(hashlib, digest)).digest()
    return out[:size]
