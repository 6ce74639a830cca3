"""The esp_secure_cert partition, in which Espressif's component of that name keeps certificates and keys.

    partition = flash.read(offset, size)
    print(parse(partition).get(*entry_of("device_cert")).data)
    partition = merge(partition, {entry_of("device_cert"): chain + b"\\0", entry_of("user_data_1"): None})

Pure functions on bytes. `merge` keeps whatever it is not asked to change: DS data, salts, entries of unknown types.
"""

from hil.wire.secure_cert.entry import Damaged, Entry, Full, Legacy, Protected, SecureCertError
from hil.wire.secure_cert.merge import build, merge
from hil.wire.secure_cert.names import LABEL, SETTABLE, entry_of, name_of
from hil.wire.secure_cert.reader import Contents, Encrypted, parse, salvage

__all__ = [
    "LABEL",
    "SETTABLE",
    "Contents",
    "Damaged",
    "Encrypted",
    "Entry",
    "Full",
    "Legacy",
    "Protected",
    "SecureCertError",
    "build",
    "entry_of",
    "merge",
    "name_of",
    "parse",
    "salvage",
]
