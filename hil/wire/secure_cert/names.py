"""What the types of entries are called, and how a contract names an entry.

Numbers: esp_secure_cert_tlv_type_t in esp_secure_cert_tlv_config.h of esp_secure_cert_mgr 2.6. A type may have several
entries, told apart by their subtype: `device_cert` is the first (0), `device_cert-1` the next.
"""

from __future__ import annotations

import re

LABEL = "esp_secure_cert"
"""The label by which the component finds its partition, of type 0x3F; no other will do."""

CA_CERT = 0
DEVICE_CERT = 1
PRIVATE_KEY = 2
DS_DATA = 3
SIGNATURE = 8
INTEGRITY = 9
HIGHEST_SUBTYPE = 253  # 254 asks the component for the last entry, 255 is invalid

SETTABLE = {"ca_cert": CA_CERT, "device_cert": DEVICE_CERT, "private_key": PRIVATE_KEY} | {
    f"user_data_{number}": 50 + number for number in range(1, 6)
}
"""The entries that can be written from outside, and their types. All others belong to this one chip, or to a signer."""

_NAMES = {
    **{number: name for name, number in SETTABLE.items()},
    DS_DATA: "ds_data",
    4: "ds_context",
    5: "ecdsa_key_salt",
    6: "security_config",
    7: "tee_storage_key",
    SIGNATURE: "signature",
    INTEGRITY: "integrity",
    201: "matter_1",
    202: "matter_2",
}
_KEY = re.compile(r"([a-z_]+(?:_[1-5])?)(?:-([0-9]{1,3}))?")


def entry_of(key: str) -> tuple[int, int]:
    """Type and subtype of the entry that a contract's key names. Raises ValueError for one that cannot be written."""
    match = _KEY.fullmatch(key)
    subtype = int(match[2] or 0) if match else 0
    if match is None or match[1] not in SETTABLE or subtype > HIGHEST_SUBTYPE:
        known = ", ".join(name for name in SETTABLE if not name.startswith("user"))
        raise ValueError(
            f"no entry of esp_secure_cert is called {key!r}; known: {known}, user_data_1 to user_data_5, each also "
            "with a subtype behind it (device_cert-1)"
        )
    return SETTABLE[match[1]], subtype


def name_of(type_: int, subtype: int) -> str:
    """What people call an entry: 'device_cert', 'device_cert-1', 'type 60'."""
    name = _NAMES.get(type_, f"type {type_}")
    return f"{name}-{subtype}" if subtype else name
