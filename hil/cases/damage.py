"""A device's PEM texts as they arrive damaged: what somebody's copying, editing or provisioning does to them."""

from __future__ import annotations

import re
from dataclasses import replace

from hil.cases.conditions import Damage
from hil.credentials import Authority, Credentials, Flaw, broken

_BLOCK = re.compile(rb"-----BEGIN [^-]*-----\n.*?-----END [^-]*-----\n?", re.DOTALL)


def flawed(authority: Authority, common_name: str, good: Credentials, flaw: Flaw | Damage) -> Credentials:
    """The credentials with this flaw: made anew by `authority` for a flaw of a certificate, else `good` damaged."""
    if isinstance(flaw, Flaw):
        return broken.device(authority, common_name, flaw)
    match flaw:
        case "no-certificate":
            return replace(good, chain_pem=b"", key_pem=b"", flaw=flaw)
        case "no-key":
            return replace(good, key_pem=b"", flaw=flaw)
        case "damaged-certificate":
            return replace(good, chain_pem=_stray(good.chain_pem, 0), flaw=flaw)
        case "damaged-intermediate":
            return replace(good, chain_pem=_stray(good.chain_pem, -1), flaw=flaw)
        case "damaged-key":
            return replace(good, key_pem=_stray(good.key_pem, 0), flaw=flaw)
        case "damaged-anchors":
            return replace(good, trust_anchors_pem=_stray(good.trust_anchors_pem, 0), flaw=flaw)


def _stray(pem: bytes, which: int) -> bytes:
    """The PEM text with a space inside the base64 of one block: mbedTLS refuses that (-0x112C), and in a bundle it
    skips the one that has it without a word."""
    blocks = list(_BLOCK.finditer(pem))
    middle = (blocks[which].start() + blocks[which].end()) // 2
    if pem[middle : middle + 1] == b"\n":
        middle += 2
    return pem[:middle] + b" " + pem[middle:]
