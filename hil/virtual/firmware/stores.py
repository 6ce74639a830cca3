"""Where the firmware finds what it must know. The image says which of `STORES` it was built for (build.py).

Settings come from NVS, credentials (`ca`, `cert`, `key`) from the store; images of kind "constants" have all of it in
themselves. What is not there is None; a store that is damaged is an error: firmware that went on without would hide it.
"""

from __future__ import annotations

from collections.abc import Callable

from hil.virtual.firmware import littlefs, nvs, secure_cert, spiffs
from hil.virtual.firmware.settings import SettingError, Value
from hil.virtual.firmware.system import System

Get = Callable[[str, str], Value | None]
"""Namespace and key to the value, or None."""

FILES = {"ca": "/certs/ca.pem", "cert": "/certs/cert.pem", "key": "/certs/key.pem"}
"""The files that credentials are read from."""

FILE_PARTITION = "spiffs"
"""What Arduino calls the partition of its file system, whichever it is."""

SECURE_CERT_PARTITION = "esp_secure_cert"

AT_KEYS = {"ca": ("mqtt_ca", "mqtt_ca"), "cert": ("mqtt_cert", "mqtt_cert"), "key": ("mqtt_key", "mqtt_key")}
"""Namespace and key of each credential in NVS, as ESP-AT's mfg_nvs.py names them: no index where there is one only."""


def source(system: System, store: nvs.Store) -> Get:
    """How to look a setting up in this image's store; `store` is the NVS. The result raises SettingError."""
    match system.build.store:
        case "constants":
            return lambda namespace, key: system.constants.get(key)
        case "console":
            return lambda namespace, key: store.get(*AT_KEYS.get(key, (namespace, key)))
        case "littlefs":
            return _files(system, store, littlefs.read_file)
        case "spiffs":
            return _files(system, store, spiffs.read_file)
        case "esp-secure-cert":
            return _secure_cert(system, store)
    return store.get


def place(kind: str) -> str:
    """The store in words, for an error about something that is missing."""
    return "this image" if kind == "constants" else "NVS (namespace hil)"


def _files(system: System, store: nvs.Store, read: Callable[[bytes, str], bytes | None]) -> Get:
    def get(namespace: str, key: str) -> Value | None:
        if key not in FILES:
            return store.get(namespace, key)
        try:
            return read(_partition(system, FILE_PARTITION), FILES[key])
        except ValueError as error:
            raise SettingError(f"{system.build.store} in partition {FILE_PARTITION!r}: {error}") from None

    return get


def _secure_cert(system: System, store: nvs.Store) -> Get:
    kinds = {"ca": secure_cert.CA_CERTIFICATE, "cert": secure_cert.DEVICE_CERTIFICATE, "key": secure_cert.PRIVATE_KEY}

    def get(namespace: str, key: str) -> Value | None:
        if key not in kinds:
            return store.get(namespace, key)
        try:
            return secure_cert.read_pem(_partition(system, SECURE_CERT_PARTITION), kinds[key])
        except ValueError as error:
            raise SettingError(f"partition {SECURE_CERT_PARTITION!r}: {error}") from None

    return get


def _partition(system: System, label: str) -> bytes:
    if label not in system.partitions:
        raise SettingError(f'partition "{label}" is not in the partition table')
    return system.flash_read(*system.partitions[label])
