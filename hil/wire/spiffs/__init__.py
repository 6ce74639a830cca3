"""SPIFFS, the flat file system of ESP-IDF and of Arduino sketches for ESP32.

    partition = flash.read(offset, size)
    print(parse(partition).files["/certs/ca.pem"])
    partition = merge(partition, {"/certs/ca.pem": pem, "/old.txt": None})

Pure functions on bytes. `merge` keeps whatever it is not asked to change: other files with their object ids, and even
what is damaged. A `Geometry` says with which settings the firmware was built, if not with the usual ones.
"""

from hil.wire.spiffs.geometry import Geometry, NotSpiffs, SpiffsError, SpiffsFull
from hil.wire.spiffs.merge import build, merge
from hil.wire.spiffs.reader import File, Spiffs, parse
from hil.wire.spiffs.recognise import check, is_blank
from hil.wire.spiffs.recover import overlay

__all__ = [
    "File",
    "Geometry",
    "NotSpiffs",
    "Spiffs",
    "SpiffsError",
    "SpiffsFull",
    "build",
    "check",
    "is_blank",
    "merge",
    "overlay",
    "parse",
]
