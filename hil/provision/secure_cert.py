"""Provisioning through the esp_secure_cert partition, where Espressif's component of that name looks for credentials.

A setting is an entry: `device_cert` (the whole chain), `ca_cert`, `private_key`, `user_data_1` to `user_data_5`. All
other entries stay, above all those that belong to this one chip. The partition is small and only read by the firmware,
so it is changed as a whole: what a write that was cut off may have lost comes from the journal.
"""

from __future__ import annotations

from collections.abc import Mapping

from hil.provision import Applied, ProvisionError, Setting
from hil.provision.partition import SECTOR, PartitionAccess, changed, runs
from hil.wire import partitions, secure_cert


class SecureCert:
    """Puts credentials into one board's esp_secure_cert partition. `partition`: its label, if it is not that."""

    name = "esp-secure-cert"
    in_flash = True

    def __init__(self, access: PartitionAccess, *, partition: str | None = None) -> None:
        self._access = access
        self._label = partition or secure_cert.LABEL

    def apply(self, values: Mapping[str, Setting]) -> Applied:
        """See `hil.provision.Method`."""
        board, access = self._access.board, self._access
        changes = {self._entry(key): self._data(key, setting) for key, setting in values.items()}
        place = self._find()
        flash = access.read(place)
        ground, recovered = flash, False
        before = access.before(place)
        try:
            if before is not None and before != flash:
                ground, recovered = _overlay(before, flash), True
            wanted = secure_cert.merge(ground, changes)
            problems = secure_cert.parse(wanted).problems
        except secure_cert.SecureCertError as error:
            raise ProvisionError(f"board {board}, partition {place.label!r}: {error}") from None
        sectors = access.write(place, ground, runs(wanted, changed(flash, wanted)))
        return Applied(sectors, sectors * SECTOR, place.size, recovered, problems)

    def _find(self) -> partitions.Partition:
        """The partition, by its label: a type of one's own may be anything, and is not written by guess."""
        table = self._access.table(near=True)
        for candidate in table:
            if candidate.label != self._label or candidate.type == partitions.TYPE_SECURE_CERT:
                continue
            found = f"board {self._access.board}: its partition {self._label!r} has type {candidate.type:#04x}, subtype"
            if (candidate.type, candidate.subtype) == (partitions.TYPE_DATA, partitions.DATA_NVS):
                raise ProvisionError(
                    f"{found} {candidate.subtype:#04x} (nvs), a legacy format of esp_secure_cert; provision it by "
                    f'method = "nvs", partition = "{self._label}", namespace = "esp_secure_cert", with the keys '
                    "ca_cert, dev_cert and priv_key"
                )
            raise ProvisionError(
                f"{found} {candidate.subtype:#04x}, where the component expects type "
                f"{partitions.TYPE_SECURE_CERT:#04x} and would not find it; correct the partition table"
            )
        types = [(partitions.TYPE_SECURE_CERT, subtype) for subtype in range(256)]
        return self._access.find("esp_secure_cert", types, self._label, self._label, table=table)

    def _entry(self, key: str) -> tuple[int, int]:
        try:
            return secure_cert.entry_of(key)
        except ValueError as error:
            raise ProvisionError(f"board {self._access.board}: {error}") from None

    def _data(self, key: str, setting: Setting) -> bytes | None:
        """A string ends in a NUL, without which mbedTLS takes no PEM; a blob is stored as it is."""
        if setting is None:
            return None
        kind, text = setting
        if kind not in ("string", "blob"):
            raise ProvisionError(
                f"board {self._access.board}, setting {key!r}: esp_secure_cert has no {kind}, only string and blob"
            )
        return text.encode() + (b"\0" if kind == "string" else b"")


def _overlay(before: bytes, now: bytes) -> bytes:
    """The partition as it was, with every sound entry that the board holds now."""
    held = secure_cert.parse(before)
    newer = {
        entry.id: entry.data
        for entry in secure_cert.salvage(now)
        if entry.type in secure_cert.SETTABLE.values() and entry.held_by_chip is None
        if held.get(*entry.id) != entry
    }
    return secure_cert.merge(before, newer)
