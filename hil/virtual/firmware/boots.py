"""What a boot does with the NVS: opens it, counts itself, and, in two bad builds, puts the board at risk."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from hil.virtual.firmware.nvs import NvsError, Store
from hil.virtual.firmware.settings import Settings
from hil.virtual.firmware.system import System

TAG = "app"
NAMESPACE = "device"

END = b"-----END CERTIFICATE-----\n"

QUICK_BOOTS = 3
"""Boots in quick succession after which a build with boot-lockout goes to its set-up mode (as sketches with a double or
triple reset detector do)."""

QUICK_SECONDS = 2.0
"""A boot that lasts for so long was not a quick one."""

SAVING_SECONDS = 1.0
"""How long a build with fragile-nvs leaves its NVS erased at each boot. Real seconds at any speed of the board, so that
there is a time to cut in."""


def open_nvs(system: System) -> Store:
    """The NVS partition. Raises NvsError."""
    if "nvs" not in system.partitions:
        raise NvsError('partition "nvs" is not in the partition table')
    offset, size = system.partitions["nvs"]
    return Store(
        system.flash_read(offset, size),
        lambda at, data: system.flash_write(offset + at, data),
        lambda at, length: system.flash_erase(offset + at, length),
    )


def _count(store: Store, key: str) -> int:
    found = store.get(NAMESPACE, key)
    number = (found if isinstance(found, int) else 0) + 1
    store.set_u32(NAMESPACE, key, number)
    return number


def count(system: System, store: Store) -> int:
    """Count this boot; its number, from 1."""
    number = _count(store, "boots")
    system.log("I", TAG, f"boot {number}, reset cause 0x{int(system.cause):x}")
    return number


def secure(system: System) -> None:
    """The mistake of download-lock: what a guide to production says is done on a board that is still in development."""
    if system.build.has("download-lock"):
        system.log("W", TAG, "burning eFuse UART_DOWNLOAD_DIS")
        system.disable_download()


def locked_out(system: System, store: Store) -> bool:
    """Whether this build takes a few quick boots for somebody's wish to set it up anew."""
    if not system.build.has("boot-lockout"):
        return False
    if _count(store, "quick") > QUICK_BOOTS:
        system.log("W", TAG, f"{QUICK_BOOTS} quick resets: in set-up mode, waiting for a phone")
        return True
    asyncio.get_running_loop().call_later(QUICK_SECONDS, store.set_u32, NAMESPACE, "quick", 0)
    return False


async def save_settings(system: System, store: Store) -> None:
    """The mistake of fragile-nvs: the settings are erased, and then written anew, although nothing has changed."""
    if not system.build.has("fragile-nvs"):
        return
    offset, _ = system.partitions["nvs"]
    content = store.content
    system.log("I", TAG, "saving the settings")
    system.flash_erase(offset, len(content))
    await asyncio.sleep(SAVING_SECONDS)
    system.flash_write(offset, content)


def kept(system: System, store: Store, settings: Settings) -> Settings:
    """Mistakes with credentials that change: what it was given first goes on, whatever it is given later."""
    if system.build.has("kept-certificate"):
        settings = replace(settings, cert=_first(store, "cert", settings.cert), key=_first(store, "key", settings.key))
    if system.build.has("kept-intermediate"):
        leaf, end, above = settings.cert.partition(END)
        settings = replace(settings, cert=leaf + end + _first(store, "above", above))
    if system.build.has("kept-anchors"):
        before = store.get(NAMESPACE, "anchors")
        if isinstance(before, bytes):
            settings = replace(settings, ca=before if settings.ca in before else before + settings.ca)
        store.set_blob(NAMESPACE, "anchors", settings.ca)
    return settings


def _first(store: Store, key: str, now: bytes) -> bytes:
    """What was stored under `key` first, which is this if nothing was."""
    before = store.get(NAMESPACE, key)
    if isinstance(before, bytes):
        return before
    store.set_blob(NAMESPACE, key, now)
    return now
