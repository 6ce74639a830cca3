"""Power and boot: crashes, resets that nobody asked for, boots that lead nowhere, what a cut has destroyed."""

from __future__ import annotations

import re

from hil.attempts import Attempt
from hil.diagnose.case import Case, published, size
from hil.diagnose.cause import Cause, Found
from hil.diagnose.words import listed, since, span, times
from hil.timeline import Event

_PANIC = re.compile(
    r"Guru Meditation|abort\(\) was called|Task watchdog got triggered|Stack canary|LoadProhibited|StoreProhibited"
    r"|assert failed|CORRUPT HEAP"
)
_DAMAGED = re.compile(r"invalid header: 0x|flash read err|No bootable app|image at 0x.*has invalid|invalid magic byte")
_COUNTED = re.compile(r"\b(quick|double|triple|multiple|\d+) (resets?|reboots?|boots?|starts?)\b|multi.?reset", re.I)
_SETUP = re.compile(r"set-?up mode|provisioning mode|config portal|\bAP mode|waiting for a phone|factory mode", re.I)
_NO_SETTINGS = re.compile(
    r"missing in NVS|ESP_ERR_NVS_NOT_FOUND|ESP_ERR_NVS|not provisioned|nothing to do without it|no settings"
    r"|NVS.*(empty|corrupt|damaged|not found)", re.I,
)  # fmt: skip
_BROWN_OUT = 0xF
_QUICK = 5.0
"""Seconds between two starts that some firmware takes for a wish of its user."""


def _unasked(case: Case) -> list[Event]:
    """Boots that no switch, reset or restart command of ours has caused."""
    acts = [
        e
        for e in (*case.history, *case.events)
        if (e.source, e.kind) in {("power", "on"), ("power", "off"), ("reset", "hard"), ("reset", "soft"),
                                  ("reset", "download"), ("flash", "start"), ("flash", "done"), ("provision", "done"),
                                  ("console", "sent")}
        or (e.kind == "publish" and e.get("direction") == "down" and "restart" in str(e.get("payload")))
    ]  # fmt: skip
    return [b for b in case.boots if not any(0 <= b.monotonic - e.monotonic < 3.0 for e in acts)]


def _lines(case: Case, pattern: re.Pattern[str]) -> list[Event]:
    return [e for e in case.all("console", "line") if pattern.search(str(e.get("text")))]


def _crashes(case: Case) -> list[Event]:
    """What shows that it crashed: its own words, or a boot that nobody asked for."""
    return _lines(case, _PANIC) or _unasked(case)


def _last_heard(case: Case, crash: Event, within: float = 3.0) -> tuple[Attempt, list[Event]] | None:
    """The connection that was open before the crash, and what went down on it in the seconds before."""
    for attempt in reversed(case.attempts):
        if attempt.began < crash.monotonic:
            down = [e for e in attempt.events if 0 <= crash.monotonic - e.monotonic < within]
            return (attempt, [e for e in down if e.get("direction") in (None, "down")]) if down else None
    return None


def _on_large(case: Case) -> Found | None:
    for crash in _crashes(case):
        heard = _last_heard(case, crash)
        large = [e for e in published(heard[0], direction="down") if 0 <= crash.monotonic - e.monotonic < 3.0
                 and size(e) >= 1024] if heard else []  # fmt: skip
        if large:
            smaller = [size(e) for a in case.attempts for e in published(a, direction="down") if size(e) < 1024]
            return Found(
                explanation=f"A message of {size(large[-1])} bytes on {large[-1]['topic']} went down, and "
                f"{since(large[-1], crash)} later the device crashed: {_said(crash)}."
                + (f" Messages of up to {max(smaller)} bytes did it no harm." if smaller else ""),
                evidence=[large[-1], crash],
                confidence=0.93,
            )
    return None


def _on_malformed(case: Case) -> Found | None:
    bad = [
        *case.injected("malformed", "unsolicited"),
        *(e for e in case.all("gateway", "malformed") if str(e.get("reason")).startswith("from the broker")),
    ]
    for crash in _crashes(case):
        before = [e for e in bad if 0 <= crash.monotonic - e.monotonic < 3.0]
        if before:
            kind = before[-1].get("kind") or before[-1].get("packet") or "malformed"
            return Found(
                explanation=f"A packet that MQTT does not allow went down ({kind}), and {since(before[-1], crash)} "
                f"later the device crashed: {_said(crash)}. It should have closed the connection.",
                evidence=[before[-1], crash],
                confidence=0.94,
            )
    return None


def _said(crash: Event) -> str:
    if crash.source == "console":
        return str(crash.get("text"))
    return f"it booted, cause {crash.get('name')} (0x{int(crash.get('cause') or 0):x}), and nobody had asked for it"


def _crashed(case: Case) -> Found | None:
    crashes = _crashes(case)
    crashes = [e for e in crashes if e.get("cause") != _BROWN_OUT]
    if not crashes:
        return None
    boots = _unasked(case)
    again = f" In all it booted {times(len(boots))} unasked." if len(boots) > 1 else ""
    return Found(
        explanation=f"The device crashed: {_said(crashes[0])}.{again}",
        evidence=[*crashes[:2], *boots[-1:]],
        confidence=0.8 if crashes[0].source == "console" else 0.6,
        against=() if crashes[0].source == "console" else ("its console says nothing of a panic",),
    )


def _brown_out(case: Case) -> Found | None:
    low = [e for e in case.boots if e.get("cause") == _BROWN_OUT]
    low += _lines(case, re.compile("Brownout detector was triggered"))
    if not low or case.injected("brown-out", "brown-out-train"):
        return None
    return Found(
        explanation=f"Its brown-out detector reset it, {times(len(low))}: the supply dipped below what the chip needs.",
        evidence=low[:3],
        confidence=0.85,
        against=("a power switch of the bench that bounces looks the same",),
    )


def _dead_after(case: Case, start: Event, least: float) -> bool:
    """Whether the board shows nothing on the network from a start on, though it keeps its power."""
    end = min([case.quiet_since, *(e.monotonic for e in case.starts if e.sequence > start.sequence)])
    if end - start.monotonic < least or case.is_off(start.monotonic):
        return False
    own = [e for e in case.events if (e.source, e.kind) in (("gateway", "accept"), ("time", "request"))]
    return not [e for e in own if start.monotonic < e.monotonic <= end]


def _patience(case: Case) -> float:
    return float(min(case.promised("online_within", default=30.0), 4.0))


def _soft_hang(case: Case) -> Found | None:
    for start in reversed([e for e in case.starts if e.kind == "soft"]):
        if not _dead_after(case, start, _patience(case)):
            continue
        booted = [e for e in case.boots if e.monotonic > start.monotonic]
        cold = [a for a in (*case.accepted,) if a.began < start.monotonic]
        return Found(
            explanation=f"After a soft reset it {'booted' if booted else 'did not even boot'}, and then did nothing "
            f"on the network for {span(case.quiet_since - start.monotonic)}"
            + ("; after the cold start before it was online. " if cold else ". ")
            + "What a soft reset keeps (clock, RTC memory, peripherals) is what differs.",
            evidence=[start, *booted[-1:], *(cold[-1].events[:1] if cold else ())],
            confidence=0.9 if cold else 0.6,
            against=() if cold else ("it was not seen to come online after a cold start either",),
        )
    return None


def _quick_boots(case: Case) -> Found | None:
    on = [e for e in (*case.history, *case.events) if (e.source, e.kind) in {("power", "on"), ("reset", "hard")}]
    said = _lines(case, _SETUP)
    if not on or on[-1] not in case.starts:
        return None
    last, run = on[-1], [on[-1]]
    for start in reversed(on[:-1]):
        if run[0].monotonic - start.monotonic > _QUICK:
            break
        run.insert(0, start)
    said = [e for e in said if e.monotonic > run[0].monotonic]
    # A lock-out outlasts the quick boots that led to it: then only its own words tell of them.
    counted = any(_COUNTED.search(str(e.get("text"))) for e in said)
    if len(run) < 3 and not counted:
        return None
    if not _dead_after(case, last, _patience(case)) or _lines(case, _NO_SETTINGS):
        return None
    starts = f"After {len(run)} starts within {since(run[0], last)}" if len(run) > 2 else "After its last start"
    return Found(
        explanation=f"{starts} it stays away: nothing on the network for "
        f"{span(case.quiet_since - last.monotonic)} since the last one."
        + (f" Its console says: {said[-1].get('text')!r}." if said else " It may take them for a wish to set it up."),
        evidence=[run[0], last, *said[-1:]],
        confidence=0.95 if said else 0.75,
        against=() if said else ("settings that were lost in one of the cuts would look the same from outside",),
    )


def _settings_lost(case: Case) -> Found | None:
    said = _lines(case, _NO_SETTINGS)
    if not said or not case.starts:
        return None
    cuts = [e for e in (*case.history, *case.events) if e.source == "power" and e.kind == "off"
            and e.monotonic < said[-1].monotonic]  # fmt: skip
    well = any(e.monotonic < said[-1].monotonic for e in (*case.earlier("gateway", "connack"),
                                                           *case.all("gateway", "connack")))  # fmt: skip
    writes = [e for e in case.events if e.source == "provision" and e.kind in ("start", "failed")]
    return Found(
        explanation=f"Its settings are gone: the console says {said[-1].get('text')!r}"
        + (f", after {times(len(cuts))} of cut power" if cuts else "")
        + (". It had them before: it has been online." if well else "."),
        evidence=[*cuts[-1:], said[-1]],
        confidence=0.92 if well and not writes else 0.55,
        against=("the board may never have been given settings",) if not well else (),
    )


def _damaged(case: Case) -> Found | None:
    said = _lines(case, _DAMAGED)
    if not said:
        return None
    flashed = [
        e for e in (*case.history, *case.events) if e.source == "flash" and e.kind in ("start", "failed", "done")
    ]
    cut = bool(flashed) and flashed[-1].kind != "done"
    return Found(
        explanation=f"The ROM finds no firmware that it can start: {said[-1].get('text')!r}, {times(len(said))}."
        + (" The last flashing was not completed." if cut else ""),
        evidence=[*flashed[-1:], said[-1]],
        confidence=0.95 if cut else 0.85,
    )


def _secrets(case: Case) -> Found | None:
    shown = [e for e in case.all("console", "line") if "[redacted]" in str(e.get("text"))]
    if not shown:
        return None
    return Found(
        explanation=f"The console printed a secret, {times(len(shown))} (it is blanked on the timeline): "
        f"{listed((repr(str(e.get('text'))[:60]) for e in shown), 3)}.",
        evidence=shown[:3],
        confidence=0.9,
        against=("a short password may occur in a line by chance",) if len(shown) == 1 else (),
    )


_BOOTLESS = ("never-online", "no-retry", "device-hangs", "connection-lost", "time-never-asked")

CAUSES = (
    Cause(
        slug="crash-on-large-message",
        title="The device crashes on a large message",
        shown_by="a large PUBLISH to the device, and a panic or a boot that nobody asked for within 3 s",
        next_steps=(
            "check the length before copying a payload; look at the size of the stack of the task that handles it",
            "see what the library does with a message longer than its buffer",
        ),
        find=_on_large,
        outranks=("crash", *_BOOTLESS, "tls-buffer-too-small", "command-unanswered"),
    ),
    Cause(
        slug="crash-on-malformed-packet",
        title="The device crashes on a malformed packet",
        shown_by="a packet to the device that MQTT does not allow, and a panic or an unasked boot within 3 s",
        next_steps=("check every length against what has arrived; close the connection on what is not allowed",),
        find=_on_malformed,
        outranks=("crash", *_BOOTLESS),
    ),
    Cause(
        slug="crash",
        title="The device crashes",
        shown_by="a panic on the console, or a boot that no switch, reset or command has caused",
        next_steps=(
            "decode the backtrace against the ELF file",
            "look at what happened on the wire in the second before it",
        ),
        find=_crashed,
        outranks=_BOOTLESS,
    ),
    Cause(
        slug="brown-out",
        title="The supply dips",
        shown_by="reset cause 0xf, or the brown-out detector's own line",
        next_steps=("look at the USB cable, the hub and the supply; Wi-Fi needs some 500 mA in bursts",),
        find=_brown_out,
        outranks=("crash", *_BOOTLESS),
    ),
    Cause(
        slug="soft-reset-hang",
        title="The device does not come back after a soft reset",
        shown_by="a soft reset, and nothing on the network after it, where a cold start leads online",
        next_steps=(
            "look at what is read at boot from RTC memory, from the kept clock, from peripherals that were not reset",
        ),
        find=_soft_hang,
        outranks=("device-hangs", *_BOOTLESS),
    ),
    Cause(
        slug="quick-boots-lock-out",
        title="The device stays away after a few quick boots",
        shown_by="three or more starts within seconds of each other, and nothing on the network after the last",
        next_steps=(
            "look for a double- or triple-reset detector that opens a set-up mode, and let that mode end by itself",
        ),
        find=_quick_boots,
        outranks=_BOOTLESS,
    ),
    Cause(
        slug="settings-lost",
        title="The device has lost its settings",
        shown_by="the console says that settings are missing, after power was cut",
        next_steps=(
            "write settings only when they change, and never erase the old ones before the new ones are written",
            "read the NVS partition, and compare it with what was provisioned",
        ),
        find=_settings_lost,
        outranks=("quick-boots-lock-out", *_BOOTLESS),
    ),
    Cause(
        slug="firmware-damaged",
        title="There is no firmware that can start",
        shown_by="the ROM's or boot loader's own words: invalid header, flash read err, no bootable app",
        next_steps=("flash it again; verify what was written", "look at the partition table's offsets"),
        find=_damaged,
        outranks=("crash", "settings-lost", "quick-boots-lock-out", *_BOOTLESS),
    ),
    Cause(
        slug="secret-on-console",
        title="The device prints a secret",
        shown_by="console lines in which the timeline had to blank a secret",
        next_steps=("remove the line, or print a length or a hash; debug prints of settings are the usual place",),
        find=_secrets,
    ),
)
