"""Stories for `hil.diagnose.causes`: power and boot, flashing, settings."""

from __future__ import annotations

from stories import Story

from causes_told.telling import shows


@shows("crash-on-large-message")
def crashes_on_a_large_message() -> Story:
    story = Story().ready()
    number = story.online()
    story.wait(5).publish(number, "devices/x/cmd", "a" * 3000, direction="down", ack=False)
    story.wait(0.02).says("Guru Meditation Error: Core  0 panic'ed (StoreProhibited)")
    return story.wait(0.1).boot(0xC)


@shows("crash-on-malformed-packet")
def crashes_on_a_malformed_packet() -> Story:
    story = Story().ready()
    number = story.online()
    story.wait(5).fault(number, "malformed", kind="length")
    return story.wait(0.2).boot(0xC)


@shows("crash")
def crashes() -> Story:
    story = Story().ready()
    story.online()
    return story.wait(9).says("abort() was called at PC 0x400d1f2e on core 0").wait(0.1).boot(0xC)


@shows("brown-out")
def browns_out() -> Story:
    story = Story().ready()
    story.online()
    return story.wait(9).boot(0xF)


@shows("soft-reset-hang")
def hangs_after_a_soft_reset() -> Story:
    story = Story().ready()
    number = story.online()
    return story.wait(1).start("soft", 0xC).wait(15).close(number, "gateway", "keep-alive").wait(5).looked()


@shows("quick-boots-lock-out")
def stays_away_after_quick_boots() -> Story:
    story = Story()
    for _ in range(4):
        story.start().wait(0.5).off().wait(0.1)
    return story.start().says("W app: 3 quick resets: in set-up mode").wait(20).looked()


@shows("no-download-mode")
def cannot_be_flashed() -> Story:
    story = Story().ready()
    story.event("flash", "start")
    for _ in range(3):
        story.accept()
        story.wait(1)
    story.event("flash", "failed", reason="Failed to connect to ESP32: No serial data received.")
    return story.wait(1).looked()


@shows("settings-lost")
def loses_its_settings() -> Story:
    story = Story().ready()
    story.online()
    story.off().wait(1).start().wait(0.3).off().wait(1).start()
    return story.says("E app: setting wifi_ssid is missing in NVS").wait(20).looked()


@shows("firmware-damaged")
def has_no_firmware() -> Story:
    story = Story()
    story.event("flash", "start")
    return story.off().wait(1).start().says("invalid header: 0xffffffff", "invalid header: 0xffffffff").wait(9).looked()


@shows("secret-on-console")
def prints_its_password() -> Story:
    story = Story().ready().says("I wifi: password [redacted]", "I tls: key [redacted]")
    story.online()
    return story
