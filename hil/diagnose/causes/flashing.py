"""What the flasher met, where that says something of the device."""

from __future__ import annotations

from hil.diagnose.case import Case
from hil.diagnose.cause import Cause, Found
from hil.diagnose.words import since, times
from hil.timeline import Event


def _no_download_mode(case: Case) -> Found | None:
    """A flash that failed before its first byte, with power all the while, and the device's own firmware on the net."""
    for failed in case.all("flash", "failed"):
        started = [e for e in case.all("flash", "start") if e.sequence < failed.sequence]
        if not started:
            continue
        between = [e for e in case.events if started[-1].sequence < e.sequence < failed.sequence]
        if any((e.source, e.kind) in {("flash", "progress"), ("power", "off")} for e in between):
            continue
        own = [e for e in between if (e.source, e.kind) in {("gateway", "accept"), ("time", "request")}]
        if own:
            return _found(started[-1], own, failed)
    return None


def _found(started: Event, own: list[Event], failed: Event) -> Found:
    return Found(
        explanation=f"Flashing failed after {since(started, failed)} with nothing written, and meanwhile the device's "
        f"own firmware was on the network, {times(len(own))}: a reset with IO0 low leads into its app, not into "
        "download mode.",
        evidence=[started, own[0], failed],
        confidence=0.9,
        against=("a line from DTR to IO0 that is not wired looks the same",),
    )


CAUSES = (
    Cause(
        slug="no-download-mode",
        title="The chip does not go into download mode",
        shown_by="a flash that failed before its first byte, while the device's own firmware ran",
        next_steps=(
            "ask the chip for its eFuses (espefuse summary): UART_DOWNLOAD_DIS or DIS_DOWNLOAD_MODE may be burned, "
            "which is for good",
            "see that RTS and DTR reach EN and IO0; hold the BOOT button and try by hand",
        ),
        find=_no_download_mode,
        outranks=("handshake-without-limit", "connection-lost", "server-ends-connection", "device-hangs",
                  "never-online", "no-retry"),
    ),
)  # fmt: skip
