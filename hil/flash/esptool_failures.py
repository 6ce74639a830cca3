"""What esptool says when it fails: which failures another attempt cannot mend, and what each most often comes from."""

from __future__ import annotations

import re

from hil.process import Finished

# What verify-flash says of flash with other contents.
DIFFERS = "Verification failed"

# Words of failures that another attempt cannot mend.
HOPELESS = (
    "Wrong chip argument",
    "Wrong --chip argument",
    "is not a valid",
    "will not fit in",
    "Unexpected chip ID",
    "No such file",
    "Usage:",
    "Invalid value",
    "security features",
    "Secure Boot",
    "Flash encryption",
    "ModuleNotFoundError",
    "No module named",
    DIFFERS,
)

# Words of a chip without GET_SECURITY_INFO: the ESP32, the ESP8266.
UNSUPPORTED = ("unsupported", "not supported", "not implemented")

# What each failure most often comes from; the first that is found in esptool's words is told.
_CURES = (
    ("port is busy or doesn't exist", "is the board plugged in, and its port free? `fuser -v` on the port shows who"),
    ("Wrong chip argument", "name the chip that it is in the rig"),
    ("Wrong --chip argument", "name the chip that it is in the rig"),
    ("will not fit in", "build for this flash size, or name another offset"),
    ("Verification failed", "flash it again"),
    ("MD5 of file does not match", "the supply may be weak, or the flash worn: try a lower baud rate"),
    ("Invalid head of packet", "the line loses data: try a lower baud rate or a shorter cable"),
    ("stopped responding", "the line loses data: try a lower baud rate or a shorter cable"),
    ("No module named esptool", "install it: pip install esptool"),
)


# Words of a chip that did not enter its loader: what helps is a matter of its wiring.
_NO_LOADER = ("Wrong boot mode", "No serial data received", "Failed to connect")


def reason(done: Finished, timeout: float, silence: float, loader_cure: str) -> str:
    """Why a run of esptool with these limits (seconds) failed, with the cure where one is known.

    `loader_cure`: what to do about a chip that does not enter its loader.
    """
    if done.ended == "time-out":
        what = f"esptool was not done after {timeout:g} s and has been ended"
    elif done.ended == "stopped":
        what = "esptool was stopped: the bench closes"
    elif done.ended == "silence":
        what = f"esptool had said nothing for {silence:g} s and has been ended"
    else:
        found = re.search(r"fatal error occurred:\s*(.+)|(\w*Exception\b.+)", done.output)
        what = (found[1] or found[2]) if found else f"{done.last_words} (exit code {done.code})"
    words = " ".join(done.output.split())
    cures = (*((sign, loader_cure) for sign in _NO_LOADER), *_CURES)
    cure = next((cure for sign, cure in cures if sign in words), None)
    return what.strip().rstrip(".") + (f"; {cure}" if cure else "")
