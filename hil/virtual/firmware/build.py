"""What one image was built with: where it keeps what it must know, and which of the mistakes of options.py it makes."""

from __future__ import annotations

from collections.abc import Iterable

from hil.virtual.firmware.options import UnknownOption, find

NVS = "nvs"
STORES = {
    NVS: "settings and credentials in NVS, namespace hil",
    "littlefs": "credentials in files of a LittleFS in the partition spiffs",
    "spiffs": "credentials in files of a SPIFFS in the partition spiffs",
    "esp-secure-cert": "credentials in the partition esp_secure_cert, in TLV format",
    "constants": "settings and credentials in the app image, from a C header that it was built with",
    "console": "settings and credentials in NVS, put there through the console",
}
"""Where an image keeps what it must know: what `--store` names, and what that means. See stores.py."""


class Build:
    """The options that one image was built with. Raises UnknownOption for keys that are none.

    `store` is where it keeps what it must know ('store:spiffs' among the keys; see stores.py).
    """

    def __init__(self, keys: Iterable[str] = ()) -> None:
        keys = list(keys)
        self.store = next((key.removeprefix("store:") for key in keys if key.startswith("store:")), NVS)
        if self.store not in STORES:
            raise UnknownOption(f"the reference firmware has no store {self.store!r}; it has: {', '.join(STORES)}")
        chosen = (key for key in keys if not key.startswith("store:"))
        self._keys = {find(*(key.split(":", 1) if ":" in key else ("with", key))).key for key in chosen}

    def has(self, name: str) -> bool:
        """Whether it was built --with `name`."""
        return find("with", name).key in self._keys

    def lacks(self, name: str) -> bool:
        """Whether it was built --without `name`."""
        return find("without", name).key in self._keys

    def __str__(self) -> str:
        return ", ".join(key.replace(":", " ") for key in sorted(self._keys)) or "none"
