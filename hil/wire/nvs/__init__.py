"""NVS, the key-value store that ESP-IDF and Arduino's Preferences keep in a flash partition.

    partition = flash.read(offset, size)
    print(parse(partition).namespaces["hil"]["host"])
    partition = merge(partition, "hil", {"host": "192.168.1.2", "port": Value.u16(8883), "old": None})

Pure functions on bytes. `merge` keeps whatever it is not asked to change: Wi-Fi keys, counters, other namespaces.
"""

from hil.wire.nvs.merge import Change, build, changed_sectors, merge
from hil.wire.nvs.page import ENTRIES, PAGE_SIZE, PageState
from hil.wire.nvs.reader import Nvs, PageInfo, parse
from hil.wire.nvs.values import NvsEncrypted, NvsError, NvsFull, Type, Value

__all__ = [
    "ENTRIES",
    "PAGE_SIZE",
    "Change",
    "Nvs",
    "NvsEncrypted",
    "NvsError",
    "NvsFull",
    "PageInfo",
    "PageState",
    "Type",
    "Value",
    "build",
    "changed_sectors",
    "merge",
    "parse",
]
